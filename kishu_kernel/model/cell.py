"""One run of a cell: what it was, what it may have touched, and what it changed."""

from __future__ import annotations

from typing import Literal

from kishu_kernel.model.dataclass import dataclass, replace
from kishu_kernel.model.identity import Digest, Names, Version

CellStatus = Literal["ok", "error", "interrupted"]


@dataclass(frozen=True, slots=True)
class CellRun:
    """One execution of one cell, as the frontend saw it.

    Attributes:
        code: the cell as the person wrote it, magics included.
        timestamp: end of the run, seconds since the epoch.
        duration: seconds.
        error: class name of the exception, if the cell raised one.
        effects: the side effects that were observed, a phrase each; None if nobody listened.
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
    """What code may touch (Definition 3). An upper bound: the code may touch less, never more.

    Attributes:
        names: names that the code may get, set or delete. They need not exist.
        inputs: those of the names that may be read before the code itself has bound them.
        dynamic: the code can reach names that it does not spell, so that every variable counts as touched.
        rebinds: those of the names that it may bind or delete, which can free what they were bound to.
        removes_parts: it may take items or attributes out of what it touches, which can free them.
        read_only: those of the names that the code only reads. An opaque object under such a name counts as unchanged.
        assigned: attributes that it binds or deletes, on whatever objects.
        looked_up: attributes, and words in texts, by which it may reach these objects, and what they hold.
        imports: packages that it imports.
    """

    names: frozenset[str] = frozenset()
    inputs: frozenset[str] = frozenset()
    dynamic: bool = False
    rebinds: frozenset[str] = frozenset()
    removes_parts: bool = False
    read_only: frozenset[str] = frozenset()
    assigned: frozenset[str] = frozenset()
    looked_up: frozenset[str] = frozenset()
    imports: frozenset[str] = frozenset()

    def __or__(self, other: Access) -> Access:
        if self is NOTHING:
            return other
        if other is NOTHING:
            return self
        names = self.names | other.names
        read_only = self.read_only | other.read_only
        if read_only:  # a name that one of the two may change is not read-only
            read_only = names - (self.names - self.read_only) - (other.names - other.read_only)
        return Access(
            names,
            self.inputs | other.inputs,
            self.dynamic or other.dynamic,
            self.rebinds | other.rebinds,
            self.removes_parts or other.removes_parts,
            read_only,
            self.assigned | other.assigned,
            self.looked_up | other.looked_up,
            self.imports | other.imports,
        )

    def as_read_only(self) -> Access:
        """The same access by code that only reads."""
        return replace(self, read_only=self.names)

    def without_read_only(self) -> Access:
        """The access without the names that are only read."""
        if not self.read_only:
            return self
        return replace(
            self, names=self.names - self.read_only, inputs=self.inputs - self.read_only, read_only=frozenset()
        )


NOTHING = Access()
"""Nothing was touched."""

EVERYTHING = Access(dynamic=True)
"""Every variable may have been touched."""


@dataclass(frozen=True, slots=True)
class Change:
    """A co-variable that a cell created or modified: it gets a new version.

    Attributes:
        replayable: re-running the cell gives this version back.
    """

    names: Names
    digest: Digest
    replayable: bool = True


@dataclass(frozen=True, slots=True)
class Delta:
    """What a cell did to the session state (Definition 2), splits and merges included.

    Attributes:
        changes: the co-variables that get a new version.
        dropped: the co-variables of the parent state that have ended: modified, deleted, split, merged.
        created, modified, deleted: the same change, told by single names for a person. Sorted.
        accessed: names that the cell may have touched. Sorted.
        inputs: those of them whose values in the parent state the cell may have read. Sorted.
        taken: versions that another checkpoint made, and that are part of the state from now on.
    """

    changes: tuple[Change, ...]
    dropped: tuple[Names, ...]
    created: tuple[str, ...]
    modified: tuple[str, ...]
    deleted: tuple[str, ...]
    accessed: tuple[str, ...]
    inputs: tuple[str, ...]
    taken: tuple[Version, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes or self.dropped or self.taken)
