"""Pandas: frames and what they are made of, options.

How a frame comes apart, for its fingerprint as for storing it:

1. No table says how: `objects.reducers` takes what its own `__reduce_ex__` gives. That is its `__getstate__`: the
   `BlockManager` with its axes and blocks, and attributes (`attrs`, flags). What pandas gives is complete
   (`complete_reductions`): nothing is added by `objects.class_shape`. Its arrays and types keep what they have worked
   out when they were first asked; that is left out (`reductions`), so that a cell that reads changes nothing. Groups
   and windows keep such things, too; but with them it is state: they go on with it when their frame has changed.
2. The manager comes apart into indexes and blocks, a block into its array. On the way `private_memory` below tells
   which arrays are theirs (`Reducer.private`): `SingleBlockManager`, `Block`, `Index`.
3. An array of numbers: the walk hashes its memory where it lies (`detect.walk.arrays`), and links nothing if pandas
   copies on write (`Reducer.is_copy_on_write`): two frames over one block are two co-variables. The codec hands its
   memory to the store without a copy (`objects.codec.buffers`); private arrays come back apart from each other.
4. An array of strings (`object`): the walk recognises it by the addresses that it holds (`detect.sequence_cache`), the
   codec writes its text beside the stream (`objects.codec.strings`).
5. Labels (`Index`) are shared by many frames, and hardly ever change: they link nothing (`labels`).

It comes together by pandas' own functions, and `objects.rebuild.arrays` for the arrays. What several of those that are
loaded at once hold then is one array, or one memory, as it was; and pandas has to know of each other who must not see
a write (`_share_references`), which no reduction tells. How two frames differ is told
by `compare.libraries.pandas`.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from kishu_kernel.objects.ambient_state import Provider, differs
from kishu_kernel.objects.classes import module_name, seen_attributes
from kishu_kernel.objects.left_out import reduction_with_left_out
from kishu_kernel.objects.library import Library, Reduce, Reduction
from kishu_kernel.objects.places import Place
from kishu_kernel.objects.registrations import Registrations, Registry, attributes_of, mapping, sequence
from kishu_kernel.process.memory import bounds
from kishu_kernel.process.muting import warnings_muted


def _memory_of_blocks(manager: Any) -> Iterator[Any]:
    # The manager of a Series is taken apart into the values of its blocks, and not into the blocks.
    for block in manager.blocks:
        yield from _memory_of(block.values)


def _memory_of_block(block: Any) -> Iterator[Any]:
    return _memory_of(block.values)


def _memory_of_index(index: Any) -> Iterator[Any]:
    # Not by `getattr`: a `RangeIndex` makes all its numbers when it is asked, and keeps them.
    return _memory_of(vars(index).get("_data"))


def _memory_of(held: Any) -> Iterator[Any]:
    while held is not None:  # an extension array, and what is in it
        yield held
        held = getattr(held, "_ndarray", None)


def _share_references(objects: Iterable[Any]) -> None:
    """Who holds the same array, or memory, has the same references: by these pandas knows what a write has to copy."""
    internals = sys.modules["pandas._libs.internals"]
    if not hasattr(internals, "BlockValuesRefs"):  # before pandas 2 nothing copied on write
        return
    holders = enumerate(_holders(objects))
    found = ((*span, number, holder) for number, holder in holders for span in _spans(_values_of(holder)))
    reach, first = 0, None
    for start, end, _, holder in sorted(found, key=lambda each: each[:3]):
        if start < reach:
            _join(holder, first)
        else:
            first = holder
        reach = max(reach, end)


def _holders(objects: Iterable[Any]) -> Iterator[Any]:
    """Blocks and indexes: what has references."""
    manager, index = sys.modules["pandas.core.internals.managers"].BaseBlockManager, sys.modules["pandas"].Index
    for obj in objects:
        if issubclass(type(obj), manager):
            yield from obj.blocks
        elif issubclass(type(obj), index):
            yield obj


def _values_of(holder: Any) -> Any:
    return holder.values if _is_block(holder) else vars(holder).get("_data")


def _is_block(holder: Any) -> bool:
    return issubclass(type(holder), sys.modules["pandas._libs.internals"].Block)


def _spans(held: Any) -> Iterator[tuple[int, int]]:
    """Addresses of an array of any kind: its own, and of its memory."""
    if issubclass(type(held), sys.modules["numpy"].ndarray):
        if held.size:
            yield bounds(held)
    elif issubclass(type(held), sys.modules["pandas"].api.extensions.ExtensionArray):
        yield id(held), id(held) + 1
        for part in (getattr(held, "_ndarray", None), *(seen_attributes(held) or {}).values()):
            yield from _spans(part)


def _join(holder: Any, other: Any) -> None:
    """The references of one, and of all that have the same, are those of another from now on."""
    own, shared = (each.refs if _is_block(each) else each._references for each in (holder, other))
    if own is shared:
        return
    for each in [reference() for reference in own.referenced_blocks]:
        if each is None:
            continue
        if _is_block(each):
            each.refs = shared
            shared.add_reference(each)
        else:
            each._references = shared
            shared.add_index_reference(each)


def _without_cache(obj: Any) -> Reduction:
    # What pandas has worked out once and keeps (`cache_readonly`) is no change of what a person reads there.
    kind = type(obj)
    return NotImplemented if module_name(kind) == "__main__" else _way_of(kind)(obj)  # type: ignore[arg-type]


@functools.lru_cache(maxsize=64)
def _way_of(kind: type) -> Reduce:
    if module_name(kind).partition(".")[0] != "pandas":
        return reduction_with_left_out(kind) or (lambda _: NotImplemented)
    return reduction_with_left_out(kind, _own_way, {"_cache"}) or _own_way


def _own_way(obj: Any) -> Reduction:
    reduced = obj.__reduce_ex__(5)
    if type(reduced) is not tuple or "_cache" not in (seen_attributes(obj) or ()):
        return reduced
    make, arguments, *rest = reduced
    arguments, *rest = (_stripped(part) for part in (arguments, *rest))
    return make, arguments, *rest


def _stripped(part: Any) -> Any:
    """A part of a reduction as it would be if nothing were kept."""
    if type(part) is tuple:
        stripped = ((each, _stripped(each)) for each in part)
        return tuple(now for then, now in stripped if now is not None or then is None)
    if type(part) is dict and "_cache" in part:
        return {name: value for name, value in part.items() if name != "_cache"} or None
    return part


def _frame(frame: Any) -> Reduction:
    # What it gives itself is loaded by the setter of `attrs`, which copies: who else held the dictionary lost it.
    kind = type(frame)
    if kind.__setstate__ is not sys.modules["pandas.core.generic"].NDFrame.__setstate__:
        return _as_left_out(kind)(frame)  # type: ignore[arg-type]
    try:
        return _way_of_frames(kind)(frame)  # type: ignore[arg-type]
    except Exception:  # its own way says what there is to say
        return NotImplemented


@functools.lru_cache(maxsize=64)
def _as_left_out(kind: type) -> Reduce:
    return reduction_with_left_out(kind) or (lambda _: NotImplemented)


@functools.lru_cache(maxsize=64)
def _way_of_frames(kind: type) -> Reduce:
    return reduction_with_left_out(kind, _with_attrs) or _with_attrs


def _with_attrs(frame: Any) -> Reduction:
    make, arguments, state, *rest = frame.__reduce_ex__(5)
    return make, arguments, {"_attrs" if name == "attrs" else name: each for name, each in state.items()}, *rest


def _frame_head(frame: Any, rows: int, columns: int) -> list[tuple[object, list[Any]]]:
    names = list(frame.columns[:columns])
    return [(name, _first(frame._get_column_array(at), rows)) for at, name in enumerate(names)]


def _series_head(series: Any, rows: int, columns: int) -> list[tuple[object, list[Any]]]:
    return [(series.name, _first(series._values, rows))]


def _first(array: Any, rows: int) -> list[Any]:
    # A part of the frame itself would have copies of all that stands in its `attrs`.
    part = array[:rows]
    return list(part.tolist() if isinstance(part, sys.modules["numpy"].ndarray) else part)


def _guests(held: Any) -> Iterator[Any]:
    """Arrays that stand in a frame or a series, and in its labels, and what their types are made of."""
    for array in held._mgr.arrays:
        yield from _in_array(array)
    for axis in held._mgr.axes:
        yield from _in_index(axis)


def _in_index(index: Any) -> Iterator[Any]:
    for level in getattr(index, "_levels", ()):
        yield from _in_index(level)
    yield from _in_array(vars(index).get("_data"))


def _in_array(array: Any) -> Iterator[Any]:
    yield array
    if module_name(type(array)).partition(".")[0] != "pandas":  # one of the user's is asked for nothing
        return
    yield array.dtype
    yield from (getattr(array.dtype, part, None) for part in ("tz", "pyarrow_dtype"))
    for part in ("_left", "_right"):
        yield from _in_array(getattr(array, part, None))
    if (categories := getattr(array.dtype, "categories", None)) is not None:
        yield from _in_index(categories)


def _time_zone(moment: Any) -> Iterator[Any]:
    yield moment.tzinfo


class _Options(Provider):
    name = "options of pandas"
    module = "pandas._config.config"

    def __init__(self) -> None:
        self._seen: dict[str, Any] = {}
        self._value: dict[str, Any] = {}

    def places(self) -> Iterable[Any] | None:
        return [(vars(sys.modules[self.module]), "_global_config")]

    def read(self) -> Any:
        config = sys.modules[self.module]
        if config._global_config != self._seen:
            self._seen = _copied(config._global_config)
            options = {key: option.defval for key, option in config._registered_options.items()}
            self._value = {key: now for key, usual in options.items() if differs(now := _option(config, key), usual)}
        return self._value

    def write(self, value: Any) -> None:
        config = sys.modules[self.module]
        known = config._registered_options
        with warnings_muted():
            for key in self.read().keys() - value.keys():
                config.set_option(key, known[key].defval)
            for key, each in value.items():
                if key in known and differs(_option(config, key), each):
                    config.set_option(key, each)

    def initial(self) -> Any:
        return {}


def _copied(tree: dict[str, Any]) -> dict[str, Any]:
    return {key: _copied(each) if isinstance(each, dict) else each for key, each in tree.items()}


def _option(config: Any, key: str) -> Any:
    *path, last = key.split(".")
    at = config._global_config
    for each in path:
        at = at[each]
    return at[last]


def _accessors(path: str) -> Registry:
    def wrap(name: str, accessor: Any) -> Any:
        kinds = vars(sys.modules["pandas.core.accessor"])
        return (kinds.get("Accessor") or kinds["CachedAccessor"])(name, accessor)

    return attributes_of(path, Place(f"{path}._accessors"), lambda held: getattr(held, "_accessor", held), wrap)


_REGISTRIES = {
    "accessors of frames": _accessors("pandas.core.frame:DataFrame"),
    "accessors of series": _accessors("pandas.core.series:Series"),
    "accessors of indexes": _accessors("pandas.core.indexes.base:Index"),
    "types of columns": sequence("pandas.core.dtypes.base:_registry.dtypes"),
    "ways to plot": mapping("pandas.plotting._core:_backends"),
}

_COMPARED = "kishu_kernel.compare.libraries.pandas.tables"
_FRAME = ("pandas.DataFrame", "pandas.core.frame.DataFrame")
_SERIES = ("pandas.Series", "pandas.core.series.Series")
_INDEX = ("pandas.Index", "pandas.core.indexes.base.Index")
"""From pandas 3 on, and before."""
_KEEPING = ("ExtensionDtype", "ExtensionArray")
"""What keeps what it has worked out when it is first asked. (An `Index` does, too, but does not tell it.)"""


class Pandas(Library):
    """Blocks are private under copy-on-write: frames may share them, and no write to one shows in another."""

    values = {"ExtensionDtype", "BaseOffset", "Timestamp", "Timedelta", "NAType"}
    labels = {"Index"}
    reductions = {**dict.fromkeys(_KEEPING, _without_cache), "NDFrame": _frame}
    private_memory = {"SingleBlockManager": _memory_of_blocks, "Block": _memory_of_block, "Index": _memory_of_index}
    transparent = {
        *("DataFrame", "Series", "Flags", "Block", "BlockManager", "SingleBlockManager", "BlockValuesRefs"),
        *("DatetimeArray", "TimedeltaArray", "BaseMaskedArray"),
    }
    complete_reductions = True
    whole = {"pandas.*", *_KEEPING}
    missing_values = ("pandas.NA",)
    shapes = True
    heads = {**dict.fromkeys(_FRAME, _frame_head), **dict.fromkeys(_SERIES, _series_head)}
    guests = {
        **dict.fromkeys((*_FRAME, *_SERIES), _guests),
        **dict.fromkeys(_INDEX, _in_index),
        "ExtensionArray": _in_array,
        "Timestamp": _time_zone,
    }
    scalars = {"Timestamp", "Timedelta", "Period", "Interval", "NaTType", "NAType"}
    texts = {"ExtensionDtype": str}
    comparisons = {
        **dict.fromkeys(_FRAME, f"{_COMPARED}:frames"),
        **dict.fromkeys(_SERIES, f"{_COMPARED}:series"),
        **dict.fromkeys(_INDEX, f"{_COMPARED}:indexes"),
    }
    compared_inside = {*_FRAME, *_SERIES, *_INDEX}
    harmless = True
    data = True
    ambient = (_Options(), Registrations("registrations with pandas", "pandas.core.accessor", _REGISTRIES))

    def loaded(self, objects: Iterable[object]) -> None:
        """Blocks and indexes that share memory know it."""
        _share_references(objects)

    def copies_on_write(self) -> bool:
        """No write to one frame ever shows in another. Always so from pandas 3."""
        pandas = sys.modules.get("pandas")
        version = getattr(pandas, "__version__", "")
        if version.partition(".")[0] in ("0", "1", "2"):
            try:
                return pandas.options.mode.copy_on_write is True  # type: ignore[union-attr]
            except Exception:
                return False
        return True
