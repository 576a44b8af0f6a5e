"""The list of all operations: what each is called, what it takes, and which method answers it.

A new operation is a method and a line here. If it only looks at a history, the method goes into `reading`, and also
works without a kernel; otherwise it goes into `live_operations`. People get it by a line in `magic/subcommands` and its
text in `pages/`, scripts by a method of `client`.
"""

from __future__ import annotations

from typing import Any

from kishu_kernel.frontend.protocol.content import Json, new_names, numbers, shown_plan, texts
from kishu_kernel.frontend.protocol.documents import document_cells
from kishu_kernel.frontend.protocol.live_operations import LiveOperations
from kishu_kernel.frontend.protocol.parameters import Operation, Parameter

_LOOKING = 2.0
"""Seconds that an operation that only looks waits for what is still being written."""
_FLAG = Parameter(bool, False)
_TEXT = Parameter(str)
_OPTIONAL_TEXT = Parameter(str, None, nullable=True)
_TARGET_OR_HEAD = Parameter(str, "HEAD")
_LIMIT = Parameter(int, 100, least=0)
_STEPS = Parameter(int, 1, least=1)
_TRAVEL = {
    "dry_run": _FLAG,
    "replay": Parameter(str, "ask", choices=("auto", "ask", "harmless", "never")),
    "allow_lost": _FLAG,
    "shown": Parameter(dict, None, nullable=True, read=shown_plan),
}
_NAMING = {"name": _TEXT, "target": _TARGET_OR_HEAD, "delete": _FLAG, "rename": _OPTIONAL_TEXT}


def _reading(name: str, /, **parameters: Parameter) -> Operation:
    """An operation that is the method of this name of `Reader`."""

    def answer(live: LiveOperations, **arguments: Any) -> Json:
        content: Json = getattr(live.reader, name)(**arguments)
        return content

    return Operation(answer, parameters, changes=False, patience=_LOOKING)


def _status(live: LiveOperations, **arguments: Any) -> Json:
    return {**live.status(**arguments), "operations": list(OPERATIONS)}


_DIFF = {"target": _TEXT, "base": _TARGET_OR_HEAD, "values": _FLAG}

OPERATIONS: dict[str, Operation] = {
    # These only look.
    "status": Operation(_status, {"offers": _FLAG, "memory": _FLAG}, changes=False, patience=0.05),
    "log": Operation(
        LiveOperations.log,
        {"limit": _LIMIT, "all": _FLAG, "since": _OPTIONAL_TEXT, "graph": _FLAG},
        changes=False,
        patience=_LOOKING,
    ),
    "told": Operation(LiveOperations.told, {"sentences": Parameter(list, read=texts)}, changes=False, patience=0.0),
    "show": _reading("show", target=_TEXT),
    "diff": Operation(LiveOperations.diff, _DIFF, changes=False, patience=_LOOKING),
    "variable": _reading("variable", name=_TEXT, limit=_LIMIT),
    "inspect": Operation(
        LiveOperations.inspect,
        {
            "names": Parameter(list, None, nullable=True, read=texts),
            "target": _OPTIONAL_TEXT,
            "limit": _LIMIT,
            "preview": Parameter(bool, True),
        },
        changes=False,
        patience=0.05,
    ),
    "hibernate": Operation(
        LiveOperations.hibernate, {"timeout": Parameter(float, 10.0, least=0)}, changes=False, patience=0.0
    ),
    "search": _reading("search", text=_TEXT, limit=_LIMIT),
    "export": _reading("export", target=_TARGET_OR_HEAD, path=_OPTIONAL_TEXT, force=_FLAG),
    "stores": Operation(LiveOperations.stores, changes=False, patience=_LOOKING),
    # These change the session, or its store.
    "checkout": Operation(LiveOperations.checkout, {"target": _TEXT, **_TRAVEL}),
    "begin": Operation(LiveOperations.begin, {"at": _TEXT}),
    "promote": Operation(LiveOperations.promote, {"target": _TEXT, **_TRAVEL}),
    "undo": Operation(LiveOperations.undo, {"steps": _STEPS, **_TRAVEL}),
    "redo": Operation(LiveOperations.redo, {"steps": _STEPS, **_TRAVEL}),
    "resume": Operation(LiveOperations.resume, {"session": _OPTIONAL_TEXT, **_TRAVEL}),
    "take": Operation(
        LiveOperations.take,
        {
            "names": Parameter(list, read=texts),
            "target": _TEXT,
            "as": Parameter(dict, {}, read=new_names),
            **_TRAVEL,
        },
    ),
    "document": Operation(
        LiveOperations.document,
        {
            "cells": Parameter(list, read=document_cells),
            "target": _TARGET_OR_HEAD,
            "ran": Parameter(list, None, nullable=True, read=numbers),
        },
        patience=0.0,
    ),
    "commit": Operation(LiveOperations.commit, {"message": _TEXT}),
    "branch": Operation(LiveOperations.branch, _NAMING),
    "tag": Operation(LiveOperations.tag, _NAMING),
    "gc": Operation(LiveOperations.gc, {"dry_run": _FLAG}),
    "attach": Operation(LiveOperations.attach, {"store": _TEXT}),
}
