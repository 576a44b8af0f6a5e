"""What stands for classes and functions of libraries that go by their names, from one judgement to the next.

To find out that one goes by its name takes several questions; that it still does takes one: whether its module has it
under that name.
Neighbours: `reducers` holds them, the walks of `detect` ask and note.
"""

from __future__ import annotations

import sys
import types
import weakref
from typing import Any

import cloudpickle.cloudpickle as _cloud

from kishu_kernel.objects.classes import derives, has_pythons_metaclass, module_contents, module_name, qualified_name
from kishu_kernel.objects.own_modules import now_tracked, tracked_modules
from kishu_kernel.objects.registry import registry


class LastingReferences:
    """What stands for such objects, by the objects, which are not kept alive."""

    def __init__(self) -> None:
        self._known: weakref.WeakKeyDictionary[Any, tuple[str, str, bytes]] = weakref.WeakKeyDictionary()
        self._generation, self._tracked = registry.generation, now_tracked()

    def get(self, obj: Any) -> bytes | None:
        """What stands for a function of Python, or for a class; None where that is to be found out."""
        if not _may_last(obj):
            return None
        # Another library is known, which may say something of it, or it is of another module of the user's.
        if self._generation != registry.generation or self._tracked != tracked_modules:
            self._known.clear()
            self._generation, self._tracked = registry.generation, now_tracked()
        module, name, reference = self._known.get(obj, _NOTHING)
        return reference if reference and _place_of(obj) == (module, name) and _has(module, name, obj) else None

    def put(self, obj: Any, reference: bytes) -> None:
        """Notes what was found out just now."""
        if _may_last(obj):
            module, name = _place_of(obj)
            if _has(module, name, obj):
                self._known[obj] = module, name, reference


_NOTHING = "", "", b""


def _may_last(obj: Any) -> bool:
    if _cloud._PICKLE_BY_VALUE_MODULES:
        return False  # it may go by what it is
    return type(obj) is types.FunctionType or (derives(type(obj), type) and has_pythons_metaclass(obj))


def _place_of(obj: Any) -> tuple[str, str]:
    if type(obj) is types.FunctionType:
        return obj.__module__, obj.__qualname__
    return module_name(obj), qualified_name(obj)


def _has(module: str, name: str, obj: Any) -> bool:
    return module != "__main__" and module_contents(sys.modules.get(module)).get(name) is obj
