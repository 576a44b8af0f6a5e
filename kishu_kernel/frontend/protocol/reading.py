"""The operations of the protocol that only look at a history: of a running session, or of a store without a kernel.

Each method takes the checked arguments of a request and returns the fields of its reply. It raises a `KishuError` where
there is no answer.
Law: nothing here changes anything, loads a value, or waits for a cell.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice, takewhile

from kishu_kernel.errors import RequestError
from kishu_kernel.frontend.protocol.content import Json, checkpoint_content
from kishu_kernel.frontend.protocol.documents import document_content
from kishu_kernel.frontend.protocol.inspecting import chosen, recorded_value, recorded_variables
from kishu_kernel.frontend.protocol.notebook_export import as_notebook, write_notebook
from kishu_kernel.frontend.protocol.output_gate import note, shown
from kishu_kernel.frontend.protocol.parameters import nearest
from kishu_kernel.history.drawing_order import DrawingOrder
from kishu_kernel.history.graph import Gap, ancestry, known_state_at, state_at
from kishu_kernel.history.graph_layout import graph_rows
from kishu_kernel.history.last_state import LastState
from kishu_kernel.history.targets import BRANCH, HEAD, TAG
from kishu_kernel.model import Checkpoint, CheckpointId, Names, State, VariableInfo, Version
from kishu_kernel.session.timeline import StoredHistory

KnownVariable = tuple[object, VariableInfo, Version]
"""The digest of a variable, which is equal where the value is; what is known of it; its version."""


class Reader:
    """The operations on one history.

    Args:
        history: returns the history. It is called each time, since a session opens its store late.
        own_notebook: returns the path of the notebook, or None: no export overwrites it.
    """

    def __init__(
        self, history: Callable[[], StoredHistory], own_notebook: Callable[[], str | None] = lambda: None
    ) -> None:
        self._history = history
        self._own_notebook = own_notebook
        self._order = DrawingOrder()
        self._states = LastState()

    def log(self, limit: int = 100, all: bool = False, since: str | None = None, graph: bool = False) -> Json:
        """The checkpoints on the path to HEAD, or all of them; newest first.

        At rest there is nothing to redo, and nobody to be warned (`redo`, `untold`).
        """
        history = self._history()
        floor = None if since is None else history.lookup(history.resolve(since))
        reply: Json = {"head": history.head, "branch": history.branch, "latest": history.latest}
        reply |= {"redo": None, "untold": [], "remote": None}
        if all:
            listed = self._order.of(history.store.checkpoints(outputs=False))
            chosen = listed.checkpoints if floor is None else listed.since(floor)
            reply["total"] = len(listed.checkpoints)
        else:
            path = takewhile(lambda each: floor is None or each.id != floor.id, ancestry(history.lookup, history.head))
            chosen = list(islice(path, min(limit + 1, sys.maxsize) if limit else None))
        shown = chosen[:limit] if limit else chosen
        reply |= {"checkpoints": self.contents(shown), "truncated": len(shown) < len(chosen)}
        if graph:
            rows = graph_rows(shown, {each.id for each in ancestry(history.lookup, history.head)})
            width = 1 + max((at for row in rows for at in (row.lane, *sum(row.links, ()))), default=-1)
            drawn = [{"id": row.id, "lane": row.lane, "links": [list(link) for link in row.links]} for row in rows]
            reply["graph"] = {"width": width, "rows": drawn}
        return reply

    def show(self, target: str) -> Json:
        """A checkpoint, the outputs of its cell, and the variables of its state; `unknown`: what cannot be listed."""
        history = self._history()
        checkpoint = history.with_outputs(history.resolve(target))
        known = self._states.at(history.lookup, checkpoint.id, history.revision)
        variables = []
        for names, made in known.versions.items():
            record = history.lookup(made).record(names)
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
            "checkpoint": self.contents([checkpoint])[0],
            "outputs": shown(checkpoint),
            "outputs_note": self._outputs_note([checkpoint]),
            "variables": sorted(variables, key=lambda variable: str(variable["name"])),
            "unknown": _unknown(known.gap, known.gap.names if known.gap else ()),
            "document": document_content(history, checkpoint.id),
        }

    def _outputs_note(self, checkpoints: Sequence[Checkpoint]) -> str | None:
        if note(checkpoints, None) is None:  # nearly always; to ask for the path counts all that there is
            return None
        return note(checkpoints, self._history().store.statistics().path)

    def diff(self, target: str, base: str = "HEAD") -> Json:
        """The variables that differ between `base` and `target`."""
        before, after = self.variables_at(base), self.variables_at(target)
        gaps = [self._gap_at(each) for each in (base, target)]
        unknown = {name for gap in gaps if gap for name in gap.names}
        created = sorted(after.keys() - before.keys() - unknown)
        deleted = sorted(before.keys() - after.keys() - unknown)
        modified = sorted(name for name in before.keys() & after.keys() if before[name][0] != after[name][0])
        return {
            "created": created,
            "modified": modified,
            "deleted": deleted,
            "details": [
                {
                    "name": name,
                    "type": (after if name in after else before)[name][1].type,
                    "before": _one_line(before[name][1]) if name in before else None,
                    "after": _one_line(after[name][1]) if name in after else None,
                }
                for name in sorted([*created, *modified, *deleted])
            ],
            "unknown": _unknown(next(filter(None, gaps), None), unknown),
        }

    def _gap_at(self, target: str) -> Gap | None:
        history = self._history()
        return known_state_at(history.lookup, history.resolve(target)).gap

    def variables_at(self, target: str) -> dict[str, KnownVariable]:
        """Returns the variables of a state, by name."""
        history = self._history()
        found: dict[str, KnownVariable] = {}
        state: dict[Names, CheckpointId] = state_at(history.lookup, history.resolve(target))
        for names, made in state.items():
            record = history.lookup(made).record(names)
            for info in record.variables:
                found[info.name] = (info.digest or record.digest, info, Version(names, made))
        return found

    def variable(self, name: str, limit: int = 100) -> Json:
        """The checkpoints on the path to HEAD that changed a variable, and what each made of it; newest first."""
        history = self._history()
        path = list(ancestry(history.lookup, history.head))
        changed = [each for each in path if name in each.created or name in each.modified or name in each.deleted]
        if not changed:
            known = dict.fromkeys(each for checkpoint in path for each in (*checkpoint.created, *checkpoint.modified))
            hint = f": {nearest(name, known)}" if known else ""
            raise RequestError(f"no cell on the path to HEAD made a variable called {name!r}{hint}")
        shown = changed[:limit] if limit else changed
        values = [recorded_value(history.lookup, each, name) for each in shown]
        return {"checkpoints": self.contents(shown), "values": values, "truncated": len(shown) < len(changed)}

    def inspect(
        self, names: list[str] | None = None, target: str = "HEAD", limit: int = 100, preview: bool = True
    ) -> Json:
        """The variables of a state, with what is known of each."""
        history = self._history()
        at = history.head if target == "HEAD" else history.resolve(target)
        return self.inspected(state_at(history.lookup, at), names, limit, preview)

    def inspected(self, state: State, names: list[str] | None, limit: int, preview: bool) -> Json:
        """Returns the same of a session state."""
        found = recorded_variables(self._history().lookup, state, preview)
        shown, truncated = chosen(found, names, limit)
        return {"variables": [found[name] for name in shown], "total": len(found), "truncated": truncated}

    def search(self, text: str, limit: int = 100) -> Json:
        """Checkpoints of all branches and sessions in whose code, message or names the text occurs; newest first."""
        if not text.strip():
            raise RequestError("search needs a text to look for")
        history = self._history()
        branches, tags = _by_id(history.names(BRANCH)), _by_id(history.names(TAG))
        found = []
        for each in self._order.of(history.store.checkpoints(outputs=False)).checkpoints:
            places = [
                *(("code", line.strip()) for line in each.code.splitlines()),
                *((("message", each.message),) if each.message else ()),
                *(("name", name) for name in (*each.created, *each.modified, *each.deleted)),
                *(("branch", name) for name in branches.get(each.id, ())),
                *(("tag", name) for name in tags.get(each.id, ())),
            ]
            hits = [{"where": where, "text": line} for where, line in places if text.casefold() in line.casefold()]
            if hits:
                found.append((each, hits))
        shown = found[:limit] if limit else found
        contents = self.contents([each for each, _ in shown])
        return {
            "checkpoints": [{**content, "found": hits} for content, (_, hits) in zip(contents, shown, strict=True)],
            "truncated": len(shown) < len(found),
        }

    def export(self, target: str = "HEAD", path: str | None = None, force: bool = False) -> Json:
        """The cells on the path to `target` as a notebook that can be run, with their outputs."""
        history = self._history()
        ids = [each.id for each in ancestry(history.lookup, history.resolve(target))]
        cells = [history.with_outputs(id) for id in reversed(ids)]
        notebook = as_notebook(cells, self._outputs_note(cells))
        reply: Json = {"cells": len(cells)}
        if path is None:
            return {**reply, "notebook": notebook}
        return {**reply, "path": write_notebook(notebook, path, self._own_notebook(), force=force)}

    def names(self) -> dict[str, dict[str, CheckpointId]]:
        """Returns what branches, tags and sessions stand on: under `branch`, `tag` and `session`, by name."""
        names = self._history().all_names()
        return {kind[:-1].replace("head", "session"): names[kind] for kind in (BRANCH, TAG, HEAD)}

    def contents(self, checkpoints: Sequence[Checkpoint]) -> list[Json]:
        """Returns checkpoints as the protocol has them."""
        names = self._history().all_names()
        branches, tags = _by_id(names[BRANCH]), _by_id(names[TAG])
        return [checkpoint_content(each, branches, tags) for each in checkpoints]


def _by_id(names: Mapping[str, CheckpointId]) -> dict[CheckpointId, list[str]]:
    found: dict[CheckpointId, list[str]] = {}
    for name, id in names.items():
        found.setdefault(id, []).append(name)
    return found


def _unknown(gap: Gap | None, names: Iterable[str]) -> Json | None:
    """Returns names that the state may have, besides others that are not known, and why; None where all is known."""
    return None if gap is None else {"names": sorted(names), "reason": gap.reason}


def _one_line(info: VariableInfo) -> str:
    return info.summary if info.summary.startswith(info.type) else f"{info.type}: {info.summary}"
