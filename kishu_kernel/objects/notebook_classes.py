"""How instances of classes of the notebook come apart. Part of the table.

Law: no code of the notebook's runs. An instance is what it is made of: its attributes, what stands in its slots, and
what a class of Python's own that it derives from (`dict`, `Exception`) keeps for it. What its class says of pickling
(`__reduce__`, `__getstate__`, ...) is read, never called: where it can only raise, it says that instances cannot be
stored. Where a class of a library keeps something else for it that only the notebook's code can tell, it is refused.

Neighbours: `reducers`, which asks; `rebuild`, the other way.
"""

from __future__ import annotations

import array
import collections
import copyreg
import datetime
import decimal
import dis
import types
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from kishu_kernel.objects.arrays import is_array_name
from kishu_kernel.objects.classes import (
    PLACES,
    contents_of,
    derives,
    flags_of,
    has_active_metaclass,
    hides_attributes,
    instance_state,
    is_bare,
    is_notebooks,
    is_users_own,
    module_name,
    mro_of,
    qualified_name,
)
from kishu_kernel.objects.exceptions import content_of_exception, note_what_is_left_out
from kishu_kernel.objects.library import Reduce, Reduction, WithMemo
from kishu_kernel.objects.rebuild.instances import make_derived, make_instance, set_derived_state, set_instance_state


class NotebookReductionError(TypeError):
    """The object cannot be stored: what it is, only code of the notebook's could tell; or that code says so itself."""


def notebook_reduction_of(kind: type, namespace: dict[str, Any]) -> Reduce | WithMemo | None:
    """How instances come apart; None where a pickler's usual way runs no code of the notebook's.

    Args:
        namespace: the live namespace, which is the globals of the notebook's functions.
    """
    if has_active_metaclass(kind):
        return _refusing("its metaclass runs code whenever it is looked at")
    if any(_is_named(base, "enum", "Enum") for base in mro_of(kind)):
        return None
    hooks = _pickling_hooks(kind, namespace)
    in_module = not any(map(is_notebooks, mro_of(kind)))  # where only its own code can tell, that is asked
    if not hooks and in_module:
        return None
    if _only_raises(hooks):
        return _refusing("its own way to be pickled only raises")
    base = _base_of(kind)
    read_content = _content_reader_of(base)
    if hides_attributes(kind):
        return None if in_module else _refusing(_HIDDEN)
    if read_content is not None and (hooks or _overrides_content(kind, base)):
        return _error(base) if derives(base, BaseException) else _derived(base, read_content)
    if not hooks:
        return None
    if base is object and is_bare(kind):
        return _instance
    if is_array_name(base):
        return _derived(base, _array)
    return None if in_module else _refusing(_ONLY_CODE)


def _refusing(why: str) -> Reduce:
    def refuse(obj: Any) -> Reduction:
        raise NotebookReductionError(f"{qualified_name(type(obj))} objects cannot be stored: {why}")

    return refuse


def _instance(obj: Any) -> Reduction:
    return make_instance, (type(obj),), instance_state(obj), None, None, set_instance_state


def _derived(base: type, kept: Callable[[type, Any], tuple[tuple[Any, ...], Any]]) -> Reduce:
    def take_apart(obj: Any) -> Reduction:
        arguments, content = kept(base, obj)
        state = (base, content, *instance_state(obj))
        return make_derived, (base, type(obj), *arguments), state, None, None, set_derived_state

    return take_apart


def _error(base: type) -> WithMemo:
    derived = _derived(base, content_of_exception)

    def take_apart(obj: Any, memo: dict[Hashable, Any]) -> Reduction:
        note_what_is_left_out(obj, memo)
        return derived(obj)

    return WithMemo(take_apart)


# -- what is a class's own -----------------------------------------------------------------------------


def _pickling_hooks(kind: type, namespace: dict[str, Any]) -> dict[str, Any]:
    """What code of the notebook's a pickler would run, by the names that it goes by."""
    found: dict[str, Any] = {}
    for base in mro_of(kind):
        contents = contents_of(base)
        notebooks = is_users_own(base)
        for name in _HOOKS & contents.keys() - found.keys():
            made_by_python = name == "__dict__" and type(contents[name]) in PLACES
            made_by_python = made_by_python or is_of_namedtuple(name, contents[name])
            if (notebooks and not made_by_python) or _is_notebooks_code(contents[name], namespace):
                found[name] = contents[name]
    for base in mro_of(type(kind)):
        if is_notebooks(base) and not contents_of(base).keys().isdisjoint(_OF_METACLASS):
            found.setdefault("", base)
    registered = copyreg.dispatch_table.get(kind)
    if _is_notebooks_code(registered, namespace):
        found.setdefault("", registered)
    return found


def _overrides_content(kind: type, base: type) -> bool:
    """Code of the notebook runs where its content is read, or put in. Where none does, a pickler is faster."""
    called = derives(base, BaseException) or base in _CALLED
    names = _OF_CONTENT | {"__init__"} if called else _OF_CONTENT
    return any(is_notebooks(each) and not contents_of(each).keys().isdisjoint(names) for each in mro_of(kind))


def is_of_namedtuple(name: str, value: Any) -> bool:
    """What `collections.namedtuple` puts into each class that it makes."""
    value = value.__func__ if type(value) is staticmethod else value
    if name not in ("__new__", "__getnewargs__") or type(value) is not types.FunctionType:
        return False
    home = str(value.__globals__.get("__name__"))
    return home == "collections" or home.startswith("namedtuple_")


def _is_notebooks_code(value: Any, namespace: dict[str, Any]) -> bool:
    while type(value) in (staticmethod, classmethod, types.MethodType):
        value = value.__func__
    return type(value) is types.FunctionType and value.__globals__ is namespace


