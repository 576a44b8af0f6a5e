"""What a kernel imports of us: a session that runs plain cells has half of it, and no more than it had (a ratchet)."""

from __future__ import annotations

import IPython
import pytest

from kishu_kernel.process.native import WALKER

from .driver import Kernel

MOST = 198
"""Modules of ours, after cells with plain values. It may fall; who adds one has a reason, or imports it later."""

LATER = (
    *("objects.reducers", "objects.rebuild", "objects.codec.pickling", "objects.codec.buffers", "objects.class_shape"),
    *(f"objects.libraries.{name}" for name in ("comm", "ipykernel", "standard.files", "standard.processes")),
    *(
        "detect.walk.dispatch",
        "detect.walk.state",
        "detect.known_again",
        "objects.questions",
        "history.plan",
        "compare",
        "server",
        "client",
    ),
    *("session.checkout", "session.restore", "session.taking", "session.rerun", "session.checker", "session.in_place"),
    *("store.maintenance", "store.remote", "store.courier", "store.transfer", "store.memory_store"),
    *("frontend.protocol", "frontend.pages", "frontend.panel", "frontend.command", "frontend.mcp"),
    *("frontend.magic.subcommands", "frontend.kernel.spare", "frontend.shell.withheld_messages"),
)
"""Rooms that are for objects which are taken apart, for other states, and for whoever asks."""

NOBODYS = {"numpy", "pandas", "dill", "click", "cryptography", *(() if IPython.version_info[0] < 9 else ("difflib",))}


@pytest.mark.skipif(WALKER is None, reason="its twin in Python takes plain containers apart, too")
def test_a_session_with_plain_values_has_half_of_us(kernel: Kernel) -> None:
    kernel.ok("x = 1\nname = 'a'")
    kernel.ok("xs = [x, (2, 'b'), {'c': 3.0}]")
    kernel.ok("for each in xs: x += 1")
    found = kernel.ok("import sys; print(*sys.modules)").stdout.split()
    ours = {name.removeprefix("kishu_kernel.") for name in found if name.startswith("kishu_kernel.")}
    assert {name for name in ours for room in LATER if name == room or name.startswith(f"{room}.")} == set()
    assert NOBODYS.isdisjoint(found)
    assert len(ours) <= MOST

    kernel.ok("class A: pass\na = A(); a.b = xs")  # all of it is there for whoever needs it
    kernel.done("undo", steps=2)
    assert kernel.value("x, xs[1]") == (4, (2, "b"))


BEHIND_THE_REPLY = {"session.timeline", "store.lmdb_store", "detect.detector", "session.records", "session.audit"}


def test_the_first_cell_waits_for_nothing_that_a_checkpoint_needs(kernel: Kernel) -> None:
    found = {name.removeprefix("kishu_kernel.") for name in kernel.ok("import sys; print(*sys.modules)").stdout.split()}
    assert BEHIND_THE_REPLY.isdisjoint(found)
    then = {name.removeprefix("kishu_kernel.") for name in kernel.ok("print(*sys.modules)").stdout.split()}
    assert then >= BEHIND_THE_REPLY
