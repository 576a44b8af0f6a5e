"""NumPy: its own classes. What arrays are is in `arrays`, and what those of derived classes are in `by_nature`."""

from __future__ import annotations

from kishu_kernel.objects.by_nature import as_it_is
from kishu_kernel.objects.library import Library


class NumPy(Library):
    """Views hold the array that they show."""

    values = {"dtype"}
    hidden = {
        "numpy.nditer": ("operands",),
        **dict.fromkeys(
            ("numpy.flatiter", "numpy.void", "numpy.record", "numpy.ndarray", "numpy.memmap", "numpy.matrix"),
            ("base",),
        ),
    }
    # Of polynomials: else what is the class's becomes the instance's.
    reductions = {"numpy.polynomial._polybase.ABCPolyBase": as_it_is}
    shapes = True
    harmless = True
