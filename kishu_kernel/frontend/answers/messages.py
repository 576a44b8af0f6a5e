"""The `kishu_request` protocol, version 1: one request content in, one reply content out, never an exception.

A request is checked whole before anything is done: unknown operation, unknown keys, missing or mistyped
parameters are one error reply each, and nothing has changed. No string of a request is ever evaluated.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timezone
from itertools import takewhile
from typing import Any

from kishu_kernel.errors import (
    AmbiguousTargetError,
    CheckoutError,
    KishuError,
    LostError,
    NothingToUndoError,
    ReplayError,
    RequestError,
    StoreError,
    UnknownTargetError,
)
from kishu_kernel.frontend.answers.content import Json, comparison_content, outcome_content, sendable
from kishu_kernel.frontend.answers.operations import Operation, Parameter, checked
from kishu_kernel.frontend.answers.reading import Reader
from kishu_kernel.frontend.answers.serving import SessionHost
from kishu_kernel.history.graph import ancestry, common_ancestor
from kishu_kernel.history.targets import BRANCH, TAG
from kishu_kernel.model import Outcome, StoreStatistics
from kishu_kernel.session.timeline import Timeline

PROTOCOL = 1
_ECHO = 1000
"""Characters of an error's sentence, at most."""


class Requests:
    """Answers requests for one shell. Read-only ones from any thread, while a cell runs."""

    def __init__(self, attachment: SessionHost) -> None:
        self._attachment = attachment
        self._session = attachment.session
        self.reader = Reader(lambda: self._session.timeline, attachment.notebook)

    @property
    def attachment(self) -> SessionHost:
        """Whose session it is."""
        return self._attachment

    def answer(self, content: Any, *, may_change: bool = True) -> Json:
        """The reply to a request, fit to be sent as JSON.

        Args:
            content: as it came, trusted in nothing.
            may_change: false on a channel that does not stand between cells.
        """
        reply: Json = sendable(self._answer(content, may_change))
        if may_change:
            self._attachment.progress.end()
        return reply

    def _answer(self, content: Any, may_change: bool) -> Json:
        try:
            name, operation, arguments = checked(content, OPERATIONS)
            if operation.changes and self._session.rerunning:
                raise RequestError(f"a cell that is re-run for a checkout cannot {name}")
            if operation.changes and not may_change:
                raise RequestError(
                    f"{name} changes the session and is answered on the shell channel, between cells: send it there"
                )
            if arguments.get("values") and not may_change:
                raise RequestError(f"{name} with values loads them, between cells: send it on the shell channel")
            if may_change:  # else it must not wait
                self._session.catch_up(None if operation.changes else operation.patience)
            return {
                "status": "ok",
                "protocol": PROTOCOL,
                "operation": name,
                **operation.answer(self, **arguments),
            }
        except AmbiguousTargetError as error:
            return {**_error(error), "candidates": list(error.candidates)}
        except KeyboardInterrupt:
            return _error(KeyboardInterrupt("interrupted: the session is as it was"))
        except Exception as error:  # one reply, whatever happens
            return _error(error)

    @property
    def _timeline(self) -> Timeline:
        return self._session.timeline

    # -- read-only -----------------------------------------------------------------------------------

    def status(self) -> Json:
        """Where the session stands, and what the store holds."""
        timeline = self._timeline
        statistics, trouble = self._statistics()
        return {
            "head": timeline.head,
            "branch": timeline.branch,
            "session": timeline.session,
            "latest": timeline.latest,
            "pending": timeline.store.pending or self._attachment.checkpoint_pending,
            "store": {
                "path": statistics.path,
                "bytes": statistics.bytes,
                "checkpoints": statistics.checkpoints,
                "chunks": statistics.chunks,
            },
            "warnings": [*self._attachment.warnings, *trouble],
        }

    def _statistics(self) -> tuple[StoreStatistics, list[str]]:
        """What the store holds; nothing, and why, where it cannot be read: the session goes on without it."""
        try:
            return self._timeline.store.statistics(), []
        except StoreError as error:
            place = self._attachment.opener.place
            return StoreStatistics(None if place is None else str(place.path), 0, 0, 0), [str(error)]

    def diff(self, target: str, base: str, values: bool) -> Json:
        """What is different at `target` from what it is at `base`, and on request in what way."""
        content = self.reader.diff(target, base)
        if values:
            before, after = self.reader.variables_at(base), self.reader.variables_at(target)
            pairs = {name: (before[name][2], after[name][2]) for name in content["modified"]}
            compared = self._session.compared(pairs)
            for detail in content["details"]:
                found = compared.get(detail["name"])
                detail["change"] = None if found is None else comparison_content(found)
        return content

    # -- changing ------------------------------------------------------------------------------------

    def checkout(self, target: str, **how: Any) -> Json:
        """Goes to a state."""
        return self._traveled(self._session.checkout(target, **how))

    def undo(self, steps: int, **how: Any) -> Json:
        """Goes to the parent, so many times."""
        return self._traveled(self._session.undo(steps, **how))

    def redo(self, steps: int, **how: Any) -> Json:
        """Goes to the child last left, so many times."""
        return self._traveled(self._session.redo(steps, **how))

    def resume(self, session: str | None, **how: Any) -> Json:
        """Goes to where an earlier session of this notebook stood last."""
        return self._traveled(self._session.resume(session, **how))

    def stores(self) -> Json:
        """All stores of this user, the last used first."""
        place = self._attachment.opener.place
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
            for each in self._attachment.opener.stores()
        ]
        return {"stores": listed}

    def attach(self, store: str) -> Json:
        """Gives this notebook the history of another one."""
        opener = self._attachment.opener
        fitting = [each.path for each in opener.stores() if store in (each.path.name, str(each.path), each.notebook)]
        if len(fitting) != 1:
            raise RequestError(f"{len(fitting)} stores are called {store!r}: `%kishu stores` lists them by their names")
        if not self._session.let_go():
            raise RequestError(
                "this session has a history already: restart the kernel, and attach before the first cell"
            )
        return {"store": str(opener.attach(fitting[0])), "sessions": len(self._timeline.earlier())}

    def gc(self, dry_run: bool) -> Json:
        """Drops payloads that no head, branch or tag needs."""
        collected = self._session.collect(dry_run=dry_run)
        self._attachment.relabelled()
        return {"removed": asdict(collected.removed), "kept": asdict(collected.kept), "dry_run": dry_run}

    def commit(self, message: str) -> Json:
        """Gives the present state a message."""
        committed = self._session.commit(message)
        self._attachment.relabelled()
        return {"head": committed.id}

    def branch(self, name: str, target: str, delete: bool) -> Json:
        """Makes, moves or deletes a branch."""
        self._rename(BRANCH, name, target, delete)
        return {"branches": self._timeline.names(BRANCH)}

    def tag(self, name: str, target: str, delete: bool) -> Json:
        """Makes, moves or deletes a tag."""
        self._rename(TAG, name, target, delete)
        return {"tags": self._timeline.names(TAG)}

    # -- helpers -------------------------------------------------------------------------------------

    def _traveled(self, outcome: Outcome) -> Json:
        if outcome.applied:
            self._attachment.traveled()
        return {**outcome_content(outcome), "ahead": self._ahead(outcome)}

    def _ahead(self, outcome: Outcome) -> list[Json]:
        """The cells that do not match the state any more, oldest first.

        Those on the way that is left, and those that `redo` would bring back from there, or from here.
        """
        timeline = self._timeline
        target = outcome.head if outcome.applied else outcome.plan.target
        meeting = common_ancestor(timeline.lookup, outcome.previous, target)
        way = takewhile(lambda each: each.id != meeting, ancestry(timeline.lookup, outcome.previous))
        left = {each.id: each for each in way}
        on_the_way = {each.id for each in ancestry(timeline.lookup, target)}
        for start in (outcome.previous, target):
            at = timeline.last_left(start)
            while at is not None and at not in left and at not in on_the_way:
                left[at] = timeline.lookup(at)
                at = timeline.last_left(at)
        told = [each for each in left.values() if each.code and (each.changed or each.accessed)]
        return [
            {"checkpoint": each.id, "execution_count": each.execution_count, "code": each.code, "session": each.session}
            for each in sorted(told, key=lambda each: each.timestamp)
        ]

    def _rename(self, kind: str, name: str, target: str, delete: bool) -> None:
        timeline = self._timeline
        if delete:
            timeline.delete_name(kind, name)
        else:
            timeline.set_name(kind, name, timeline.resolve(target))
        self._attachment.relabelled()


