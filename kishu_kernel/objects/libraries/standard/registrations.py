"""What code registers with Python's own modules: ways to pickle, adapters, finders of modules, virtual subclasses."""

from __future__ import annotations

import abc
import csv
import types
import weakref
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from kishu_kernel.objects.ambient_settings import Setting, Settings, lacking_references
from kishu_kernel.objects.ambient_state import Provider
from kishu_kernel.objects.classes import is_users_own, module_name, qualified_name
from kishu_kernel.objects.library import Library
from kishu_kernel.objects.live_objects import live_objects
from kishu_kernel.objects.registrations import Registrations, mapping, places, referred, resolved, sequence

_REGISTRIES = {
    "ways to pickle": mapping("copyreg:dispatch_table"),
    "finders of modules": sequence("sys:meta_path"),
    "hooks of the search path": sequence("sys:path_hooks"),
    "archives": mapping("shutil:_ARCHIVE_FORMATS"),
    "ways to unpack": mapping("shutil:_UNPACK_FORMATS"),
    "browsers": mapping("webbrowser:_browsers"),
    "classes of logging": places("logging:_logRecordFactory", "logging:_loggerClass"),
    "openers": places("urllib.request:_opener"),
    "builders of events": places("asyncio.events:_event_loop_policy"),
}


def _is_no_default(_: Any, function: Any) -> bool:
    """Not Python's own, nor what a library makes anew for each of its uses, as pandas does for dates."""
    return type(function) is not types.FunctionType or "<" not in function.__qualname__


class _VirtualSubclasses(Provider):
    """Classes of the notebook's that were registered with abstract ones: `numbers.Number.register(C)`.

    Python counts registrations: as long as there was none, nothing is looked at.
    """

    name = "virtual subclasses"
    refers = True

    def __init__(self) -> None:
        self._counted: Any = None
        self._found: list[tuple[type, weakref.ref[type]]] = []  # as Python: a class that a cell made anew ends

    def start(self) -> None:
        self._counted = abc.get_cache_token()

    def places(self) -> Iterable[Any] | None:
        return [(abc.get_cache_token, ())]

    def read(self) -> Any:
        pairs = self._look()
        found = tuple((referred(kind), referred(each)) for kind, each in pairs)
        for _, each in pairs:
            live_objects.let_go(each)
        return found

    def write(self, value: Any) -> None:
        wanted: list[tuple[type, type]] = []
        for kind, each in value:
            with suppress(LookupError):  # told before
                wanted.append((resolved(kind), resolved(each)))
        now = self._look()
        there, here = set(map(_ids, wanted)), set(map(_ids, now))
        gone = [pair for pair in now if _ids(pair) not in there]
        for kind in {id(kind): kind for kind, _ in gone}.values():
            _forget(kind, {id(each) for its, each in gone if its is kind})
        for kind, each in wanted:
            if (id(kind), id(each)) not in here:
                abc.ABCMeta.register(kind, each)  # type: ignore[arg-type]
        self._note(wanted)

    def initial(self) -> Any:
        return ()

    def lacking(self, value: Any) -> str | None:
        return lacking_references(value)

    def _look(self) -> list[tuple[type, type]]:
        if abc.get_cache_token() != self._counted:
            found = []
            for kind in _abstract_classes():
                own = [each for each in _registered(kind) if is_users_own(each)]
                own.sort(key=lambda each: (module_name(each), qualified_name(each)))
                found += [(kind, each) for each in own]
            self._note(found)
        return [(kind, each) for kind, weak in self._found if (each := weak()) is not None]

    def _note(self, found: list[tuple[type, type]]) -> None:
        self._found = [(kind, weakref.ref(each)) for kind, each in found]
        self._counted = abc.get_cache_token()


def _ids(pair: tuple[type, type]) -> tuple[int, int]:
    return id(pair[0]), id(pair[1])


def _abstract_classes() -> Iterator[type]:
    """Those of libraries. One of the notebook's is stored with what was registered with it."""
    todo, seen = [object], {id(object): object}  # by id: a metaclass of the notebook's may have a hash of its own
    while todo:
        for each in type.__subclasses__(todo.pop()):
            if id(each) not in seen:
                seen[id(each)] = each
                todo.append(each)
                if type(each) is abc.ABCMeta and not is_users_own(each):
                    yield each


def _registered(kind: type) -> list[type]:
    found = (each() for each in abc._get_dump(kind)[0])  # type: ignore[attr-defined]
    return [each for each in found if each is not None]


def _forget(kind: type, gone: set[int]) -> None:
    """Python has no way to take one back: all are, and the others are registered again."""
    others = [each for each in _registered(kind) if id(each) not in gone]
    abc._reset_registry(kind)  # type: ignore[attr-defined]
    for each in others:
        abc.ABCMeta.register(kind, each)  # type: ignore[arg-type]
    for each in kind.__mro__:
        if isinstance(each, abc.ABCMeta):
            abc._reset_caches(each)  # type: ignore[attr-defined]


def _dialects() -> dict[str, dict[str, Any]]:
    return {name: _dialect(name) for name in csv.list_dialects() if name not in _USUAL_DIALECTS}


def _dialect(name: str) -> dict[str, Any]:
    dialect = csv.get_dialect(name)
    parts = ("delimiter", "doublequote", "escapechar", "lineterminator", "quotechar", "quoting", "skipinitialspace")
    return {part: getattr(dialect, part) for part in (*parts, "strict")}


_USUAL_DIALECTS = frozenset({"excel", "excel-tab", "unix"})


def _places_of_dialects() -> list[Any] | None:
    return [(csv.list_dialects, ())] if _USUAL_DIALECTS.issuperset(csv.list_dialects()) else None


def _set_dialects(wanted: dict[str, dict[str, Any]]) -> None:
    for name in _dialects().keys() - wanted.keys():
        csv.unregister_dialect(name)
    for name, parts in wanted.items():
        csv.register_dialect(name, **parts)


class RegisteredWithPython(Library):
    """Who registers something with Python's own modules expects it there as long as the state has it."""

    packages = ("copyreg", "shutil", "webbrowser", "numbers", "abc", "csv", "sqlite3")
    ambient = (
        Registrations("registrations with Python", "", _REGISTRIES),
        Registrations(
            "registrations with sqlite3",
            "sqlite3",
            {
                "adapters": mapping("sqlite3:adapters", _is_no_default),
                "converters": mapping("sqlite3:converters", _is_no_default),
            },
        ),
        Settings("dialects of csv", "", {"all": Setting(_dialects, _set_dialects, places=_places_of_dialects)}),
        _VirtualSubclasses(),
    )
