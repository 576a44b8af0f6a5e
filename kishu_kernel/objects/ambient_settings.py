"""Providers for settings that functions read and write, and for hooks: what a library's file needs is a table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kishu_kernel.objects.ambient_state import Provider, differs
from kishu_kernel.objects.live_objects import KINDS, live_objects


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a library.

    Attributes:
        read: gives it. What it raises says that this version of the library has none.
        write: makes it a value that `read` gave once.
        usual: gives what it is as the library comes; None: what it is when it is first read.
    """

    read: Callable[[], Any]
    write: Callable[[Any], object]
    usual: Callable[[], Any] | None = None


class Settings(Provider):
    """Settings by name, kept as the difference from what the kernel, or the library, came with.

    Args:
        name: as of `Provider`.
        module: as of `Provider`.
        settings: by the names under which they are kept.
        refers: as of `Provider`.
    """

    def __init__(self, name: str, module: str, settings: Mapping[str, Setting], *, refers: bool = False) -> None:
        self.name = name
        self.module = module
        self.refers = refers
        self._settings = settings
        self._usual: dict[str, Any] = {}

    def start(self) -> None:
        """What there is now is usual."""
        if self.present:
            for name, value in self._all().items():
                self._usual[name] = value

    def read(self) -> Any:
        """Those that are not as usual, by name."""
        return {name: value for name, value in self._all().items() if differs(self._usual_of(name, value), value)}

    def write(self, value: Any) -> None:
        """Those that are not named become as usual."""
        for name, now in self._all().items():
            wanted = value[name] if name in value else self._usual_of(name, now)
            if differs(now, wanted):
                with suppress(LookupError):  # of an object that is not there: told before
                    self._settings[name].write(wanted)

    def initial(self) -> Any:
        """All are as usual."""
        return {}

    def lacking(self, value: Any) -> str | None:
        """The first object that is not there."""
        return lacking_references(value) if self.refers else None

    def _all(self) -> dict[str, Any]:
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
            self._usual[name] = now if usual is None else usual()
            if self.refers:
                with suppress(LookupError):  # it can be a variable's that is not there now
                    live_objects.keep(live_objects.resolve(self._usual[name]))
        return self._usual[name]


PLACES_KEPT: set[str] = set()
"""Attributes of modules that are settings: "module.attribute"."""


def attribute(module: str, path: str, **usual: Any) -> Setting:
    """A setting that is an attribute of a module, or of an object in it. It may be told what it usually is."""
    *way, name = path.split(".")
    PLACES_KEPT.add(f"{module}.{path}")

    def owner() -> Any:
        found: Any = sys.modules[module]
        for each in way:
            found = getattr(found, each)
        return found

    def write(value: Any) -> None:
        setattr(owner(), name, value)

    return Setting(lambda: getattr(owner(), name), write, (lambda: usual["usual"]) if usual else None)


def hook(setting: Setting) -> Setting:
    """The same for a setting that is an object, a function mostly: it is kept as a reference to the very one."""
    known: list[Any] = []  # an object, and the reference that it always has

    def read() -> Any:
        obj = setting.read()
        if known and known[0] is obj:
            return known[1]
        reference = live_objects.reference(obj)
        if reference[0] == "global":
            known[:] = [obj, reference]
        return reference

    return Setting(read, lambda value: setting.write(live_objects.resolve(value)))


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