_HINTS: dict[type[BaseException], str] = {
    LostError: "Ask again with allow_lost to go there without them, or with dry_run to see the plan.",
    ReplayError: "Ask again with allow_lost to go there without them, or with dry_run to see the plan.",
    CheckoutError: "Nothing has changed: mend what the sentence names, and ask again.",
    AmbiguousTargetError: "Name more of the id.",
    UnknownTargetError: "Ask for the log of all branches and sessions to see what there is.",
    NothingToUndoError: "Ask for the log to see how far it goes.",
    RequestError: "Nothing has changed: mend the request as the sentence says.",
    StoreError: "Check the store with `jupyter kishu fsck`.",
    KeyboardInterrupt: "Ask again.",
    BaseException: "Nothing was done: ask again, and look at the kernel's log if it comes back.",
}
"""What to do instead, by the nearest kind of error."""


def _error(error: BaseException) -> Json:
    name = type(error).__name__
    text = str(error)
    if not isinstance(error, (KishuError, KeyboardInterrupt)):
        text = f"unexpected {name}: {text}"
    if len(text) > _ECHO:  # it quotes what the request said
        text = f"{text[: _ECHO - 200]} ... {text[-200:]}"
    hint = next(_HINTS[kind] for kind in type(error).__mro__ if kind in _HINTS)
    return {"status": "error", "ename": name, "evalue": text, "traceback": [f"{name}: {text}"], "hint": hint}


