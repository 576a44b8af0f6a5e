"""Texts that were stored as one, taken apart.

A column of a million texts often has a few different ones. Where its beginning shows that, those that are equal come
back as one object: nobody can change a text, and which equal ones are one object is not kept (`codec.strings`). So they
need no memory of their own, which takes longer to get than all else.

Law: which texts are one object depends on the texts alone. The native twin is `native/texts.c`.
"""

from __future__ import annotations

from typing import Any

from kishu_kernel.process.native import WALKER

SAMPLE = 4096
"""Texts at the beginning, by which it is judged. Only those that stand there are made once."""

SHORT = 64
"""Bytes. Longer ones count as different."""

SHARE = 8
"""So many times each has to stand there, in the middle."""


def fill_texts(array: Any, data: Any, separator: str) -> None:
    """Puts the texts that these bytes are, in UTF-8 (surrogates may be in it), in an array, one in each place.

    Args:
        array: of objects, contiguous, of one dimension.
        separator: an ASCII character that stands between texts, and nowhere else.

    Raises:
        ValueError: there are not as many as places.
    """
    if WALKER is not None:
        WALKER.fill_texts(array, data, separator.encode("ascii"))
        return
    texts = str(data, "utf-8", "surrogatepass").split(separator)
    if len(texts) != array.size:
        raise ValueError(f"there are {len(texts)} texts for {array.size} places")
    sample = texts[:SAMPLE]
    short = {each: each for each in sample if len(each.encode("utf-8", "surrogatepass")) <= SHORT}
    long = sum(each not in short for each in sample)
    few = (len(short) + long) * SHARE <= len(sample)
    array[:] = [short.get(each, each) for each in texts] if few else texts