def _only_raises(own: Mapping[str, Any]) -> bool:
    """Whether the way that a pickler would go cannot come to an end. Found by reading the code."""
    for names in _IN_ORDER:
        found = [own[name] for name in names if name in own]
        if found:
            return any(each is None or (type(each) is types.FunctionType and _has_no_end(each)) for each in found)
    return False


def _has_no_end(function: types.FunctionType) -> bool:
    operations = {dis.opname[operation] for operation in function.__code__.co_code[::2]}
    return operations.isdisjoint(_ENDS)


# -- what keeps something for it -----------------------------------------------------------------------


def _base_of(kind: type) -> type:
    """The class made in C that its instances are laid out by."""
    while flags_of(kind) & _HEAP_TYPE and not flags_of(kind) & _MADE_IN_C and kind not in _CONTENT_READERS:
        kind = _parent_of(kind)
    return kind


def _content_reader_of(base: type) -> Callable[[Any, Any], tuple[tuple[Any, ...], Any]] | None:
    return content_of_exception if derives(base, BaseException) else _CONTENT_READERS.get(base)


def _is_named(kind: type, module: str, name: str) -> bool:
    return qualified_name(kind) == name and module_name(kind) == module


def _nothing(base: Any, obj: Any) -> tuple[tuple[Any, ...], Any]:
    return (), None


def _by_slice(base: Any, obj: Any) -> tuple[tuple[Any, ...], Any]:
    return (base.__getitem__(obj, slice(None)),), None


def _items(base: Any, obj: Any) -> tuple[tuple[Any, ...], Any]:
    return (), list.__getitem__(obj, slice(None))


def _bytes(base: Any, obj: Any) -> tuple[tuple[Any, ...], Any]:
    return (), bytes(bytearray.__getitem__(obj, slice(None)))


def _pairs(base: Any, obj: Any) -> tuple[tuple[Any, ...], Any]:
    return (), (list(base.keys(obj)), list(base.values(obj)))


def _defaults(base: Any, obj: Any) -> tuple[tuple[Any, ...], Any]:
    return (), (list(dict.keys(obj)), list(dict.values(obj)), base.default_factory.__get__(obj))


def _elements(base: Any, obj: Any) -> tuple[tuple[Any, ...], Any]:
    return (), set().union(obj)  # by the hashes that it has


def _frozen(base: Any, obj: Any) -> tuple[tuple[Any, ...], Any]:
    return (frozenset().union(obj),), None


def _queue(base: Any, obj: Any) -> tuple[tuple[Any, ...], Any]:
    return (), (list(base.__iter__(obj)), base.maxlen.__get__(obj))


def _numbers(base: Any, obj: Any) -> tuple[tuple[Any, ...], Any]:
    return (base.typecode.__get__(obj), base.tobytes(obj)), None


def _by(method: str) -> Callable[[Any, Any], tuple[tuple[Any, ...], Any]]:
    """A value that its base makes of what one of its own methods gives."""

    def take(base: Any, obj: Any) -> tuple[tuple[Any, ...], Any]:
        return (getattr(base, method)(obj),), None

    return take


def _date(base: Any, obj: Any) -> tuple[tuple[Any, ...], Any]:
    way = base.__reduce_ex__(obj, 5) if base in (datetime.datetime, datetime.time) else base.__reduce__(obj)
    return way[1], None


def _array(base: Any, obj: Any) -> tuple[tuple[Any, ...], Any]:
    flags = base.flags.__get__(obj)
    return ((0,), "b"), (base.__reduce__(obj)[2], flags.writeable)


_ONLY_CODE = "its own way to be pickled, or to tell its attributes, is code of the notebook"
_HIDDEN = "its attributes can only be had by running code of the notebook"
_HEAP_TYPE, _MADE_IN_C = 1 << 9, 1 << 8
_parent_of = type.__dict__["__base__"].__get__

_IN_ORDER = (("__reduce_ex__",), ("__reduce__",), ("__getnewargs_ex__", "__getnewargs__", "__getstate__"))
"""Where a pickler asks first."""
_HOOKS = frozenset(
    {
        *("__reduce_ex__", "__reduce__", "__getstate__", "__setstate__", "__getnewargs__", "__getnewargs_ex__"),
        *("__new__", "__getattribute__", "__getattr__", "__setattr__", "__class__", "__dict__"),
    }
)
"""What a pickler, or who loads what it wrote, asks of an instance or of its class."""
_OF_CONTENT = frozenset({"__iter__", "__len__", "__setitem__", "items", "append", "extend", "__str__"})
_CALLED = (set, frozenset, bytearray, array.array)
"""Those whose instances a pickler makes by calling their class."""
_OF_METACLASS = frozenset({"__call__", "__getattr__", "__setattr__"})
_ENDS = frozenset({"RETURN_VALUE", "RETURN_CONST", "YIELD_VALUE", "RETURN_GENERATOR"})

_CONTENT_READERS: dict[type, Callable[[Any, Any], tuple[tuple[Any, ...], Any]]] = {
    list: _items,
    dict: _pairs,
    collections.OrderedDict: _pairs,
    collections.defaultdict: _defaults,
    set: _elements,
    frozenset: _frozen,
    tuple: _by_slice,
    bytes: _by_slice,
    bytearray: _bytes,
    str: _by("__str__"),
    int: _by("__int__"),
    float: _by("__float__"),
    complex: _by("__pos__"),
    collections.deque: _queue,
    array.array: _numbers,
    decimal.Decimal: _by("__str__"),
    datetime.date: _date,
    datetime.datetime: _date,
    datetime.time: _date,
    datetime.timedelta: _date,
    types.SimpleNamespace: _nothing,
}
"""What classes of Python's own keep for their instances: arguments for their `__new__`, and content."""