_TRAVEL = {
    "dry_run": Parameter(bool, False),
    "replay": Parameter(str, "auto", choices=("auto", "never")),
    "allow_lost": Parameter(bool, False),
}
_STEPS = Parameter(int, 1, least=1)
_LIMIT = Parameter(int, 100, least=0)
_NAMED = {
    "name": Parameter(str),
    "target": Parameter(str, "HEAD"),
    "delete": Parameter(bool, False),
}

_SWITCH = Parameter(bool, False)
_MAYBE = Parameter(str, None, nullable=True)


def _reading(name: str, /, **parameters: Parameter) -> Operation:
    """One of `Reader`'s."""

    def answer(requests: Requests, **arguments: Any) -> Json:
        content: Json = getattr(requests.reader, name)(**arguments)
        return content

    return Operation(answer, parameters, changes=False)


OPERATIONS: dict[str, Operation] = {
    "status": Operation(Requests.status, changes=False, patience=0.05),
    "log": _reading("log", limit=_LIMIT, all=_SWITCH, since=_MAYBE, graph=_SWITCH),
    "show": _reading("show", target=Parameter(str)),
    "diff": Operation(
        Requests.diff, {"target": Parameter(str), "base": Parameter(str, "HEAD"), "values": _SWITCH}, changes=False
    ),
    "variable": _reading("variable", name=Parameter(str), limit=_LIMIT),
    "search": _reading("search", text=Parameter(str), limit=_LIMIT),
    "export": _reading("export", target=Parameter(str, "HEAD"), path=_MAYBE, force=_SWITCH),
    "checkout": Operation(Requests.checkout, {"target": Parameter(str), **_TRAVEL}),
    "undo": Operation(Requests.undo, {"steps": _STEPS, **_TRAVEL}),
    "redo": Operation(Requests.redo, {"steps": _STEPS, **_TRAVEL}),
    "resume": Operation(Requests.resume, {"session": Parameter(str, None, nullable=True), **_TRAVEL}),
    "stores": Operation(Requests.stores, changes=False),
    "attach": Operation(Requests.attach, {"store": Parameter(str)}),
    "gc": Operation(Requests.gc, {"dry_run": Parameter(bool, False)}),
    "commit": Operation(Requests.commit, {"message": Parameter(str)}),
    "branch": Operation(Requests.branch, _NAMED),
    "tag": Operation(Requests.tag, _NAMED),
}
