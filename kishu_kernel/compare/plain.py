"""Numbers, texts and containers of Python, and what is derived from them.

Law: a derived class is asked by the methods of its base only, so that what it overrides does not run.
"""

from __future__ import annotations

import decimal
import enum
import fractions
import operator
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import islice, zip_longest
from typing import Any

from kishu_kernel.compare.findings import Findings
from kishu_kernel.compare.looking import (
    SHOWN,
    cut,
    is_plain,
    key_of,
    label,
    listed,
    members_of,
    mro_of,
    same,
    text,
)
from kishu_kernel.objects.arrays import is_element_type, is_number_type
from kishu_kernel.objects.short_texts import WIDTH

_BLOCK = 1 << 16
_ALIGNED = 400
"""Lines that are put side by side with care; of longer texts, line by line."""


def is_number(kind: type) -> bool:
    """Can be subtracted."""
    if kind in (complex, decimal.Decimal, fractions.Fraction) or issubclass(kind, (int, float)):
        return not issubclass(kind, enum.Enum)
    return is_number_type(kind)


def numbers(before: Any, after: Any, findings: Findings) -> None:
    """What they are, and by how much they differ."""
    one, other = _number(before), _number(after)
    findings.add("", text(before), text(after))
    if bool in (type(one), type(other)):
        return
    try:
        with decimal.localcontext():  # a calculation leaves flags in it
            by = other - one
            shown = f"{by:+,}" if type(by) is int and by.bit_length() < 200 else f"{float(by):+.6g}"
            share = float(by / abs(one)) * 100 if one else None
    except (ArithmeticError, TypeError, ValueError):  # of another kind, too large
        return
    if by and by == by:
        part = f" ({share:+.3g} %)" if share is not None and 0.01 <= abs(share) < 1000 else ""
        findings.add("difference", "", f"{shown}{part}")


def _number(value: Any) -> Any:
    """The value as a number of Python where it is derived from one."""
    kind = type(value)
    if is_element_type(kind):
        return value.item()
    if kind is bool:
        return value
    for base in (int, float):
        if issubclass(kind, base):
            return base.__pos__(value)
    return value


def words(before: Any, after: Any, findings: Findings) -> None:
    """Of values that a few words say everything about."""
    findings.add("", text(before), text(after))


# -- texts -----------------------------------------------------------------------------------------


def is_text(kind: type) -> bool:
    """A string, or derived from one."""
    return issubclass(kind, str)


def texts(before: str, after: str, findings: Findings) -> None:
    """Lengths, and the first lines that differ."""
    one, other = str.__str__(before), str.__str__(after)
    if len(one) <= WIDTH >= len(other) and "\n" not in one + other:
        findings.add("", text(one), text(other))
        return
    findings.add("length", f"{len(one):,}", f"{len(other):,}")
    at = _first_difference(one, other)
    if at is None:
        return
    # Around the place: what comes long before and after it is the same, or is not looked at.
    start = one.rfind("\n", max(0, at - 10_000), at) + 1 if "\n" in one[max(0, at - 10_000) : at] else max(0, at - 20)
    line = one.count("\n", 0, start) + 1
    end = start + 200_000
    differing_lines(one[start:end].split("\n"), other[start:end].split("\n"), findings, line)


def differing_lines(before: Sequence[str], after: Sequence[str], findings: Findings, first: int = 1) -> None:
    """The first lines that differ, side by side.

    Args:
        first: the number of the first line.
    """
    told = 0
    for number, one, other in _side_by_side(before, after):
        if told == SHOWN:
            findings.note("More lines differ than are shown.")
            return
        if one != other:
            told += 1
            findings.add(f"line {first + number}", *_around(one or "", other or ""))


def _side_by_side(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[int, str | None, str | None]]:
    """Lines that differ, with their number after, or before where they are no more."""
    if max(len(before), len(after)) > _ALIGNED:
        before, after = before[:10_000], after[:10_000]
        yield from ((number, *pair) for number, pair in enumerate(zip_longest(before, after)) if pair[0] != pair[1])
        return
    for change, i, i_end, j, j_end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if change != "equal":
            pairs = zip_longest(before[i:i_end], after[j:j_end])
            for number, (one, other) in enumerate(pairs):
                yield (i if other is None else j) + number, one, other


