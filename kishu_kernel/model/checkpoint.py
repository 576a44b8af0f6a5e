"""What the store keeps of one run of a cell: the record of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

from kishu_kernel.model.cell import CellStatus
from kishu_kernel.model.dataclass import dataclass, field
from kishu_kernel.model.identity import NO_DIGEST, CheckpointId, Digest, Names, SessionId, Version


@dataclass(frozen=True, slots=True)
class VariableInfo:
    """One variable, described for a person: its type and one line about its value.

    Attributes:
        digest: of everything reachable from this name alone; empty if the co-variable has no other name.
    """

    name: str
    type: str
    summary: str
    digest: Digest = NO_DIGEST


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """What a checkpoint keeps of a version that it made.

    Attributes:
        size: bytes of the payload; 0 if it was not stored.
        stored: the store holds a payload.
        reason: why the store holds none, as a clause for a person.
        replayable: re-running the checkpoint's cell gives the version back.
        calls: functions of the notebook are reachable from it. They can touch other variables.
        requires: tokens of the classes that it refers to, and that other versions of its state hold. In hex.
        provides: tokens of the classes that it holds, in hex -> the names that these are bound to.
        left_out: what of its objects the payload has not got. See `Payload`.
        unnamed: a digest without what another process calls a part of it (a client, a context), since what a re-run
            makes is called otherwise. Empty where nothing of it is called anew.
    """

    names: Names
    digest: Digest
    size: int
    stored: bool
    reason: str | None
    replayable: bool
    variables: tuple[VariableInfo, ...]
    calls: bool = False
    requires: tuple[str, ...] = ()
    provides: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    unnamed: Digest = NO_DIGEST


class _Indexed:
    """Has room for an index of a record that is no part of it: one cell can make many thousands of variables."""

    __slots__ = ("_by_names",)
    _by_names: dict[Names, VersionRecord]


@dataclass(frozen=True, slots=True)
class Checkpoint(_Indexed):
    """A node of the checkpoint graph: what one cell run did to the session state.

    Attributes:
        timestamp: seconds since the epoch.
        duration: seconds that the cell ran.
        aliases: IPython's output aliases (`_`, `__`, `___`) -> the name that holds the same object.
        ambient: encoded state outside the namespace after the cell, as far as it differs from that at the parent.
        ambient_before: the same when the cell began.
        imported: modules were imported while the cell ran, for the first time in their process.
        effects: the side effects that were observed while the cell ran, a phrase each; None if nobody listened.
        audited: the variables that the cell's code cannot have touched were checked, too.
        payload_bytes: size of the payloads of the new versions.
        written_bytes: bytes that they added to the store.
        incomplete: why the delta may lack changes (an error of ours); None if it is complete. What it lacks is in the
            delta of the next complete checkpoint.
        severed: set where this record, or one between it and its parent, was damaged: the names of variables that
            may have existed and of which nothing is known any more. None everywhere else.
        population: number of variables after the cell; None if nobody counted.
        taken: versions of its state that other checkpoints made, from wherever these are in the graph.
        outputs: outputs of the cell, as nbformat v4 dictionaries.
        trusted: false if the store cannot show that this user wrote the record: its code is only to be read.
        outputs_trusted: the same of the outputs. Unknown if those were not loaded.
        by: who wrote the record, where its seal shows that: "you", the name of a key that the user trusts, or the
            fingerprint of one that he does not know. Empty elsewhere.
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
    taken: tuple[Version, ...] = ()
    outputs: tuple[Mapping[str, object], ...] = ()
    trusted: bool = True
    outputs_trusted: bool = True
    by: str = ""

    @property
    def label(self) -> str:
        """Its cell as people know it."""
        return f"the cell of state {self.id}" if self.execution_count is None else f"In[{self.execution_count}]"

    @property
    def changed(self) -> bool:
        """The cell changed variables."""
        return bool(self.created or self.modified or self.deleted)

    @property
    def covariables(self) -> tuple[Names, ...]:
        """The co-variables of its state that are not those of the state before it."""
        return (*(record.names for record in self.versions), *(version.names for version in self.taken))

    def record(self, names: Names) -> VersionRecord:
        """The record of the version of this co-variable that was made here.

        Raises:
            KeyError: this checkpoint made none.
        """
        try:
            found = self._by_names
        except AttributeError:
            found = {record.names: record for record in self.versions}
            object.__setattr__(self, "_by_names", found)
        return found[names]
