"""Runs the entries of a group in real kernels, and writes down what happened. Judges nothing.

Entries of one library share a kernel. Each begins at the same checkpoint, so that it finds no variables of the ones
before it:

    create -> `type(x)`, if not told otherwise -> describe -> change -> describe -> undo -> describe

Then the kernel is ended, and another process brings each created state back:

    checkout of the checkpoint that made it -> describe

A kernel that dies or hangs is one entry's own record; the next entry finds a new one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import kishu_kernel
from tests.kernel.driver import Content, Kernel
from tests.matrix.entry import Entry
from tests.support import describer

Record = dict[str, Any]

MOST_DIFFERENCES = 6

_DESCRIBED = "__import__('json').dumps(__import__('describer').describe({{{variables}}}, globals()))"


class _Gone(Exception):
    """What was tried did not end well; the message says how."""


def drive(
    entries: Sequence[Entry],
    home: Path,
    python: str,
    heard: Callable[[Record], None] = lambda _: None,
) -> Iterator[Record]:
    """The record of each entry.

    Args:
        home: an empty directory for all that the kernels keep.
        python: the interpreter that runs them; the package comes from this checkout.
        heard: is told each record as soon as it is complete.
    """
    for number, (_, same) in enumerate(groupby(entries, key=lambda entry: entry.library)):
        place = home / f"library-{number}"
        place.mkdir()
        for record in _Batch(list(same), place, python).records():
            heard(record)
            yield record


class _NotMade(Exception):
    """The library, as it is here, does not make such an object."""


class _Batch:
    """Entries of one library."""

    def __init__(self, entries: list[Entry], home: Path, python: str) -> None:
        self.entries = entries
        self.home = home
        self.python = python
        self.kernel: Kernel | None = None
        self.base = ""

    def records(self) -> Iterable[Record]:
        """What became of them."""
        records = [_new_record(entry) for entry in self.entries]
        try:
            for entry, record in zip(self.entries, records, strict=True):
                self.attempt(record, "here", lambda entry=entry, record=record: self.try_here(entry, record), entry)
            self.end()
            for entry, record in zip(self.entries, records, strict=True):
                if record.get("created"):
                    self.attempt(
                        record, "fresh", lambda entry=entry, record=record: self.try_fresh(entry, record), entry
                    )
        finally:
            self.end()
        for record in records:
            for name in ("was", "state"):
                record.pop(name, None)
        return records

    def attempt(self, record: Record, phase: str, action: Callable[[], None], entry: Entry) -> None:
        """One entry in one kernel: what goes wrong is written down, and costs the kernel."""
        began = time.monotonic()
        try:
            self.begin(entry)
            action()
        except _NotMade as error:
            record["not_run"] = str(error)[:300]
        except Exception as error:
            record["errors"].append(f"{phase}, {record.get('step', 'start')}: {type(error).__name__}: {error}"[:600])
            self.end(kill=True)
        record["seconds"][phase] = round(time.monotonic() - began, 2)

    # -- the two halves ----------------------------------------------------------------------------

    def try_here(self, entry: Entry, record: Record) -> None:
        """Make it, leave it alone, change it, undo."""
        self.go_to(self.base)
        record["step"] = "create"
        for code in filter(None, (entry.before, entry.create)):
            ran = self.kernel_now.run(code)
            if ran.status != "ok":
                raise _NotMade(f"{ran.reply.get('ename')}: {ran.reply.get('evalue')}")
        made = self.checkpoint(entry.create)
        record["created"] = made["id"]
        record["stored"] = made["not_stored"] or "yes"
        record["version"] = self.version(entry)
        record["step"] = "touch"
        touched = self.cell(entry.touch)
        record["touched"] = {key: touched[key] for key in ("accessed", "modified", "created", "deleted")}
        record["was"] = self.state(entry)
        record["step"] = "change"
        changed = self.cell(entry.change)
        record["changed"] = {key: changed[key] for key in ("accessed", "modified", "created", "deleted")}
        record["change_is_visible"] = self.state(entry) != record["was"]
        record["step"] = "undo"
        record["undo"] = self.brought_back(entry, record, self.kernel_now.request("undo", replay="auto"))
        record["step"] = ""

    def try_fresh(self, entry: Entry, record: Record) -> None:
        """Bring it back where it never was."""
        record["step"] = "checkout in a fresh kernel"
        self.go_to(self.base)
        reply = self.kernel_now.request("checkout", target=record["created"], replay="auto")
        record["fresh"] = self.brought_back(entry, record, reply)
        record["step"] = ""

    def brought_back(self, entry: Entry, record: Record, reply: Content) -> Record:
        """How the state that was came back, and in what it differs."""
        if reply["status"] != "ok":
            return {"how": "refused", "told": f"{reply['ename']}: {reply['evalue']}"[:400]}
        plan = reply["plan"]
        here = {name for step in plan["load"] for name in step["names"]}
        again = {name for step in plan["replay"] for name in step["gives"]}
        mine = set(entry.variables)
        how = "replayed" if mine & again else "loaded" if mine & here else "kept"
        return {"how": how, "differences": _differences(record["was"], self.state(entry))}

    # -- the kernel --------------------------------------------------------------------------------

    def begin(self, entry: Entry) -> None:
        """A kernel that stands at the beginning, where there is none."""
        if self.kernel is not None:
            self.kernel.patience = entry.seconds
            return
        described, package = Path(describer.__file__).parent, Path(kishu_kernel.__file__).resolve().parents[1]
        paths = os.pathsep.join([str(described), str(package)])
        environment = {"PYTHONPATH": paths, "MPLBACKEND": "agg", "PYTHONWARNINGS": "ignore"}
        with (self.home / "kernel.log").open("ab") as log:
            self.kernel = Kernel(
                self.home,
                environment={**environment, "KISHU_NOTEBOOK": str(self.home / "book.ipynb")},
                command=(self.python, "-m", "kishu_kernel"),
                patience=entry.seconds,
                output=log,
            )
        if not self.base:
            self.base = self.cell("None")["id"]

    def end(self, *, kill: bool = False) -> None:
        """The process is gone; its store stays."""
        kernel, self.kernel = self.kernel, None
        if kernel is not None:
            with suppress(Exception):
                kernel.close(gracefully=not kill)

    @property
    def kernel_now(self) -> Kernel:
        """The one that runs."""
        assert self.kernel is not None
        return self.kernel

    def cell(self, code: str) -> Content:
        """Runs a cell that must end well; its checkpoint."""
        ran = self.kernel_now.run(code)
        if ran.status != "ok":
            raise _Gone(f"{ran.reply.get('ename')}: {ran.reply.get('evalue')}")
        return self.checkpoint(code)

    def checkpoint(self, code: str) -> Content:
        """That of the cell that ran last."""
        log = self.kernel_now.done("log", limit=1)
        checkpoint: Content = log["checkpoints"][0]
        if checkpoint["code"].strip() != code.strip():
            raise _Gone(f"the newest checkpoint is that of {checkpoint['code'][:80]!r}")
        return checkpoint

    def go_to(self, target: str) -> None:
        """An earlier state, whatever it costs."""
        self.kernel_now.done("checkout", target=target, allow_lost=True)

    def state(self, entry: Entry) -> Record:
        """What is told of the entry's variables by somebody who knows nothing of the package."""
        variables = ", ".join(f"{name!r}: {name}" for name in entry.variables)
        told = json.loads(self.asked(_DESCRIBED.format(variables=variables))) if entry.described else {}
        if entry.look:
            told["look"] = self.asked(f"repr({entry.look})")
        return dict(told)

    def asked(self, expression: str) -> str:
        """The value of an expression that gives a string, seen by no history."""
        try:
            return str(self.kernel_now.value(expression))
        except AssertionError as error:
            raise _Gone(f"{expression[:80]}: {str(error)[:300]}") from None

    def version(self, entry: Entry) -> str:
        """Of the library."""
        if not entry.library:
            return self.asked("__import__('platform').python_version()")
        return self.asked(f"__import__('importlib.metadata').metadata.version({entry.library!r})")


def _new_record(entry: Entry) -> Record:
    return {
        "name": entry.name,
        "category": entry.category,
        "library": entry.library,
        "variables": list(entry.variables),
        "errors": [],
        "seconds": {},
    }


def _differences(was: Record, now: Record) -> list[str]:
    paths = [*was, *(path for path in now if path not in was)]
    found = [path for path in paths if was.get(path) != now.get(path)]
    told = [f"{path}: {was.get(path, 'nothing')}  =>  {now.get(path, 'nothing')}"[:500] for path in found]
    return [*told[:MOST_DIFFERENCES], *([f"and {len(told) - MOST_DIFFERENCES} more"] * (len(told) > MOST_DIFFERENCES))]
