"""Arrays of NumPy and their elements."""

from __future__ import annotations

import sys
from typing import Any

from kishu_kernel.compare.arrays import elements, flat_of, in_one_line, shape_text
from kishu_kernel.compare.findings import Findings
from kishu_kernel.compare.looking import is_kind, text
from kishu_kernel.detect.atoms import PLAIN


def arrays(before: Any, after: Any, findings: Findings) -> None:
    """Shape, dtype, norm; how many elements differ, by how much, and the first of them."""
    if findings.path:
        in_one_line(before, after, findings, arrays)
        return
    numpy = sys.modules["numpy"]
    one, other = numpy.ndarray.view(before, numpy.ndarray), numpy.ndarray.view(after, numpy.ndarray)
    findings.add("shape", shape_text(one.shape), shape_text(other.shape))
    findings.add("dtype", text(one.dtype), text(other.dtype))
    if is_kind(type(before), "numpy.ma", "MaskedArray") and is_kind(type(after), "numpy.ma", "MaskedArray"):
        masks = [sys.modules["numpy.ma"].getmaskarray(each) for each in (before, after)]
        findings.add("masked", *(f"{int(mask.sum()):,}" for mask in masks))
        elements(flat_of(masks[0]), flat_of(masks[1]), findings.at(".mask"))
    in_step = one.flags.f_contiguous and other.flags.f_contiguous and one.shape == other.shape
    elements(flat_of(one, in_step), flat_of(other, in_step), findings)


def element_text(value: Any) -> str:
    """An element of an array, as a value of Python where that shows the same digits."""
    if value.dtype.kind in "Mmgcf" and value.dtype.char not in "dD":
        return str(value)  # `item` would turn 0.1 of 32 bits into 0.10000000149011612
    plain = value.item()
    return text(plain) if type(plain) in PLAIN or type(plain) is tuple else str(value)
