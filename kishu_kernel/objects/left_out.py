"""Attributes that the own reduction of a library's class leaves out: what somebody else has put there.

A class that lists what it wants pickled (`requests.Session`), or calls itself with arguments (`pandas.Index`), forgets
what its user added: `session.base = url`. Which attributes are its user's is read in its code: those that no code names
which takes instances apart, or makes them. What it names it leaves out on purpose, or makes anew: caches, locks.

Law: code is read, never run. All that depends on the class alone is found once.
"""

from __future__ import annotations

import copyreg
import dis
import enum
import functools
import types
from collections.abc import Collection, Iterator
from operator import methodcaller
from typing import Any

from kishu_kernel.objects.classes import begins, contents_of, derives, is_atom, module_name, mro_of, seen_attributes
from kishu_kernel.objects.library import Reduce, Reduction
from kishu_kernel.objects.moment import is_registered
from kishu_kernel.objects.rebuild.instances import set_state_and_attributes

_WAYS = ("__reduce_ex__", "__reduce__", "__getstate__", "__setstate__")
_MAKE = ("__init__", "__new__", "__getnewargs__", "__getnewargs_ex__")
_TOLD_OTHERWISE = (type, types.ModuleType, BaseException, enum.Enum)  # a member of an enum is found, and not made
_MADE_EMPTY = (copyreg.__newobj__, copyreg.__newobj_ex__, object.__new__)  # type: ignore[attr-defined]


_own_way: Reduce = methodcaller("__reduce_ex__", 5)


def reduction_with_left_out(kind: type, own_way: Reduce = _own_way, memos: Collection[str] = ()) -> Reduce | None:
    """Its own reduction and the attributes that this leaves out; None where it cannot leave any out.

    Args:
        own_way: gives its own reduction.
        memos: attributes that are not its user's, though no code that can be read names them.
    """
    ways = ways_in_python(kind)
    if not ways:
        return None
    forgets_all = "__setstate__" in ways and ignores_state(ways["__setstate__"])
    names = _Names(kind, memos)

    def take_apart(obj: Any) -> Reduction:
        if is_registered(type(obj)):  # somebody knows better, since when ever
            return NotImplemented
        reduced = own_way(obj)
        own = seen_attributes(obj)
        if not own or type(reduced) is not tuple or len(reduced) > 5:
            return reduced
        make, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        if not forgets_all and type(state) is dict and own.keys() <= state.keys():  # of most objects that is all
            return reduced
        forgotten = forgets_all and state is not None
        left = dict(own) if forgotten else _left_out(own, names, make, arguments, state)
        return (make, arguments, (state, left), items, pairs, set_state_and_attributes) if left else reduced

    return take_apart


def ways_in_python(kind: type) -> dict[str, types.FunctionType]:
    """How a class of a library says that its instances are pickled; empty where it does not, or not in Python."""
    if module_name(kind) == "__main__" or any(derives(kind, each) for each in _TOLD_OTHERWISE):
        return {}
    ways = {name: way for name in _WAYS if (way := _found(kind, name)) is not None}
    return ways if all(type(way) is types.FunctionType for way in ways.values()) else {}  # in C it cannot be read


class _Names:
    """What the code of a class names: worked out when it is first asked."""

    def __init__(self, kind: type, memos: Collection[str]) -> None:
        self._kind = kind
        self._memos = memos
        self._public: dict[bool, frozenset[str]] = {}
        self._read = 0

    def has(self, name: str) -> bool:
        """The class has something under this name, as what a property caches; or it is private, and any code names it.

        Code is read until it does: most of what a class makes its own is named soon, and all code of a large one takes
        milliseconds.
        """
        if name in self._own:
            return True
        code = self._code if begins(name, "_") else ()
        for place in range(self._read, len(code)):
            words = [word for word in _words(code[place]) if word[:1] == "_"]
            self._own.update(words)
            self._read = max(self._read, place + 1)  # now: an interrupt may come before, another thread read the same
            if name in words:
                return True
        return False

    @functools.cached_property
    def _own(self) -> set[str]:
        """What the class has, and the private names that were read so far."""
        return set(self._memos).union(*map(contents_of, mro_of(self._kind)))

    @functools.cached_property
    def _code(self) -> list[types.CodeType]:
        contents = [contents_of(base) for base in mro_of(self._kind)]
        return [each.__code__ for held in contents for each in _functions(held.values())]

    def on_the_way(self, made_empty: bool) -> frozenset[str]:
        """What the code names that takes instances apart, or makes them.

        Args:
            made_empty: without a call of its `__init__`.
        """
        if made_empty not in self._public:
            self._public[made_empty] = _named_on_the_way(self._kind, _WAYS if made_empty else (*_WAYS, *_MAKE))
        return self._public[made_empty]


def _left_out(own: dict[str, Any], names: _Names, make: Any, arguments: Any, state: Any) -> dict[str, Any]:
    """Those of an instance's attributes that are its user's, and that a reduction does not tell."""
    left = {name for name in own if not names.has(name)}
    if not left:
        return {}
    parts = list(_parts(state))
    left = left.difference(*(each.keys() for each in (state, *parts) if type(each) is dict))
    left -= names.on_the_way(any(make is each for each in _MADE_EMPTY))
    held = {id(each) for each in (*arguments, *_parts(arguments), state, *parts)} if left else set()
    return {
        name: value
        for name, value in own.items()
        if name in left and (is_atom(value) or type(value) is type or id(value) not in held)
    }


def _found(kind: type, name: str) -> Any:
    return next((contents_of(base)[name] for base in mro_of(kind)[:-1] if name in contents_of(base)), None)


def _named_on_the_way(kind: type, starts: tuple[str, ...]) -> frozenset[str]:
    """What these methods name, and all methods that they name, of the class and of its bases."""
    words: set[str] = set()
    todo, seen = list(starts), set(starts)
    while todo:
        name = todo.pop()
        said = [contents_of(base)[name] for base in mro_of(kind)[:-1] if name in contents_of(base)]
        new = {word for each in _functions(said) for word in _words(each.__code__)}
        words |= new
        todo.extend(new - seen)
        seen |= new
    return frozenset(words)


def _functions(values: Any) -> Iterator[types.FunctionType]:
    for value in list(values):
        parts = (value.fget, value.fset, value.fdel) if type(value) is property else (value,)
        for each in parts:
            function = getattr(each, "__func__", each) if type(each) in (staticmethod, classmethod) else each
            if type(function) is types.FunctionType:
                yield function


_SAYING = frozenset({str, tuple, frozenset, types.CodeType})


def _words(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    todo = [each for each in code.co_consts if type(each) in _SAYING]
    while todo:
        each = todo.pop()
        if type(each) is str:
            yield each
        elif type(each) in (tuple, frozenset):
            todo.extend(each)
        elif type(each) is types.CodeType:
            yield from _words(each)


def ignores_state(function: Any) -> bool:
    """Whether a `__setstate__` never reads what it is given."""
    code = function.__code__
    if code.co_argcount != 2:
        return False
    name = code.co_varnames[1]
    read = (each.argval for each in dis.get_instructions(code))
    return name not in code.co_cellvars and not any(name == each or name in _several(each) for each in read)


def _several(argument: Any) -> tuple[Any, ...]:
    """Of an instruction that reads two at once."""
    return argument if type(argument) is tuple else ()


def _parts(value: Any) -> Iterator[Any]:
    """What stands in a container of Python's own, one level down."""
    if type(value) in (tuple, list):
        yield from value
    elif type(value) is dict:
        yield from value.values()
