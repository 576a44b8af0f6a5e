"""Copies that the kernel makes on its own, or for a checkout that it does not carry out, end without doing anything.

Each object here does something when it goes: it removes its file, writes to a list of the user's, closes what the
live one uses. Only the live one may.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import lmdb
import pytest

from tests.kernel.conftest import Start
from tests.kernel.driver import Kernel

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
"""A library that nothing is known of."""

OWN = (
    "class Own%n:\n"
    "    def __init__(self): self.path = '%p'; open('%p', 'w').close()\n"
    "    def __del__(self):\n"
    "        log.append(self.path)\n"
    "        if os.path.exists(self.path): os.remove(self.path)\n"
)

KINDS = {
    "a destructor": OWN + "%x = Own%n()",
    "in a cycle": OWN + "%x = Own%n(); %x.me = [%x]",
    "in containers": OWN + "%x = {'deep': [({'er': Own%n()},)]}",
    "in an array": OWN + "import numpy as np\n%x = np.array([Own%n(), None], dtype=object)",
    "in a frame": OWN + "import pandas as pd\n%x = pd.DataFrame({'a': [Own%n(), None]})",
    "in a closure": OWN + "def make%n():\n    own = Own%n()\n    return lambda: own\n%x = make%n()",
    "of the class": OWN + "class Has%n:\n    own = Own%n()\n%x = Has%n()",
    "derived from a list": "class L%n(list):\n    def __del__(self): log.append('%p'); os.remove('%p')\n"
    "open('%p', 'w').close()\n%x = L%n([1])",
    "with slots": OWN + "class S%n(Own%n):\n    __slots__ = ('more',)\n%x = S%n(); %x.more = 1",
    "a finalizer": "class F%n(dict):\n"
    "    def __init__(self): weakref.finalize(self, os.remove, '%p').atexit = False\n"
    "    def __reduce__(self): return F%n, ()\n"
    "open('%p', 'w').close()\n%x = F%n()",
    "its own way to be loaded": OWN + "class D%n(dict):\n    def __init__(self): self.own = Own%n()\n"
    "    def __reduce__(self): return D%n, (), None, None, iter(self.items())\n%x = D%n()",
    "an owner of a library": "%x = beside.Owner('%p')",
    "in a cycle, of a library": "%x = [beside.Owner('%p')]; %x[0].me = %x",
    "a finalizer of a library": "%x = beside.Waiting('%p')",
    "slots of a library": "%x = [beside.Slotted('%p')]",
    "a list of a library": "open('%p', 'w').close()\n%x = beside.Counted([1, 2])",
    "a context of a library": "%x = beside.Holding('%p')",
    "a generator of a library": "%x = beside.Closing('%p')",
    "of a library, in an array": "import numpy as np\n%x = np.array([beside.Owner('%p'), 1], dtype=object)",
}


@dataclass(frozen=True)
class Case:
    """Some of the kinds, a variable of each in one notebook."""

    kernel: Kernel
    kinds: Sequence[str]

    @property
    def names(self) -> list[str]:
        return [f"x{number}" for number in range(len(self.kinds))]

    @property
    def used(self) -> str:
        """An expression that uses all of them."""
        return f"[id(each) for each in ({', '.join(self.names)},)]"

    @property
    def away(self) -> str:
        """A statement after which they live under another name."""
        return f"live = [{', '.join(self.names)}]; {' = '.join(self.names)} = None"

    def made(self) -> Case:
        self.kernel.ok("import gc, os, weakref, beside\nlog = []")
        for number, kind in enumerate(self.kinds):
            code = KINDS[kind].replace("%x", f"x{number}").replace("%p", f"kept{number}").replace("%n", str(number))
            self.kernel.ok(code)
        return self

    def harm(self) -> list[str]:
        """What the end of copies has done."""
        files = [f"kept{number}" for number in range(len(self.kinds))]
        seen = f"[gc.collect() and 0, *map(os.path.exists, {files}), os.path.exists('counted.txt'), *log][1:]"
        *there, counted = self.kernel.value(seen)[: len(files) + 1]
        harm = [f"{kind}: its file is gone" for kind, kept in zip(self.kinds, there, strict=True) if not kept]
        return [*harm, *(["a list of a library: counted"] * counted), *self.kernel.value("[*log]")]


ASKED = "[each._number for each in __import__('gc').get_objects() if type(each).__name__ == 'Checker' and each._number]"
"""How often the checker was asked, where it was."""


@pytest.fixture
def kernel(start: Start) -> Kernel:
    kernel = start()
    kernel.library("beside", BESIDE)
    return kernel


def paused(case: Case) -> None:
    case.kernel.ok("1 + 1")
    thought(case.kernel)


def compared(case: Case) -> None:
    case.kernel.ok("; ".join(f"{name} = [{name}]" for name in case.names))
    found = case.kernel.done("diff", target="HEAD", base="HEAD~1", values=True)
    assert {detail["name"] for detail in found["details"]} >= set(case.names)
    silent = {detail["name"] for detail in found["details"] if "Not compared" in str(detail.get("change"))}
    acting = ("its own way to be loaded", "a context of a library", "a generator of a library")
    assert silent <= {name for name, kind in zip(case.names, case.kinds, strict=True) if kind in acting}, found
    case.kernel.ok("%kishu diff HEAD~1")


def planned(case: Case) -> None:
    case.kernel.ok(f"{case.away}; z = (each for each in [1])")
    assert case.kernel.done("checkout", target="HEAD~1", dry_run=True)["plan"]["load"]
    assert case.kernel.done("undo", dry_run=True)["plan"]["load"]


def refused(case: Case) -> None:
    """Something turns out to be lost when the rest has been loaded."""
    case.kernel.ok("# kishu: no-replay\ny = list(range(1000))")
    target = case.kernel.done("log", limit=1)["head"]
    case.kernel.ok(f"{case.away}; y = None")
    damage(case.kernel, "y", target)
    reply = case.kernel.request("checkout", target=target)
    assert reply["status"] == "error", reply
    assert "y" in reply["evalue"]


def incomplete(case: Case) -> None:
    """What was loaded before one of them turned out to be lost is not what the checkout brings back."""
    case.kernel.ok("# kishu: no-replay\ny = list(range(1000))")
    target = case.kernel.done("log", limit=1)["head"]
    case.kernel.ok(f"import builtins; {case.away}; builtins.live = live; y = live = None")
    damage(case.kernel, "y", target)
    lost = case.kernel.done("checkout", target=target, allow_lost=True)["plan"]["lost"]
    assert [each["names"] for each in lost] == [["y"]]
    assert case.kernel.value(f"None not in {case.used}")


def raising(case: Case) -> None:
    """The cell that is run again was given copies, and raises."""
    case.kernel.ok("import builtins; builtins.calls = [0]")
    case.kernel.ok(
        "builtins.calls[0] += 1\n"
        "def deeper(*given):\n    here = [*given]\n"
        "    if builtins.calls[0] > 1: raise ValueError\n    return len(here)\n"
        f"z = (each for each in [deeper({', '.join(case.names)})]); used = {case.used}"
    )
    case.kernel.ok(f"{case.away}; z = used = None")
    reply = case.kernel.request("undo", replay="auto")
    assert reply["status"] == "error", reply
    assert "ValueError" in reply["evalue"]


def run_again(case: Case) -> None:
    """The whole notebook is run again for something that stands beside them."""
    case.kernel.ok(f"z = (each for each in {case.used})")
    case.kernel.ok("z = None")
    case.kernel.done("undo", replay="auto")
    assert case.kernel.value("type(z).__name__") == "generator"


def interrupted(case: Case) -> None:
    """The stop button, while a cell is run again that was given copies."""
    case.kernel.ok("import builtins, time; builtins.calls = [0]")
    case.kernel.ok(
        f"builtins.calls[0] += 1\nused = {case.used}\n"
        "if builtins.calls[0] > 1:\n    open('slow.txt', 'w').close()\n    time.sleep(30)\n"
        "z = (each for each in used)"
    )
    case.kernel.ok(f"{case.away}; z = used = None")
    request = case.kernel.send("kishu_request", {"operation": "undo", "replay": "auto"})
    until(lambda: (case.kernel.home / "slow.txt").exists())
    case.kernel.interrupt()
    assert case.kernel.reply(request)["status"] == "error"


DEEDS: dict[str, Callable[[Case], None]] = {
    each.__name__: each for each in (paused, compared, planned, refused, incomplete, raising, run_again, interrupted)
}


@pytest.mark.parametrize("deed", DEEDS)
def test_copies_end_without_doing_anything(kernel: Kernel, deed: str) -> None:
    case = Case(kernel, list(KINDS)).made()
    DEEDS[deed](case)
    assert case.harm() == []


def test_a_checkout_that_succeeds_leaves_destructors_as_they_are(kernel: Kernel) -> None:
    """What is replaced goes as by `del`, but for the state that came; what came back goes as it would have gone."""
    kernel.ok(
        "log = []\nclass Own:\n    def __init__(self, name): self.name = name\n"
        "    def __del__(self):\n        log.append(self.name)\n"
        "        with open('gone.txt', 'a') as file: file.write(self.name + ' ')\nx = Own('first')"
    )
    kernel.ok("x = Own('second'); log.clear(); open('gone.txt', 'w').close()")
    kernel.done("undo")
    assert kernel.value("(x.name, [*log], open('gone.txt').read())") == ("first", [], "second ")
    kernel.ok("del x")
    assert kernel.value("([*log], open('gone.txt').read())") == (["first"], "second first ")


def test_what_a_cell_that_is_run_again_drops_itself_goes_as_it_went(kernel: Kernel) -> None:
    kernel.ok(
        "class Own:\n    def __init__(self, to): self.to = to\n    def __del__(self): self.to.append('gone')\n"
        "heard = []\nx = Own(heard)"
    )
    kernel.ok("del x\nz = (each for each in heard)")
    kernel.ok("z = heard = None")
    kernel.done("undo", replay="auto")
    assert kernel.value("heard") == ["gone"]


def test_plain_values_need_no_checker(kernel: Kernel) -> None:
    """Nor does a notebook with functions and classes of its own, nor what Python's own classes hold."""
    kernel.ok(
        "import logging, queue, threading\n"
        "class H(logging.Handler):\n    def __init__(self): super().__init__(); self.kept = [1]\n"
        "class S(dict):\n    def __reduce__(self): return S, (), {}\n    def __setstate__(self, state): pass\n"
        "h = H(); s = S(); q = queue.Queue(); b = threading.Barrier(2); t = threading.Thread(target=print)"
    )
    kernel.ok(
        "import numpy as np, pandas as pd, dataclasses, collections\n"
        "a = np.arange(9); df = pd.DataFrame({'x': a})\nclass C: pass\nc = C()\ndef f(): return a\n"
        "@dataclasses.dataclass\nclass D:\n    x: int = 1\nd = D(); P = collections.namedtuple('P', 'a b'); p = P(1, 2)"
    )
    thought(kernel)
    kernel.done("diff", target="HEAD", base="HEAD", values=True)
    assert kernel.value(ASKED) == []


def test_the_checker_is_not_seen(kernel: Kernel) -> None:
    """A cell has no side effect because of it, it is no child, and a notebook that waits for children does not hang."""
    kernel.library(
        "asks",
        "class L(dict):\n    def __setstate__(self, state): self.update(a=1)\n"
        "    def __reduce__(self): return L, (), {'b': 1}\n",
    )
    kernel.ok("import asks\nx = asks.L(); x.a = 1")
    thought(kernel)
    assert kernel.value(ASKED) == [1]
    kernel.ok("%kishu diff HEAD")
    kernel.ok(
        "import multiprocessing, os, psutil\ntry: ended = os.waitpid(-1, 0)\nexcept ChildProcessError: ended = None"
    )
    assert kernel.value("(ended, multiprocessing.active_children(), psutil.Process().children())") == (None, [], [])
    assert all(each["effects"] == [] for each in kernel.done("log")["checkpoints"])
    assert kernel.done("status")["warnings"] == []


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
