"""The judge: random programs of cells and travels, and each state that is gone back to must be what it was there.

hypothesis makes the programs (`made_programs`), and makes one that fails as short as it can; `programs` runs them
against its model, and says what they mean. A failure prints the program: paste it into `test_found_programs.py`, named
after what it shows. CI runs the same programs each time, most of them as a soak. More of them, and other ones:

    KISHU_PROGRAMS=20000 KISHU_SEED=7 scripts/test --soak tests/session/test_differential.py
"""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from kishu_kernel.detect.access_trackers import TrackerKind
from kishu_kernel.model import Version
from kishu_kernel.objects.codec import buffers
from kishu_kernel.session import in_place
from tests.support.made_programs import THEMES, programs
from tests.support.programs import Tally, play
from tests.support.soak import each
from tests.support.themes import Theme
from tests.support.themes_around import MEMORY

pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"  # of the programs' own generators and finalizers
)

PROGRAMS = int(os.environ.get("KISHU_PROGRAMS", "2000"))
SEED = int(os.environ.get("KISHU_SEED", "0"))
BLOCKS = 10
RUN = BLOCKS if "KISHU_PROGRAMS" in os.environ else BLOCKS // 2
"""Of them, where nobody says how many programs: CI has a limit."""
SHORT = 1
"""Blocks that are not for a soak."""

MANY = 50
"""Programs. How many states fewer of them come to is by chance; so is, of twice as many, whether a cell is re-run."""

TOGETHER: dict[int, Tally] = {}

ALL_TRACKED = 5
"""One in so many programs is judged without looking at its code, one in so many with its store on a disk."""


def judged(
    number: int,
    programs_of: int,
    tracker: TrackerKind,
    disk: Path | None = None,
    themes: tuple[Theme, ...] = THEMES,
) -> Tally:
    """Makes and runs so many programs."""
    tally = Tally()
    ran = 0

    @seed(SEED * 1000 + programs_of)
    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(programs(themes))
    def judge(program: list[str]) -> None:
        nonlocal tally, ran
        ran += 1
        tally += play(program, tracker, None if disk is None else disk / f"store-{ran}")

    judge()
    return tally


def assert_says_something(tally: Tally, number: int) -> None:
    """The programs did what they are for; some do more of one thing, some of another."""
    assert tally.programs >= number
    assert tally.compared > (1.5 if number >= MANY else 1) * number
    assert tally.refused < tally.compared / 5
    assert tally.loaded > 1.5 * number
    assert tally.kept > 5 * number
    assert tally.replayed > 0 or number < 2 * MANY
    assert tally.restarts > number / 20
    assert tally.untouched > number / 20
    assert tally.raised < tally.cells * 0.6


@each("block", range(RUN), SHORT)
def test_every_state_comes_back(block: int) -> None:
    number = PROGRAMS * (ALL_TRACKED - 1) // ALL_TRACKED // BLOCKS
    tally = judged(number, block, "code")
    TOGETHER[block] = tally
    assert_says_something(tally, number)


@each("block", range(BLOCKS // 2), 1)
def test_every_state_comes_back_when_everything_is_looked_at(block: int) -> None:
    number = PROGRAMS // ALL_TRACKED // (BLOCKS // 2)
    tally = judged(number, BLOCKS + block, "all")
    assert_says_something(tally, number)


def test_every_state_comes_back_from_a_disk(tmp_path: Path) -> None:
    number = PROGRAMS // 20
    tally = judged(number, 2 * BLOCKS, "code", tmp_path)
    assert_says_something(tally, number)


IN_PLACE = 10
"""One in so many programs has numbers that change where they lie, and arrays of any size go back there."""


@each("block", range(2), 1)
def test_every_state_comes_back_in_place(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all arrays were large: what can go back where it lies does."""
    for constant in ("WORTHWHILE", "STREAM_SHARE", "CHANGED_SHARE"):
        monkeypatch.setattr(in_place, constant, 0)
    monkeypatch.setattr(buffers, "IN_BAND", 1)
    patched = 0
    written = in_place.InPlace.written

    def counted(self: in_place.InPlace, versions: Collection[Version]) -> AbstractContextManager[None]:
        nonlocal patched
        patched += sum(map(self.is_patched, versions))
        return written(self, versions)

    monkeypatch.setattr(in_place.InPlace, "written", counted)
    number = PROGRAMS // IN_PLACE // 2
    tally = judged(number, 3 * BLOCKS + block, "code", themes=(MEMORY,))
    assert tally.compared > number
    assert patched > number / 10


@pytest.mark.soak
def test_together_they_say_much() -> None:
    if len(TOGETHER) < RUN - SHORT:
        pytest.skip("only some of the programs ran")
    tally = sum(TOGETHER.values(), Tally())
    assert tally.compared > 2.5 * tally.programs
    assert tally.with_replay > tally.programs / 25  # how many cells these run is by chance: most are of few programs
    assert tally.restarts > tally.programs / 10
    assert tally.left_behind + tally.refused > 0
