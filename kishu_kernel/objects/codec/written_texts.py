"""Texts of an array, to be stored as one, or by numbers where few are different.

Law: what is written depends on the texts alone, not on which equal ones are one object. The native twin is
`native/written_texts.c`. Neighbours: `strings` says how an array is laid out, `rebuild.texts` is the other way.
"""

from __future__ import annotations

from struct import pack
from typing import Any

from kishu_kernel.process.native import WALKER


def join_texts(items: list[Any], separator: str) -> bytes | None:
    """The texts in UTF-8 (surrogates may be in it), with a character of ASCII between two.

    Args:
        items: of the type `str`, all of them, and at least one.

    Returns:
        None where the separator stands in one of them.
    """
    if WALKER is not None:
        found: bytes | None = WALKER.join_texts(items, separator.encode("ascii"))
        return found
    text = separator.join(items)
    return text.encode("utf-8", "surrogatepass") if text.count(separator) == len(items) - 1 else None


def number_texts(array: Any, most: int) -> tuple[bytes | bytearray, list[Any]] | None:
    """The objects of an array by numbers. None where more than `most` are different.

    Equal objects of the type `str` are one; of others it counts which object it is, and nothing of them is asked.

    Args:
        array: contiguous, of one dimension. At most 65,536 are numbered.

    Returns:
        The numbers, of two bytes each, the lower one first; and what they mean, in the order in which these first come.
    """
    if WALKER is not None:
        found: tuple[bytearray, list[Any]] | None = WALKER.number_texts(array, most)
        return found
    items = array.tolist()
    keys = items if set(map(type, items)) == {str} else [e if type(e) is str else (id(e),) for e in items]
    numbers = _Numbers(most)
    try:
        codes = pack(f"<{len(keys)}H", *map(numbers.__getitem__, keys))
    except _TooManyError:
        return None
    kinds = dict(zip(reversed(keys), reversed(items), strict=True))
    return codes, [kinds[key] for key in numbers]


class _TooManyError(Exception):
    pass


class _Numbers(dict[Any, int]):
    """Numbers of keys, given as they are asked for."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __missing__(self, key: Any) -> int:
        if len(self) == self._most:
            raise _TooManyError
        self[key] = number = len(self)
        return number
