"""State outside of variables, on its way: changed, undone, redone, undone, redone; then a kill, and another kernel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .conftest import Start

Way = tuple[str, ...]
"""What prepares, what changes, and what a person would look at."""


def walked(start: Start, home: Path, ways: Mapping[str, tuple[str, ...]]) -> None:
    """Changes, undoes and redoes each of these twice in one kernel, kills it, and looks at all of them in another one.

    Args:
        ways: what prepares, what changes, and what a person would look at.
    """
    notebook = {"JPY_SESSION_NAME": str(home / "book.ipynb")}
    kernel = start(environment=notebook)
    wrong = []
    for name, (prepare, change, look) in ways.items():
        kernel.ok(prepare)
        before = kernel.value(f"repr(({look}))")
        kernel.ok(change)
        after = kernel.value(f"repr(({look}))")
        assert before != after, name
        for step, told in (("undo", before), ("redo", after), ("undo", before), ("redo", after)):
            reply = kernel.request(step)
            found = kernel.value(f"repr(({look}))")
            if found != told or reply["status"] != "ok":
                wrong.append((name, step, found, told, reply.get("evalue")))
    expected = {name: kernel.value(f"repr(({look}))") for name, (_, _, look) in ways.items()}
    kernel.done("log")  # what was taken is written
    kernel.close()
    kernel = start(environment=notebook)
    reply = kernel.done("resume")
    assert not reply["plan"]["lost"], reply["plan"]["lost"]
    for name, (_, _, look) in ways.items():
        if (found := kernel.value(f"repr(({look}))")) != expected[name]:
            wrong.append((name, "resume", found, expected[name], None))
    kernel.ok("just = 1")
    assert kernel.done("log", limit=1)["checkpoints"][0]["ambient"] == []  # nothing but what was there
    assert not wrong, wrong
