"""The checkpoints of a store, seen from one of them. Read-only.

Neighbour: `timeline`, which is one that a session moves.
"""

from __future__ import annotations

from contextlib import suppress

from kishu_kernel.errors import RequestError
from kishu_kernel.history.graph import has_no_variables
from kishu_kernel.history.lines import MAIN, branch_at
from kishu_kernel.history.targets import BRANCH, HEAD, TAG, own_heads, resolve
from kishu_kernel.model import (
    Checkpoint,
    CheckpointId,
    NotebookCell,
    SessionId,
)
from kishu_kernel.model.dataclass import replace
from kishu_kernel.model.pattern import pattern
from kishu_kernel.store.base import Store
from kishu_kernel.store.write_behind.placeholders import unwritten_names

_FROM_HEAD = pattern(r"HEAD(~[0-9]*)*")


class StoredHistory:
    """The checkpoints of a store, seen from one of them. Read-only, and safe from any thread.

    Attributes:
        head: the checkpoint that it is seen from; None before the first.
        branch: the branch that who goes on from the head moves; None if there is none.
        session: the one that it is seen from; None where none has the store open.
        latest: the checkpoint that this session appended last; None where it appended none. Of a store at rest: the
            last of all.
        revision: another number each time that records which were there have changed in more than bytes written.
    """

    def __init__(self, store: Store, head: CheckpointId | None = None, branch: str | None = None) -> None:
        self.store = store
        self.head = head
        self.branch = branch
        self.session: SessionId | None = None
        self.latest: CheckpointId | None = None
        self.revision = 0
        self._known: dict[CheckpointId, Checkpoint] = {}

    @classmethod
    def from_store(cls, store: Store) -> StoredHistory:
        """The history of a store that no session has open, seen from the head of the last session that had variables.

        If no session had any, it is seen from the latest head. Forks are no such sessions.
        """
        heads = {id for id in own_heads(store.refs()).values() if store.contains(id)}
        latest = sorted(heads, key=lambda id: store.checkpoint(id).timestamp, reverse=True)
        with_variables = (id for id in latest if not has_no_variables(store.checkpoint, id))
        head = next(with_variables, next(iter(latest), None))
        history = cls(store, head)
        branches = history.names(BRANCH)
        branch = branch_at(history.lookup, head, branches, None, MAIN)
        history.branch = branch if branch in branches else None
        ids = ((each.timestamp, each.id) for each in store.checkpoints(outputs=False))
        history.latest = max(ids, default=(0.0, None))[1]
        return history

    def lookup(self, id: CheckpointId) -> Checkpoint:
        """A checkpoint, without the outputs of its cell.

        Raises:
            KeyError: there is none with this id.
        """
        known = self._known.get(id)
        if known is None:
            known = replace(self.store.checkpoint(id), outputs=())
            # The user may accept an untrusted record at any moment, in a terminal; a promised one may be written.
            if known.trusted and not unwritten_names(known):
                self._known[id] = known
        return known

    def with_outputs(self, id: CheckpointId) -> Checkpoint:
        """A checkpoint with the outputs of its cell.

        Those of one that could not be written are gone, and so is it when the session learns of that: before its next
        cell. Until then it is the head.

        Raises:
            KeyError: there is none with this id.
        """
        try:
            return self.store.checkpoint(id)
        except KeyError:
            return self.lookup(id)

    def document(self, id: CheckpointId) -> tuple[NotebookCell, ...] | None:
        """The notebook's cells as they were when a checkpoint was taken; None where that is not known."""
        from kishu_kernel.session.documents import load_document

        return load_document(self.store, id)

    def resolve(self, target: str) -> CheckpointId:
        """The checkpoint that a target means here.

        Raises:
            UnknownTargetError: it means none.
            AmbiguousTargetError: it may mean several.
        """
        return resolve(
            target,
            head=self.head,
            refs={} if _FROM_HEAD.fullmatch(target) else self.store.refs(),  # no branch and no tag has that name
            find=self.store.find,
            lookup=self.lookup,
            everything=lambda: self.store.checkpoints(outputs=False),
            session=self.session,
        )

    def seen_from_last_session(self) -> StoredHistory:
        """The same history, as `from_store` gives it."""
        return StoredHistory.from_store(self.store)

    def label(self, id: CheckpointId) -> str:
        """What a person calls a checkpoint here: `In[3]` where that means it, else the beginning of its id."""
        number = self.lookup(id).execution_count
        if number is not None:
            with suppress(RequestError):
                if self.resolve(f"In[{number}]") == id:
                    return f"In[{number}]"
        return id[:8]

    def names(self, kind: str) -> dict[str, CheckpointId]:
        """Branches (kind `BRANCH`) or tags (`TAG`) of the notebook: name -> checkpoint. Sorted."""
        return self.all_names()[kind]

    def all_names(self) -> dict[str, dict[str, CheckpointId]]:
        """The same of `BRANCH`, `TAG` and `HEAD`: the heads of sessions. One reading of the store."""
        found: dict[str, dict[str, CheckpointId]] = {BRANCH: {}, TAG: {}, HEAD: {}}
        for name, id in sorted(self.store.refs().items()):
            for kind, named in found.items():
                if name.startswith(kind):
                    named[name[len(kind) :]] = id
        return found


def without_outputs(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint without what its cell has shown."""
    return replace(checkpoint, outputs=()) if checkpoint.outputs else checkpoint
