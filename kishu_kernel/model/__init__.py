"""The facts that the stages exchange, as frozen values. Everybody speaks in them; they know nobody.

Law of this module: no behaviour beyond what a value can say about itself, no import from the package.
Words are those of the paper (definitions 1-6): co-variable, version, checkpoint, session state, delta.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NewType

CheckpointId = NewType("CheckpointId", str)
"""16 hexadecimal digits; stands for the checkpoint's timestamp, and is unique where clocks are not."""

SessionId = NewType("SessionId", str)
Names = tuple[str, ...]
"""The sorted names of one co-variable."""

Digest = NewType("Digest", bytes)
"""16 bytes of xxh3-128."""

CellStatus = Literal["ok", "error", "interrupted"]
CodecName = Literal["cloudpickle", "dill"]
ReplayMode = Literal["auto", "annotated", "never"]
"""Which cells may be re-run: all; those that call themselves deterministic; none."""

State = Mapping[Names, CheckpointId]
"""A session state (Definition 5): for each co-variable the checkpoint that made its version."""


@dataclass(frozen=True, slots=True)
class Version:
    """A co-variable as one cell left it (Definition 4)."""

    names: Names
    checkpoint: CheckpointId


@dataclass(frozen=True, slots=True)
class CellRun:
    """One execution of one cell, as the frontend saw it.

    Attributes:
        code: the cell as the person wrote it, magics included.
        timestamp: end of the run, seconds since the epoch.
        duration: seconds.
        error: the exception's class name, where the cell raised.
        effects: what it was seen to do to the world; None where nobody looked.
    """

    code: str
    execution_count: int | None
    status: CellStatus
    timestamp: float
    duration: float
    error: str | None = None
    effects: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """What code may touch (Definition 3), an upper bound.

    Attributes:
        names: names that the code may get, set or delete. They need not exist.
        inputs: those of them that may be read before the code itself has bound them.
        dynamic: the code can reach names that it does not spell; every variable counts as touched.
        frees: those names that it may bind or delete, so that what they stood for can be freed.
        thins: it may let go of parts of what it touches.
        looked: those of the names at which the code only looks: what cannot be seen into is what it was.
    """

    names: frozenset[str] = frozenset()
    inputs: frozenset[str] = frozenset()
    dynamic: bool = False
    frees: frozenset[str] = frozenset()
    thins: bool = False
    looked: frozenset[str] = frozenset()

    def __or__(self, other: Access) -> Access:
        names = self.names | other.names
        looked = self.looked | other.looked
        if looked:
            looked = names - (self.names - self.looked) - (other.names - other.looked)
        return Access(
            names,
            self.inputs | other.inputs,
            self.dynamic or other.dynamic,
            self.frees | other.frees,
            self.thins or other.thins,
            looked,
        )

    def looking(self) -> Access:
        """The same, by code that only looks."""
        return replace(self, looked=self.names)

    def touching(self) -> Access:
        """Without what is only looked at."""
        if not self.looked:
            return self
        return replace(self, names=self.names - self.looked, inputs=self.inputs - self.looked, looked=frozenset())


@dataclass(frozen=True, slots=True)
class Change:
    """A co-variable that a cell created or modified: it gets a new version."""

    names: Names
    digest: Digest
    replayable: bool = True


@dataclass(frozen=True, slots=True)
class Delta:
    """What a cell did to the session state (Definition 2), splits and merges included.

    Attributes:
        changes: the co-variables that get a new version.
        dropped: the co-variables of the parent state that are no more: modified, deleted, split, merged.
        created, modified, deleted: the same, as a person would say it of single names. Sorted.
        accessed: names that the cell may have touched. Sorted.
        inputs: those of them that the cell may have read from the parent state. Sorted.
    """

    changes: tuple[Change, ...]
    dropped: tuple[Names, ...]
    created: tuple[str, ...]
    modified: tuple[str, ...]
    deleted: tuple[str, ...]
    accessed: tuple[str, ...]
    inputs: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.changes or self.dropped)


@dataclass(frozen=True, slots=True)
class Buffer:
    """An out-of-band piece of a payload.

    Attributes:
        data: contiguous bytes. The user's live memory, unless `copied`: valid until the next cell.
        row_bytes: where the bytes are rows of a 2-D block, the length of one: chunks start anew at each.
        item_bytes: the length of one item, for compressors that know what to do with it.
        direct: the loader reads it straight into the object's own memory (see `Blob`);
            else the loader is handed a writable buffer.
        owner: keeps the memory alive.
        copied: the memory is the payload's own.
    """

    data: memoryview
    row_bytes: int = 0
    item_bytes: int = 1
    direct: bool = False
    owner: object = None
    copied: bool = False


