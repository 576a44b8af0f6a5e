"""The operations of the protocol that need a session: those that change it, and those that look beyond its history.

Each method takes the checked arguments of a request and returns the fields of its reply. It raises a `KishuError` where
the operation cannot be done; the session is then as it was.
Neighbours: `reading` has what needs no session, `operations` lists all, `request_handler` calls them.
"""

from __future__ import annotations

import platform
import sys
from dataclasses import asdict
from datetime import datetime, timezone
from itertools import takewhile
from typing import Any

from kishu_kernel.errors import RequestError, StoreError
from kishu_kernel.frontend.protocol.content import (
    Json,
    comparison_content,
    ended_content,
    moment,
    outcome_content,
    remote_content,
)
from kishu_kernel.frontend.protocol.documents import document_content, too_large
from kishu_kernel.frontend.protocol.hibernating import hibernate
from kishu_kernel.frontend.protocol.inspecting import chosen, live_variables
from kishu_kernel.frontend.protocol.reading import Reader
from kishu_kernel.frontend.protocol.session_host import SessionHost
from kishu_kernel.frontend.protocol.taken_words import take_content
from kishu_kernel.frontend.protocol.travel_words import travel_words
from kishu_kernel.history.graph import ancestry, common_ancestor
from kishu_kernel.history.targets import BRANCH, TAG
from kishu_kernel.model import Checkpoint, NotebookCell, Outcome, StoreStatistics
from kishu_kernel.process import free_memory
from kishu_kernel.process.code_origins import started_in
from kishu_kernel.session.ended_session import begins_empty, ended_session
from kishu_kernel.session.state_digest import StateDigest
from kishu_kernel.session.timeline import Timeline

LOOK_SECONDS = 0.05
"""Seconds to wait, at most, for what is under way before one looks at variables."""


