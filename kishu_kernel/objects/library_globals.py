"""What belongs to a library, whoever refers to it: what its modules and classes hold.

Law: nothing is imported, and no module is made to load itself.
"""

from __future__ import annotations

import sys
import types
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kishu_kernel.objects.classes import contents_of, module_contents, module_name, mro_of
from kishu_kernel.objects.module_originals import held_within
from kishu_kernel.objects.own_modules import is_of_tracked, now_tracked, tracked_modules
from kishu_kernel.process.native import WALKER, dict_version, type_version

_BY_REFERENCE = (
    type,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.ModuleType,
    str,
    int,
    float,
    type(None),
)


Version = tuple[object, ...]
"""What a class of a library is: another one when that may be another."""


class ModuleAttribute:
    """Stands for what a module holds, or a class or a function of one of the user's: goes by reference."""

    def __init__(self, module: str, name: str) -> None:
        self._where = module, name

    def __reduce__(self) -> Any:
        from kishu_kernel.objects.rebuild.code import held_attribute, module_attribute

        module, name = self._where
        there = name in module_contents(sys.modules.get(module)) or module not in held_within
        return module_attribute if there else held_attribute, self._where


def module_attribute_name(obj: Any) -> str | None:
    """The name under which the module of the object's own class holds it, if it does.

    `dataclasses.MISSING`, `os.environ`, the generator behind `random.choice`: whoever refers to them means the one
    that the library uses. They go by reference; what they contain is state of the module.
    """
    kind = type(obj)
    holder = sys.modules.get(module_name(kind))
    names = module_attribute_names(kind)
    return next((name for name in names if module_contents(holder).get(name) is obj), None)


def module_attribute_names(kind: type) -> tuple[str, ...]:
    """Names under which a library's module holds instances of its class, as it was when first asked."""
    module = sys.modules.get(module_name(kind))
    if module is None or module_name(kind) in ("", "builtins", "__main__") or is_of_tracked(kind):
        return ()
    known = _module_attribute_names.get(kind)
    if known is None:
        known = tuple(name for name, value in list(module_contents(module).items()) if type(value) is kind)
        _module_attribute_names[kind] = known
    return known


def home_of_sentinel(obj: object) -> tuple[str, str] | None:
    """The library's module that holds an `object()`, and its name there; the user's own modules are no home."""
    if _sentinels.modules != _modules_now():
        _sentinels.index_modules()
    return _sentinels.home_of(obj)


class _Sentinels:
    """Every `object()` that a module holds, by its id: modules hold them as long as the process lives."""

    def __init__(self) -> None:
        self.modules = (0, "", 0, 0)
        self._versions: dict[str, tuple[int, int]] = {}  # of modules as they were looked into
        self._homes: dict[int, tuple[str, str]] = {}

    def index_modules(self) -> None:
        """Looks into modules that are new or have changed. Of several that hold one, the shortest name is its home."""
        modules = list(sys.modules.items())
        for name, module in modules:
            if name == "__main__" or name in tracked_modules or type(module) is not types.ModuleType:
                continue
            version = id(module), dict_version(vars(module))
            if version[1] and self._versions.get(name) == version:
                continue
            self._versions[name] = version
            if _holds_of(vars(module), object):  # hardly any does
                for attribute, value in list(vars(module).items()):
                    if type(value) is object:
                        self._note(value, name, attribute)
        self.modules = _modules_now()

    def home_of(self, obj: object) -> tuple[str, str] | None:
        """Where it was found, if it still is there."""
        home = self._homes.get(id(obj))
        if home is not None and not _is_home(home, obj):  # it may have another
            self._versions, self._homes = {}, {}
            self.index_modules()
            home = self._homes.get(id(obj))
        return home

    def _note(self, obj: object, module: str, attribute: str) -> None:
        known = self._homes.get(id(obj))  # who imported one is not its home
        if known is None or not _is_home(known, obj) or (len(module), module) < (len(known[0]), known[0]):
            self._homes[id(obj)] = module, attribute


def _is_home(home: tuple[str, str], obj: object) -> bool:
    module, name = home
    return module not in tracked_modules and module_contents(sys.modules.get(module)).get(name) is obj


