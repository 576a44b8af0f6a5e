"""Providers for settings that functions read and write, and for hooks: what a library's file needs is a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.objects.ambient_state import PartlyWrittenError, Provider, all_places, copied, differs
from kishu_kernel.objects.live_objects import KINDS, live_objects
from kishu_kernel.objects.places import Place


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a library.

    Attributes:
        read: gives it. What it raises says that this version of the library has none.
        write: makes it a value that `read` gave once.
        usual: gives what it is as the library comes; None: what it is when it is first read.
        obstacle: why it cannot be made a value here, as a clause; None where it can. Changes nothing that is seen.
        places: as of `Provider`.
    """

    read: Callable[[], Any]
    write: Callable[[Any], object]
    usual: Callable[[], Any] | None = None
    obstacle: Callable[[Any], str | None] | None = None
    places: Callable[[], Iterable[Any] | None] = lambda: None


class Settings(Provider):
    """Settings by name, kept as the difference from what the kernel, or the library, came with.

    Args:
        name: as of `Provider`.
        module: as of `Provider`.
        settings: by the names under which they are kept; or a function that gives them, where a version of the
            library says which there are.
        refers: as of `Provider`.
    """

    def __init__(
        self,
        name: str,
        module: str,
        settings: Mapping[str, Setting] | Callable[[], Mapping[str, Setting]],
        *,
        refers: bool = False,
    ) -> None:
        self.name = name
        self.module = module
        self.refers = refers
        self._said = settings
        self._usual: dict[str, Any] = {}
        self._seen: dict[str, Any] | None = None
        self._unusual: dict[str, Any] = {}

    def start(self) -> None:
        """What there is now is usual."""
        if self.present:
            self._seen = None
            for name, value in self._all().items():
                self._usual[name] = value

    def places(self) -> Iterable[Any] | None:
        """Those of all settings."""
        return all_places(each.places() for each in self._settings.values())

    def read(self) -> Any:
        """Those that are not as usual, by name."""
        now = self._as_they_are()
        if self._seen is None or differs(self._seen, now):  # after most cells they are what they were
            self._seen = copied(now)
            found = self._seen.items()
            self._unusual = {name: value for name, value in found if differs(self._usual_of(name, value), value)}
        return self._unusual

    def write(self, value: Any) -> None:
        """Those that are not named become as usual."""
        failed = []
        found = self._all()
        unread = {name: _UNREAD for name in value if name not in found and name in self._settings}
        for name, now in {**found, **unread}.items():
            wanted = value[name] if name in value else self._usual_of(name, now)
            if differs(now, wanted):
                try:
                    with suppress(LookupError):  # of an object that is not there: told before
                        self._settings[name].write(copied(wanted))
                except Exception as error:  # another machine, another version: all the others are set
                    failed.append(f"{name} ({type(error).__name__}: {error})")
        if failed:
            raise PartlyWrittenError(", ".join(failed))

    def initial(self) -> Any:
        """All are as usual."""
        return {}

    def lacking(self, value: Any) -> str | None:
        """The first object that is not there, or the settings that this machine does not have."""
        if self.refers:
            return lacking_references(value)
        known = {name: each.obstacle for name, each in self._settings.items() if name in value}
        told = [reason for name, obstacle in known.items() if obstacle and (reason := obstacle(value[name]))]
        return "; ".join(told) or None

    @property
    def _settings(self) -> Mapping[str, Setting]:
        return self._said if isinstance(self._said, Mapping) else self._said()

    def _all(self) -> dict[str, Any]:
        found: dict[str, Any] = copied(self._as_they_are())
        return found

    def _as_they_are(self) -> dict[str, Any]:
        """All of them. Their containers may change with the library's."""
        found = {}
        for name, setting in self._settings.items():
            try:
                found[name] = setting.read()
            except Exception:  # another version of the library: there is none
                continue
        return found

    def _usual_of(self, name: str, now: Any) -> Any:
        if name not in self._usual:
            usual = self._settings[name].usual
            self._usual[name] = now
            if usual is not None:
                with suppress(Exception):  # another version of the library does not say
                    self._usual[name] = copied(usual())
            if self.refers and self._usual[name] is not None:
                with suppress(LookupError):  # it can be a variable's that is not there now
                    live_objects.keep(live_objects.resolve(self._usual[name]))
        return self._usual[name]


_UNREAD: Any = object()
"""Stands for a setting that is in a part of the library that nobody has imported, or in another version of it."""

PLACES_KEPT: set[str] = set()
"""Attributes of modules that are settings: "module.attribute"."""


def attribute(module: str, path: str, **usual: Any) -> Setting:
    """A setting that is an attribute of a module, or of an object in it. It may be told what it usually is."""
    PLACES_KEPT.add(f"{module}.{path}")
    place = Place(f"{module}:{path}")
    return Setting(place.get, place.set, (lambda: usual["usual"]) if usual else None, places=place.parts)


def hook(setting: Setting) -> Setting:
    """The same for a setting that is an object, a function mostly: it is kept as a reference to the very one.

    None is itself: a reference would be to any variable that is None.
    """
    known: list[Any] = []  # an object, and the reference that it always has

    def read() -> Any:
        return referred(setting.read())

    def referred(obj: Any) -> Any:
        if obj is None:
            return None
        if known and known[0] is obj:
            return known[1]
        reference = live_objects.reference(obj)
        if reference[0] == "global":
            known[:] = [obj, reference]
        return reference

    def write(value: Any) -> None:
        setting.write(None if value is None else live_objects.resolve(value))

    usual = setting.usual
    return Setting(read, write, None if usual is None else lambda: referred(usual()), places=setting.places)


def referred_modules(value: Any) -> set[str]:
    """Modules that have to be imported for what references lead to, wherever these are in a value."""
    if issubclass(type(value), Mapping):
        value = tuple(value.items())
    if not issubclass(type(value), tuple | list):
        return set()
    if type(value) is tuple and len(value) == 3 and value[0] == "global":
        return live_objects.not_imported(value)
    return set().union(*map(referred_modules, value))


def lacking_references(value: Any) -> str | None:
    """Why a value cannot be set as a whole: the first reference in it that leads nowhere. None where all lead."""
    if issubclass(type(value), Mapping):
        value = tuple(value.items())
    if not issubclass(type(value), tuple | list):
        return None
    if type(value) is tuple and value and type(value[0]) is str and value[0] in KINDS:
        return live_objects.obstacle(value)
    return next((reason for each in value if (reason := lacking_references(each))), None)
