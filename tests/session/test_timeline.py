"""A session's timeline over a store that others write to, too."""

from __future__ import annotations

import random
from pathlib import Path

from kishu_kernel.model import SessionId
from kishu_kernel.session.timeline import Timeline
from kishu_kernel.store import LmdbStore
from tests.store.values import payload, trivial

LIMIT = 12 << 20


def test_sessions_that_share_a_store_stay_below_its_limit_together(tmp_path: Path) -> None:
    timelines = [Timeline(LmdbStore(tmp_path / "store"), SessionId(name), LIMIT) for name in "abc"]
    draw = random.Random(1)
    number = most = 0
    for _ in range(12):
        for timeline in timelines:
            number += 1
            timeline.append(trivial(number), [payload(draw.randbytes(900_000))])
            assert timeline.store.flush(30)
            most = max(most, timeline.store.statistics().bytes)
    assert most <= LIMIT
    for timeline in timelines:
        timeline.store.close()
