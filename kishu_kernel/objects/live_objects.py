"""Objects that ambient state holds: hooks, formatters, handlers. They are values here: references that can be stored.

A reference compares by identity as long as the process lives, and leads back to the very object. It is a tuple:

    ("global", module, name)                        what its module holds
    ("method", reference, name)                     a method of what the other reference leads to
    ("variable", name)                              what a variable of the notebook holds
    ("held", process, number, stream)               any other object

What a variable holds goes by the variable, so that the two are one again after a checkout has loaded it. Any other
object is the very one in the process that knows it, and in another one what its stream gives.

Law: what nobody but us holds is let go, as far as it is made anew just as it was: what a variable holds, and functions
without a state of their own. Of all others the last ones are held, since an undo or a redo brings back that very one:
those of the state that the session is in, and a bounded number of earlier ones (`LiveObjects.end_turn`). One of these
that was let go comes from its stream, or is told as lost.
"""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import sys
import types
import uuid
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from operator import attrgetter
from typing import Any

from kishu_kernel.objects.classes import is_atom, is_of_a_person, is_users_own, module_name, qualified_name

Reference = tuple[Any, ...]
_Key = tuple[str, int]

PROCESS = uuid.uuid4().hex[:16]
"""Stands for this process: numbers of another one mean nothing here."""


KINDS = frozenset({"global", "method", "variable", "held"})
"""What a reference begins with."""

HELD_AT_MOST = 1000
"""Objects of earlier states."""

_WEIGHT_WITHOUT_STREAM = 30
"""How many others such an object counts for: it is large, or cannot be stored."""

_LET_GO: Any = object()


class _Known:
    """An object that was referred to.

    Attributes:
        obj: the object, as long as we hold it.
        weak: leads to it afterwards; None where its type allows no such reference.
        turn: when it was referred to last.
        for_good: it is held for as long as the process lives.
        numbered: checkpoints may know its number.
        stream: what it was stored as when it was first referred to; None: not yet.
        variable: the variable that held it last.
        notes: what others have found out about it.
    """

    __slots__ = ("for_good", "key", "notes", "numbered", "obj", "stream", "turn", "variable", "weak")

    def __init__(self, key: _Key, obj: Any, turn: int, gone: Callable[[_Known, int], None]) -> None:
        self.key = key
        self.obj = obj
        self.turn = turn
        self.for_good = False
        self.numbered = False
        self.stream: bytes | None = None
        self.variable = ""
        self.notes: dict[str, Any] = {}
        self.weak: weakref.ref[Any] | None = None
        place = id(obj)
        with suppress(TypeError):
            self.weak = weakref.ref(obj, lambda _: gone(self, place))

    def live(self) -> Any:
        """The object; None once it is gone."""
        if self.obj is not _LET_GO:
            return self.obj
        return None if self.weak is None else self.weak()

    def refer(self, turn: int) -> None:
        """It is referred to: it is held again."""
        self.obj, self.turn = self.live(), turn


