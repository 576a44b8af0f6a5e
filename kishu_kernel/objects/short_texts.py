"""Plain values in one short line. Bounded: no text is made of all of a long number, or of gigabytes of bytes."""

from __future__ import annotations

import reprlib
from typing import Any

WIDTH = 80
"""Characters of a value in one line."""

_LONGEST = 2000
"""Bits of a number that is written out: the digits of a long one take the square of its length."""


class _ShortTexts(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = WIDTH

    def repr_int(self, x: int, level: int) -> str:
        bits = x.bit_length()
        return super().repr_int(x, level) if bits <= _LONGEST else f"int of {bits:,} bits"

    def repr_bytes(self, x: bytes, level: int) -> str:
        return self.repr_instance(x, level) if len(x) <= WIDTH else f"{x[:20]!r}… of {len(x):,} bytes"


_texts = _ShortTexts()


def short_text(value: Any) -> str:
    """A value of Python's own plain types, or a container of some of them, in one line."""
    return _texts.repr(value)
