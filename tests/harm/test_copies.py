"""Copies that the kernel makes on its own, or for a checkout that it does not carry out, end without doing anything.

Each object here does something when it goes: it removes its file, writes to a list of the user's, closes what the
live one uses. Only the live one may.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
import pytest
from kernel.conftest import Start
from kernel.driver import Kernel

from .driving import PATIENCE, thought

BESIDE = """
import contextlib, os, weakref

class Owner:
    def __init__(self, path): self.path = path; open(path, 'w').close()
    def __del__(self): os.path.exists(self.path) and os.remove(self.path)

class Waiting:
    def __init__(self, path): self.path = path; open(path, 'w').close(); self._wait()
    def _wait(self): self.end = weakref.finalize(self, os.remove, self.path); self.end.atexit = False
    def __getstate__(self): return self.path
    def __setstate__(self, path): self.path = path; self._wait()

class Counted(list):
    def __del__(self): open('counted.txt', 'a').write('gone\\n')

class Slotted:
    __slots__ = ('path',)
    def __init__(self, path): self.path = path; open(path, 'w').close()
    def __del__(self): os.remove(self.path)

@contextlib.contextmanager
def held(path):
    open(path, 'w').close()
    try: yield path
    finally: os.remove(path)

class Holding:
    def __init__(self, path): self.path = path; self._enter()
    def _enter(self): self.context = held(self.path); self.context.__enter__()
    def __getstate__(self): return self.path
    def __setstate__(self, path): self.path = path; self._enter()

class Closing:
    def __init__(self, path): self.path = path; self._begin()
    def _begin(self):
        open(self.path, 'w').close()
        def closing(path=self.path):
            try: yield
            finally: os.remove(path)
        self.generator = closing(); next(self.generator)
    def __getstate__(self): return self.path
    def __setstate__(self, path): self.path = path; self._begin()
"""
"""A library of the user's, beside the notebook."""

OWN = (
    "import os, gc, weakref\nlog = []\n"
    "class Own:\n"
    "    def __init__(self, path): self.path = path; open(path, 'w').close()\n"
    "    def __del__(self):\n"
    "        log.append(self.path)\n"
    "        if os.path.exists(self.path): os.remove(self.path)\n"
)

KINDS = {
    "a destructor": OWN + "x = Own('kept.txt')",
    "in a cycle": OWN + "x = Own('kept.txt'); x.me = [x]",
    "in containers": OWN + "x = {'deep': [({'er': Own('kept.txt')},)]}",
    "in an array": OWN + "import numpy as np\nx = np.array([Own('kept.txt'), None], dtype=object)",
    "in a frame": OWN + "import pandas as pd\nx = pd.DataFrame({'a': [Own('kept.txt'), None]})",
    "in a closure": OWN + "def make():\n    own = Own('kept.txt')\n    return lambda: own\nx = make()",
    "of the class": OWN + "class Has:\n    own = Own('kept.txt')\nx = Has()",
    "derived from a list": OWN
    + "class L(list):\n    def __del__(self): log.append('L'); os.path.exists('kept.txt') and os.remove('kept.txt')\n"
    "x = L([1]); open('kept.txt', 'w').close()",
    "with slots": OWN + "class S(Own):\n    __slots__ = ('more',)\nx = S('kept.txt'); x.more = 1",
    "a finalizer": OWN
    + "class F(dict):\n    def __init__(self): weakref.finalize(self, os.remove, 'kept.txt').atexit = False\n"
    "    def __reduce__(self): return F, ()\n"
    "open('kept.txt', 'w').close()\nx = F()",
    "its own way to be loaded": OWN + "class D(dict):\n    def __init__(self): self.own = Own('kept.txt')\n"
    "    def __reduce__(self): return D, (), None, None, iter(self.items())\nx = D()",
    "an owner of a library": "import beside\nlog = []\nx = beside.Owner('kept.txt')",
    "two in a cycle, of a library": "import beside\nlog = []\nx = [beside.Owner('kept.txt')]; x[0].me = x",
    "a finalizer of a library": "import beside\nlog = []\nx = beside.Waiting('kept.txt')",
    "slots of a library": "import beside\nlog = []\nx = [beside.Slotted('kept.txt')]",
    "a list of a library": "import beside\nlog = []\nopen('kept.txt', 'w').close()\nx = beside.Counted([1, 2])",
    "a context of a library": "import beside\nlog = []\nx = beside.Holding('kept.txt')",
    "a generator of a library": "import beside\nlog = []\nx = beside.Closing('kept.txt')",
    "of a library, in an array": "import beside, numpy as np\nlog = []\n"
    "x = np.array([beside.Owner('kept.txt'), 1], dtype=object)",
}

