"""Blocks of the values of pandas, and which of them differ. Missing values are the same as each other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from kishu_kernel.compare.arrays import ALONE, BLOCK, differ, objects_differ
from kishu_kernel.compare.looking import is_kind, same
from kishu_kernel.detect.atoms import PLAIN
from kishu_kernel.objects.classes import module_name, qualified_name

_MISSING = {"NoneType", "NAType", "NaTType"}


def values_block(get: Callable[[], Any], places: Any = None) -> Callable[[int, int], Any]:
    """Reads the values of a Series from one row to another.

    Args:
        places: which rows, in which order; None for all.
    """

    def block(start: int, stop: int) -> Any:
        series = get()
        plain = is_kind(type(series.dtype), "numpy", "dtype") and series.dtype.kind not in "mM"
        values = series.to_numpy() if plain else series.array
        return values[start:stop] if places is None else values.take(places[start:stop])

    return block


def labels_block(index: Any, level: int = 0) -> Callable[[int, int], Any]:
    """Reads the labels of an Index from one to another."""
    if index.nlevels > 1:
        return lambda start, stop: values_block(lambda: index[start:stop].get_level_values(level))(0, stop - start)
    return lambda start, stop: values_block(lambda: index[start:stop])(0, stop - start)


def rows_at_once(dtype: Any) -> int:
    """Rows of a block, so that it is soon compared."""
    return ALONE if str(dtype) in ("object", "category") else BLOCK


def differing_places(here: Any, there: Any) -> Any:
    """The places where two blocks differ, in order."""
    numpy = sys.modules["numpy"]
    one, other = _numpy_values(here), _numpy_values(there)
    if one is not None and other is not None:
        return differ(one, other).nonzero()[0]
    alike = str(here.dtype) == str(there.dtype)
    if alike or {here.dtype.kind, there.dtype.kind} <= set("biufc"):
        found = _asked_of_pandas(here, there)
        if found is not None:
            return found.nonzero()[0]
    compared = (objects_differ if alike else _loosely_differ)(here.tolist(), there.tolist())
    return numpy.fromiter(compared, bool, len(here)).nonzero()[0]


def _numpy_values(block: Any) -> Any:
    """The block as an array of numpy, where numpy can compare it."""
    numpy = sys.modules["numpy"]
    known = isinstance(block.dtype, numpy.dtype) and block.dtype.kind in "biufcMmUS"
    return numpy.asarray(block) if known else None


def _asked_of_pandas(here: Any, there: Any) -> Any:
    """Which values differ; None where pandas has no quick answer, or would ask the values themselves."""
    numpy = sys.modules["numpy"]
    for block in (here, there):
        if _numpy_values(block) is not None:
            continue
        if module_name(type(block)).partition(".")[0] != "pandas" or "object" in str(block.dtype):
            return None
        categories = getattr(block.dtype, "categories", None)
        if categories is not None and str(categories.dtype) == "object":
            return None
    try:
        found = here != there
        if hasattr(found, "to_numpy") and not is_kind(type(found), "numpy", "ndarray"):
            found = found.to_numpy(dtype=bool, na_value=False)
        found = numpy.array(found, dtype=bool)
        one, other = (numpy.asarray(_isna(block), dtype=bool) for block in (here, there))
    except Exception:  # categories that are not alike, and what else cannot be compared as a whole
        return None
    found[one | other] = (one ^ other)[one | other]
    return found


def _isna(block: Any) -> Any:
    return block.isna() if hasattr(block, "isna") else block != block


def _loosely_differ(here: list[Any], there: list[Any]) -> Iterator[bool]:
    """Of columns whose dtype changed: 1 is 1.0, and what is missing is missing."""
    for one, other in zip(here, there, strict=True):
        kinds = {type(one), type(other)}
        if one is other or (_missing(one) and _missing(other)):
            yield False
        elif kinds <= PLAIN:
            yield one != other
        else:
            yield not same(one, other)


def _missing(value: object) -> bool:
    kind = type(value)
    return qualified_name(kind) in _MISSING or (kind is float and value != value)
