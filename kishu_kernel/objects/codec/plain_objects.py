"""Payloads of plain containers, atoms and instances that are their attributes, pickled natively.

Law: the stream is the one that the pickler would have given, byte for byte: without the native module, payloads are the
same. What the table says something of, or what the native module does not know, is the pickler's, and all that leads to
it. Neighbours: `pickling` asks here first; `native/pickle.c` writes; `usual_instances` says the same to the pickler.
"""

from __future__ import annotations

import copyreg
import sys
import types
from collections.abc import Callable, Container, Mapping
from typing import Any

import cloudpickle

from kishu_kernel.objects.arrays import is_array_type
from kishu_kernel.objects.attribute_dicts import place_of
from kishu_kernel.objects.classes import is_its_attributes
from kishu_kernel.objects.codec.shared_memory import Segment
from kishu_kernel.objects.library import Reduction
from kishu_kernel.objects.own_modules import held_since_import
from kishu_kernel.objects.reducers import Reducer, entry_of
from kishu_kernel.process.native import WALKER

Way = tuple[str, str, Any] | tuple[str, str, Any, tuple[Any, ...]]
"""How a class is written: by the module and the name of something that goes by its name; and with which arguments that
is called, where it is not the class itself."""

_MOST_TYPES = 64
"""In one payload. For each of them, the native module begins anew."""


def native_stream(
    objects: Mapping[str, Any],
    reducer: Reducer,
    reduce_class: Callable[[type], Reduction],
    kept: tuple[tuple[Any, ...], ...] = (),
) -> tuple[bytes, Container[int]] | None:
    """The pickle stream, and ids of objects in it: of all that something else refers to, too. None: ask the pickler.

    Args:
        objects: in the order in which they are to be pickled.
        reduce_class: how a class is stored apart.
        kept: tuples that somebody holds only to keep their objects alive: what nothing else refers to is met once.
    """
    if WALKER is None:
        return None
    content = dict(objects)
    ways: dict[type, Way | None] = {}
    while len(ways) <= _MOST_TYPES:
        found = WALKER.pickle(content, ways, kept)
        if type(found) is tuple:
            stream, numbers = found
            # What a module of the user's holds has a way of its own: it is among those that something else refers to.
            return None if any(each in numbers for each in held_since_import) else (stream, numbers)
        if found is None:
            return None
        way = ways[found] = _way_of(found, reducer, reduce_class)
        if way is None:
            return None
    return None


def _way_of(kind: type, reducer: Reducer, reduce_class: Callable[[type], Reduction]) -> Way | None:
    """None where instances of this type are not just their attributes."""
    if issubclass(kind, (type, Segment)) or is_array_type(kind) or entry_of(reducer.table, kind) is not None:
        return None
    if place_of(kind) is None or not is_its_attributes(kind) or kind in cloudpickle.Pickler.dispatch_table:
        return None
    reduction = reduce_class(kind)
    if reduction is NotImplemented:
        return _by_name(kind) if reducer.reduce_whole(kind) is NotImplemented else None
    make, arguments = reduction
    return (make.__module__, make.__qualname__, make, arguments) if type(make) is types.FunctionType else None


def _by_name(kind: type) -> Way | None:
    """As pickle finds a class."""
    module, name = kind.__module__, kind.__qualname__
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    is_extension = (module, name) in copyreg._extension_registry  # type: ignore[attr-defined]
    return (module, name, kind) if found is kind and type(module) is str and not is_extension else None
