"""How exceptions come apart, whoever made their class. Part of the table.

An exception's own reduction calls its class with arguments, and forgets what else there is: what was set on it or
noted, what it came from, and what Python's own classes keep beside the arguments (the name that was not found). So it
is what it is made of, like an instance of the notebook's: no code of its class runs. Of all that, only the traceback
stays out: it holds frames.

Neighbours: `notebook_classes` and `libraries.standard.builtins`, which ask; `rebuild.instances`, the other way.
"""

from __future__ import annotations

import builtins
import types
from collections.abc import Hashable
from typing import Any

import cloudpickle

from kishu_kernel.objects.classes import (
    PLACES,
    attributes,
    contents_of,
    derives,
    flags_of,
    instance_state,
    module_name,
    mro_of,
)
from kishu_kernel.objects.library import LEFT_OUT, Reduction
from kishu_kernel.objects.rebuild.instances import make_derived, set_derived_state, set_exception_state


def reduction_of_exception(error: BaseException, memo: dict[Hashable, Any]) -> Reduction:
    """With all that it is made of. NotImplemented where its own reduction tells that, or somebody else knows better."""
    kind = type(error)
    if kind in cloudpickle.Pickler.dispatch_table:  # chains copyreg's
        return NotImplemented
    note_what_is_left_out(error, memo)
    base = _pythons_own(kind)
    if not _is_laid_out_as(kind, base):
        return _with_what_is_known(error)
    if kind is base and not any(_came_from(error)) and not _places(base):
        return NotImplemented
    arguments, content = content_of_exception(base, error)
    return (
        make_derived,
        (base, kind, *arguments),
        (base, content, *instance_state(error)),
        None,
        None,
        set_derived_state,
    )


def note_what_is_left_out(error: BaseException, memo: dict[Hashable, Any]) -> None:
    """A traceback holds frames, and cannot be stored."""
    if _traceback_of(error) is not None:
        memo.setdefault(LEFT_OUT, set()).add("tracebacks")


def content_of_exception(base: Any, error: BaseException) -> tuple[tuple[Any, ...], Any]:
    """The arguments that a class of Python's own makes it with, and all that this class keeps for it."""
    arguments = base.__reduce__(error)[1]
    kept = {}
    if _GROUP is not None and derives(base, _GROUP):
        arguments = tuple(contents_of(_GROUP)[name].__get__(error) for name in _MADE_WITH)
    if arguments is not (told := _arguments_of(error)):
        kept["args"] = told
    for name, place in _places(base).items():
        try:
            kept[name] = place.__get__(error)
        except AttributeError:  # nothing stands in it
            continue
    return arguments, (arguments, kept, *_came_from(error))


def _with_what_is_known(error: BaseException) -> Reduction:
    """By its own reduction, since a library keeps something in it that only this can tell."""
    reduced: Any = error.__reduce_ex__(5)
    if type(reduced) is not tuple or len(reduced) > 3:
        return NotImplemented
    make, arguments, state = (*reduced, None)[:3]
    if (state is None or type(state) is dict) and _setter_of(type(error)) is _set_state:
        state = {**(state or {}), **(attributes(error) or {}), "args": _arguments_of(error)}
    return make, arguments, (state, *_came_from(error)), None, None, set_exception_state


def _setter_of(kind: type) -> Any:
    return next(contents_of(base)["__setstate__"] for base in mro_of(kind) if "__setstate__" in contents_of(base))


def _came_from(error: BaseException) -> tuple[Any, ...]:
    return tuple(member.__get__(error) for member in _CAME_FROM)


def _pythons_own(kind: type) -> type:
    """The class of Python's own that its instances are laid out by."""
    while module_name(kind) != "builtins" or flags_of(kind) & _HEAP_TYPE:
        kind = _parent_of(kind)
    return kind


def _is_laid_out_as(kind: type, base: type) -> bool:
    """Nothing stands in its instances but what stands in those of this base, slots, and weak references."""
    size = _size_of(base) + (_weak_offset(kind) > 0 >= _weak_offset(base)) * tuple.__itemsize__
    for each in mro_of(kind):
        contents = contents_of(each)
        if "__slots__" in contents:
            size += tuple.__itemsize__ * sum(type(member) is types.MemberDescriptorType for member in contents.values())
    return bool(_size_of(kind) == size)


def _places(base: type) -> dict[str, Any]:
    """What a class of Python's own keeps for an exception beside what all of them have, and lets anyone set."""
    return {
        name: place
        for each in reversed(mro_of(base))
        for name, place in contents_of(each).items()
        if type(place) in PLACES and name not in _OF_ALL and name not in _MADE_WITH
    }


_HEAP_TYPE = 1 << 9
_parent_of = type.__dict__["__base__"].__get__
_size_of = type.__dict__["__basicsize__"].__get__
_weak_offset = type.__dict__["__weakrefoffset__"].__get__
_CAME_FROM = tuple(BaseException.__dict__[name] for name in ("__cause__", "__context__", "__suppress_context__"))
_OF_ALL = BaseException.__dict__.keys()
_traceback_of = BaseException.__dict__["__traceback__"].__get__
_set_state = BaseException.__dict__["__setstate__"]
_arguments_of = BaseException.__dict__["args"].__get__
_GROUP = vars(builtins).get("BaseExceptionGroup")  # from Python 3.11 on
_MADE_WITH = ("message", "exceptions")
"""Of groups of exceptions: what nobody can set, and the arguments tell."""