class LiveOperations:
    """The operations on one session.

    Attributes:
        reader: those that only look at its history.
    """

    def __init__(self, host: SessionHost) -> None:
        self._host = host
        self._session = host.session
        self._digest = StateDigest()
        self.reader = Reader(lambda: self._session.timeline, host.notebook)

    @property
    def _timeline(self) -> Timeline:
        return self._session.timeline

    # -- read-only -----------------------------------------------------------------------------------

    def log(self, **arguments: Any) -> Json:
        """As of `Reader`; also where `redo` leads, how the remote stands, and the warnings that nobody was shown."""
        redo = self._timeline.redo_child(self._timeline.head)
        remote = remote_content(self._host.courier.status())
        return {**self.reader.log(**arguments), "redo": redo, "untold": self._untold, "remote": remote}

    @property
    def _untold(self) -> list[str]:
        return list(self._host.user_warnings.untold)

    def told(self, sentences: list[str]) -> Json:
        """A frontend shows warnings, and has shown these: no cell prints them. New ones are for it."""
        self._host.user_warnings.note_told(sentences)
        return {"untold": self._untold}

    def status(self, offers: bool, memory: bool) -> Json:
        """HEAD, the session, what the store holds, and what there is to resume.

        Args:
            offers: the client shows a person what there is to resume; no output of a cell repeats it.
            memory: also the bytes that the kernel uses, which are others each time.
        """
        timeline = self._timeline
        ended = self._ended()
        if offers and ended is not None:
            self._host.note_offer_shown()
        statistics, errors = self._statistics()
        return {
            "head": timeline.head,
            "branch": timeline.branch,
            "session": timeline.session,
            "latest": timeline.latest,
            "redo": timeline.redo_child(timeline.head),
            "ended": ended,
            "pending": timeline.store.pending or self._host.checkpoint_pending,
            "store": {
                "path": statistics.path,
                "bytes": statistics.bytes,
                "checkpoints": statistics.checkpoints,
                "chunks": statistics.chunks,
            },
            "state": self._digest.of(timeline.lookup, self._session.state),
            "kernel": {
                "started": moment(self._session.started),
                "resumed_from": self._session.resumed_from,
                "python": platform.python_version(),
                "executable": sys.executable,
                **({"memory": free_memory.own()} if memory else {}),
                "directory": started_in(),
                "forks": self._fork_rules(memory),
            },
            "remote": remote_content(self._host.courier.status()),
            "warnings": [*self._host.warnings, *errors],
        }

    def _fork_rules(self, memory: bool) -> Json:
        rules = dict(self._host.fork_rules)
        if memory and rules["spare_pid"] is not None:
            rules["spare_memory"] = free_memory.used_by([rules["spare_pid"]])
        return rules

    def _ended(self) -> Json | None:
        """Returns where the last session ended, while this one has neither variables nor been elsewhere."""
        if self._session.resumed_from is not None or not begins_empty(self._timeline):
            return None
        ended = ended_session(self._timeline)
        return None if ended is None else ended_content(ended)

    def _statistics(self) -> tuple[StoreStatistics, list[str]]:
        """Returns what the store holds. Where it cannot be read: zeros, and a sentence that says why."""
        try:
            return self._timeline.store.statistics(), []
        except StoreError as error:
            place = self._host.opener.place
            return StoreStatistics(None if place is None else str(place.path), 0, 0, 0), [str(error)]

    def diff(self, target: str, base: str, values: bool) -> Json:
        """The variables that differ between `base` and `target`; with `values`, also in what way."""
        content = self.reader.diff(target, base)
        if values:
            before, after = self.reader.variables_at(base), self.reader.variables_at(target)
            pairs = {name: (before[name][2], after[name][2]) for name in content["modified"]}
            compared = self._session.compare(pairs)
            for detail in content["details"]:
                found = compared.get(detail["name"])
                detail["change"] = None if found is None else comparison_content(found)
        return content

    def inspect(self, names: list[str] | None, target: str | None, limit: int, preview: bool) -> Json:
        """Variables, each with what it is, and who changed it last. While a cell runs, as they were before it."""
        if target is not None:
            return self.reader.inspect(names, target, limit, preview)
        with self._session.cells_held_back(LOOK_SECONDS) as held:
            state, variables = self._session.state, self._session.variables() if held else None
            if variables is None:
                return {**self.reader.inspected(state, names, limit, preview), "now": False}
            shown, truncated = chosen(variables, names, limit)
            found = live_variables(self._timeline.lookup, state, variables, shown, preview)
            return {"variables": found, "total": len(variables), "truncated": truncated, "now": True}

    def hibernate(self, timeout: float) -> Json:
        """Writes everything, as in `hibernating`."""
        return hibernate(self._host, timeout)

    # -- changing ------------------------------------------------------------------------------------

    def checkout(self, target: str, **how: Any) -> Json:
        """Goes to a state. `how` is as in `Session.checkout`, also for the next three."""
        return self._traveled("checkout", self._session.checkout(target, **how))

    def begin(self, at: str) -> Json:
        """Begins in a state of any store, on a branch of its own, as a kernel that is started for it."""
        self._host.begin_at(at)
        place = self._host.opener.place
        store = None if place is None else str(place.path)
        return {"head": self._timeline.head, "branch": self._timeline.branch, "store": store}

    def promote(self, target: str, **how: Any) -> Json:
        """Goes to a state of another line, which becomes the notebook's own."""
        outcome = self._session.checkout(target, **how)
        branch = self._timeline.home
        if outcome.applied:
            self._timeline.begin_branch(branch)
        return {**self._traveled("promote", outcome, branch=branch), "branch": branch}

    def undo(self, steps: int, **how: Any) -> Json:
        """Takes back the last cells: goes to the parent, `steps` times."""
        return self._traveled("undo", self._session.undo(steps, **how))

    def redo(self, steps: int, **how: Any) -> Json:
        """Takes back the last undos: goes to the child that was last left, `steps` times."""
        return self._traveled("redo", self._session.redo(steps, **how))

    def resume(self, session: str | None, **how: Any) -> Json:
        """Goes to where an earlier session of this notebook ended; None: the last one."""
        return self._traveled(
            "resume", self._session.resume(session, **how), resumed="that session" if session else "the last session"
        )

    def document(self, cells: list[NotebookCell], target: str, ran: list[int] | None) -> Json:
        """Keeps the notebook's cells as they are at a checkpoint, or at those that cells with these numbers made."""
        timeline = self._timeline
        self._host.opener.note_cells(each.id for each in cells)
        if ran is None and target == "HEAD" and timeline.head is None:
            return {"kept": False, "reason": "there is no state yet: run a cell first"}
        ids = [timeline.resolve(target)] if ran is None else timeline.of_cells(ran)
        reason = too_large(cells) if ids else "no cell with such a number has made a state in this session"
        if reason is None:
            timeline.keep_document(ids, cells)
        return {"kept": reason is None, "reason": reason, "checkpoint": ids[0] if ids else None}

    def take(self, names: list[str], target: str, **how: Any) -> Json:
        """Brings some variables as they were at `target`, and leaves the rest as it is."""
        copies = how.pop("as")
        done = self._session.take(names, target, copies, **how)
        if done.outcome.applied:
            self._host.notify_checkout()
        content = outcome_content(done.outcome)
        return {**content, "taken": list(done.taken), "along": list(done.along), "as": copies}

    def stores(self) -> Json:
        """All stores of this user, the last used first."""
        place = self._host.opener.place
        listed = [
            {
                "name": each.path.name,
                "path": str(each.path),
                "notebook": each.notebook,
                "exists": each.exists,
                "bytes": each.bytes,
                "used": datetime.fromtimestamp(each.used, timezone.utc).isoformat(),
                "own": place is not None and each.path == place.path,
            }
            for each in self._host.opener.stores()
        ]
        return {"stores": listed}

    def attach(self, store: str) -> Json:
        """Gives this notebook the history of another one."""
        opener = self._host.opener
        matching = [each.path for each in opener.stores() if store in (each.path.name, str(each.path), each.notebook)]
        if len(matching) != 1:
            raise RequestError(f"{len(matching)} stores are called {store!r}: `%kishu stores` lists all names")
        if not self._session.close_if_unused():
            raise RequestError(
                "this session already has a history: restart the kernel, and attach before the first cell"
            )
        return {"store": str(opener.attach(matching[0])), "sessions": len(self._timeline.other_heads())}

    def gc(self, dry_run: bool) -> Json:
        """Drops values that no session, branch or tag needs."""
        collected = self._session.collect(dry_run=dry_run)
        self._host.notify_relabelled()
        return {"removed": asdict(collected.removed), "kept": asdict(collected.kept), "dry_run": dry_run}

    def commit(self, message: str) -> Json:
        """Gives HEAD a message."""
        committed = self._session.commit(message)
        self._host.notify_relabelled()
        return {"head": committed.id}

    def branch(self, name: str, **how: Any) -> Json:
        """Makes, moves, renames or deletes a branch. `how` is as of `_name`, also for the next one."""
        self._name(BRANCH, name, **how)
        return {"branches": self._timeline.names(BRANCH)}

    def tag(self, name: str, **how: Any) -> Json:
        """Makes, moves, renames or deletes a tag."""
        self._name(TAG, name, **how)
        return {"tags": self._timeline.names(TAG)}

    # -- parts -------------------------------------------------------------------------------------

    def _traveled(self, operation: str, outcome: Outcome, **names: str) -> Json:
        if outcome.applied:
            self._host.notify_checkout()
        there = outcome.head if outcome.applied else outcome.plan.target
        document = document_content(self._timeline, there)
        words = travel_words(operation, self._timeline, outcome, **names)
        return {**outcome_content(outcome), **words, "ahead": self._cells_not_in_state(outcome), "document": document}

    def _cells_not_in_state(self, outcome: Outcome) -> list[Json]:
        """Returns the cells that were run and are not in the new state, oldest first.

        These are the cells between the state that is left and the common ancestor, and those that `redo` would bring
        back, from the new state or from the one that is left.
        """
        timeline = self._timeline
        target = outcome.head if outcome.applied else outcome.plan.target
        ancestor = common_ancestor(timeline.lookup, outcome.previous, target)
        path = takewhile(lambda each: each.id != ancestor, ancestry(timeline.lookup, outcome.previous))
        undone = {each.id: each for each in path}
        on_path = {each.id for each in ancestry(timeline.lookup, target)}
        for start in (outcome.previous, target):
            at = timeline.redo_child(start)
            while at is not None and at not in undone and at not in on_path:
                undone[at] = timeline.lookup(at)
                at = timeline.redo_child(at)
        cells = [each for each in undone.values() if _is_cell(each) and (each.changed or each.accessed)]
        return [
            {"checkpoint": each.id, "execution_count": each.execution_count, "code": each.code, "session": each.session}
            for each in sorted(cells, key=lambda each: each.timestamp)
        ]

    def _name(self, kind: str, name: str, target: str, delete: bool, rename: str | None) -> None:
        timeline = self._timeline
        if delete and rename is not None:
            raise RequestError("delete and rename are two things: ask for one of them")
        if delete:
            timeline.delete_name(kind, name)
        elif rename is not None:
            timeline.rename(kind, name, rename)
        else:
            timeline.set_name(kind, name, timeline.resolve(target))
        self._host.notify_relabelled()


def _is_cell(each: Checkpoint) -> bool:
    """Whether a cell made it: not what changed between cells, nor what was taken."""
    return bool(each.code) and take_content(each.code, each.execution_count) is None
