"""The `kishu_request` protocol, version 1: one request content in, one reply content out, never an exception.

A request is checked whole before anything is done: unknown operation, unknown keys, missing or mistyped
parameters are one error reply each, and nothing has changed. No string of a request is ever evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any

from kishu_kernel.errors import AmbiguousTargetError, KishuError, RequestError
from kishu_kernel.frontend.attachment import Attachment
from kishu_kernel.frontend.content import Json, checkpoint_content, outcome_content, sendable
from kishu_kernel.history.graph import ancestry, state_at
from kishu_kernel.history.targets import BRANCH, TAG
from kishu_kernel.model import Checkpoint, CheckpointId, Names, Outcome, VariableInfo
from kishu_kernel.timeline import Timeline

PROTOCOL = 1
_ECHO = 1000
"""Characters of an error's sentence, at most."""
_REQUIRED: Any = object()


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a request may say under one key.

    Attributes:
        default: `_REQUIRED` where there is none.
        least: the smallest number allowed.
    """

    kind: type
    default: Any = _REQUIRED
    least: int | None = None
    choices: tuple[str, ...] = ()
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: what it takes, and whether it changes anything.

    Attributes:
        patience: seconds that looking waits for what is still being written; what changes something waits longer.
    """

    answer: Callable[..., Json]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    changes: bool = True
    patience: float = 2.0


class Requests:
    """Answers requests for one shell. Read-only ones from any thread, while a cell runs."""

    def __init__(self, attachment: Attachment) -> None:
        self._attachment = attachment
        self._session = attachment.session

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
            name, operation, arguments = _checked(content)
            if operation.changes and self._session.rerunning:
                raise RequestError(f"a cell that is re-run for a checkout cannot {name}")
            if operation.changes and not may_change:
                raise RequestError(
                    f"{name} changes the session and is answered on the shell channel, between cells: send it there"
                )
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
        statistics = timeline.store.statistics()
        return {
            "head": timeline.head,
            "branch": timeline.branch,
            "session": timeline.session,
            "pending": timeline.store.pending,
            "store": {
                "path": statistics.path,
                "bytes": statistics.bytes,
                "checkpoints": statistics.checkpoints,
                "chunks": statistics.chunks,
            },
            "warnings": list(self._attachment.warnings),
        }

    def log(self, limit: int, all: bool, since: str | None) -> Json:
        """The way to the root, or all checkpoints; newest first."""
        timeline = self._timeline
        floor = None if since is None else timeline.lookup(timeline.resolve(since))
        if all:
            newest = sorted(timeline.store.checkpoints(outputs=False), key=_age)
            chosen = [each for each in newest if floor is None or _age(each) < _age(floor)]
        else:
            chosen = []
            for checkpoint in ancestry(timeline.lookup, timeline.head):
                if floor is not None and checkpoint.id == floor.id:
                    break
                chosen.append(checkpoint)
        shown = chosen[:limit] if limit else chosen
        return {
            "head": timeline.head,
            "branch": timeline.branch,
            "checkpoints": self._contents(shown),
            "truncated": len(shown) < len(chosen),
        }

    def show(self, target: str) -> Json:
        """A checkpoint, the outputs of its cell, and the variables of its state."""
        timeline = self._timeline
        checkpoint = timeline.store.checkpoint(timeline.resolve(target))
        variables = []
        for names, made in state_at(timeline.lookup, checkpoint.id).items():
            record = timeline.lookup(made).record(names)
            variables += [
                {
                    "name": info.name,
                    "type": info.type,
                    "summary": info.summary,
                    "version": made,
                    "covariable": list(names),
                    "stored": record.stored,
                    "bytes": record.size,
                }
                for info in record.variables
            ]
        return {
            "checkpoint": self._contents([checkpoint])[0],
            "outputs": list(checkpoint.outputs),
            "variables": sorted(variables, key=lambda variable: str(variable["name"])),
        }

    def diff(self, target: str, base: str) -> Json:
        """What is different at `target` from what it is at `base`."""
        timeline = self._timeline
        after = self._variables_at(timeline.resolve(target))
        before = self._variables_at(timeline.resolve(base))
        created = sorted(after.keys() - before.keys())
        deleted = sorted(before.keys() - after.keys())
        modified = sorted(name for name in before.keys() & after.keys() if before[name][0] != after[name][0])
        return {
            "created": created,
            "modified": modified,
            "deleted": deleted,
            "details": [
                {
                    "name": name,
                    "before": _one_line(before[name][1]) if name in before else None,
                    "after": _one_line(after[name][1]) if name in after else None,
                }
                for name in sorted([*created, *modified, *deleted])
            ],
        }

    def variable(self, name: str, limit: int) -> Json:
        """The checkpoints on the way to the root that changed a variable; newest first."""
        timeline = self._timeline
        changed = [
            each
            for each in ancestry(timeline.lookup, timeline.head)
            if name in each.created or name in each.modified or name in each.deleted
        ]
        if not changed:
            raise RequestError(f"no cell on the way to here made a variable called {name!r}")
        return {"checkpoints": self._contents(changed[:limit] if limit else changed)}

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
        return {"removed": asdict(collected.removed), "kept": asdict(collected.kept), "dry_run": dry_run}

    def commit(self, message: str) -> Json:
        """Gives the present state a message."""
        return {"head": self._session.commit(message).id}

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
            self._attachment.displayed_anew()
        return outcome_content(outcome)

    def _rename(self, kind: str, name: str, target: str, delete: bool) -> None:
        timeline = self._timeline
        if delete:
            timeline.delete_name(kind, name)
        else:
            timeline.set_name(kind, name, timeline.resolve(target))

    def _contents(self, checkpoints: list[Checkpoint]) -> list[Json]:
        branches = _by_id(self._timeline.names(BRANCH))
        tags = _by_id(self._timeline.names(TAG))
        return [checkpoint_content(each, branches, tags) for each in checkpoints]

    def _variables_at(self, at: CheckpointId) -> dict[str, tuple[object, VariableInfo]]:
        """Each variable with what its equality hangs on: its digest, else its version."""
        lookup = self._timeline.lookup
        found: dict[str, tuple[object, VariableInfo]] = {}
        state: dict[Names, CheckpointId] = state_at(lookup, at)
        for names, made in state.items():
            record = lookup(made).record(names)
            for info in record.variables:
                found[info.name] = (info.digest or record.digest, info)
        return found