def _modules_now() -> tuple[int, str, int, int]:
    """Another one each time that a module was imported, also in the place of one that was removed."""
    last = next(reversed(sys.modules))
    return len(sys.modules), last, id(sys.modules[last]), len(tracked_modules)


_sentinels = _Sentinels()


_module_attribute_names: weakref.WeakKeyDictionary[type, tuple[str, ...]] = weakref.WeakKeyDictionary()


def globals_of_class(kind: type, known: dict[object, set[int]]) -> list[set[int]]:
    """Ids of what a library type and its module hold: the library's, whoever refers to it. One set for each of these.

    Ids of living objects: not to be kept beyond a judgement.

    Args:
        known: what was found for other types of this judgement: most of one library's have bases and modules in common.
    """
    module = module_name(kind)
    if module in _NO_LIBRARY:
        return []
    version = version_of_class_globals(kind)
    then, found = _of_classes.get(kind, (None, list[set[int]]()))
    if version is None or version != then:
        found = _globals_of_class(kind, module, known)
        if version is not None:
            _of_classes[kind] = version, found
    return found.copy()


def _globals_of_class(kind: type, module: str, known: dict[object, set[int]]) -> list[set[int]]:
    found: list[set[int]] = []
    for base in mro_of(kind):
        if module_name(base) not in ("builtins", "__main__") and not is_of_tracked(base):
            if base not in known:
                known[base] = _held_by_class(base)
            found.append(known[base])
    if module in sys.modules and module not in tracked_modules:  # what the user's own modules hold is the user's
        if module not in known:
            known[module] = _held_by_module(sys.modules[module])
        found.append(known[module])
    return found


def version_of_class_globals(kind: type) -> Version | None:
    """Another one whenever the class, what it derives from or its module was changed. None: that is not known."""
    name = module_name(kind)
    if name in _NO_LIBRARY:
        return ()
    module = sys.modules.get(name)
    if name in tracked_modules or type(module) is not types.ModuleType:
        return None
    version = type_version(kind), dict_version(vars(module)), id(module)
    return ((*version, now_tracked()) if tracked_modules else version) if all(version) else None


_NO_LIBRARY = frozenset({"", "builtins", "__main__"})
_of_classes: weakref.WeakKeyDictionary[type, tuple[Version | None, list[set[int]]]]
_of_classes = weakref.WeakKeyDictionary()


def _held_by_class(cls: type) -> set[int]:
    return _held_of_classes.of(cls, type_version(cls), contents_of(cls))


def _held_by_module(module: Any) -> set[int]:
    contents = module_contents(module)
    if type(module) is not types.ModuleType:
        return ids_of_held(contents.values())
    return _held_of_modules.of(module, dict_version(vars(module)), contents)


class _Held:
    """Ids of what classes or modules held when they were last asked: as long as they are what they were, it lives."""

    def __init__(self) -> None:
        self._known: weakref.WeakKeyDictionary[Any, tuple[int, set[int]]] = weakref.WeakKeyDictionary()

    def of(self, holder: Any, version: int, contents: Mapping[str, Any]) -> set[int]:
        """The ids.

        Args:
            version: another one whenever the contents have changed; 0: that is not known.
        """
        then, found = self._known.get(holder, (0, set[int]()))
        if not version or then != version:
            found = ids_of_held(contents.values())
            if version:
                self._known[holder] = version, found
        return found


_held_of_classes, _held_of_modules = _Held(), _Held()


def ids_of_held(values: Iterable[object]) -> set[int]:
    """Ids of those of these objects that do not go by reference. A module of a library holds hundreds."""
    return _ids_of_others(list(values), _BY_REFERENCE)


def _holds_in_python(contents: dict[str, Any], kind: type) -> bool:
    return any(type(value) is kind for value in list(contents.values()))


_holds_of: Callable[[dict[str, Any], type], bool] = _holds_in_python if WALKER is None else WALKER.holds_of


def _in_python(values: list[object], kinds: tuple[type, ...]) -> set[int]:
    return {id(value) for value in values if not issubclass(type(value), kinds)}


_ids_of_others: Callable[[list[object], tuple[type, ...]], set[int]] = (
    _in_python if WALKER is None else WALKER.ids_of_others
)
