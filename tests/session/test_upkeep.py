"""What kernels without a notebook have left goes by itself, a little at each look."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from kishu_kernel.model import SessionId
from kishu_kernel.model.storage import DAY
from kishu_kernel.session.upkeep import UpkeepRules, tidy
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.catalog.assignment import claim_store, list_stores
from kishu_kernel.store.catalog.paths import last_look
from kishu_kernel.store.disk.directory import DATA


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stores that four kernels have left 40 to 43 days ago."""
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for days in range(40, 44):
        path = claim_store(tmp_path / "stores", None, SessionId(f"run{days}")).path
        LmdbStore(path).close()
        os.utime(path / DATA, (0, time.time() - days * DAY))
    return tmp_path / "stores"


def look(base: Path, seconds_ago: float) -> None:
    """The last look at all stores was then."""
    mark = last_look(base)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    os.utime(mark, (0, time.time() - seconds_ago))


def test_who_has_no_time_removes_one_and_the_next_goes_on(base: Path) -> None:
    for left in (3, 2, 1, 0):
        assert len([*tidy(base, UpkeepRules(), lambda: True)]) == 1
        assert len(list_stores(base)) == left
    assert not last_look(base).exists()


@pytest.mark.parametrize(("days", "goes"), [(0.5, 0), (2, 4), (-400, 0), (400, 0)])
def test_after_a_jump_of_the_clock_nothing_goes_for_its_age(base: Path, days: float, goes: int) -> None:
    look(base, days * DAY)
    assert len([*tidy(base, UpkeepRules(), lambda: False)]) == goes
    assert 0 <= time.time() - last_look(base).stat().st_mtime < DAY
    look(base, 2 * DAY)
    assert len([*tidy(base, UpkeepRules(), lambda: False)]) == 4 - goes
