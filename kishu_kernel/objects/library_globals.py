"""What belongs to a library, whoever refers to it: what its modules and classes hold.

Law: nothing is imported, and no module is made to load itself.
"""

from __future__ import annotations

import sys
import types
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from kishu_kernel.objects.classes import contents_of, module_contents, module_name, mro_of
from kishu_kernel.objects.own_modules import is_of_tracked, tracked_modules
from kishu_kernel.objects.rebuild.code import module_attribute
from kishu_kernel.process.native import WALKER

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


class ModuleAttribute:
    """Stands for what a library's module holds: goes by reference."""

    def __init__(self, module: str, name: str) -> None:
        self._where = module, name

    def __reduce__(self) -> Any:
        return module_attribute, self._where


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
    module, name = _sentinels.homes.get(id(obj), ("", ""))
    return (module, name) if module_contents(sys.modules.get(module)).get(name) is obj else None


class _Sentinels:
    """Every `object()` that a module holds, by its id: modules hold them as long as the process lives."""

    def __init__(self) -> None:
        self.modules = (0, "", 0, 0)
        self.homes: dict[int, tuple[str, str]] = {}

    def index_modules(self) -> None:
        """Looks into all modules, shorter names first: who imported one is not its home."""
        homes: dict[int, tuple[str, str]] = {}
        modules = list(sys.modules.items())
        for name, module in sorted(modules, key=lambda item: (len(item[0]), item[0])):
            if name != "__main__" and name not in tracked_modules and type(module) is types.ModuleType:
                for attribute, value in list(vars(module).items()):
                    if type(value) is object:
                        homes.setdefault(id(value), (name, attribute))
        self.modules, self.homes = _modules_now(), homes


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
    if module in ("", "builtins", "__main__"):
        return []
    found: list[set[int]] = []
    for base in mro_of(kind):
        if module_name(base) not in ("builtins", "__main__") and not is_of_tracked(base):
            if base not in known:
                known[base] = ids_of_held(contents_of(base).values())
            found.append(known[base])
    if module in sys.modules and module not in tracked_modules:  # what the user's own modules hold is the user's
        if module not in known:
            known[module] = ids_of_held(module_contents(sys.modules[module]).values())
        found.append(known[module])
    return found


def ids_of_held(values: Iterable[object]) -> set[int]:
    """Ids of those of these objects that do not go by reference. A module of a library holds hundreds."""
    return _ids_of_others(list(values), _BY_REFERENCE)


def _in_python(values: list[object], kinds: tuple[type, ...]) -> set[int]:
    return {id(value) for value in values if not issubclass(type(value), kinds)}


_ids_of_others: Callable[[list[object], tuple[type, ...]], set[int]] = (
    _in_python if WALKER is None else WALKER.ids_of_others
)
