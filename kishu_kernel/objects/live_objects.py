"""Objects that ambient state holds: hooks, formatters, handlers. They are values here: references that can be stored.

A reference compares by identity as long as the process lives, and leads back to the very object. It is a tuple:

    ("global", module, name)                        what its module holds
    ("method", reference, name)                     a method of what the other reference leads to
    ("variable", name)                              what a variable of the notebook holds
    ("held", process, number, stream)               any other object

What a variable holds goes by the variable, so that the two are one again after a checkout has loaded it. Any other
object is the very one in the process that knows it, and in another one what its stream gives.

Law: an object that was referred to is kept, since an undo or a redo brings back that very one. They are few and small.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
import types
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from kishu_kernel.objects.classes import module_name, qualified_name

Reference = tuple[Any, ...]
_Key = tuple[str, int]

PROCESS = uuid.uuid4().hex[:16]
"""Stands for this process: numbers of another one mean nothing here."""


class LiveObjects:
    """The objects of this process that references lead to."""

    def __init__(self) -> None:
        self._objects: dict[_Key, Any] = {}
        self._keys: dict[int, _Key] = {}
        self._variables: dict[_Key, str] = {}
        self._streams: dict[_Key, bytes] = {}
        self._globals: dict[tuple[Any, ...], Any] = {}
        self._namespace: Mapping[str, Any] = {}
        self._encode: Callable[[Any], bytes] = lambda _: b""
        self._decode: Callable[[bytes], Any] | None = None

    def serve(
        self, namespace: Mapping[str, Any], encode: Callable[[Any], bytes], decode: Callable[[bytes], Any]
    ) -> None:
        """Whose variables are meant, and how objects become bytes (none where they cannot), and objects again."""
        self._namespace, self._encode, self._decode = namespace, encode, decode

    def reference(self, obj: Any) -> Reference:
        """The reference to an object. The same one as long as the same variable holds it."""
        if type(obj) in (types.MethodType, types.BuiltinMethodType):
            owner = obj.__self__
            named = inspect.getattr_static(owner, obj.__name__, None)
            bound = type(obj) is types.BuiltinMethodType or named is obj.__func__
            if bound and not issubclass(type(owner), type | types.ModuleType | None):
                return "method", self.reference(owner), obj.__name__
        place = _place(obj)
        if place is None:
            return self._held(obj)
        self._globals[place] = obj
        return "global", *place

    def key(self, obj: Any) -> _Key:
        """By which process and number an object is known; it is kept from now on."""
        key = self._keys.get(id(obj))
        if key is None:
            key = PROCESS, len(self._objects)
            self.know(key, obj)
        return key

    def knows(self, obj: Any) -> bool:
        """Whether ambient state refers to an object, or did."""
        return id(obj) in self._keys

    def known(self, process: str, number: int) -> Any:
        """The object of this number; None where this process does not know it."""
        return self._objects.get((process, number))

    def know(self, key: _Key, obj: Any) -> None:
        """This object stands for a number of another process."""
        self._objects[key] = obj
        self._keys[id(obj)] = key

    def variable(self, obj: Any) -> str:
        """The variable that holds an object; empty where none does. O(variables) where it has changed."""
        key = self.key(obj)
        name = self._variables.get(key, "")
        if not name or self._namespace.get(name) is not obj:
            # The shell's own names are no variables: they come and go.
            held = (each for each, value in list(self._namespace.items()) if value is obj and not each.startswith("_"))
            name = self._variables[key] = next(held, "")
        return name

    def variables(self) -> Mapping[str, Any]:
        """The user's namespace as it is now; the shell's own names are in it, too."""
        return self._namespace

    def resolve(self, reference: Reference) -> Any:
        """The object that a reference leads to.

        Raises:
            LookupError: there is none; the message is a clause for a person.
        """
        kind, *rest = reference
        if kind == "global":
            # A hook is often what a module holds: what it held at first, once another one is there.
            place = tuple(rest)
            return self._globals[place] if place in self._globals else _imported(*rest)
        if kind == "method":
            return getattr(self.resolve(rest[0]), rest[1])
        if kind == "variable":
            if rest[0] not in self._namespace:
                raise LookupError(f"the variable {rest[0]} is not there")
            return self._namespace[rest[0]]
        process, number, stream = rest
        key = process, number
        if key not in self._objects:
            if not stream or self._decode is None:
                raise LookupError("it could not be stored")
            self._streams[key] = stream
            self.know(key, self._decode(stream))
        return self._objects[key]

    def not_imported(self, reference: Reference) -> set[str]:
        """The module that is imported to resolve a reference to what a module holds; none if it is there."""
        _, module, name = reference
        return set() if (module, name) in self._globals or module in sys.modules else {module}

    def obstacle(self, reference: Reference) -> str | None:
        """Why a reference leads to nothing, as a clause; None where it leads to an object. Makes none.

        A variable that is named may still come.
        """
        kind, *rest = reference
        if kind == "method":
            return self.obstacle(rest[0])
        if kind == "global":
            return None if can_be_imported(rest[0]) else f"{rest[0]} is not to be found"
        if kind == "held" and not rest[2] and tuple(rest[:2]) not in self._objects:
            return "a part of it could not be stored"
        return None

    def _held(self, obj: Any) -> Reference:
        key = self.key(obj)
        name = self.variable(obj)
        if name:
            return "variable", name
        if key not in self._streams:
            self._streams[key] = self._encode(obj)
        return "held", *key, self._streams[key]


def _place(obj: Any) -> tuple[str, str] | None:
    """Module and name of what a module holds; None of what is the notebook's."""
    kind = type(obj)
    if issubclass(kind, type):
        module, name = module_name(obj), qualified_name(obj)
    elif kind in (types.FunctionType, types.BuiltinFunctionType):
        module, name = obj.__module__, obj.__qualname__
        if module is None and kind is types.BuiltinFunctionType:
            module = "builtins"
    else:
        return None
    if type(module) is not str or not module or module == "__main__":
        return None
    try:
        return (module, name) if _global(module, name) is obj else None
    except LookupError:
        return None


def can_be_imported(module: str) -> bool:
    """Whether a module is there, or is found. Runs no code of it."""
    try:
        return module in sys.modules or importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _imported(module: str, name: str) -> Any:
    try:
        if module not in sys.modules:  # as a stream that names it would import it
            importlib.import_module(module)
    except Exception as error:
        raise LookupError(f"{module} cannot be imported ({type(error).__name__}: {error})") from error
    return _global(module, name)


def _global(module: str, name: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise LookupError(f"{module}.{name} is not there")
    return found


live_objects = LiveObjects()
"""Of this process."""
