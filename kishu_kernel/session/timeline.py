"""Where the session stands in the store's history: its head, its branch, and what moves them.

Joins the graph, which knows no store, and the store, which knows no graph. Branches and tags belong to the notebook;
each session has a head of its own.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Collection, Sequence
from itertools import count
from pathlib import Path

from kishu_kernel.errors import RequestError, UnknownTargetError
from kishu_kernel.history.graph import ancestry, common_ancestor, has_no_variables
from kishu_kernel.history.lines import MAIN, SIDE, branch_at, left_behind
from kishu_kernel.history.targets import BRANCH, HEAD, TAG, checked_name, closest, own_heads, running_heads
from kishu_kernel.model import (
    DOCUMENT,
    Checkpoint,
    CheckpointId,
    Collected,
    NotebookCell,
    Payload,
    SessionId,
    Version,
)
from kishu_kernel.model.amounts import size
from kishu_kernel.model.dataclass import replace
from kishu_kernel.session.stored_history import StoredHistory, without_outputs
from kishu_kernel.store.base import Store
from kishu_kernel.store.format.documents import decode_document, encode_document
from kishu_kernel.store.write_behind.jobs import Failure
from kishu_kernel.store.write_behind.write_behind_store import WriteBehindStore

_PAGES = 1 << 16
"""Bytes by which the store grows at most for one small checkpoint: its pages."""

_WRITERS = 8
"""Sessions that may write to one store at once, each of which counts only what it writes itself."""

SPARE = 0.9
"""The share of its limit down to which old payloads are dropped, lest every checkpoint drops some."""


class Timeline(StoredHistory):
    """The checkpoints of a store as seen from one session.

    Args:
        limit: bytes that the store may occupy; to stay below it, payloads that no ref needs are dropped.
        after_write: called on the writer's thread after each checkpoint that was written, for housekeeping.
        live: tells which sessions have the store open in a running kernel.

    Attributes:
        store: written behind; `flush` it to have on the disk what was appended.
        head: the checkpoint that the session stands on; None before the first.
        branch: the branch that the next checkpoint moves, wherever that ends now; None if that is not decided.
        used: something was appended.
        pinned: a checkpoint whose payloads are needed at the moment, though no ref points to it.
        notices: sentences for the user, about what was done in the background.
        on_written: called on the writer's thread with the id of each checkpoint that is completely written.
        limit_now: tells the limit anew, now and then.
    """

    def __init__(
        self,
        store: Store,
        session: SessionId,
        limit: int | None = None,
        after_write: Callable[[], None] = lambda: None,
        live: Callable[[], Collection[SessionId]] = lambda: (),
    ) -> None:
        super().__init__(WriteBehindStore(store, self._written))
        self.store: WriteBehindStore
        self.limit = limit
        self.limit_now: Callable[[], int | None] = lambda: self.limit
        self.used = False
        self.pinned: CheckpointId | None = None
        self.notices: deque[str] = deque(maxlen=10)
        self.on_written: Callable[[CheckpointId], None] = lambda _: None
        self._collect_above = limit
        """Size of the store in bytes above which payloads are dropped."""
        self._room = 0
        """Bytes by which it can grow before it must be looked at again."""
        self._after_write = after_write
        self.session: SessionId = session
        self._live = live
        self._home: str | None = None
        """The branch on which this session works where nothing else is said; None: not decided."""
        self._on_end = False
        """It is known that the branch ends at the head."""
        self._redo_children: dict[CheckpointId | None, CheckpointId] = {}

    def move_to_store(self, store: Store, limit: int | None, after_write: Callable[[], None]) -> None:
        """Continues in another store, into which it copies everything.

        Branches and tags whose names are taken there get new ones.

        Raises:
            StoreError: the other store cannot be written to; nothing has changed.
        """
        theirs = store.refs()
        mine = self.store.refs()
        names = {
            name: name if self._continues(theirs.get(name), id, mine) else self._free_name(name, theirs)
            for name, id in mine.items()
        }
        self.store.move_to(store, {names[name]: id for name, id in self.store.refs().items()})
        self.branch, self._home = (
            name and names.get(BRANCH + name, BRANCH + name)[len(BRANCH) :] for name in (self.branch, self._home)
        )
        self._on_end = False
        renamed = [f"{old} is {new}" for old, new in names.items() if old != new]
        if renamed:
            self.notices.append(f"The notebook has branches or tags of the same names: here {', '.join(renamed)}.")
        self.limit, self._collect_above, self._room = limit, limit, 0
        self._after_write = after_write

    def new_id(self) -> CheckpointId:
        """An id that no checkpoint has: 64 random bits. The store is not asked, which would cost every cell a look."""
        while (id := CheckpointId(secrets.token_hex(8))) in self._known:
            pass
        return id

    def append(self, checkpoint: Checkpoint, payloads: Sequence[Payload]) -> Checkpoint:
        """Hands a child of the head to the writer, which writes it in one transaction with its payloads.

        The head moves last. What turns out not to be writable comes back by `take_failure`, together with all that was
        appended after it.

        Returns:
            The checkpoint with its parent, as it is kept.
        """
        if checkpoint.parent != self.head:
            checkpoint = replace(checkpoint, parent=self.head)
        branch = self.branch or self.home
        refs = {BRANCH + branch: checkpoint.id, HEAD + self.session: checkpoint.id, **self._leaving(branch)}
        # Before the commit, since afterwards `_written` may have kept a fuller one on the writer's thread.
        kept = self._known[checkpoint.id] = without_outputs(checkpoint)
        try:
            self.store.commit(checkpoint, payloads, refs)
        except BaseException:
            del self._known[checkpoint.id]
            raise
        self.used = True
        self.latest = kept.id
        self.branch, self._on_end = branch, True
        self.head = kept.id
        return kept

    def _leaving(self, branch: str) -> dict[str, CheckpointId | None]:
        """The refs by which ends of side lines are found, where a checkpoint after the head moves the branch."""
        if self._on_end:
            return {}
        refs = self.store.refs()
        left = refs.pop(BRANCH + branch, None)
        ended = {SIDE + self.head: None} if self.head and SIDE + self.head in refs else {}
        return {**self._kept([left], [self.head, *refs.values()]), **ended}

    def _kept(
        self, left: Sequence[CheckpointId | None], ends: Collection[CheckpointId | None]
    ) -> dict[str, CheckpointId | None]:
        return {SIDE + id: id for id in left_behind(self.lookup, left, ends)}

    def add_versions(self, checkpoint: Checkpoint, payloads: Sequence[Payload]) -> None:
        """Writes a checkpoint again, which is on the disk, with more versions."""
        before = self._known.get(checkpoint.id)
        self._known[checkpoint.id] = replace(checkpoint, outputs=())
        self.revision += 1
        try:
            self.store.commit(checkpoint, payloads, {})
        except BaseException:
            if before is not None:
                self._known[checkpoint.id] = before
            raise

    def forget(self, version: Version, reason: str) -> None:
        """Drops the payload of one version; the reason goes into its record."""
        self.store.flush()
        self.store.collect([version], reason=reason)
        self._known.pop(version.checkpoint, None)
        self.revision += 1

    def take_failure(self) -> Failure | None:
        """The checkpoints that could not be written since the last call; None if there are none.

        They are no part of the history any more.
        """
        failure = self.store.take_failure() if self.store.has_failed else None
        for lost in failure.checkpoints if failure else ():
            self._known.pop(lost.id, None)
            self.revision += 1
        return failure

    def rewind(self, head: CheckpointId | None, branch: str | None) -> None:
        """Goes back to where the session stood before a checkpoint that could not be written."""
        self.head = self.latest = head
        self.branch, self._on_end = branch, False

    def _written(self, kept: Checkpoint) -> None:
        """On the writer's thread: a checkpoint is on the disk, and it is known how many bytes it added."""
        if not self.store.is_unwritten(kept.id):  # else it is about to be extended, and what is known is newer
            self._known[kept.id] = without_outputs(kept)
            self.on_written(kept.id)
        if self._collect_above is not None:
            self._room -= 2 * kept.written_bytes + _PAGES
            if self._room <= 0:
                self._look_at_size()
        self._after_write()

    def _look_at_size(self) -> None:
        if (limit := self.limit_now()) != self.limit:
            self.limit = self._collect_above = limit
        if limit is not None:
            if self.store.statistics().bytes > (self._collect_above or limit):
                self._make_room()
            self._room = ((self._collect_above or limit) - self.store.statistics().bytes) // _WRITERS

    def move(self, to: CheckpointId | None, branch: str | None = None) -> None:
        """Puts the head on another checkpoint. Works on a full disk, too: the store notes it when it can.

        Args:
            branch: the branch to continue; None: as `history.lines.branch_at` says.
        """
        refs = self.store.refs()
        refs.pop(HEAD + self.session, None)
        branches = {name[len(BRANCH) :]: id for name, id in refs.items() if name.startswith(BRANCH)}
        branch = branch or branch_at(self.lookup, to, branches, self.branch, self.home)
        mine = branches.get(self.branch or "")  # first: it mostly leads to the head
        left = self._kept([self.head], [mine, to, *refs.values()])
        meeting = common_ancestor(self.lookup, self.head, to)
        for checkpoint in ancestry(self.lookup, self.head):
            if checkpoint.id == meeting:
                break
            settled = not checkpoint.code and checkpoint.message is None and checkpoint.id == self.head
            # What changed between cells, after an undo, must not hide what was undone from `redo`.
            if not (settled and checkpoint.parent in self._redo_children):
                self._redo_children[checkpoint.parent] = checkpoint.id
        self.head = to
        self.branch, self._on_end = branch, False
        self.store.set_refs_later({HEAD + self.session: to, **left})

    def await_handed_over(self, seconds: float) -> bool:
        """Waits until another process has written what a kernel gave to it when it ended. False if it takes longer."""
        from kishu_kernel.store.write_behind.handover import wait_until_written

        path = self.store.statistics().path
        return path is None or wait_until_written(Path(path), seconds)

    def other_heads(self) -> list[Checkpoint]:
        """The heads of the notebook's other sessions, the latest first; not those of forks."""
        heads = own_heads(self.store.refs(), besides=self.session)
        found = [self.lookup(id) for id in heads.values() if self.store.contains(id)]
        return sorted(found, key=lambda each: each.timestamp, reverse=True)

    def running_heads(self) -> set[CheckpointId]:
        """The heads of sessions that run in other kernels, and of no session that has ended."""
        return running_heads(own_heads(self.store.refs(), besides=self.session), self._live())

    def resumable(self) -> Checkpoint | None:
        """The latest of `other_heads` that has variables, an ended session's first; else the latest of all, or None."""
        running = self.running_heads()
        heads = sorted(self.other_heads(), key=lambda each: each.id in running)
        with_variables = (each for each in heads if not has_no_variables(self.lookup, each.id))
        return next(with_variables, next(iter(heads), None))

    def _heads(self) -> dict[str, CheckpointId]:
        """The head of each session."""
        return {name[len(HEAD) :]: id for name, id in self.store.refs().items() if name.startswith(HEAD)}

    def head_to_resume(self, session: str | None = None) -> CheckpointId:
        """The head of a session.

        Args:
            session: the beginning of its name; None: the session of `resumable`.

        Raises:
            UnknownTargetError: there is no such session, or several have names that begin so.
        """
        if session is None:
            last = self.resumable()
            if last is None:
                raise UnknownTargetError("this notebook has no earlier session to resume")
            return last.id
        heads = self._heads()
        found = {name: id for name, id in heads.items() if name.startswith(session) and session}
        if len(found) != 1:
            there = ", ".join(sorted(heads.keys() - {self.session})) or "none"
            raise UnknownTargetError(f"{len(found)} sessions have names that begin with {session!r}: there are {there}")
        return next(iter(found.values()))

    def collect(self, *, dry_run: bool = False) -> Collected:
        """Drops payloads that no head, branch or tag needs: those of deleted branches and, over the limit, old ones.

        Args:
            dry_run: only tells what it would drop.
        """
        self.store.flush()
        return self._collect(self.limit, "it was dropped to save space", dry_run)

    def _make_room(self) -> None:
        """Drops old payloads. Called on the writer's thread when the store is over its limit."""
        assert self.limit is not None
        collected = self._collect(int(self.limit * SPARE), "it was dropped to keep the store below its limit", False)
        self._collect_above = max(self.limit, int(self.store.statistics().bytes / SPARE))
        if collected.removed.checkpoints:
            self.notices.append(
                f"The store has reached its limit ({size(self.limit)}): from now on, old states to which no branch, "
                "tag or session points are kept as code only, and their cells are re-run when you check them out."
            )
        if self._collect_above > self.limit:
            self.notices.append(
                f"The store is over its limit ({size(self.limit)}), and a branch, a tag or a session needs everything "
                "in it: delete branches or tags that you no longer need, or raise the limit."
            )

    def _collect(self, limit: int | None, reason: str, dry_run: bool) -> Collected:
        from kishu_kernel.session.garbage import collect

        pinned = [] if self.pinned is None else [self.pinned]
        redo = self._redo_children.values()
        collected = collect(self.store, limit, reason, redo=redo, pinned=pinned, dry_run=dry_run)
        if not dry_run:
            self._known.clear()  # the records now say which payloads are gone
            self.revision += 1
        return collected

    def redo_child(self, of: CheckpointId | None) -> CheckpointId | None:
        """The child of a checkpoint to which `redo` goes: the one that was last undone. None if none was."""
        return self._redo_children.get(of)

    def keep_document(self, ids: Collection[CheckpointId], cells: Sequence[NotebookCell]) -> None:
        """Notes the notebook's cells as they were when checkpoints were taken. They are written later.

        Raises:
            StoreError: the store takes nothing.
        """
        document = encode_document(cells)
        for id in ids:
            self.store.attach(id, document)

    def of_cells(self, numbers: Collection[int]) -> list[CheckpointId]:
        """The newest checkpoints of this session whose cells bore these numbers, as far as there are some."""
        left, found = set(numbers), []
        for start in (self.latest, self.head):  # of what an undo left, and of what it went to
            for checkpoint in ancestry(self.lookup, start):
                number = checkpoint.execution_count
                if not left or checkpoint.session != self.session or (number is not None and number < min(left)):
                    break
                if number in left:
                    left.remove(number)
                    found.append(checkpoint.id)
        return found

    def document(self, id: CheckpointId) -> tuple[NotebookCell, ...] | None:
        """As in `StoredHistory`. Waits for nothing that is still to be written."""
        waiting = self.store.waiting_attachment(Version(DOCUMENT, id))
        if waiting is not None:
            return decode_document(waiting.stream, (bytes(buffer.data) for buffer in waiting.buffers))
        return None if id in self.store.unwritten() else super().document(id)

    def rewrite_record(self, checkpoint: Checkpoint) -> None:
        """Rewrites the record of a checkpoint."""
        self.store.amend(checkpoint, {})
        self._known[checkpoint.id] = checkpoint
        self.revision += 1

    def set_name(self, kind: str, name: str, to: CheckpointId) -> None:
        """Makes or moves a branch (kind `BRANCH`) or a tag (`TAG`).

        Raises:
            RequestError: no branch or tag may have this name.
        """
        refs = self.store.refs()
        left = refs.pop(kind + checked_name(name), None)
        side: dict[str, CheckpointId | None] = {}
        if kind == BRANCH:
            side = self._kept([left], [to, *refs.values()])
            if SIDE + to in refs:  # it has a name now
                side[SIDE + to] = None
            self._on_end = False
        self.store.update_refs({kind + name: to, **side})

    def rename(self, kind: str, name: str, new: str) -> None:
        """Gives a branch or a tag another name. A session that is on the branch goes on on it.

        Raises:
            RequestError: there is none of this name, or the other one is taken or not possible.
        """
        at = self._named(kind, name)
        if new in self.names(kind):
            raise RequestError(f"there is a {kind[:-1]} called {new!r} already")
        self.store.update_refs({kind + checked_name(new): at, kind + name: None})
        if kind == BRANCH and name == self.branch:
            self.branch = new

    def begin_branch(self, name: str) -> None:
        """Makes a branch end at the head, which must be on a checkpoint, and goes on with it. Raises as `set_name`."""
        assert self.head is not None
        self.set_name(BRANCH, name, self.head)
        self.branch = self._home = name

    def delete_name(self, kind: str, name: str) -> None:
        """Deletes a branch or a tag; its checkpoints stay.

        Raises:
            RequestError: there is none of this name.
        """
        self._named(kind, name)
        self.store.update_refs({kind + name: None})
        if kind == BRANCH and name == self.branch:
            self.branch, self._on_end = None, False

    def _named(self, kind: str, name: str) -> CheckpointId:
        names = self.names(kind)
        if name not in names:
            meant = closest(name, names)
            hint = f": did you mean {meant!r}?" if meant else ""
            raise RequestError(f"there is no {kind[:-1]} called {name!r}{hint}")
        return names[name]

    def _continues(self, there: CheckpointId | None, here: CheckpointId, refs: Collection[str]) -> bool:
        """Whether a ref may move from `there` to `here` without leaving checkpoints behind."""
        return there is None or SIDE + there in refs or any(each.id == there for each in ancestry(self.lookup, here))

    @staticmethod
    def _free_name(name: str, taken: Collection[str]) -> str:
        """The name, or the first of `name-2`, `name-3`, ... that is not taken."""
        free = (name if number == 1 else f"{name}-{number}" for number in count(1))
        return next(each for each in free if each not in taken)

    @property
    def home(self) -> str:
        """The branch on which this session works where nothing else is said.

        It is `MAIN`, or a free name where another running session is at the end of that.
        """
        if self._home is None:
            taken = self.names(BRANCH)
            end = taken.get(MAIN)
            there = {name for name, id in self._heads().items() if id == end}
            if end is not None and self.store.contains(end):
                there.add(self.lookup(end).session)
            is_theirs = bool(others := there - {self.session}) and not others.isdisjoint(self._live())
            self._home = next(name for at in count(1) if (name := f"branch-{at}") not in taken) if is_theirs else MAIN
        return self._home


__all__ = ["BRANCH", "TAG", "StoredHistory", "Timeline"]
