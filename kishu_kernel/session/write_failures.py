"""When a checkpoint that was taken could not be written, the session goes back to where it stood before it.

Law: the next checkpoint stores all that has changed since the last one that is on the disk. The cells whose checkpoints
were lost stay in the history as code.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from kishu_kernel.ambient.values import Known
from kishu_kernel.model import NO_DIGEST, Checkpoint, CheckpointId, Names, State, VersionRecord
from kishu_kernel.model.dataclass import dataclass, replace

if TYPE_CHECKING:
    from kishu_kernel.detect.knowledge import KnowledgeSnapshot

LOST_AT_MOST = 1000
"""So many cells whose checkpoints were lost are remembered; a disk can be full for a long time."""

MANY_SNAPSHOTS = 64

Unwritten = Callable[[], Collection[CheckpointId]]
"""Tells which checkpoints are not written. Asked only where it matters."""


@dataclass(frozen=True, slots=True)
class SessionSnapshot:
    """All that a session knows between two cells.

    Attributes:
        lost: co-variables that the last checkout could not bring back.
    """

    head: CheckpointId | None
    branch: str | None
    state: State
    lost: tuple[Names, ...]
    knowledge: KnowledgeSnapshot
    ambient: Known


class WriteFailures:
    """Keeps a snapshot from before every checkpoint that is still being written."""

    def __init__(self) -> None:
        self._before: dict[CheckpointId, SessionSnapshot] = {}
        self._lost_cells: deque[Checkpoint] = deque()
        self._failing = False

    def keep_snapshot(self, id: CheckpointId, before: SessionSnapshot, unwritten: Unwritten) -> None:
        """A checkpoint is about to be taken. `drop_snapshot` says of most that they are written; else this looks."""
        if len(self._before) >= MANY_SNAPSHOTS:
            waiting = unwritten()
            self._before = {each: snapshot for each, snapshot in list(self._before.items()) if each in waiting}
        self._before[id] = before

    def drop_snapshot(self, id: CheckpointId) -> None:
        """The checkpoint is on the disk: nobody goes back to before it. Safe from the writer's thread."""
        self._before.pop(id, None)

    def take_back(self, lost: Sequence[Checkpoint], reason: str) -> SessionSnapshot:
        """These checkpoints could not be written.

        Args:
            lost: the oldest first.
            reason: why, as a clause.

        Returns:
            The snapshot from before the first of them.
        """
        first, *_ = lost
        self._failing = True
        # They are older than what is still to be added. What changed between cells leaves no cell behind, and a
        # checkpoint that could only not be extended is on the disk.
        cells = [each for each in lost if each.code and not self._was_extended(each.id)]
        self._lost_cells.extendleft(_as_code(each, reason) for each in reversed(cells))
        while len(self._lost_cells) > LOST_AT_MOST:
            self._lost_cells.popleft()
        before = self._before[first.id]
        self._before = {}
        return before

    def _was_extended(self, id: CheckpointId) -> bool:
        return id in self._before and self._before[id].head == id

    @property
    def lost_cells(self) -> Sequence[Checkpoint]:
        """Checkpoints to append before the next one, the oldest first: the cells that ran, and not what they did."""
        return self._lost_cells

    def mark_appended(self) -> None:
        """The oldest of the lost cells was appended."""
        self._lost_cells.popleft()

    def add_lost_cell(self, incomplete: Checkpoint) -> None:
        """One more, which could not even be handed to the writer."""
        self._failing = True
        self._lost_cells.append(incomplete)

    def has_caught_up(self, unwritten: Unwritten) -> bool:
        """Whether all that could not be written is on the disk now. True once."""
        over = self._failing and not self._lost_cells and not unwritten()
        self._failing = self._failing and not over
        return over


def _as_code(lost: Checkpoint, reason: str) -> Checkpoint:
    """What is left of a lost checkpoint: which co-variables and settings its cell changed, but not their values.

    The next complete checkpoint compares with what was before this one. It tells of a deleted name only if the name
    existed then: so here a dropped co-variable counts as one more of which nothing is known.
    """
    made = {name for names in lost.covariables for name in names}
    gone = tuple(names for names in lost.dropped if names and made.isdisjoint(names))
    unknown = (*gone, *(version.names for version in lost.taken))
    versions = (*map(_unstored, lost.versions), *(_unknown(names) for names in unknown))
    return replace(
        lost,
        versions=tuple(replace(record, reason=f"it could not be stored: {reason}") for record in versions),
        dropped=(),
        taken=(),
        ambient=dict.fromkeys(lost.ambient, b""),
        ambient_before={},
        population=None if lost.population is None else lost.population + sum(map(len, gone)),
        payload_bytes=0,
        incomplete=lost.incomplete or reason,
    )


def _unstored(record: VersionRecord) -> VersionRecord:
    return replace(record, size=0, stored=False, replayable=False)


def _unknown(names: Names) -> VersionRecord:
    return VersionRecord(names, NO_DIGEST, 0, False, None, False, ())
