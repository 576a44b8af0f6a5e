"""Arrays of NumPy, which are what buffers are here: whether something is one, without importing NumPy.

The one place outside of `libraries` that knows a library by its name: walk and codec read the memory of arrays where it
lies, which no table could tell. Where that memory lies is in `process.memory`.
"""

from __future__ import annotations

import sys
from typing import Any

from kishu_kernel.objects.classes import (
    attributes,
    derives,
    is_users_own,
    module_contents,
    module_name,
    mro_of,
    qualified_name,
)

HOME = "numpy"
"""The module by which the class of arrays goes, and what else says that it is there."""


def array_type() -> Any:
    """`numpy.ndarray`. None where NumPy is not imported, or only half of it."""
    return getattr(sys.modules.get("numpy"), "ndarray", None)


def is_array_type(kind: type) -> bool:
    """Its instances are arrays."""
    array = array_type()
    return array is not None and issubclass(kind, array)


def is_derived_array_type(kind: type) -> bool:
    """Its instances are arrays, and more than that. Asks its bases for their names only."""
    return any(map(is_array_name, mro_of(kind)[1:]))


def is_array_name(kind: type) -> bool:
    """It is called as the class of arrays is."""
    return (module_name(kind), qualified_name(kind)) == (HOME, "ndarray")


def is_of_arrays(kind: type) -> bool:
    """It says that it is of the library that arrays are of."""
    return module_name(kind).partition(".")[0] == "numpy"


def is_scalar_type(kind: type) -> bool:
    """Its instances are elements of arrays."""
    scalar = getattr(sys.modules.get("numpy"), "generic", None)
    return scalar is not None and is_of_arrays(kind) and issubclass(kind, scalar)


def is_element_type(kind: type) -> bool:
    """Its instances are elements of arrays, or derived from them by whomever."""
    return _derives_from(kind, "generic")


def is_number_type(kind: type) -> bool:
    """The same, of numbers and truth values."""
    return _derives_from(kind, "number", "bool_")


def is_dtype_type(kind: type) -> bool:
    """Its instances say what stands in an array."""
    dtype = getattr(sys.modules.get("numpy"), "dtype", None)
    return dtype is not None and is_of_arrays(kind) and issubclass(kind, dtype)


def dtype_of_all(kind: type) -> Any:
    """The dtype that all scalars of this type have, which are its bytes; None where there is none: texts, records."""
    numpy = sys.modules["numpy"]
    dtype = numpy.dtype(kind)
    return dtype if dtype.type is kind and dtype.kind in "biufc" and dtype.itemsize <= _MOST[dtype.kind] else None


_MOST = {"b": 1, "i": 8, "u": 8, "f": 8, "c": 16}
"""Bytes: in longer numbers there are some that say nothing."""


def plain_view(array: Any) -> Any:
    """The memory of an array of any class as that of a plain one. Runs no code of its class."""
    plain = array_type()
    return plain.view(array, plain)


def can_be_viewed(derived: Any) -> bool:
    """Whether an array of a derived class is its memory, seen as of that class, and its attributes: nothing else.

    What the class does when it is given a plain array is then a library's code.
    """
    kind, plain = type(derived), array_type()
    added = kind.__basicsize__ - plain.__basicsize__
    return not is_users_own(kind) and added <= 2 * tuple.__itemsize__ and attributes(derived) is not None


def array_library() -> Any:
    """NumPy, for whoever has an array: so the session has imported it."""
    return sys.modules["numpy"]


def _derives_from(kind: type, *names: str) -> bool:
    found = [module_contents(sys.modules.get("numpy")).get(name) for name in names]
    return any(isinstance(base, type) and derives(kind, base) for base in found)


def nan() -> Any:
    """The one nan that stands for a missing value in an array of objects."""
    return sys.modules["numpy"].nan