def _around(one: str, other: str) -> tuple[str, str]:
    """Two lines, cut to where they differ."""
    if len(one) <= WIDTH >= len(other):
        return one, other
    start = max(0, (_first_difference(one, other) or 0) - 20)
    lead = "…" if start else ""
    return cut(lead + one[start:]), cut(lead + other[start:])


def _first_difference(one: Any, other: Any) -> int | None:
    """Where two strings, or two bytes, begin to differ."""
    for start in range(0, max(len(one), len(other)), _BLOCK):
        here, there = one[start : start + _BLOCK], other[start : start + _BLOCK]
        if here != there:
            places = (at for at, (a, b) in enumerate(zip(here, there, strict=False)) if a != b)
            return start + next(places, min(len(here), len(there)))
    return None


def is_bytes(kind: type) -> bool:
    """Bytes of one kind or the other."""
    return issubclass(kind, (bytes, bytearray))


def byte_strings(before: Any, after: Any, findings: Findings) -> None:
    """Lengths, and what stands where they begin to differ."""
    one, other = memoryview(before), memoryview(after)
    if len(one) <= 20 >= len(other):
        findings.add("", repr(bytes(one)), repr(bytes(other)))
        return
    findings.add("length", f"{len(one):,}", f"{len(other):,}")
    at = _first_difference(one, other)
    if at is not None:
        findings.add(f"from byte {at:,}", repr(bytes(one[at : at + 16])), repr(bytes(other[at : at + 16])))


# -- containers --------------------------------------------------------------------------------------


def is_mapping(kind: type) -> bool:
    """A dict, or derived from one."""
    return issubclass(kind, dict)


def mappings(before: dict[Any, Any], after: dict[Any, Any], findings: Findings) -> None:
    """Keys that were added, removed, and those that lead to something else now."""
    findings.add("length", f"{dict.__len__(before):,}", f"{dict.__len__(after):,}")
    keys: dict[Any, Any] | None = None
    if is_plain(dict.__iter__(before)) and is_plain(dict.__iter__(after)):
        one, other = (each if type(each) is dict else dict(dict.items(each)) for each in (before, after))
    else:
        sides = [_by_key(dict.__iter__(each), findings) for each in (before, after)]
        if findings.hurried:
            return
        keys = sides[0] | sides[1]
        one, other = (
            dict(zip(side, dict.values(each), strict=True)) for side, each in ((sides[0], before), (sides[1], after))
        )
    name: Callable[[Any], Any] = (lambda key: key) if keys is None else keys.__getitem__
    removed, added = _without_nan([key for key in one if key not in other], [key for key in other if key not in one])
    if added:
        findings.add("keys added", "", listed(map(name, added), len(added)))
    if removed:
        findings.add("keys removed", listed(map(name, removed), len(removed)), "")
    shared = (key for key in one if key in other)
    pairs = ((f"[{cut(text(name(key)), 40)}]", one[key], other[key]) for key in shared)
    findings.all_compared = not findings.parts(pairs, "keys")
    if not added and not removed:
        findings.add("order of keys", *_orders(list(map(name, one)), list(map(name, other))))


def _without_nan(removed: list[Any], added: list[Any]) -> tuple[list[Any], list[Any]]:
    """What is no number is the same as itself, though Python finds it in no set."""
    if any(each != each for each in removed) and any(each != each for each in added):
        return [each for each in removed if each == each], [each for each in added if each == each]
    return removed, added


def _orders(one: Sequence[Any], other: Sequence[Any], name: Callable[[Any], str] = text) -> tuple[str, str]:
    """From where two orders of the same begin to differ; empty where they do not."""
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if not same(a, b)), -1)
    if start < 0:
        return "", ""
    lead = "…, " if start else ""
    first, second = (", ".join(cut(name(each), 20) for each in side[start : start + 6]) for side in (one, other))
    return lead + first, lead + second


def order_of(one: Sequence[Any], other: Sequence[Any]) -> tuple[str, str]:
    """From where two orders of the same labels begin to differ."""
    return _orders(one, other, label)


def is_set(kind: type) -> bool:
    """A set, frozen or not."""
    return issubclass(kind, (set, frozenset))


