"""A notebook in this process: a shell of a few lines around a real `Session`, its store in memory.

Cells run by `exec` in a plain dict, so that their functions are real; the value of a last expression is displayed
as IPython does it (`Out`, `_3`, `_`). There are no magics.
"""

from __future__ import annotations

import ast
import builtins
import sys
import threading
import time
import types
import uuid
from collections.abc import Sequence
from typing import Any

import pytest

from kishu_kernel.detect.access_trackers import PatchedNamespace, TrackerKind, make_tracker
from kishu_kernel.detect.self_contained import is_self_contained
from kishu_kernel.errors import LoadError, StoreError
from kishu_kernel.model import CellRun, Checkpoint, Payload, SessionId, Version
from kishu_kernel.objects import live_objects
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.session.module_data import ModuleData
from kishu_kernel.session.namespace import UserNamespace
from kishu_kernel.session.rerun import CellRunner, Rerun
from kishu_kernel.session.running_cells import Ticket
from kishu_kernel.session.session import Session
from kishu_kernel.session.timeline import Timeline
from kishu_kernel.store import MemoryStore
from kishu_kernel.store.base import Refs, StoredPayload
from kishu_kernel.store.lmdb_store import LmdbStore
from tests.support.describer import Description, describe


def as_in_another_process() -> None:
    """What the package keeps of a process's own objects is forgotten, and their numbers mean nothing any more."""
    live_objects.PROCESS = uuid.uuid4().hex
    live_objects.live_objects.__init__()  # type: ignore[misc]