def _checked(content: Any) -> tuple[str, Operation, dict[str, Any]]:
    """The operation and all of its arguments, defaults filled in."""
    if not isinstance(content, dict):
        raise RequestError("the content of a kishu_request must be an object with an 'operation'")
    name = content.get("operation")
    if not isinstance(name, str) or name not in OPERATIONS:
        raise RequestError(f"unknown operation {name!r}: there are {', '.join(OPERATIONS)}")
    operation = OPERATIONS[name]
    unknown = sorted(str(key) for key in content if key != "operation" and key not in operation.parameters)
    if unknown:
        takes = ", ".join(operation.parameters) or "no parameters"
        raise RequestError(f"{name} does not know {', '.join(map(repr, unknown))}: it takes {takes}")
    arguments = {}
    for key, parameter in operation.parameters.items():
        if key not in content and parameter.default is _REQUIRED:
            raise RequestError(f"{name} needs {key!r}")
        arguments[key] = content.get(key, parameter.default)
        if key in content:
            _check(name, key, content[key], parameter)
    return name, operation, arguments


def _check(name: str, key: str, value: Any, parameter: Parameter) -> None:
    if value is None and parameter.nullable:
        return
    kind: type = type(value)
    if kind is not parameter.kind:  # true is no whole number
        wanted = {str: "a string", int: "a whole number", bool: "true or false"}[parameter.kind]
        raise RequestError(f"{key!r} of {name} must be {wanted}, not {kind.__name__}")
    if parameter.least is not None and value < parameter.least:
        raise RequestError(f"{key!r} of {name} must be at least {parameter.least}")
    if parameter.choices and value not in parameter.choices:
        raise RequestError(f"{key!r} of {name} must be one of {', '.join(parameter.choices)}")


def _error(error: BaseException) -> Json:
    name = type(error).__name__
    text = str(error)
    if not isinstance(error, (KishuError, KeyboardInterrupt)):
        text = f"unexpected {name}: {text}"
    if len(text) > _ECHO:  # it quotes what the request said
        text = f"{text[: _ECHO - 200]} ... {text[-200:]}"
    return {"status": "error", "ename": name, "evalue": text, "traceback": [f"{name}: {text}"]}


def _age(checkpoint: Checkpoint) -> tuple[float, str]:
    """Sorts the newest first."""
    return -checkpoint.timestamp, checkpoint.id


def _by_id(names: Mapping[str, CheckpointId]) -> dict[CheckpointId, list[str]]:
    found: dict[CheckpointId, list[str]] = {}
    for name, id in names.items():
        found.setdefault(id, []).append(name)
    return found


def _one_line(info: VariableInfo) -> str:
    return info.summary if info.summary.startswith(info.type) else f"{info.type}: {info.summary}"


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

OPERATIONS: dict[str, Operation] = {
    "status": Operation(Requests.status, changes=False, patience=0.05),
    "log": Operation(
        Requests.log,
        {
            "limit": _LIMIT,
            "all": Parameter(bool, False),
            "since": Parameter(str, None, nullable=True),
        },
        changes=False,
    ),
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
    "show": Operation(Requests.show, {"target": Parameter(str)}, changes=False),
    "diff": Operation(Requests.diff, {"target": Parameter(str), "base": Parameter(str, "HEAD")}, changes=False),
    "variable": Operation(Requests.variable, {"name": Parameter(str), "limit": _LIMIT}, changes=False),
}