class LiveObjects:
    """The objects of this process that references lead to."""

    def __init__(self) -> None:
        self._known: dict[_Key, _Known] = {}
        self._by_id: dict[int, _Known] = {}
        self._numbers = itertools.count()
        self._turn = 0
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
        kind = type(obj)
        if kind is types.MethodType or kind is types.BuiltinMethodType:
            owner, name = obj.__self__, _name_of_method(obj)
            named = None if name is None else inspect.getattr_static(owner, name, None)
            bound = kind is types.BuiltinMethodType or (name is not None and named is obj.__func__)
            if bound and not issubclass(type(owner), type | types.ModuleType | None):
                return "method", self.reference(owner), name
        place = _place(obj)
        if place is None:
            return self._held(obj)
        self._globals[place] = obj
        return "global", *place

    def key(self, obj: Any) -> _Key:
        """By which process and number an object is known."""
        known = self._of(obj)
        known.numbered = True
        return known.key

    def knows(self, obj: Any) -> bool:
        """Whether ambient state refers to an object, or did."""
        return self._found(obj) is not None

    def known(self, process: str, number: int) -> Any:
        """The object of this number; None where this process does not know it, or no longer."""
        known = self._known.get((process, number))
        return None if known is None else known.live()

    def know(self, key: _Key, obj: Any) -> None:
        """This object stands for a number of another process."""
        self._note(key, obj).numbered = True

    def keep(self, obj: Any) -> Any:
        """Holds an object for as long as the process lives, and gives it back."""
        self._of(obj).for_good = True
        return obj

    def let_go(self, obj: Any) -> None:
        """Holds an object no longer than others do: whoever refers to it does so weakly, too."""
        known = self._found(obj)
        if known is not None and not known.for_good:
            self._let_go(known)

    def keep_all(self) -> None:
        """The same for all that is known now: the session begins, and these are what it began with."""
        for known in list(self._known.values()):
            known.for_good = known.for_good or known.numbered

    def notes(self, obj: Any) -> dict[str, Any]:
        """For what others find out about an object, as long as it is known."""
        return self._of(obj).notes

    def variable(self, obj: Any) -> str:
        """The variable that holds an object; empty where none does. O(variables) where it has changed."""
        known = self._of(obj)
        if not known.variable or self._namespace.get(known.variable) is not obj:
            # The shell's own names are no variables: they come and go.
            held = (each for each, value in list(self._namespace.items()) if value is obj and is_of_a_person(each))
            known.variable = next(held, "")
        return known.variable

    def end_turn(self) -> None:
        """A checkpoint was taken: what its state does not refer to is of an earlier one.

        Those are held on that were referred to last. What was referred to at the same time stays or goes as one: an
        undo may have taken all of it out at once.
        """
        turn, self._turn = self._turn, self._turn + 1
        held = (each for each in list(self._known.values()) if each.obj is not _LET_GO and not each.for_good)
        older = sorted((each for each in held if each.turn < turn), key=attrgetter("turn"), reverse=True)
        weight = 0
        for _, group in itertools.groupby(older, attrgetter("turn")):
            full = weight >= HELD_AT_MOST
            for each in group:
                if full or not each.numbered or self._is_made_anew(each):
                    self._let_go(each)
                else:
                    weight += 1 if each.stream else _WEIGHT_WITHOUT_STREAM

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
        obj = self.known(process, number)
        if obj is not None:
            return obj
        if not stream or self._decode is None:
            raise LookupError(self._why_gone(process))
        obj = self._decode(stream)
        made = self._note((process, number), obj)
        made.numbered, made.stream = True, stream
        return obj

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
        if kind == "held" and not rest[2] and self.known(*rest[:2]) is None:
            return self._why_gone(rest[0])
        return None

    def _why_gone(self, process: str) -> str:
        return _GONE if process == PROCESS else "a part of it could not be stored"

    def _held(self, obj: Any) -> Reference:
        name = self.variable(obj)
        if name:
            return "variable", name
        known = self._of(obj)
        known.numbered = True
        if known.stream is None:
            known.stream = self._encode(obj)
        return "held", *known.key, known.stream

    # -- what is held ------------------------------------------------------------------------------

    def _found(self, obj: Any) -> _Known | None:
        known = self._by_id.get(id(obj))
        return known if known is not None and known.live() is obj else None

    def _of(self, obj: Any) -> _Known:
        known = self._found(obj)
        if known is None:
            return self._note((PROCESS, next(self._numbers)), obj)
        known.refer(self._turn)
        return known

    def _note(self, key: _Key, obj: Any) -> _Known:
        known = self._known[key] = self._by_id[id(obj)] = _Known(key, obj, self._turn, self._forget)
        return known

    def _forget(self, known: _Known, place: int) -> None:
        """Called when an object is gone: another one may have its place by now, or its number."""
        if self._known.get(known.key) is known:
            del self._known[known.key]
        if self._by_id.get(place) is known:
            del self._by_id[place]

    def _let_go(self, known: _Known) -> None:
        if known.weak is not None:
            known.obj = _LET_GO
        elif sys.getrefcount(known.obj) <= _OURS:
            self._forget(known, id(known.obj))

    def _is_made_anew(self, known: _Known) -> bool:
        """Whether its stream makes an object from which nobody can tell it."""
        function = known.obj
        return bool(
            known.stream
            and type(function) is types.FunctionType
            and function.__globals__ is self._namespace
            and not function.__closure__
            and not vars(function)
            and all(map(is_atom, (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())))
        )


_OURS = 2
"""References to an object that only we hold: ours, and the argument of who counts."""

_GONE = "nobody but Kishu held it any more, and only the last such objects are kept"


def _name_of_method(method: Any) -> str | None:
    """None for what is bound without a name: `MethodType(model, owner)`. An instance of the user's is not asked."""
    if type(method) is types.MethodType and is_users_own(type(method.__func__)):
        return None
    name = getattr(method, "__name__", None)
    return name if type(name) is str else None


def _place(obj: Any) -> tuple[str, str] | None:
    """Module and name of what a module holds; None of what is the notebook's."""
    kind = type(obj)
    if issubclass(kind, type):
        module, name = module_name(obj), qualified_name(obj)
    elif kind is types.FunctionType or kind is types.BuiltinFunctionType:
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


def is_shared_variable(name: Any, value: Any) -> bool:
    """It is a variable of the user's, which can change, and which does not go by a name of its own."""
    own = is_atom(value) or issubclass(type(value), type | types.ModuleType | types.FunctionType)
    return not own and is_of_a_person(name)
