"""Both twins merge links alike, however many there are and however they are numbered."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kishu_kernel.detect.walk.twins import NATIVE, PURE

pytestmark = pytest.mark.skipif(NATIVE is None, reason="there is no native module")


@given(
    sizes=st.lists(st.integers(0, 400), min_size=1, max_size=4),
    spread=st.sampled_from([1, 3, 1000]),
    negative=st.booleans(),
    seed=st.integers(),
)
def test_links_are_merged_alike(sizes: list[int], spread: int, negative: bool, seed: int) -> None:
    assert NATIVE is not None
    draw = random.Random(seed)
    ids = [16 * draw.randrange(1, 1 << 40) for _ in range(300)]
    found = []
    for size in sizes:
        keys = dict.fromkeys(draw.choices(ids, k=size))
        numbers = draw.sample(range(spread * len(keys) + 1), len(keys))
        if negative:
            numbers = [-number - 1 if number % 3 == 0 else number for number in numbers]
        found.append(dict(zip(keys, numbers, strict=True)))
    merged = []
    for twin in (PURE, NATIVE):
        owners, others = twin.memo(), twin.memo()
        joints = [twin.join(owners, twin.memo(links), place) for place, links in enumerate(found)]
        claims = [twin.claim(others, twin.memo(links), place) for place, links in enumerate(found)]
        first, last = twin.memo(found[0]), twin.memo(found[-1])
        pair = twin.join_two(first, last), twin.meet(first, last)
        merged.append((joints, claims, pair, [owners.get(key) for key in ids], [others.get(key) for key in ids]))
    assert merged[0] == merged[1]


def test_what_is_taken_whole_is_a_copy() -> None:
    assert NATIVE is not None
    links = NATIVE.memo({16: 0, 32: 1})
    owners = NATIVE.memo()
    NATIVE.claim(owners, links, 5)
    NATIVE.claim(owners, NATIVE.memo({48: 0}), 6)
    assert dict(links.items()) == {16: 0, 32: 1}
    assert {key: owners.get(key) for key in (16, 32, 48)} == {16: 5, 32: 5, 48: 6}
