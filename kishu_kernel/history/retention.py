"""What a store keeps when space is short: what must stay, what nobody needs, and in which order the rest is dropped.

Law: what a head, a branch or a tag needs is never dropped: the versions of its state and, if one of them is not stored,
what re-running its cell needs. The rest, side lines that nobody has named among it, is dropped by checkpoints, not by
versions, so that a checkpoint has either all its payloads or none. One that has none stays as its code; plans re-run it
from what remains.

Old checkpoints are thinned, not cut off: all of the newest stay, every second of those before, every fourth of those
before these, and so on, as far as the limit allows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping

from kishu_kernel.model import Checkpoint, CheckpointId, Names, Version, VersionRecord
from kishu_kernel.model.dataclass import dataclass

RECENT = 25
"""So many of the newest checkpoints are dropped after all others."""
SMALL = 64 << 10
"""Bytes. A smaller version gives little space back, and is kept longer for it."""
IRREPLACEABLE_FACTOR = 8
"""A version that re-running its cell does not give back is kept as if its checkpoint were so many times younger."""

_NEEDED = 0.0
_LATE = 2.0**-64
_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Retention:
    """The stored versions in three groups: what must stay, what may go at once, what may go if space is short.

    Attributes:
        protected: what heads, branches and tags need.
        unreachable: versions of checkpoints that lead to no head, branch, tag or side line (a deleted branch).
        expendable: the others, in the order in which they are to be dropped.
    """

    protected: frozenset[Version]
    unreachable: frozenset[Version]
    expendable: tuple[Version, ...]


def retention(
    checkpoints: Iterable[Checkpoint],
    refs: Mapping[str, CheckpointId],
    redo: Collection[CheckpointId] = (),
    ends: Collection[CheckpointId] = (),
) -> Retention:
    """Groups the versions of a history by who needs them. O(n log n) in checkpoints and their versions.

    Args:
        checkpoints: all of the store, in any order.
        refs: heads, branches and tags; their names do not matter.
        redo: checkpoints to which `redo` goes: they count as recent, however old they are.
        ends: of side lines.
    """
    forest = _Forest(checkpoints)
    pointed = set(refs.values())
    reached = forest.with_ancestors(pointed.union(ends))
    turns = {id: turn if id in reached else _NEVER for id, turn in _turns(forest, frozenset(redo)).items()}
    turns.update(dict.fromkeys(pointed & turns.keys(), _NEEDED))
    needed = _needed(forest, turns)
    protected, unreachable = set(), set()
    rest: list[tuple[float, int, Version]] = []
    for position, checkpoint in enumerate(forest.by_age):
        for record in checkpoint.versions:
            version = Version(record.names, checkpoint.id)
            turn = needed.get(version, _NEVER)
            if not record.stored:
                continue
            if turn == _NEEDED:
                protected.add(version)
            elif checkpoint.id not in reached and turn == _NEVER:  # else another checkpoint has taken it
                unreachable.add(version)
            else:
                rest.append((-turn * _worth_dropping(checkpoint, record), position, version))
    rest.sort(key=lambda each: (each[0], each[1], each[2].names))
    return Retention(frozenset(protected), frozenset(unreachable), tuple(version for _, _, version in rest))


class _Forest:
    """The checkpoints, the oldest first. One whose parent is missing counts as a root."""

    def __init__(self, checkpoints: Iterable[Checkpoint]) -> None:
        self.by_age = sorted(checkpoints, key=lambda each: (each.timestamp, each.id))
        self.nodes = {each.id: each for each in self.by_age}
        self._children: dict[CheckpointId | None, list[Checkpoint]] = {}
        for each in self.by_age:
            parent = each.parent if each.parent in self.nodes else None
            self._children.setdefault(parent, []).append(each)

    def walk(self) -> Iterator[tuple[Checkpoint, bool]]:
        """Every checkpoint twice: with true before all its descendants, with false after them."""
        stack = [(each, True) for each in reversed(self._children.get(None, []))]
        while stack:
            checkpoint, entering = stack.pop()
            yield checkpoint, entering
            if entering:
                stack.append((checkpoint, False))
                stack.extend((each, True) for each in reversed(self._children.get(checkpoint.id, [])))

    def with_ancestors(self, ids: Iterable[CheckpointId]) -> set[CheckpointId]:
        """These checkpoints and all their ancestors."""
        found: set[CheckpointId] = set()
        for id in ids:
            at: CheckpointId | None = id
            while at in self.nodes and at not in found:
                found.add(at)
                at = self.nodes[at].parent
        return found


def _turns(forest: _Forest, redo: frozenset[CheckpointId]) -> dict[CheckpointId, float]:
    """For each checkpoint a number that says when it is its turn to be dropped: the highest number first.

    The number is its age (1 for the newest), divided by the largest power of two that divides its distance from the
    root. So when all above some number are dropped, twice as far back half as many are left. The distance never
    changes: the next thinning drops more of the same, and does not need one that was dropped before.
    """
    ages = {each.id: age for age, each in enumerate(reversed(forest.by_age), 1)}
    turns: dict[CheckpointId, float] = {}
    depth = 0
    for checkpoint, entering in forest.walk():
        if not entering:
            depth -= 1
            continue
        depth += 1
        age = ages[checkpoint.id]
        recent = age <= RECENT or checkpoint.id in redo
        turns[checkpoint.id] = age / len(ages) * _LATE if recent else age / (depth & -depth)
    return turns


def _needed(forest: _Forest, turns: Mapping[CheckpointId, float]) -> dict[Version, float]:
    """For each version the lowest turn among the checkpoints that need it.

    A checkpoint needs a version that is in its state, and one that a re-run for its state reads.
    """
    walk = _StateWalk(turns)
    for checkpoint, entering in forest.walk():
        if entering:
            walk.go_to_child(checkpoint)
        else:
            walk.go_to_parent()
    again = True
    while again:  # once, but where something was taken from elsewhere
        again = False
        for version, inputs in reversed(walk.inputs):  # the inputs are of ancestors, which were entered before
            for source in inputs:
                if walk.needed[version] < walk.needed[source]:
                    walk.needed[source] = walk.needed[version]
                    again = walk.has_taken
    return walk.needed


class _StateWalk:
    """Session states (`graph.state_at`) along a walk of the forest, each made from that of its neighbour.

    Attributes:
        needed: for each version the lowest turn among the checkpoints in whose states it is.
        inputs: versions that are not stored, each with the versions that its cell read.
        has_taken: a checkpoint has taken versions from elsewhere, which may be entered later.
    """

    def __init__(self, turns: Mapping[CheckpointId, float]) -> None:
        self._turns = turns
        self._lowest = _Lowest()
        self._state: dict[str, Version] = {}
        self._since: dict[Version, int] = {}
        self._undo: list[tuple[list[Version], list[Version]]] = []
        self.needed: dict[Version, float] = {}
        self.inputs: list[tuple[Version, list[Version]]] = []
        self.has_taken = False

    def go_to_child(self, checkpoint: Checkpoint) -> None:
        """Goes from the state of the parent to that of the checkpoint."""
        if checkpoint.incomplete and checkpoint.severed is None:  # later ones build on what was before it
            self._pass_over(checkpoint)
            return
        read = [self._state[name] for name in checkpoint.inputs if name in self._state]
        gone = self._superseded(checkpoint)
        for version in gone:
            self._take_out(version)
        made = [Version(record.names, checkpoint.id) for record in checkpoint.versions]
        for version, record in zip(made, checkpoint.versions, strict=True):
            self.needed.setdefault(version, _NEVER)
            if not record.stored and record.replayable and read:
                self.inputs.append((version, read))
            self._put_in(version)
        for version in checkpoint.taken:
            self.has_taken = True
            self.needed.setdefault(version, _NEVER)
            self._put_in(version)
        self._lowest.add(self._turns[checkpoint.id])
        self._undo.append((gone, [*made, *checkpoint.taken]))

    def _pass_over(self, checkpoint: Checkpoint) -> None:
        """The state stays that of the parent."""
        for record in checkpoint.versions:
            self.needed.setdefault(Version(record.names, checkpoint.id), _NEVER)
        self._lowest.add(self._turns[checkpoint.id])
        self._undo.append(([], []))

    def go_to_parent(self) -> None:
        """Goes back to the state of the parent."""
        gone, made = self._undo.pop()
        for version in made:
            self._take_out(version)
        for version in gone:
            self._put_in(version)

    def _superseded(self, checkpoint: Checkpoint) -> list[Version]:
        touched: list[Names] = list(checkpoint.covariables)
        touched.extend(checkpoint.dropped)
        state = self._state
        return list(dict.fromkeys(state[name] for names in touched for name in names if name in state))

    def _put_in(self, version: Version) -> None:
        self._since[version] = self._lowest.now
        for name in version.names:
            self._state[name] = version

    def _take_out(self, version: Version) -> None:
        self.needed[version] = min(self.needed[version], self._lowest.since(self._since.pop(version)))
        for name in version.names:
            del self._state[name]


class _Lowest:
    """The lowest of the numbers that were added since some moment. O(log n) to ask."""

    def __init__(self) -> None:
        self.now = 0
        self._moments: list[int] = []
        self._numbers: list[float] = []
        """Those that are lower than all later ones, so that they rise."""

    def add(self, number: float) -> None:
        while self._numbers and self._numbers[-1] >= number:
            self._numbers.pop()
            self._moments.pop()
        self._numbers.append(number)
        self._moments.append(self.now)
        self.now += 1

    def since(self, moment: int) -> float:
        """Infinity where none was added."""
        at = bisect_left(self._moments, moment)
        return self._numbers[at] if at < len(self._numbers) else _NEVER


def _worth_dropping(checkpoint: Checkpoint, record: VersionRecord) -> float:
    weight = min(1.0, max(record.size, 1) / SMALL)
    replaceable = record.replayable and checkpoint.status != "interrupted" and checkpoint.trusted
    return weight if replaceable else weight / IRREPLACEABLE_FACTOR
