"""In what way two values of a variable differ, told to a person.

Law: looking changes nothing, imports nothing, and ends soon. Of the user's code only that may run which a checkpoint
runs too (how an object comes apart); no `__repr__`, no `__eq__`, no property. `findings` keeps the limits, `looking`
knows single values, `facts` is what comes out; the other modules know one family of values each. How values of a
library differ its file says (`Library.comparisons`): what is long of that stands in `libraries`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kishu_kernel.compare import code, objects, plain
from kishu_kernel.compare.facts import Aspect, CellDifference, Comparison
from kishu_kernel.compare.findings import Findings
from kishu_kernel.compare.looking import is_shown_whole, is_valued, named_alike, same, text, type_name
from kishu_kernel.objects.classes import has_active_metaclass, module_name
from kishu_kernel.objects.questions import comparison_of, parts_of
from kishu_kernel.objects.registry import UnknownError
from kishu_kernel.process.muting import warnings_muted

__all__ = ["Aspect", "CellDifference", "Comparison", "compare"]

_Is = Callable[[type], bool]
_Compares = Callable[[Any, Any, Findings], None]

_FAMILIES: tuple[tuple[_Is, _Compares], ...] = (
    (plain.is_number, plain.numbers),
    (is_shown_whole, plain.words),
    (plain.is_text, plain.texts),
    (plain.is_bytes, plain.byte_strings),
    (plain.is_mapping, plain.mappings),
    (plain.is_set, plain.sets),
    (plain.is_sequence, plain.sequences),
    (code.is_function, code.functions),
    (code.is_wrapped, code.wrapped),
    (code.is_class, code.classes),
    (objects.is_estimator, objects.estimators),
)
"""The first family that both values belong to compares them, where no library says how."""

_WITH_ATTRIBUTES = (plain.numbers, plain.texts, plain.byte_strings, plain.mappings, plain.sets, plain.sequences)
"""Families whose derived classes can have attributes besides."""


def compare(before: object, after: object) -> Comparison:
    """How `after` differs from `before`. Never raises for what the values do.

    Takes a few seconds at most, and says so where that was not enough.
    """
    findings = Findings(_examine)
    with warnings_muted():
        try:
            findings.seen(before, after)
            _examine(before, after, findings)
            if not (findings.told or findings.cells or findings.hurried):
                findings.note(_nothing_seen(before, after, findings))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # extensions in Rust panic beside `Exception`
            findings.note(f"Not all of it could be compared: {type_name(type(error))}.")
    return findings.comparison()


def _examine(before: object, after: object, findings: Findings) -> None:
    """Adds how two values, or two parts of values, differ."""
    kind, other = type(before), type(after)
    alike = named_alike(kind, other)
    if not alike:
        findings.add("type", type_name(kind), type_name(other))
    if has_active_metaclass(kind) or has_active_metaclass(
        other
    ):  # whatever is asked of their classes runs code of the notebook's
        return
    if _compared_by_library(before, after, findings):
        return
    for belongs, compares in _FAMILIES:
        if belongs(kind) and belongs(other):
            compares(before, after, findings)
            if alike and compares in _WITH_ATTRIBUTES and module_name(kind) != "builtins" and not is_valued([before]):
                objects.attributes(before, after, findings)
            return
    if alike:
        found = findings.told
        objects.instances(before, after, findings)
        if findings.told > found:
            return
    findings.add("", text(before), text(after))


def _compared_by_library(before: object, after: object, findings: Findings) -> bool:
    """Says how they differ where a library knows that."""
    compares = comparison_of(type(before), type(after))
    if compares is not None:
        try:
            compares(before, after, findings)
            return True
        except UnknownError:  # which was told: as if the library were not known
            return False
    one, other = parts_of(before), parts_of(after)
    if one is None or other is None:
        return False
    objects.named_parts(one, other, findings)
    return True


def _nothing_seen(before: object, after: object, findings: Findings) -> str:
    if same(before, after):
        return "They are the same."
    if findings.all_compared:
        return "All values are the same; only their layout in memory differs."
    return "They look the same, but their contents differ."
