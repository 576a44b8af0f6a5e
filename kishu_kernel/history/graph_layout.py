"""Where each checkpoint is drawn in a picture of the graph: one row each, in a lane (a column) for every open branch.

Pure: reads only the ids, parents and times of checkpoints.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Sequence

from kishu_kernel.model import Checkpoint, CheckpointId
from kishu_kernel.model.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One checkpoint of a drawing.

    Attributes:
        lane: its column, from 0.
        links: lines to draw, each from a lane in this row to a lane in the next one.
    """

    id: CheckpointId
    lane: int
    links: tuple[tuple[int, int], ...]


def in_drawing_order(checkpoints: Collection[Checkpoint]) -> list[Checkpoint]:
    """The newest first, but never a parent before its child, whatever the clocks said. O(n log n)."""
    known = {each.id: each for each in checkpoints}
    children = dict.fromkeys(known, 0)
    for each in checkpoints:
        if each.parent in known:
            children[each.parent] += 1
    ready = [(-each.timestamp, each.id) for each in checkpoints if not children[each.id]]
    heapq.heapify(ready)
    ordered = []
    while ready:
        _, id = heapq.heappop(ready)
        each = known[id]
        ordered.append(each)
        if each.parent in known:
            children[each.parent] -= 1
            if not children[each.parent]:
                heapq.heappush(ready, (-known[each.parent].timestamp, each.parent))
    return ordered


def graph_rows(ordered: Sequence[Checkpoint], path: Collection[CheckpointId] = ()) -> list[Row]:
    """A row for each checkpoint, in the given order.

    Args:
        ordered: children before their parents.
        path: the checkpoints from the first to HEAD. They get lane 0.
    """
    there = {each.id for each in ordered}
    last = ordered[-1].id if ordered else None
    open_lanes: list[CheckpointId | None] = [None] if path else []
    """Which checkpoint each lane leads down to."""
    rows = []
    for number, each in enumerate(ordered):
        mine = [at for at, awaited in enumerate(open_lanes) if awaited == each.id]
        lane = 0 if each.id in path else mine[0] if mine else _free(open_lanes, 1 if path else 0)
        _open(open_lanes, lane)
        for at in mine:
            open_lanes[at] = None
        open_lanes[lane] = each.parent if each.parent in there else None
        if each.id == last:
            rows.append(Row(each.id, lane, ()))
            continue
        below = ordered[number + 1]
        arriving = [at for at, awaited in enumerate(open_lanes) if awaited == below.id]
        target = 0 if below.id in path else arriving[0] if arriving else -1
        links = tuple(
            (at, target if awaited == below.id else at) for at, awaited in enumerate(open_lanes) if awaited is not None
        )
        rows.append(Row(each.id, lane, links))
    return rows


def _free(open_lanes: list[CheckpointId | None], first: int) -> int:
    """The first lane, from `first` on, that leads nowhere."""
    for at in range(first, len(open_lanes)):
        if open_lanes[at] is None:
            return at
    return max(first, len(open_lanes))


def _open(open_lanes: list[CheckpointId | None], lane: int) -> None:
    while len(open_lanes) <= lane:
        open_lanes.append(None)