SEEN = "[__import__('gc').collect() and 0, *map(os.path.exists, ['kept.txt', 'counted.txt']), *log][1:]"


def unharmed(kernel: Kernel, after: str) -> None:
    """The live object has gone nowhere, and nobody has said so."""
    assert kernel.value(SEEN) == [True, False], after


@pytest.fixture
def kernel(start: Start, tmp_path: Path) -> Kernel:
    (tmp_path / "beside.py").write_text(BESIDE)
    return start()


def paused(kernel: Kernel) -> None:
    kernel.ok("1 + 1")
    thought(kernel)


def compared(kernel: Kernel) -> None:
    kernel.ok("x = [x]")
    found = kernel.done("diff", target="HEAD", base="HEAD~1", values=True)
    assert "x" in [detail["name"] for detail in found["details"]]
    kernel.ok("%kishu diff HEAD~1")


def planned(kernel: Kernel) -> None:
    kernel.ok("y = x; x = None; z = (each for each in [1])")
    kernel.request("checkout", target="HEAD~1", dry_run=True)
    kernel.request("undo", dry_run=True)


def refused(kernel: Kernel) -> None:
    """Something is lost that the plan only finds out about after it has loaded the rest."""
    kernel.ok("keep = [x]; a = [1]")
    kernel.ok("# kishu: no-replay\nw = list(range(1000))")
    target = kernel.done("log", limit=1)["head"]
    kernel.ok("other, x, a, w = x, None, None, None; keep = None")
    damage(kernel, "w", target)
    reply = kernel.request("checkout", target=target)
    assert reply["status"] == "error", reply
    assert kernel.value("w") is None


def raising(kernel: Kernel) -> None:
    """The cell that is run again was given copies, and raises."""
    kernel.ok("flag = [0]\nimport builtins; builtins.calls = [0]")
    kernel.ok("builtins.calls[0] += 1\nit = x\nif builtins.calls[0] > 1: raise ValueError\nz = (each for each in [it])")
    kernel.ok("y, x, z = x, None, None; it = None")
    reply = kernel.request("undo", replay="auto", allow_lost=False)
    assert reply["status"] == "error", reply
    assert "ValueError" in reply["evalue"]


def replayed(kernel: Kernel) -> None:
    """The cell that is run again makes something of a copy that nobody gets."""
    kernel.ok("z = (each for each in [id(x)])")
    kernel.ok("z = None")
    kernel.done("undo", replay="auto")
    assert kernel.value("type(z).__name__") == "generator"


def interrupted(kernel: Kernel) -> None:
    """The stop button, while a cell is run again that was given copies."""
    kernel.ok("import builtins, time; builtins.calls = [0]")
    kernel.ok(
        "builtins.calls[0] += 1\nit = x\n"
        "if builtins.calls[0] > 1:\n    open('slow.txt', 'w').close()\n    time.sleep(30)\nz = (each for each in [it])"
    )
    kernel.ok("y, x, z = x, None, None; it = None")
    request = kernel.send("kishu_request", {"operation": "undo", "replay": "auto"})
    until(lambda: (kernel.home / "slow.txt").exists())
    kernel.interrupt()
    assert kernel.reply(request)["status"] == "error"


DEEDS: dict[str, Callable[[Kernel], None]] = {
    each.__name__: each for each in (paused, compared, planned, refused, raising, replayed, interrupted)
}


@pytest.mark.parametrize("kind", KINDS)
def test_copies_end_without_doing_anything(kernel: Kernel, kind: str) -> None:
    """All that makes copies, one after the other, on one kernel."""
    kernel.ok("import gc, os")
    for deed in DEEDS.values():
        kernel.ok("x = y = z = it = keep = other = Has = None; gc.collect(); open('kept.txt', 'w').close()")
        kernel.ok(KINDS[kind])
        kernel.ok("log.clear(); os.path.exists('counted.txt') and os.remove('counted.txt') and None")
        deed(kernel)
        unharmed(kernel, deed.__name__)


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def damage(kernel: Kernel, name: str, id: str) -> None:
    """The manifest of a version is gone from the store, under the kernel that has it open."""
    until(lambda: not kernel.done("status", channel="control")["pending"])
    from kishu_kernel.model import CheckpointId, Version
    from kishu_kernel.store.format.schema import version_key

    path = kernel.done("status")["store"]["path"]
    with lmdb.open(path, max_dbs=16, map_size=1 << 30) as env:
        versions = env.open_db(b"versions")
        with env.begin(write=True) as txn:
            txn.delete(version_key(Version((name,), CheckpointId(id))), db=versions)
