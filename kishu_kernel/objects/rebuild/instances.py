"""Instances: made without running code of their class, then filled."""

from __future__ import annotations

import collections
import types
from collections.abc import Callable
from typing import Any


def make_instance(cls: Any) -> Any:
    """An instance of a class of the notebook, before it has its state. Runs none of the class's code."""
    return object.__new__(cls)


def bind_method(owner: Any, name: str) -> types.MethodType:
    """A method that a class defines, bound to an instance or to the class. None of the user's code runs.

    Raises:
        TypeError: the class has no such method any more.
    """
    kind = owner if issubclass(type(owner), type) else type(owner)
    for base in mro_of(kind):
        found = vars_of(base).get(name)
        if found is not None:
            function = found.__func__ if type(found) is classmethod else found
            if type(function) is types.FunctionType:
                return types.MethodType(function, owner)
            break
    raise TypeError(f"{kind.__qualname__} has no method {name} any more")


def set_instance_state(obj: Any, state: tuple[dict[str, Any] | None, dict[str, Any]]) -> None:
    """Gives it its attributes, past whatever its class says of them: what stands in slots apart."""
    attributes, slots = state
    if attributes:
        _place(obj, "__dict__").__get__(obj).update(attributes)
    for name, value in slots.items():
        _place(obj, name).__set__(obj, value)


def _place(obj: Any, name: str) -> Any:
    """What Python made to reach a place in an instance; a class may have put something else before it."""
    for base in mro_of(type(obj)):
        found = vars_of(base).get(name)
        if type(found) in _MADE_IN_C:
            return found
    raise AttributeError(f"{type(obj).__qualname__} objects have no place for {name} any more")


_MADE_IN_C = (types.GetSetDescriptorType, types.MemberDescriptorType)


mro_of = type.__dict__["__mro__"].__get__


vars_of = type.__dict__["__dict__"].__get__


def make_derived(base: type, cls: Any, *arguments: Any) -> Any:
    """An instance of a class of the notebook that derives from one of Python's, before it has its state.

    Runs none of the class's code.
    """
    return base.__new__(cls, *arguments)


def set_derived_state(obj: Any, state: tuple[type, Any, dict[str, Any] | None, dict[str, Any]]) -> None:
    """Gives it what its base keeps for it, and its attributes, past whatever its class does with either."""
    base, content, attributes, slots = state
    if issubclass(base, BaseException):
        _set_exception(base, obj, *content)
    elif base.__name__ == "ndarray":
        own, writeable = content
        base.__setstate__(obj, own)  # type: ignore[attr-defined]
        base.flags.__get__(obj).writeable = writeable  # type: ignore[attr-defined]
    elif base in _FILLED:
        _FILLED[base](obj, content)
    set_instance_state(obj, (attributes, slots))


def _set_exception(
    base: Any, error: BaseException, arguments: Any, told: dict[str, Any], cause: Any, context: Any, suppressed: bool
) -> None:
    base.__init__(error, *arguments)
    for name, value in told.items():
        place = next(vars_of(each)[name] for each in mro_of(base) if name in vars_of(each))
        if _held(place, error) is not value:  # nothing, too, is shown as None
            place.__set__(error, value)
    for name, value in (("__cause__", cause), ("__context__", context), ("__suppress_context__", suppressed)):
        BaseException.__dict__[name].__set__(error, value)


def _held(place: Any, obj: Any) -> Any:
    try:
        return place.__get__(obj)
    except AttributeError:
        return place  # nothing stands in it


def _fill_ordered(obj: Any, content: tuple[list[Any], list[Any]]) -> None:
    for key, value in zip(*content, strict=True):
        collections.OrderedDict.__setitem__(obj, key, value)


def _fill_default(obj: Any, content: tuple[list[Any], list[Any], Any]) -> None:
    keys, values, factory = content
    vars_of(collections.defaultdict)["default_factory"].__set__(obj, factory)
    dict.update(obj, zip(keys, values, strict=True))


def _fill_queue(obj: Any, content: tuple[list[Any], int | None]) -> None:
    collections.deque.__init__(obj, *content)


_FILLED: dict[type, Callable[[Any, Any], object]] = {
    list: list.extend,
    dict: lambda obj, content: dict.update(obj, zip(*content, strict=True)),
    collections.OrderedDict: _fill_ordered,
    collections.defaultdict: _fill_default,
    set: set.update,
    bytearray: bytearray.extend,
    collections.deque: _fill_queue,
}


def set_state_and_attributes(obj: Any, state: tuple[Any, dict[str, Any]]) -> None:
    """What its own reduction tells, and the attributes that this leaves out."""
    own, attributes = state
    _set_state(obj, own)
    obj.__dict__.update(attributes)


def set_shared_attributes(obj: Any, state: tuple[Any, Callable[[Any, Any], object] | None, dict[str, Any]]) -> None:
    """Gives it its state, and the dictionary that holds its attributes, which is another's, too."""
    own, setter, held = state
    place = _place(obj, "__dict__")
    place.__set__(obj, held)
    if setter is not None:
        setter(obj, own)
    elif own is not held:
        _set_state(obj, own)
    if place.__get__(obj) is not held:  # a way of its own has made another one
        place.__set__(obj, held)


def set_state_and_hidden(
    obj: Any, state: tuple[Any, Callable[[Any, Any], object] | None, dict[str, Any], dict[str, Any]]
) -> None:
    """What its own reduction tells, and then attributes that lead to others: they have to be these very objects."""
    own, setter, attributes, slots = state
    if setter is None:
        _set_state(obj, own)
    else:
        setter(obj, own)
    set_instance_state(obj, (attributes, slots))


def set_array_state(array: Any, state: tuple[Any, dict[str, Any] | None]) -> None:
    """Of an array that cannot be written to: of objects, or of a class derived from numpy's."""
    own, attributes = state
    _set_state(array, own)
    if attributes is not None:
        array.__dict__.update(attributes)
    array.flags.writeable = False


def set_content(obj: Any, content: tuple[Any, list[Any] | None, dict[Any, Any] | None]) -> None:
    """State and items of a list or a dict of a derived class, past whatever that does with each item."""
    state, items, pairs = content
    if items is not None:
        list.extend(obj, items)
    if pairs is not None:
        dict.update(obj, pairs)
    _set_state(obj, state)


def _set_state(obj: Any, state: Any) -> None:
    """As `pickle` does."""
    setstate = getattr(obj, "__setstate__", None)
    if state is None:
        return
    if setstate is not None:
        setstate(state)
        return
    own, slots = state if isinstance(state, tuple) else (state, None)
    if own:
        obj.__dict__.update(own)
    for name, value in (slots or {}).items():
        setattr(obj, name, value)


def set_super(obj: super, state: tuple[type, Any]) -> None:
    """For what class, and which object, it asks the next class. Without an object it is bound to none."""
    kind, of = state
    super.__init__(obj, kind) if of is None else super.__init__(obj, kind, of)


def set_exception_state(error: BaseException, state: tuple[Any, Any, Any, bool]) -> None:
    """What its own reduction tells of an exception, and what it came from."""
    own, cause, context, suppressed = state
    if own is not None:
        error.__setstate__(own)
    error.__cause__ = cause
    error.__context__ = context
    error.__suppress_context__ = suppressed
