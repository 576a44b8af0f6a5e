"""How objects come apart by what their classes are like, whoever made them.

That is: where their own reduction leaves something out, or makes what it should not. Asked where no library says
anything of a class.
"""

from __future__ import annotations

import types
from typing import Any

from kishu_kernel.objects.arrays import is_derived_array_type
from kishu_kernel.objects.classes import attributes, contents_of, module_name, mro_of, qualified_name
from kishu_kernel.objects.library import HeldOutsideError, Reduce, Reduction
from kishu_kernel.objects.rebuild.instances import (
    make_instance,
    set_array_state,
    set_content,
    set_instance_state,
    set_state_and_attributes,
)


def reduction_by_class_shape(kind: type) -> Reduce | None:
    """How instances come apart; None where their own reduction will do."""
    if is_derived_array_type(kind):
        return _derived_array
    if _forgets_attributes(kind):
        return with_attributes
    return _with_content if _does_something_to_items(kind) else None


def refusal_of_swig(kind: type) -> Reduce | None:
    """A reduction that refuses objects of a class that SWIG made and told nothing of pickling; None for others."""
    return _refuse_swig if _is_swigs(kind) else None


def refusal_of_proxy(kind: type) -> Reduce | None:
    """A reduction that refuses proxies, which stand for other objects; None for what is none."""
    return _refuse_proxy if _stands_for_another(kind) else None


def as_it_is(obj: Any) -> Reduction:
    """By its attributes, whatever its own reduction makes of them. NotImplemented where it has none."""
    own = attributes(obj)
    return NotImplemented if own is None else with_state(obj, own)


def with_state(obj: Any, own: dict[str, Any]) -> Reduction:
    """An instance that has these attributes, and nothing else."""
    return make_instance, (type(obj),), (own, {}), None, None, set_instance_state


def with_attributes(obj: Any) -> Reduction:
    """Its own reduction, and the attributes that this leaves out."""
    # What was written in C knows nothing of the attributes that a class in Python, or its user, adds.
    own = attributes(obj)
    if not own:
        return NotImplemented
    make, arguments, *rest = obj.__reduce_ex__(5)
    state, items, pairs = [*rest, None, None, None][:3]
    told = state if isinstance(state, tuple) else (state,)
    if any(isinstance(each, dict) and own.keys() <= each.keys() for each in told) or len(rest) > 3:
        return NotImplemented
    return make, arguments, (state, own), items, pairs, set_state_and_attributes


def _forgets_attributes(kind: type) -> bool:
    """Its instances have attributes, but how they are pickled was written in C, for a class that has none."""
    if not kind.__dictoffset__ or issubclass(kind, (type, types.ModuleType, BaseException)):
        return False
    for base in mro_of(kind)[:-1]:
        ways = [vars(base)[name] for name in ("__reduce_ex__", "__reduce__", "__getstate__") if name in vars(base)]
        if ways:
            in_c = not any(isinstance(way, (types.FunctionType, staticmethod, classmethod)) for way in ways)
            return in_c and not base.__dictoffset__ and module_name(base) != "builtins"
    return False


def _derived_array(array: Any) -> Reduction:
    # Of a class of a library's or the notebook's: numpy forgets that nobody may write to it.
    reduced = with_attributes(array) if _forgets_attributes(type(array)) else NotImplemented
    if array.flags.writeable:
        return reduced
    make, arguments, state, *_ = array.__reduce_ex__(5)
    own = None if reduced is NotImplemented else attributes(array)
    return make, arguments, (state, own), None, None, set_array_state


def _with_content(obj: Any) -> Reduction:
    # What it does to each item that is put into it was done when it was put there.
    make, arguments, state, items, pairs = (*obj.__reduce_ex__(5), None, None, None)[:5]
    content = (None if items is None else list(items), None if pairs is None else dict(pairs))
    return make, arguments, (state, *content), None, None, set_content


def _does_something_to_items(kind: type) -> bool:
    """A list or a dict whose own way to take items up a load would go again."""
    ways = {name: getattr(kind, name) for name in ("__reduce_ex__", "__reduce__")}
    if any(way is not getattr(object, name) for name, way in ways.items()):
        return False
    if issubclass(kind, list):
        return kind.append is not list.append or kind.extend is not list.extend
    return issubclass(kind, dict) and kind.__setitem__ is not dict.__setitem__


# -- refused -------------------------------------------------------------------------------------------


def _is_swigs(kind: type) -> bool:
    """A class that SWIG made, and that nobody has told how to be pickled."""
    known: set[str] = set()
    for base in mro_of(kind)[:-1]:
        known |= contents_of(base).keys()
    return not known.isdisjoint(("__swig_destroy__", "thisown")) and known.isdisjoint(_PICKLING)


def _refuse_swig(obj: Any) -> Reduction:
    name = type(obj).__name__
    raise HeldOutsideError(f"a {name} holds on to an object of C++'s by its address, and cannot be stored")


def _stands_for_another(kind: type) -> bool:
    """A proxy of a library's: it says that it is of another class, or forwards all that it is asked."""
    for base in mro_of(kind)[:-1]:
        contents = contents_of(base)
        if "__class__" in contents:
            return True
        if type(contents.get("__getattribute__")) is types.FunctionType and contents.keys() >= _FORWARDED:
            return True
    return False


def _refuse_proxy(obj: Any) -> Reduction:
    raise TypeError(f"a {qualified_name(type(obj))} stands for another object, which looking at it may make or move")


_PICKLING = frozenset({"__reduce_ex__", "__reduce__", "__getstate__", "__getnewargs__", "__getnewargs_ex__"})
_FORWARDED = frozenset({"__setattr__", "__delattr__"})
