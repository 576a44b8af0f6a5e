from __future__ import annotations

import math

import pytest

from benchmarks.comparison import formats


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (formats.size(0), "0 B"),
        (formats.size(999.7), "1 kB"),
        (formats.size(671_088_640), "671 MB"),
        (formats.size(5e12), "5 TB"),
        (formats.duration(0.0451), "45.1 ms"),
        (formats.duration(-0.0012), "-1.2 ms"),
        (formats.duration(0.0000002), "0 ms"),
        (formats.duration(0.9999), "1 s"),
        (formats.duration(1703.4), "1,700 s"),
        (formats.times(1.04), "1 x"),
        (formats.times(9.96), "10 x"),
        (formats.times(1234), "1,200 x"),
        (formats.slowdown(1.0304), "1.03 x"),
        (formats.percent(0.00213), "0.21 %"),
        (formats.fraction(0.25), "1/4"),
        (formats.fraction(1.3), "1.3"),
        (formats.fraction(math.inf), "∞"),
        (formats.percent(math.inf), "∞ %"),
        (formats.fraction(-0.1), "-0.1"),
        (formats.count(1234), "1,234"),
    ],
)
def test_numbers(found: str, shown: str) -> None:
    assert found == shown


def test_words_of_systems_are_safe_in_a_table() -> None:
    text = "Error in /srv/some/where/x.py:\n <b>`a|b`</b> from https://example.org/simple/x"
    assert formats.said(text) == r"Error in x.py: &lt;b&gt;\`a\|b\`&lt;/b&gt; from (address)"
    assert len(formats.said("x" * 999)) == 240


def test_a_ratio_of_paths_is_no_path() -> None:
    assert formats.said("1/4 of a/b") == "1/4 of a/b"


def test_lists_are_cut() -> None:
    assert formats.listed(list("abcd"), 2) == "a, b and 2 more"
