"""All checkpoints in the order in which they are listed, kept from one look at the history to the next.

Pure: it is given the checkpoints, as the same objects where nothing has changed.
Neighbours: `graph_layout` says which order that is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from kishu_kernel.history.graph_layout import in_drawing_order
from kishu_kernel.model import Checkpoint, CheckpointId
from kishu_kernel.model.dataclass import dataclass, field


@dataclass(frozen=True, slots=True)
class Listed:
    """The checkpoints of a history at one moment.

    Attributes:
        checkpoints: in drawing order.
        known: the same, by their ids.
        awaited: parents that are not among them.
        is_sorted: no clock was wrong: each is newer than those behind it.
    """

    checkpoints: Sequence[Checkpoint] = ()
    known: Mapping[CheckpointId, Checkpoint] = field(default_factory=dict)
    awaited: frozenset[CheckpointId] = frozenset()
    is_sorted: bool = True

    def since(self, floor: Checkpoint) -> list[Checkpoint]:
        """The descendants of a checkpoint, whatever the clocks said, and what is newer elsewhere.

        O(those), or O(checkpoints) where a clock was wrong.
        """
        if not self.is_sorted or floor.id not in self.known:
            return in_drawing_order(_since(self.checkpoints, floor))
        found = []
        for each in self.checkpoints:
            if each.id == floor.id:
                break
            found.append(each)
        return found


class DrawingOrder:
    """Remembers the last look. Safe from any thread."""

    def __init__(self) -> None:
        self._last = Listed()

    def of(self, checkpoints: Iterable[Checkpoint]) -> Listed:
        """These checkpoints in drawing order.

        Some nanoseconds for each, if there are only newer ones since the last look; else O(n log n).
        """
        last = self._last
        current = {each.id: each for each in checkpoints}
        changed = [each for id, each in current.items() if last.known.get(id) is not each]
        if changed or len(current) != len(last.known):
            self._last = last = _continued(last, current, changed) or _anew(current)
        return last


def _continued(last: Listed, current: dict[CheckpointId, Checkpoint], changed: list[Checkpoint]) -> Listed | None:
    """The list with newer checkpoints above it; None where more has changed than that."""
    fresh = [each for each in changed if each.id not in last.known]
    if len(current) != len(last.known) + len(fresh):  # some are gone
        return None
    for each in changed:
        before = last.known.get(each.id)
        if before is not None and (before.parent, before.timestamp) != (each.parent, each.timestamp):
            return None
    if not last.is_sorted or any(each.id in last.awaited for each in fresh):
        return None
    newest = last.checkpoints[0].timestamp if last.checkpoints else float("-inf")
    if not all(each.timestamp > newest for each in fresh):
        return None
    above = in_drawing_order(fresh)
    awaited = last.awaited | {each.parent for each in fresh if each.parent is not None and each.parent not in current}
    return Listed([*above, *(current[each.id] for each in last.checkpoints)], current, awaited, _is_sorted(above))


def _anew(current: dict[CheckpointId, Checkpoint]) -> Listed:
    ordered = in_drawing_order(current.values())
    awaited = frozenset(each.parent for each in ordered if each.parent is not None and each.parent not in current)
    return Listed(ordered, current, awaited, _is_sorted(ordered))


def _since(checkpoints: Sequence[Checkpoint], floor: Checkpoint) -> list[Checkpoint]:
    children: dict[CheckpointId | None, list[Checkpoint]] = {}
    for each in checkpoints:
        children.setdefault(each.parent, []).append(each)
    below = [floor]
    descendants: dict[CheckpointId, Checkpoint] = {}
    while below:
        for child in children.get(below.pop().id, ()):
            if child.id not in descendants:
                descendants[child.id] = child
                below.append(child)
    return [each for each in checkpoints if each.id in descendants or _age(each) < _age(floor)]


def _is_sorted(checkpoints: Sequence[Checkpoint]) -> bool:
    return all(_age(one) < _age(other) for one, other in pairwise(checkpoints))


def _age(checkpoint: Checkpoint) -> tuple[float, str]:
    """A key that sorts the newest first."""
    return -checkpoint.timestamp, checkpoint.id


__all__ = ["DrawingOrder", "Listed"]
