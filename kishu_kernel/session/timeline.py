"""Where the session stands in the store's history: head, branch, and what moves them.

Joins the graph, which knows no store, and the store, which knows no graph. Branches and tags belong to the
notebook; the head belongs to one session.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from kishu_kernel.errors import RequestError, UnknownTargetError
from kishu_kernel.history.graph import ancestry, common_ancestor, is_bare
from kishu_kernel.history.targets import BRANCH, HEAD, TAG, checked_name, closest, resolve
from kishu_kernel.model import Checkpoint, CheckpointId, Collected, Payload, SessionId, Version
from kishu_kernel.model.amounts import size
from kishu_kernel.store.base import Store
from kishu_kernel.store.write_behind.jobs import Failure
from kishu_kernel.store.write_behind.placeholders import unwritten_names
from kishu_kernel.store.write_behind.write_behind_store import WriteBehindStore

SPARE = 0.9
"""Of its limit the store occupies so much after old payloads were dropped, lest every checkpoint drops some."""


class History:
    """The checkpoints of a store, seen from one of them. Read-only, and safe to read from any thread.

    Attributes:
        head: the checkpoint that it is seen from; None before the first.
        branch: the branch that ends there, if any does.
    """

    def __init__(
        self, store: Store | WriteBehindStore, head: CheckpointId | None = None, branch: str | None = None
    ) -> None:
        self.store = store
        self.head = head
        self.branch = branch
        self._known: dict[CheckpointId, Checkpoint] = {}

    @classmethod
    def at_rest(cls, store: Store) -> History:
        """Seen from where the last session stood; from one that had something, where there is such a one."""
        refs = store.refs()
        heads = {id for name, id in refs.items() if name.startswith(HEAD) and store.contains(id)}
        latest = sorted(heads, key=lambda id: store.checkpoint(id).timestamp, reverse=True)
        had = (id for id in latest if not is_bare(store.checkpoint, id))
        head = next(had, next(iter(latest), None))
        ending = [name[len(BRANCH) :] for name, id in sorted(refs.items()) if name.startswith(BRANCH) and id == head]
        return cls(store, head, ending[0] if len(ending) == 1 else None)

    def lookup(self, id: CheckpointId) -> Checkpoint:
        """A checkpoint, without the outputs of its cell. KeyError where there is none."""
        known = self._known.get(id)
        if known is None:
            known = replace(self.store.checkpoint(id), outputs=())
            # What is not trusted the user may accept at any moment, in a terminal; what is promised may come.
            if known.trusted and not unwritten_names(known):
                self._known[id] = known
        return known

    def resolve(self, target: str) -> CheckpointId:
        """What a target means here. Raises `UnknownTargetError` or `AmbiguousTargetError`."""
        return resolve(target, head=self.head, refs=self.store.refs(), find=self.store.find, lookup=self.lookup)

    def names(self, kind: str) -> dict[str, CheckpointId]:
        """Branches (`BRANCH`) or tags (`TAG`) of the notebook."""
        refs = self.store.refs()
        return {name[len(kind) :]: id for name, id in sorted(refs.items()) if name.startswith(kind)}


class Timeline(History):
    """The checkpoints of a store as seen from one session.

    Args:
        limit: bytes that the store may occupy; what nobody points to is dropped first to stay below it.
        rested: called in the background after each checkpoint that was written, for what has time.

    Attributes:
        store: written behind; `flush` it to have on disk what was appended.
        head: the checkpoint that the session stands on; None before the first.
        branch: the branch that the next checkpoint continues; None where it will start one.
        used: something was appended.
        latest: what was appended last.
        pinned: a checkpoint that is needed at the moment, though no ref points to it.
        news: sentences for the user, of what was done in the background.
        stands: told, on the writer's thread, of each checkpoint that is written and needs no way back.
    """

    def __init__(
        self,
        store: Store,
        session: SessionId,
        limit: int | None = None,
        rested: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(WriteBehindStore(store, self._written))
        self.store: WriteBehindStore
        self.limit = limit
        self.used = False
        self.latest: CheckpointId | None = None
        self.pinned: CheckpointId | None = None
        self.news: deque[str] = deque(maxlen=10)
        self.stands: Callable[[CheckpointId], None] = lambda _: None
        self._crowded = limit
        self._rested = rested
        self.session = session
        self._again: str | None = None
        """A branch that was begun with what could not be written."""
        self._left: dict[CheckpointId | None, CheckpointId] = {}

    def move_to(self, store: Store, limit: int | None, rested: Callable[[], None]) -> None:
        """Goes on in another store, to which it brings all that there is.

        Raises:
            StoreError: the other one cannot be written; nothing has changed.
        """
        theirs = store.refs()
        mine = self.store.refs().items()
        names = {name: name if self._goes_on(theirs.get(name), id) else self._beside(name, theirs) for name, id in mine}
        self.store.move_to(store, {names[name]: id for name, id in self.store.refs().items()})
        if self.branch is not None:
            self.branch = names.get(BRANCH + self.branch, BRANCH + self.branch)[len(BRANCH) :]
        renamed = [f"{old} is {new}" for old, new in names.items() if old != new]
        if renamed:
            self.news.append(f"The notebook has these names already, so that here {', '.join(renamed)}.")
        self.limit = self._crowded = limit
        self._rested = rested

    def new_id(self) -> CheckpointId:
        """An id that no checkpoint has."""
        while True:
            id = CheckpointId(secrets.token_hex(8))
            if not self.store.contains(id):
                return id

    def append(self, checkpoint: Checkpoint, payloads: Sequence[Payload]) -> Checkpoint:
        """Keeps a child of the head, in one transaction with its payloads; the head moves last.

        What cannot be written comes back by `take_failure`, and so does all that was appended after it.
        """
        checkpoint = replace(checkpoint, parent=self.head)
        branch = self.branch or self._again or self._free_branch()
        refs = {BRANCH + branch: checkpoint.id, HEAD + self.session: checkpoint.id}
        # A little later the store knows more of it (`_written`): this must not overwrite that.
        kept = self._known[checkpoint.id] = replace(checkpoint, outputs=())
        try:
            self.store.commit(checkpoint, payloads, refs)
        except BaseException:
            del self._known[checkpoint.id]
            raise
        self.used = True
        self.latest = kept.id
        self.branch, self._again = branch, None
        self.head = kept.id
        return kept

    def extend(self, checkpoint: Checkpoint, payloads: Sequence[Payload]) -> None:
        """Writes a checkpoint again that is written, with more versions."""
        before = self._known.get(checkpoint.id)
        self._known[checkpoint.id] = replace(checkpoint, outputs=())
        try:
            self.store.commit(checkpoint, payloads, {})
        except BaseException:
            if before is not None:
                self._known[checkpoint.id] = before
            raise

    def forget(self, version: Version, reason: str) -> None:
        """Drops the payload of one version; its record says why."""
        self.store.flush()
        self.store.collect([version], reason=reason)
        self._known.pop(version.checkpoint, None)

    def take_failure(self) -> Failure | None:
        """What could not be written since this was last asked. It is no part of the history any more."""
        failure = self.store.take_failure()
        for lost in failure.checkpoints if failure else ():
            self._known.pop(lost.id, None)
        return failure

    def rewind(self, head: CheckpointId | None, branch: str | None) -> None:
        """Stands where it stood before what could not be written."""
        self._again = self.branch if branch is None else None
        self.head = self.latest = head
        self.branch = branch

    def _written(self, kept: Checkpoint) -> None:
        """On the writer's thread: now it is known what the checkpoint added."""
        if kept.id not in self.store.unwritten():  # else it is to be extended, and what is known is newer
            self._known[kept.id] = replace(kept, outputs=())
            self.stands(kept.id)
        if self._crowded is not None and self.store.statistics().bytes > self._crowded:
            self._make_room()
        self._rested()

    def move(self, to: CheckpointId | None, branch: str | None = None) -> None:
        """Puts the head on another checkpoint. A full disk is no reason to refuse: the store notes it when it can.

        Args:
            branch: the branch to continue; if None, the one that ends there, if it is the only one.
        """
        if branch is None and to is not None:
            ending = [name for name, id in self.names(BRANCH).items() if id == to]
            branch = self.branch if self.branch in ending else ending[0] if len(ending) == 1 else None
        meeting = common_ancestor(self.lookup, self.head, to)
        for checkpoint in ancestry(self.lookup, self.head):
            if checkpoint.id == meeting:
                break
            settled = not checkpoint.code and checkpoint.message is None and checkpoint.id == self.head
            if not (settled and checkpoint.parent in self._left):  # a look in between does not hide what was undone
                self._left[checkpoint.parent] = checkpoint.id
        self.head = to
        self.branch, self._again = branch, None
        self.store.set_refs_later({HEAD + self.session: to})

    def await_arrivals(self, seconds: float) -> bool:
        """Waits for what a kernel that has ended gave to another process to be written. False if that takes longer."""
        from kishu_kernel.store.write_behind.handover import wait_until_written

        path = self.store.statistics().path
        return path is None or wait_until_written(Path(path), seconds)

    def earlier(self) -> list[Checkpoint]:
        """Where the other sessions of this notebook stood last, the latest first."""
        ends = self._ends()
        found = [self.lookup(id) for name, id in ends.items() if name != self.session and self.store.contains(id)]
        return sorted(found, key=lambda each: each.timestamp, reverse=True)

    def resumable(self) -> Checkpoint | None:
        """Where the latest of them stood that has something to bring back; if none has, the latest of all."""
        earlier = self.earlier()
        return next((each for each in earlier if not is_bare(self.lookup, each.id)), next(iter(earlier), None))

    def _ends(self) -> dict[str, CheckpointId]:
        """Where each session stood last."""
        return {name[len(HEAD) :]: id for name, id in self.store.refs().items() if name.startswith(HEAD)}

    def last_head(self, session: str | None = None) -> CheckpointId:
        """Where the last of the other sessions stood that has something to bring back, or the one that is named.

        Raises:
            UnknownTargetError: there is none.
        """
        if session is None:
            last = self.resumable()
            if last is None:
                raise UnknownTargetError("this notebook has no earlier session to resume")
            return last.id
        heads = self._ends()
        found = {name: id for name, id in heads.items() if name.startswith(session) and session}
        if len(found) != 1:
            there = ", ".join(sorted(heads.keys() - {self.session})) or "none"
            raise UnknownTargetError(f"{len(found)} sessions begin with {session!r}: there are {there}")
        return next(iter(found.values()))

    def collect(self, *, dry_run: bool = False) -> Collected:
        """Drops payloads that no head, branch or tag needs: where the branch is gone, or the store over its limit."""
        self.store.flush()
        return self._collect(self.limit, "it was dropped to save space", dry_run)

    def _make_room(self) -> None:
        """On the writer's thread: the store is over its limit."""
        assert self.limit is not None
        collected = self._collect(int(self.limit * SPARE), "it was dropped to keep the store below its limit", False)
        self._crowded = max(self.limit, int(self.store.statistics().bytes / SPARE))
        if collected.removed.checkpoints:
            self.news.append(
                f"The store has reached its limit ({size(self.limit)}): from now on old checkpoints that no branch, "
                "tag or session stands on are kept as code only, and re-run when you go there."
            )
        if self._crowded > self.limit:
            self.news.append(
                f"The store is over its limit ({size(self.limit)}), and all that it holds is needed by a branch, a tag "
                "or a session: delete branches or tags that you no longer need, or raise the limit."
            )

    def _collect(self, limit: int | None, reason: str, dry_run: bool) -> Collected:
        pinned = [] if self.pinned is None else [self.pinned]
        collected = collect(self.store, limit, reason, last=self._left.values(), pinned=pinned, dry_run=dry_run)
        if not dry_run:
            self._known.clear()  # the records say now what is gone
        return collected

    def last_left(self, below: CheckpointId | None) -> CheckpointId | None:
        """The child of a checkpoint that the session left last; None where it left none."""
        return self._left.get(below)

    def amend(self, checkpoint: Checkpoint) -> None:
        """Rewrites what is kept of a checkpoint."""
        self.store.amend(checkpoint, {})
        self._known[checkpoint.id] = checkpoint

    def set_name(self, kind: str, name: str, to: CheckpointId) -> None:
        """Makes or moves a branch or a tag. Raises `RequestError` where it cannot be called so."""
        self.store.update_refs({kind + checked_name(name): to})

    def delete_name(self, kind: str, name: str) -> None:
        """Deletes a branch or a tag; its checkpoints stay. Raises `RequestError` where there is none."""
        if name not in self.names(kind):
            meant = closest(name, self.names(kind))
            hint = f": did you mean {meant!r}?" if meant else ""
            raise RequestError(f"there is no {kind[:-1]} called {name!r}{hint}")
        self.store.update_refs({kind + name: None})
        if kind == BRANCH and name == self.branch:
            self.branch = None

    def _goes_on(self, there: CheckpointId | None, here: CheckpointId) -> bool:
        """Whether what is here descends from what is there, so that nothing there is left."""
        return there is None or any(each.id == there for each in ancestry(self.lookup, here))

    @staticmethod
    def _beside(name: str, taken: Collection[str]) -> str:
        """A ref's name, or one like it that is free."""
        free = (name if number == 1 else f"{name}-{number}" for number in count(1))
        return next(each for each in free if each not in taken)

    def _free_branch(self) -> str:
        taken = self.names(BRANCH)
        if "main" not in taken:
            return "main"
        number = 1
        while f"branch-{number}" in taken:
            number += 1
        return f"branch-{number}"


def collect(
    store: Store | WriteBehindStore,
    limit: int | None,
    reason: str,
    *,
    last: Iterable[CheckpointId] = (),
    pinned: Iterable[CheckpointId] = (),
    dry_run: bool = False,
) -> Collected:
    """Drops payloads that no head, branch or tag needs, as in `Store.collect`.

    Args:
        last: checkpoints that go with the recent ones (where `redo` leads to).
        pinned: checkpoints that are kept as if they were tagged.
    """
    from kishu_kernel.history.retention import retention

    while True:  # what was committed between two looks would seem to be unreachable
        refs = store.refs()
        checkpoints = list(store.checkpoints(outputs=False))
        if store.refs() == refs:
            break
    pins = {f"pinned/{number}": id for number, id in enumerate(pinned)}
    kinds = retention(checkpoints, refs | pins, frozenset(last))
    return store.collect(kinds.unreachable, kinds.thinning, limit, reason=reason, dry_run=dry_run)


__all__ = ["BRANCH", "TAG", "History", "Timeline", "collect"]
