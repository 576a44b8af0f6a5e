"""Amounts as a person says them: bytes, how long ago, how many. A leaf: knows nobody."""

from __future__ import annotations

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


def ago(seconds: float) -> str:
    """`just now`, `5 minutes ago`."""
    for unit, length in _TIMES:
        if seconds >= length:
            return f"{counted(int(seconds // length), unit)} ago"
    return "just now"
