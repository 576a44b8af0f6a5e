"""Amounts as a person says them: bytes, how long ago, how many, some of many. A leaf: knows nobody."""

from __future__ import annotations

from collections.abc import Sequence

_TIMES = (("year", 365 * 86400), ("month", 30 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60))


def size(number: int) -> str:
    """`640 B`, `1.2 MB`, `34 GB`."""
    amount = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError


def counted(number: int, what: str) -> str:
    """`1 checkpoint`, `2,000 checkpoints`."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def joined(names: Sequence[str], most: int) -> str:
    """`a, b and c`, or `a, b and 4 more`; empty where there are none."""
    shown = [*names[:most], *([f"{len(names) - most} more"] if len(names) > most else [])]
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))


def ago(seconds: float) -> str:
    """`just now`, `5 minutes ago`."""
    for unit, length in _TIMES:
        if seconds >= length:
            return f"{counted(int(seconds // length), unit)} ago"
    return "just now"
