"""When a checkpoint that was taken could not be written: the session stands again where it stood before it.

Law: what the next checkpoint stores is all that has changed since the last one that is on the disk. The cells whose
checkpoints were lost stay in the history as code.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from kishu_kernel.ambient.keeper import Known
from kishu_kernel.detect.knowledge import KnowledgeSnapshot
from kishu_kernel.model import Checkpoint, CheckpointId, Digest, Names, State, VersionRecord

UNSAVED_AT_MOST = 1000
"""Cells whose checkpoints were lost are remembered up to this many; a disk can be full for a long time."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a session stands between two cells."""

    head: CheckpointId | None
    branch: str | None
    state: State
    missing: tuple[Names, ...]
    knowledge: KnowledgeSnapshot
    ambient: Known


class Recovery:
    """Knows the way back from every checkpoint that is still being written."""

    def __init__(self) -> None:
        self._before: dict[CheckpointId, Standing] = {}
        self._unsaved: deque[Checkpoint] = deque()
        self._failing = False

    def remember(self, id: CheckpointId, before: Standing, unwritten: Collection[CheckpointId]) -> None:
        """A checkpoint is about to be taken; those that are written by now need no way back."""
        self._before = {each: standing for each, standing in list(self._before.items()) if each in unwritten}
        self._before[id] = before

    def written(self, id: CheckpointId) -> None:
        """It stands: what was known before it is not kept any longer. Safe from the writer's thread."""
        self._before.pop(id, None)

    def way_back(self, lost: Sequence[Checkpoint], reason: str) -> Standing:
        """How the session stood before the first of these, oldest first, which could not be written."""
        first, *_ = lost
        self._failing = True
        # What was taken is older than what still waits. A settling between cells leaves no cell behind, and one that
        # could only not be extended is there.
        gone = [each for each in lost if each.code and not self._extends(each.id)]
        self._unsaved.extendleft(_as_code(each, reason) for each in reversed(gone))
        while len(self._unsaved) > UNSAVED_AT_MOST:
            self._unsaved.popleft()
        before = self._before[first.id]
        self._before = {}
        return before

    def _extends(self, id: CheckpointId) -> bool:
        return id in self._before and self._before[id].head == id

    @property
    def unsaved(self) -> Sequence[Checkpoint]:
        """Checkpoints to keep before the next one, oldest first: the cells that ran, and not what they did."""
        return self._unsaved

    def taken(self) -> None:
        """The oldest of them has been taken."""
        self._unsaved.popleft()

    def put_off(self, incomplete: Checkpoint) -> None:
        """One more, which could not even be taken."""
        self._failing = True
        self._unsaved.append(incomplete)

    def over(self, unwritten: Collection[CheckpointId]) -> bool:
        """Whether what could not be written has just been made up for. True once."""
        over = self._failing and not self._unsaved and not unwritten
        self._failing = self._failing and not over
        return over


def _as_code(lost: Checkpoint, reason: str) -> Checkpoint:
    """What is left of it: which co-variables and settings its cell changed, and nothing of what they were.

    The next complete checkpoint compares with what was before this one, and has a deleted name only where that was
    there: here it is one more that nothing is known of.
    """
    made = {name for record in lost.versions for name in record.names}
    gone = tuple(names for names in lost.dropped if names and made.isdisjoint(names))
    versions = (*map(_unstored, lost.versions), *(_nothing_of(names) for names in gone))
    return replace(
        lost,
        versions=tuple(replace(record, reason=f"it could not be stored: {reason}") for record in versions),
        dropped=(),
        ambient=dict.fromkeys(lost.ambient, b""),
        ambient_before={},
        population=None if lost.population is None else lost.population + sum(map(len, gone)),
        payload_bytes=0,
        incomplete=lost.incomplete or reason,
    )


def _unstored(record: VersionRecord) -> VersionRecord:
    return replace(record, size=0, stored=False, replayable=False)


def _nothing_of(names: Names) -> VersionRecord:
    return VersionRecord(names, Digest(b""), 0, False, None, False, ())
