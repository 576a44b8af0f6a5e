"""NumPy: its own classes and random numbers. What arrays are is in `arrays`, of derived classes in `class_shape`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from kishu_kernel.objects.ambient_settings import Setting, Settings, hook
from kishu_kernel.objects.ambient_state import Provider
from kishu_kernel.objects.class_shape import as_it_is
from kishu_kernel.objects.library import Library, Reduction
from kishu_kernel.process.memory import bytes_at, object_memory, object_place


class _RandomNumbers(Provider):
    name = "random numbers of NumPy"
    module = "numpy"
    drawn = True

    def __init__(self) -> None:
        self._read_at: tuple[Any, bytes] | None = None
        self._value: Any = None

    def places(self) -> Iterable[Any] | None:
        module = sys.modules["numpy"].random.mtrand
        generator = module._rand._bit_generator
        if type(generator).__name__ != "MT19937":
            return None
        state = generator, generator.ctypes.state_address, _MT19937_SIZE
        return [
            (sys.modules["numpy"], "random"),
            (vars(module), "_rand"),
            (module._rand, *object_place(module._rand)),
            state,
        ]

    def read(self) -> Any:
        # It is imported when it is first used, and seeds itself from the clock: too late to know what a cell drew from.
        random = sys.modules["numpy"].random
        generator = random.mtrand._rand._bit_generator
        if type(generator).__name__ != "MT19937":  # the user has put another one there
            return type(generator).__name__, repr(generator.state), generator.state
        memory = _memory_of(random.mtrand._rand, generator)
        if memory is None or self._read_at != memory:  # to ask for the state takes 100 microseconds
            kind, key, position, has_gauss, gauss = random.get_state()
            self._value = kind, key.tobytes(), position, has_gauss, gauss
            self._read_at = memory
        return self._value

    def write(self, value: Any) -> None:
        numpy = sys.modules["numpy"]
        kind, key, *rest = value
        if type(numpy.random.mtrand._rand._bit_generator).__name__ != kind:
            numpy.random.set_bit_generator(getattr(numpy.random, kind)())
        if kind != "MT19937":
            numpy.random.mtrand._rand._bit_generator.state = rest[0]
            return
        numpy.random.set_state((kind, numpy.frombuffer(key, dtype=numpy.uint32), *rest))


def _memory_of(numbers: Any, generator: Any) -> tuple[bytes, bytes] | None:
    """All memory in which the state of NumPy's own random numbers is: as long as it is the same, so is the state.

    The generator's has the key and the position, the other's a number that was drawn with the last one and is kept.
    """
    try:
        return object_memory(numbers), bytes_at(generator.ctypes.state_address, _MT19937_SIZE)
    except Exception:  # it cannot be told here
        return None


_MT19937_SIZE = 624 * 4 + 4


def _numpy() -> Any:
    return sys.modules["numpy"]


_PRINTED = {
    **{"edgeitems": 3, "threshold": 1000, "floatmode": "maxprec", "precision": 8, "suppress": False, "linewidth": 75},
    **{"nanstr": "nan", "infstr": "inf", "sign": "-", "formatter": None, "legacy": False, "override_repr": None},
}
_ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}


def _printed() -> dict[str, Any]:
    return {**_PRINTED, **_numpy().get_printoptions()}


def _set_printed(options: dict[str, Any]) -> None:
    _numpy().set_printoptions(**{name: value for name, value in options.items() if name in _numpy().get_printoptions()})


def _places_of_printing() -> Any:
    """From NumPy 2.2 on; before, they were elsewhere."""
    return [(sys.modules["numpy._core.printoptions"].format_options.get, ())]


def _places_of_errors() -> Any:
    """From NumPy 2.0 on."""
    return [(sys.modules["numpy._core.umath"]._get_extobj_dict, ())]


_SETTINGS = {
    "printing": Setting(_printed, _set_printed, lambda: _PRINTED, places=_places_of_printing),
    "errors": Setting(
        lambda: _numpy().geterr(), lambda errors: _numpy().seterr(**errors), lambda: _ERRORS, places=_places_of_errors
    ),
    "buffer": Setting(lambda: _numpy().getbufsize(), lambda size: _numpy().setbufsize(size), lambda: 8192, places=list),
}
_CALLED = {
    "errors": hook(
        Setting(
            lambda: _numpy().geterrcall(),
            lambda call: _numpy().seterrcall(call),
            lambda: None,
            places=_places_of_errors,
        )
    ),
}


def _scalar(value: Any) -> Any:
    """A number itself, also one in an array of no dimensions."""
    return f"{value!s:.80}" if value.shape == () and value.dtype.kind in "biufcmMSU" else NotImplemented


def _array_head(array: Any, rows: int, columns: int) -> list[tuple[object, list[Any]]]:
    if array.ndim == 1 and array.dtype.names:
        return [(name, array[name][:rows].tolist()) for name in array.dtype.names[:columns]]
    if array.ndim < 2:
        return [(None, [each]) for each in array.reshape(-1)[:columns].tolist()]
    index = (slice(rows), slice(columns)) + (0,) * (array.ndim - 2)
    flat = array[index]
    return [(None, flat[:, at].tolist()) for at in range(flat.shape[1])]


def _field_names(dtype: Any) -> Iterator[Any]:
    """Names and titles of fields, also of fields in fields: any string will do for one."""
    for name, (kind, _, *title) in (dtype.fields or {}).items():
        yield from (name, *title)
        yield from _field_names(kind)
    if dtype.subdtype is not None:
        yield from _field_names(dtype.subdtype[0])


def _dtype(dtype: Any) -> Reduction:
    # NumPy makes each of the simple ones once, and its own reduction makes another one.
    make = sys.modules["numpy"].dtype
    names = (dtype.str, dtype.char) if dtype.names is None else ()
    for name in names:
        with suppress(TypeError):  # not all are known by a name: strings of any length, other packages' numbers
            if make(name) is dtype:
                return make, (name,)
    return NotImplemented


_COMPARED = "kishu_kernel.compare.libraries.numpy"


class NumPy(Library):
    """Views hold the array that they show."""

    values = {"dtype"}
    hidden_references = {
        "numpy.nditer": ("operands",),
        **dict.fromkeys(
            ("numpy.flatiter", "numpy.void", "numpy.record", "numpy.ndarray", "numpy.memmap", "numpy.matrix"),
            ("base",),
        ),
    }
    # Of polynomials: else what is the class's becomes the instance's.
    reductions = {"numpy.polynomial._polybase.ABCPolyBase": as_it_is, "numpy.dtype": _dtype}
    shapes = True
    heads = {"numpy.ndarray": _array_head}
    guests = {
        "numpy.dtype": _field_names,
        **dict.fromkeys(("numpy.ndarray", "numpy.generic"), lambda array: _field_names(array.dtype)),
    }
    summaries = {"numpy.generic": _scalar, "numpy.ndarray": _scalar}
    texts = {"numpy.generic": f"{_COMPARED}:element_text", "numpy.dtype": str}
    comparisons = {"numpy.ndarray": f"{_COMPARED}:arrays"}
    compared_inside = {"numpy.ndarray"}
    whole = {"numpy.*"}
    harmless = True
    data = True
    survives_fork = True  # OpenBLAS does
    ambient = (
        _RandomNumbers(),
        Settings("settings of NumPy", "numpy", _SETTINGS),
        Settings("error function of NumPy", "numpy", _CALLED, refers=True),
    )

    def after_fork(self) -> None:
        """Draws other random numbers, as Python's own does after each fork."""
        if "numpy.random" in sys.modules:  # else it seeds itself where it is imported
            _numpy().random.seed()