@dataclass(frozen=True, slots=True)
class Payload:
    """The bytes of one version: a pickle stream and its out-of-band buffers.

    Attributes:
        made_by: versions of Python and of the libraries that made it, by their names.
    """

    names: Names
    codec: CodecName
    stream: bytes
    buffers: tuple[Buffer, ...] = ()
    made_by: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes before chunking and compression."""
        return len(self.stream) + sum(buffer.data.nbytes for buffer in self.buffers)


@dataclass(frozen=True, slots=True)
class VariableInfo:
    """One variable, described for a person: its type and one line about its value.

    Attributes:
        digest: of what is reachable from this name alone; empty where that is the co-variable's own.
    """

    name: str
    type: str
    summary: str
    digest: Digest = Digest(b"")


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """What a checkpoint remembers of a version that it made.

    Attributes:
        size: bytes of the payload; 0 where it was not stored.
        stored: the store holds a payload.
        reason: why not, where it does not.
        replayable: re-running the checkpoint's cell gives it back.
        calls: code of the notebook is reachable from it, which can touch other variables.
    """

    names: Names
    digest: Digest
    size: int
    stored: bool
    reason: str | None
    replayable: bool
    variables: tuple[VariableInfo, ...]
    calls: bool = False


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A node of the checkpoint graph: what one cell run did to the session state.

    Attributes:
        timestamp: seconds since the epoch.
        duration: of the cell, seconds.
        aliases: IPython's moving names (`_`, `__`, `___`) -> the name that holds the same object.
        ambient: what the cell left of the state outside the namespace, where it is other than at the parent; encoded.
        ambient_before: what of it was other than at the parent when the cell began.
        imported: modules were imported while the cell ran, for the first time in their process.
        effects: what the cell was seen to do to the world, a phrase each; None where nobody looked.
        audited: after it, the variables that its code cannot have touched were looked at, too.
        payload_bytes: what the new versions weigh.
        written_bytes: what they added to the store.
        incomplete: why the delta may not be whole (an error of ours), or None. What it lacks is in the delta of the
            next one that is not.
        severed: where its record was damaged, or the way to its parent: the names that may have been there, and of
            which nothing is known any more. None everywhere else.
        population: how many variables there were after it; None where nobody counted.
        outputs: outputs of the cell, as nbformat v4 dictionaries.
        trusted: false where the store cannot show that this user wrote it: its code is only to be read.
        outputs_trusted: the same of the outputs; not known where those were left out.
    """

    id: CheckpointId
    parent: CheckpointId | None
    session: SessionId
    timestamp: float
    execution_count: int | None
    code: str
    status: CellStatus
    error: str | None
    duration: float
    created: tuple[str, ...]
    modified: tuple[str, ...]
    deleted: tuple[str, ...]
    accessed: tuple[str, ...]
    inputs: tuple[str, ...]
    versions: tuple[VersionRecord, ...]
    dropped: tuple[Names, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)
    ambient: Mapping[str, bytes] = field(default_factory=dict)
    ambient_before: Mapping[str, bytes] = field(default_factory=dict)
    imported: bool = False
    effects: tuple[str, ...] | None = None
    audited: bool = False
    payload_bytes: int = 0
    written_bytes: int = 0
    message: str | None = None
    incomplete: str | None = None
    severed: tuple[str, ...] | None = None
    population: int | None = None
    outputs: tuple[Mapping[str, object], ...] = ()
    trusted: bool = True
    outputs_trusted: bool = True

    @property
    def changed(self) -> bool:
        """The cell changed variables."""
        return bool(self.created or self.modified or self.deleted)

    def record(self, names: Names) -> VersionRecord:
        """The record of the version of this co-variable made here. KeyError where there is none."""
        for record in self.versions:
            if record.names == names:
                return record
        raise KeyError(names)


@dataclass(frozen=True, slots=True)
class LoadStep:
    """A version that a checkout loads. `size` in bytes."""

    version: Version
    size: int


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """A cell that a checkout re-runs, on `inputs`, to take `gives` from what it leaves.

    `loads` and `after` say where the inputs come from: stored versions, and earlier steps of the plan
    (by index) whose results are handed to this one.
    """

    checkpoint: CheckpointId
    code: str
    seconds: float
    gives: tuple[Version, ...]
    loads: tuple[LoadStep, ...] = ()
    after: tuple[int, ...] = ()
    side_effects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lost:
    """A version of the target that cannot be brought back.

    A version without names stands for variables of which not even the names are known.
    """

    version: Version
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a checkout will do. Made first, shown, then applied.

    Attributes:
        target: None stands for the empty state before the first cell.
        keep: versions that here and there share; their objects are not touched.
        load: versions to read from the store.
        delete: names to unbind. Sorted.
        replay: cells to re-run, in this order.
        ambient: what will be set of the state outside the namespace. Sorted.
        lost: versions of the target that will be missing.
    """

    target: CheckpointId | None
    keep: tuple[Version, ...]
    load: tuple[LoadStep, ...]
    delete: tuple[str, ...]
    replay: tuple[ReplayStep, ...]
    lost: tuple[Lost, ...]
    ambient: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a checkout did, or would do (`applied` false: a dry run). `seconds` for all of it."""

    head: CheckpointId | None
    previous: CheckpointId | None
    plan: Plan
    applied: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """`path` is None for a store in memory; `bytes` are pages in use on disk, not the sparse map."""

    path: str | None
    bytes: int
    checkpoints: int
    chunks: int


@dataclass(frozen=True, slots=True)
class Amount:
    """How much of a store: checkpoints with payloads, chunks, and the bytes that these occupy."""

    checkpoints: int
    chunks: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection removed, or would remove, and what it kept."""

    removed: Amount
    kept: Amount


def covariable(names: Sequence[str] | frozenset[str] | set[str]) -> Names:
    """The canonical form of a co-variable's names."""
    return tuple(sorted(names))
