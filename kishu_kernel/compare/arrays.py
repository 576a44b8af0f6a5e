"""Arrays and tensors of any library: compared in blocks, so that a temporary array is never large.

A block is an array of one dimension, as `objects.arrays` knows them. Law: no array is copied whole, and its memory is
only read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from kishu_kernel.compare.findings import Findings
from kishu_kernel.compare.looking import SHOWN, cut, is_valued, same, text
from kishu_kernel.model.amounts import counted
from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.objects.arrays import array_library

BLOCK = 1 << 18
"""Elements that are compared at once."""

ALONE = 1 << 12
"""Elements that are compared at once where each must be asked for itself, so that the time is kept."""

Block = Any
"""An array of one dimension."""


@dataclass(frozen=True, slots=True)
class Flat:
    """An array, element after element.

    Attributes:
        block: the elements from one place to another.
        backwards: its first index runs fastest.
    """

    shape: tuple[int, ...]
    block: Callable[[int, int], Block]
    backwards: bool = False

    @property
    def size(self) -> int:
        """How many elements there are."""
        return math.prod(self.shape)


def in_one_line(before: Any, after: Any, findings: Findings, whole: Callable[[Any, Any, Findings], None]) -> None:
    """What is said of an array that is part of something else."""
    inside = findings.fresh()
    whole(before, after, inside)
    findings.all_compared = inside.all_compared
    found = {each.aspect: each for each in inside.aspects}
    small = all(math.prod(each.shape) <= 6 and len(each.shape) <= 1 for each in (before, after))
    if small:
        values = before.tolist(), after.tolist()
        one, other = map(_rounded, values)
        findings.add("", *((one, other) if one != other else map(text, values)))
        return
    one, other = text(before), text(after)
    if (norm := found.get("norm")) is not None:
        one, other = f"{one}, norm {norm.before}", f"{other}, norm {norm.after}"
    if (count := found.get("elements that differ")) is not None:
        other = f"{other}; {count.after} differ"
    findings.add("", one, other)


def _rounded(value: Any) -> str:
    """A number, or a short list of numbers, with the digits that a person looks at."""
    if type(value) is list:
        return f"[{', '.join(map(_rounded, value))}]"
    return f"{value:.4g}" if type(value) in (float, complex) else text(value)


def flat_of(array: Any, backwards: bool = False) -> Flat:
    """An array, in the order of its indices, or the first index fastest."""
    if backwards:
        array = array.T
    if array.flags.c_contiguous:
        line = array.reshape(-1)
        return Flat(array.shape, lambda start, stop: line[start:stop], backwards)
    return Flat(array.shape, lambda start, stop: array.flat[start:stop], backwards)


def elements(one: Flat, other: Flat, findings: Findings) -> None:
    """Elements that stand in the same place; of arrays of different length, those that both have."""
    length = one.size
    if one.shape != other.shape:
        if not one.shape or not other.shape or one.shape[1:] != other.shape[1:] or one.backwards:
            _norms(one, other, findings)
            return
        length = min(one.size, other.size)
    compared = differing = 0
    largest = 0.0
    first: list[tuple[int, str, str]] = []
    for start, here, there in _blocks(one, other, length, findings):
        places = differ(here, there).nonzero()[0]
        differing += len(places)
        compared = start + len(here)
        for place in places[: SHOWN - len(first)].tolist():
            first.append((start + place, element(here, place), element(there, place)))
        if len(places):
            largest = max(largest, _largest_difference(here[places], there[places]))
    if differing:
        findings.add("elements that differ", "", f"{differing:,} of {compared:,}")
    if largest:
        findings.add("largest difference", "", f"{largest:.6g}")
    _norms(one, other, findings)
    for place, before, after in first:
        findings.cell(*_place(place, one), before, after)
    if one.shape != other.shape and compared == length > 0:
        what = counted(min(one.shape[0], other.shape[0]), "element" if len(one.shape) == 1 else "row")
        findings.note(f"The first {what} were compared." if differing else f"The first {what} are the same.")
    elif not differing and compared == length:
        findings.all_compared = True


def _blocks(one: Flat, other: Flat, length: int, findings: Findings) -> Iterator[tuple[int, Block, Block]]:
    kinds = one.block(0, 0).dtype.kind + other.block(0, 0).dtype.kind
    step = ALONE if set(kinds) & set("OV") or (set(kinds) - set("biufc") and kinds[0] != kinds[1]) else BLOCK
    for start in range(0, length, step):
        if findings.late:
            findings.cut_short(start, f"of {length:,} elements")
            return
        stop = min(start + step, length)
        yield start, one.block(start, stop), other.block(start, stop)


def differ(here: Block, there: Block) -> Block:
    """Which elements of two blocks of the same length differ; what is no number is the same as itself."""
    numpy = array_library()
    kinds = here.dtype.kind + there.dtype.kind
    if here.dtype.names is not None or there.dtype.names is not None:
        return _records_differ(here, there)
    if "V" not in kinds and (set(kinds) <= set("biufc") or kinds in ("MM", "mm", "UU", "SS", "TT")):
        found = here != there
        if set(kinds) & set("fcMm"):
            found &= (here == here) | (there == there)
        return found
    return numpy.fromiter(objects_differ(here.tolist(), there.tolist()), bool, len(here))


def _records_differ(here: Block, there: Block) -> Block:
    numpy = array_library()
    if here.dtype.names != there.dtype.names:
        return numpy.ones(len(here), bool)
    found = numpy.zeros(len(here), bool)
    for name in here.dtype.names:
        one, other = here[name], there[name]
        if one.shape != other.shape:
            return numpy.ones(len(here), bool)
        found |= differ(one.reshape(-1), other.reshape(-1)).reshape(len(here), -1).any(axis=1)
    return found


def objects_differ(here: list[Any], there: list[Any]) -> Iterator[bool]:
    """Which of two lists of objects differ, their types included."""
    if is_valued(here) and is_valued(there):
        for one, other in zip(here, there, strict=True):
            yield type(one) is not type(other) or (one != other and (one == one or other == other))
    else:
        for one, other in zip(here, there, strict=True):
            yield not same(one, other)


def element(block: Block, place: int) -> str:
    """An element of a block, in a few words."""
    return text(block[place])


def _largest_difference(here: Block, there: Block) -> float:
    if not {here.dtype.kind, there.dtype.kind} <= set("iufc"):
        return 0.0
    numpy = array_library()
    with numpy.errstate(all="ignore"):
        exact = complex if "c" in here.dtype.kind + there.dtype.kind else float
        by = numpy.abs(there.astype(exact) - here.astype(exact))
    by = by[numpy.isfinite(by)]
    return float(by.max()) if len(by) else 0.0


def _norms(one: Flat, other: Flat, findings: Findings) -> None:
    """The Euclidean norm of the numbers on both sides, and how many are none."""
    before, after = _norm(one, findings), _norm(other, findings)
    if before is not None and after is not None:
        findings.add("norm", f"{before[0]:.6g}", f"{after[0]:.6g}")
        findings.add("NaN", f"{before[1]:,}", f"{after[1]:,}")


def _norm(flat: Flat, findings: Findings) -> tuple[float, int] | None:
    numpy = array_library()
    if flat.block(0, 0).dtype.kind not in "iufc":
        return None
    total, missing = 0.0, 0
    for start in range(0, flat.size, BLOCK):
        if findings.late:
            return None
        block = flat.block(start, min(start + BLOCK, flat.size))
        with numpy.errstate(all="ignore"):
            numbers = numpy.abs(block.astype(complex if block.dtype.kind == "c" else float))
            known = numbers == numbers
            count = len(numbers) - int(numpy.count_nonzero(known))
            if count:
                numbers = numbers[known]
            total += float(numpy.dot(numbers, numbers))
        missing += count
    return math.sqrt(total), missing


def _place(place: int, flat: Flat) -> tuple[str, str]:
    """Row and column; of an array with one dimension the row alone, of more the last is the column."""
    indices = []
    for length in reversed(flat.shape):
        place, index = divmod(place, length)
        indices.append(index)
    if not flat.backwards:
        indices.reverse()
    if len(indices) < 2:
        return str(indices[0] if indices else ""), ""
    return ", ".join(map(str, indices[:-1])), str(indices[-1])


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape in a few words."""
    return cut(str(shape))
