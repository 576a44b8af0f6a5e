"""Python's own: exceptions, views of memory, iterators, objects that stand for nothing but themselves."""

from __future__ import annotations

import copyreg
from typing import Any

from kishu_kernel.objects.library import Library, Reduction, WithMemo
from kishu_kernel.objects.library_globals import home_of_sentinel


def _sentinel(obj: object) -> Reduction:
    # All that it is is that it is the one that a library's module holds.
    from kishu_kernel.objects.rebuild.code import module_attribute

    where = home_of_sentinel(obj)
    return NotImplemented if where is None else (module_attribute, where)


def _super(obj: super) -> Reduction:
    # Whatever else is asked of it, how to copy it included, the object that it stands for answers.
    from kishu_kernel.objects.rebuild.instances import set_super

    kind, of = (vars(super)[name].__get__(obj) for name in ("__thisclass__", "__self__"))
    return copyreg.__newobj__, (super,), (kind, of), None, None, set_super  # type: ignore[attr-defined]


def _refuse(view: memoryview) -> Reduction:
    # cloudpickle would store its bytes: another type comes back.
    raise TypeError("memoryview objects cannot be stored")


def _memory(view: memoryview) -> tuple[Any, ...]:
    return view.obj, view.format, view.shape, view.strides, view.readonly, view.tobytes()


def _exception(error: BaseException, memo: dict[Any, Any]) -> Any:
    from kishu_kernel.objects.exceptions import reduction_of_exception

    return reduction_of_exception(error, memo)


def _iterator(iterator: Any) -> Reduction:
    # At its end it tells no more than that there was something empty, of another class: so would it be itself.
    from kishu_kernel.objects.rebuild.ended import ended_iterator

    reduced = iterator.__reduce_ex__(5)
    arguments = reduced[1]
    at_end = len(reduced) == 2 and len(arguments) == 1 and type(arguments[0]) in _TOLD and not arguments[0]
    return (ended_iterator, (type(iterator).__name__,)) if at_end else reduced


_TOLD = (list, tuple, str)
_AT_END = (
    *("list_reverseiterator", "str_iterator", "bytes_iterator", "bytearray_iterator", "iterator"),
    *("callable_iterator", "generic_alias_iterator"),
)
_COPY = "a dictionary or a set that it goes through"


class Builtins(Library):
    """An iterator over a dictionary would come back as one over a list."""

    packages = ("builtins", "array")
    exact_reductions = {
        **{"builtins.object": _sentinel, "builtins.memoryview": _refuse, "builtins.super": _super},
        **dict.fromkeys((*(f"builtins.{name}" for name in _AT_END), "array.arrayiterator"), _iterator),
    }
    reductions = {"builtins.BaseException": WithMemo(_exception)}
    external_handles = dict.fromkeys(
        (
            *("builtins.dict_keyiterator", "builtins.dict_valueiterator", "builtins.dict_itemiterator"),
            *("builtins.dict_reversekeyiterator", "builtins.dict_reversevalueiterator"),
            *("builtins.dict_reverseitemiterator", "builtins.odict_iterator", "collections.odict_iterator"),
            "builtins.set_iterator",
        ),
        _COPY,
    )
    visible_state = {"builtins.memoryview": _memory}
