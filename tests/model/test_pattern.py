"""A pattern of the package is one of `re`, whenever it is compiled."""

from __future__ import annotations

import re

from kishu_kernel.model.pattern import pattern


def test_it_matches_as_a_compiled_one() -> None:
    for text, flags, sample in ((r"^(\w)x", re.MULTILINE, "a\nbx\ncx"), (b"\0", 0, b"a\0b\0")):
        ours, theirs = pattern(text, flags), re.compile(text, flags)
        for _ in range(2):
            assert ours.findall(sample) == theirs.findall(sample)
            assert ours.sub(text[:0], sample) == theirs.sub(text[:0], sample)
            assert (ours.match(sample) is None) == (theirs.match(sample) is None)
            assert (ours.pattern, ours.flags) == (theirs.pattern, theirs.flags)
