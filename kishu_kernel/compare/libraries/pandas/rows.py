"""Which rows of two pandas objects belong together, and what is said of the rows that do not."""

from __future__ import annotations

import sys
from typing import Any

from kishu_kernel.compare.findings import Findings
from kishu_kernel.compare.libraries.pandas.blocks import differing_places, labels_block, rows_at_once
from kishu_kernel.compare.looking import SHOWN, is_kind, is_plain, label, listed, text
from kishu_kernel.compare.plain import order_of
from kishu_kernel.model.dataclass import dataclass

_BY_LABEL = 2_000_000
"""Rows up to which they are found by their labels: a table of the labels is needed for that."""

_BY_NUMBER = 20_000_000
"""The same, where the labels on one side are consecutive numbers."""

_BY_SLOW_LABEL = 200_000
"""The same, of labels that are objects."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """Rows that belong together: those at the same place, or at these places.

    Attributes:
        before: places before, as an array; None for all in order.
        after: the places after that belong to them.
        guessed: their labels do not tell that they belong together.
    """

    count: int
    before: Any = None
    after: Any = None
    guessed: bool = False


def paired(one: Any, other: Any, findings: Findings) -> Pairing:
    """Says how the labels of the rows changed, and which rows belong together."""
    shorter = min(len(one), len(other))
    start = _first_other_label(one, other, findings)
    if start is None:
        return Pairing(shorter)
    if start == shorter < max(len(one), len(other)):
        _told("rows removed", one[shorter:][:SHOWN], len(one) - shorter, findings, after=False)
        _told("rows added", other[shorter:][:SHOWN], len(other) - shorter, findings, after=True)
        return Pairing(shorter)
    pairing = _by_label(one, other)
    if pairing is None or not pairing.count:
        findings.add("index", _labels(one, start), _labels(other, start))
        return Pairing(shorter, guessed=True)
    _told("rows removed", _others(one, pairing.before), len(one) - pairing.count, findings, after=False)
    _told("rows added", _others(other, pairing.after), len(other) - pairing.count, findings, after=True)
    order = sys.modules["numpy"].sort(pairing.after)
    moved = (order != pairing.after).nonzero()[0][:1].tolist()
    for first in moved:
        before, after = (places[first : first + 6] for places in (pairing.before, order))
        findings.add("order of rows", *order_of(list(one.take(before)), list(other.take(after))))
    if pairing.count == len(one) == len(other) and not moved:
        findings.add("index", _labels(one, start), _labels(other, start))
    return pairing


def names_of(index: Any) -> str:
    """The name of an index, or of each of its levels."""
    return text(index.names[0] if index.nlevels == 1 else tuple(index.names))


def _told(aspect: str, labels: Any, count: int, findings: Findings, *, after: bool) -> None:
    if count:
        line = listed(list(labels), count, label)
        findings.add(aspect, *(("", line) if after else (line, "")))


def _first_other_label(one: Any, other: Any, findings: Findings) -> int | None:
    """Where the labels begin to differ; None where they do not."""
    shorter = min(len(one), len(other))
    if one.nlevels != other.nlevels:
        return 0
    ranges = all(is_kind(type(each), "pandas", "RangeIndex") for each in (one, other))
    if ranges and (one.start, one.step) == (other.start, other.step):
        return None if len(one) == len(other) else shorter
    step = min(rows_at_once(one.dtype), rows_at_once(other.dtype)) if one.nlevels == 1 else rows_at_once("object")
    for start in range(0, shorter, step):
        if findings.late:
            findings.cut_short(start, "labels of rows")
            return None
        stop = min(start + step, shorter)
        places = [
            places[0]
            for level in range(one.nlevels)
            if len(
                places := differing_places(
                    labels_block(one, level)(start, stop), labels_block(other, level)(start, stop)
                )
            )
        ]
        if places:
            return start + int(min(places))
    return None if len(one) == len(other) else shorter


def _by_label(one: Any, other: Any) -> Pairing | None:
    """Rows with the same label, where each label is there once, and is one that can be looked up."""
    length = max(len(one), len(other))
    slow = one.nlevels > 1 or "object" in (str(one.dtype), str(other.dtype))
    if one.nlevels != other.nlevels:
        return None
    for numbered, labels in ((one, other), (other, one)):
        if is_kind(type(numbered), "pandas", "RangeIndex") and length <= _BY_NUMBER and not slow:
            places = _by_number(numbered, labels)
            if places is None:
                return None
            there = (places >= 0).nonzero()[0]
            pair = (places[there], there) if numbered is one else (there, places[there])
            in_order = pair[0].argsort(kind="stable") if numbered is one else slice(None)
            return Pairing(len(there), pair[0][in_order], pair[1][in_order])
    if length > (_BY_SLOW_LABEL if slow else _BY_LABEL):
        return None
    if slow and not all(_can_be_looked_up(each) for each in (one, other)):
        return None
    try:
        if not (one.is_unique and other.is_unique):
            return None
        after = other.get_indexer(one)
    except Exception:  # labels of different kinds
        return None
    before = (after >= 0).nonzero()[0]
    return Pairing(len(before), before, after[before])


def _by_number(numbered: Any, labels: Any) -> Any:
    """The place of each label among consecutive numbers, or -1: no table of the labels is needed for that."""
    numpy = sys.modules["numpy"]
    if not isinstance(labels.dtype, numpy.dtype) or labels.dtype.kind not in "iu":
        return None
    places = numbered.get_indexer(labels)
    found = places[places >= 0]
    taken = numpy.zeros(len(numbered), bool)
    taken[found] = True
    return places if int(taken.sum()) == len(found) else None


def _can_be_looked_up(index: Any) -> bool:
    levels = index.levels if index.nlevels > 1 else [index]
    return all(str(level.dtype) != "object" or is_plain(level) for level in levels)


def _others(index: Any, places: Any) -> Any:
    """The first labels that are not at these places."""
    other = sys.modules["numpy"].ones(len(index), bool)
    other[places] = False
    return index.take(other.nonzero()[0][:SHOWN])


def _labels(index: Any, start: int) -> str:
    """How many labels, of which dtype, and some from a place on."""
    dtype = f"{index.nlevels} levels" if index.nlevels > 1 else text(index.dtype)
    shown = ", ".join(label(each) for each in index[start : start + 6])
    return f"{len(index):,} of {dtype}: {'…, ' if start else ''}{shown}{', …' if start + 6 < len(index) else ''}"