def sets(before: Any, after: Any, findings: Findings) -> None:
    """Elements that were added or removed."""
    bases: list[Any] = [set if issubclass(type(each), set) else frozenset for each in (before, after)]
    findings.add("length", f"{bases[0].__len__(before):,}", f"{bases[1].__len__(after):,}")
    if is_plain(_elements(before)) and is_plain(_elements(after)):
        one, other = (each if type(each) in (set, frozenset) else set(_elements(each)) for each in (before, after))
        removed, added = _without_nan(list(one - other), list(other - one))
    else:
        sides = [_by_key(_elements(each), findings) for each in (before, after)]
        if findings.hurried:
            return
        removed = [sides[0][key] for key in sides[0].keys() - sides[1].keys()]
        added = [sides[1][key] for key in sides[1].keys() - sides[0].keys()]
    if added:
        findings.add("added", "", listed(_in_order(added), len(added)))
    if removed:
        findings.add("removed", listed(_in_order(removed), len(removed)), "")


def _elements(elements: Any) -> Iterator[Any]:
    base: Any = set if issubclass(type(elements), set) else frozenset
    found: Iterator[Any] = base.__iter__(elements)
    return found


def _by_key(elements: Iterator[Any], findings: Findings) -> dict[Any, Any]:
    """By what stands for it, each element, as far as there is time."""
    found: dict[Any, Any] = {}
    alike: dict[Any, int] = {}
    for number, each in enumerate(elements):
        if findings.late:
            findings.cut_short(number, "elements")
            break
        key = key_of(each)
        alike[key] = alike.get(key, 0) + 1
        found[key, alike[key]] = each
    return found


def _in_order(elements: list[Any]) -> list[Any]:
    """The same every time, where there are not too many."""
    return sorted(elements, key=text) if len(elements) <= 10_000 else elements


def is_sequence(kind: type) -> bool:
    """A list, a tuple or a deque."""
    return issubclass(kind, (list, tuple, deque))


def sequences(before: Any, after: Any, findings: Findings) -> None:
    """Lengths; what was put in or taken out at one place; else the first places that differ."""
    one, other = _items(before), _items(after)
    fields = _fields(before) if _fields(before) == _fields(after) else ()
    findings.add("length", f"{len(one):,}", f"{len(other):,}")
    shorter = min(len(one), len(other))
    start = _same_from(one, other, shorter, findings)
    if len(one) != len(other):
        end = _same_from(one, other, shorter - start, findings, backwards=True)
        if start + end == shorter:
            more, longer = ("added", other) if len(other) > len(one) else ("removed", one)
            line = listed(islice(longer, start, len(longer) - end), len(longer) - shorter)
            findings.add(f"{more} at [{start}]", *(("", line) if longer is other else (line, "")))
            return
    steps = (f".{fields[at]}" if at < len(fields) else f"[{at}]" for at in range(start, shorter))
    pairs = ((step, one[at], other[at]) for at, step in enumerate(steps, start))
    findings.all_compared = not findings.parts(pairs, "places")


def _items(value: Any) -> Any:
    for base in (list, tuple, deque):
        if issubclass(type(value), base):
            return list(base.__iter__(value)) if base is deque or type(value) is not base else value
    raise AssertionError


def _fields(value: Any) -> tuple[str, ...]:
    """The names of a named tuple's places."""
    members = map(members_of, mro_of(type(value)))
    fields: Any = next((held["_fields"] for held in members if "_fields" in held), ())
    return fields if type(fields) is tuple and all(type(each) is str for each in fields) else ()


def _same_from(one: Any, other: Any, most: int, findings: Findings, *, backwards: bool = False) -> int:
    """How many items are the same at the start, or at the end, as far as there was time to look."""
    for start in range(0, most, _BLOCK):
        stop = min(start + _BLOCK, most)
        if backwards:
            here, there = (side[len(side) - stop : len(side) - start][::-1] for side in (one, other))
        else:
            here, there = one[start:stop], other[start:stop]
        if is_plain(here) and is_plain(there) and _identical(here, there):
            continue
        for at, (a, b) in enumerate(zip(here, there, strict=True), start):
            if at % 64 == 0 and findings.late:
                findings.cut_short(at, "items")
                return at
            if not same(a, b):
                return at
    return most


def _identical(here: Sequence[Any], there: Sequence[Any]) -> bool:
    """Of plain items: equal, and of the same types. NaN counts as different: the slow way knows better."""
    return here == there and all(map(operator.is_, map(type, here), map(type, there)))