class FailingStore(MemoryStore):
    """A store in memory that fails where it is told to.

    Attributes:
        commits: "all" fail, or those with "payloads", or none.
        updates: whether refs cannot be written.
        unloadable: names of which no co-variable can be loaded.
        broken: versions that cannot be loaded.
        loaded: versions that were.
        gate: closed, it writes nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.commits = "none"
        self.updates = False
        self.unloadable: set[str] = set()
        self.broken: set[Version] = set()
        self.loaded: list[Version] = []
        self.gate = threading.Event()
        self.gate.set()

    def commit(self, checkpoint: Checkpoint, payloads: Sequence[Payload], refs: Refs, *pause: Any) -> Checkpoint:
        assert self.gate.wait(60)
        if self.commits == "all" or (self.commits == "payloads" and payloads):
            raise StoreError("the disk is full")
        return super().commit(checkpoint, payloads, refs, *pause)

    def update_refs(self, refs: Refs) -> None:
        if self.updates:
            raise StoreError("the disk is full")
        super().update_refs(refs)

    def load(self, version: Version, *on_read: Any) -> StoredPayload:
        if version in self.broken or not self.unloadable.isdisjoint(version.names):
            raise LoadError(f"{', '.join(version.names)}: bytes are missing")
        self.loaded.append(version)
        return super().load(version, *on_read)


class Notebook:
    """Runs cells; everything of the session is at hand.

    Attributes:
        reran: cells that were re-run for checkouts.
        rerunner: what re-runs them.
    """

    def __init__(
        self,
        tracker: TrackerKind = "code",
        store: FailingStore | LmdbStore | None = None,
        session: str = "here",
        modules: ModuleData | None = None,
    ) -> None:
        self.module = types.ModuleType("__main__")
        self.live: dict[str, Any] = PatchedNamespace() if tracker == "namespace" else vars(self.module)
        out: dict[int, Any] = {}
        self.live.update(__name__="__main__", __builtins__=builtins, Out=out, _oh=out)
        self.live.update({"_": "", "__": "", "___": ""})
        self.store = FailingStore() if store is None else store
        self.names = UserNamespace(self.live, dict(self.live), modules)
        self.warnings: list[str] = []
        self.reran: list[str] = []
        self.rerunner: CellRunner = self._execute
        self.count = 0
        self.session = Session(
            self.names,
            ReductionTable(self.live),
            make_tracker(tracker, self.live),
            lambda: Timeline(self.store, SessionId(session)),
            self._rerun,
            lambda sentence, *, quiet=False: self.warnings.append(sentence),
            contained=lambda source, access, _: is_self_contained(source, access, self.live),
        )

    @classmethod
    def as_main(cls, monkeypatch: pytest.MonkeyPatch, *arguments: Any) -> Notebook:
        """A notebook that is `__main__` for the time of a test, as a kernel's is: dataclasses look there."""
        notebook = cls(*arguments)
        monkeypatch.setitem(sys.modules, "__main__", notebook.module)
        return notebook

    def run(self, code: str) -> Checkpoint | None:
        """Runs a cell, however it ends."""
        return self.end(self.begin(code), code)

    def ok(self, code: str) -> Checkpoint:
        """Runs a cell that ends well and is checkpointed."""
        checkpoint = self.run(code)
        assert checkpoint is not None, self.warnings
        assert checkpoint.status == "ok", checkpoint.error
        assert checkpoint.incomplete is None
        return checkpoint

    def begin(self, code: str, *, main: bool = True, hidden: bool = False) -> Ticket:
        """A cell is about to run."""
        return self.session.before_cell(code, main=main, hidden=hidden)

    def end(self, ticket: Ticket, code: str) -> Checkpoint | None:
        """Runs the cell to its end."""
        self.count += 1
        started = time.perf_counter()
        ended = self._execute(code, self.count)
        status = "interrupted" if isinstance(ended.error, KeyboardInterrupt) else "error"
        run = CellRun(
            code,
            self.count,
            "ok" if ended.error is None else status,  # type: ignore[arg-type]
            time.time(),
            time.perf_counter() - started,
            None if ended.error is None else type(ended.error).__name__,
        )
        checkpoint = self.session.after_cell(ticket, run)
        return checkpoint if checkpoint and self._written(checkpoint) else None

    def _written(self, checkpoint: Checkpoint) -> bool:
        """As after some think time: the checkpoint is on the disk, or it is known that it cannot be."""
        if isinstance(self.store, FailingStore) and not self.store.gate.is_set():  # the user is faster than the disk
            return True
        self.session.timeline.store.flush()
        return self.store.contains(checkpoint.id)

    def hidden(self, code: str) -> None:
        """Runs code that gets no checkpoint of its own."""
        ticket = self.begin(code, hidden=True)
        try:
            exec(code, self.live)
        finally:
            self.session.after_hidden(ticket)

    @property
    def head(self) -> str | None:
        return self.session.timeline.head

    @property
    def variables(self) -> dict[str, Any]:
        return self.names.variables()

    def __getitem__(self, name: str) -> Any:
        return dict.__getitem__(self.live, name)

    def describe(self) -> Description:
        """The state of the session, moving names included."""
        shown = {name: dict.get(self.live, name) for name in ("_", "__", "___")}
        return describe({**self.variables, **shown, "Out": dict(dict.__getitem__(self.live, "Out"))}, self.live)

    def identities(self) -> dict[str, int]:
        """Which object each name is bound to."""
        return {name: id(obj) for name, obj in self.variables.items()}

    def covariables(self) -> set[tuple[str, ...]]:
        """Those of the state that the session stands on."""
        return set(self.session._ledger.state)

    def _rerun(self, code: str, number: int | None) -> Rerun:
        self.reran.append(code)
        return self.rerunner(code, number)

    def _execute(self, code: str, number: int | None) -> Rerun:
        try:
            tree = ast.parse(code)
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, "<cell>", "exec", dont_inherit=True), self.live)
            if isinstance(last, ast.Expr):
                code = compile(ast.Expression(last.value), "<cell>", "eval", dont_inherit=True)  # type: ignore[assignment]
                value = eval(code, self.live)
                if value is not None and number is not None:
                    self._display(value, number)
        except (Exception, KeyboardInterrupt) as error:
            return Rerun(error.with_traceback(None))
        return Rerun(None)

    def _display(self, value: Any, number: int) -> None:
        live = self.live
        dict.update(live, {"___": dict.get(live, "__"), "__": dict.get(live, "_"), "_": value})
        dict.__setitem__(live, f"_{number}", value)
        dict.__getitem__(live, "Out")[number] = value
