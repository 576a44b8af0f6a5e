"""Nothing of the ambient state of a notebook moves because of what the kernel does on its own, first use included.

All of it (`ambient_state`) is taken before and after everything that we do: what a cell itself moves is not among what
these cells do. Once in a bare session, where no library may appear, and once where there are libraries.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.conftest import Start
from tests.kernel.driver import Kernel

from .driving import thought

Does = Callable[[Kernel, Path], object]

PATHS = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
STATE = "__import__('ambient_state')"
DEFINES = """
class Plain:
    def __init__(self, n): self.n = n
class Slotted:
    __slots__ = ("a",)
def function(x, *, y=lambda: 1): return x
kept = [Plain(1), Plain(2), function]
slotted = Slotted(); slotted.a = kept
"""
LARGE = "import array; large = array.array('q', range(400_000)); raw = bytearray(bytes(large))"
LAZY = "lazy = (each for each in range(3)); import types; holder = types.SimpleNamespace(lazy=lazy)"
LIBRARIES = """
import numpy as np, pandas as pd, matplotlib.pyplot as plt, random, warnings, logging
rng = np.random.default_rng(1)
np.random.seed(1); random.seed(1)
frame = pd.DataFrame({"a": np.arange(300_000), "b": np.arange(300_000) / 7, "c": ["x", "y", "z"] * 100_000})
numbers, noise = np.arange(500_000), rng.random(300_000)
figure, axes = plt.subplots(); axes.plot([1, 2]); plt.close(figure)
masked = np.ma.masked_array([1, 2], [True, False])
warnings.warn("once", UserWarning)
logging.getLogger("mine").addHandler(logging.NullHandler())
"""


MAGICS = ("log", "status", "show HEAD", "diff HEAD~1", "help", "variable kept", "search Plain")

ASKED_FOR = {
    "completion": ("warnings: ",),  # IPython's own
    "the panel": ("modules: packages", "open: ", "libraries: at exit"),  # a widget; and pyzmq, for a large message
    "resume": ("generators: random", "warnings: filters", "warnings: how often", "libraries: source lines"),
}
"""What moves because somebody asked for it."""


def cell(code: str) -> Does:
    return lambda kernel, work: (kernel.run(code), thought(kernel))


def asked(operation: str, **parameters: object) -> Does:
    return lambda kernel, work: kernel.done(operation, **parameters)


def interrupted(kernel: Kernel, work: Path) -> None:
    with kernel.hold("half = [1]", "half.append(2)") as held:
        kernel.interrupt()
        assert kernel.end(held.running).status == "error"
    thought(kernel)


def back_and_forth(kernel: Kernel, work: Path) -> None:
    kernel.done("undo", steps=2)
    kernel.done("redo", steps=2)


def completed(kernel: Kernel, work: Path) -> None:
    for code in ("%kishu check", "%kishu checkout ", "%kishu diff HEAD"):
        assert kernel.message("complete_request", {"code": code, "cursor_pos": len(code)})["status"] == "ok"
    kernel.message("inspect_request", {"code": "function", "cursor_pos": 8, "detail_level": 1})


def failing(kernel: Kernel, work: Path) -> None:
    for target in ("nowhere", "HEAD~999"):
        assert kernel.request("checkout", target=target)["status"] == "error"
    assert kernel.request("export", target="HEAD", path=str(work / "no" / "where.ipynb"))["status"] == "error"


DOINGS: dict[str, Does] = {
    "a first cell": cell("x = 1"),
    "classes, functions, a trial": cell(DEFINES),
    "a change": cell("kept.append(Plain(3))"),
    "large values are compressed": cell(LARGE),
    "what cannot be stored": cell(LAZY),
    "only dill might store it": cell(
        "import functools\ndispatch = functools.singledispatch(function); odd = [property(), dispatch, range(3)]"
    ),
    "a cell that fails": cell("broken = [1]; 1 / 0"),
    "a cell that is interrupted": interrupted,
    "deleting": cell("del broken"),
    "log": asked("log", all=True, graph=True),
    "status": asked("status"),
    "show": asked("show", target="HEAD"),
    "variable": asked("variable", name="kept"),
    "search": asked("search", text="Plain"),
    "stores": asked("stores"),
    "undo and redo": back_and_forth,
    "a checkout that re-runs": lambda kernel, work: (
        kernel.ok("del lazy, holder"),
        kernel.done("undo", replay="auto"),
        thought(kernel) if kernel.done("status")["pending"] else None,
    ),
    "diff": asked("diff", target="HEAD", base="HEAD~3", values=True),
    "branch": asked("branch", name="other"),
    "tag": asked("tag", name="here"),
    "commit": asked("commit", message="well"),
    "gc": asked("gc"),
    "export": lambda kernel, work: kernel.done("export", target="HEAD", path=str(work / "out.ipynb")),
    "what is refused": failing,
    "completion": completed,
    "magics": lambda kernel, work: [kernel.ok(f"%kishu {each}") for each in MAGICS],
    "the panel": lambda kernel, work: (kernel.ok("%kishu panel"), thought(kernel)),
    "another trial": cell("kept = kept + [Slotted()]"),
}  # fmt: skip


def all_that_moves(kernel: Kernel, doings: dict[str, Does], work: Path) -> list[str]:
    """Of each doing what it moved, a line each."""
    found = []
    for name, does in doings.items():
        kernel.value(f"{STATE}.remember()")
        does(kernel, work)
        moved = kernel.value(f"{STATE}.moved()")
        found += [
            f"{name}: {what}: {before} -> {after}"
            for what, (before, after) in moved.items()
            if not what.startswith(ASKED_FOR.get(name, ("nothing",)))
        ]
    return found


def connected(kernel: Kernel) -> None:
    """All channels are connected: ZeroMQ tries again each 0.1 s, and a socket that comes later is no doing of ours."""
    seen: list[int] = []
    while len(set(seen[-5:])) > 1 or len(seen) < 5:
        seen.append(kernel.value("len(__import__('os').listdir('/proc/self/fd'))"))
        time.sleep(0.1)


@pytest.fixture
def kernel(start: Start, tmp_path: Path) -> Kernel:
    kernel = start(environment={"PYTHONPATH": PATHS, "JPY_SESSION_NAME": str(tmp_path / "book.ipynb")})
    kernel.value(f"{STATE}.armed()")
    kernel.run("1 / 0")  # IPython imports what it shows a traceback by
    kernel.done("status", channel="control")
    connected(kernel)
    return kernel


def test_in_a_bare_session(kernel: Kernel, tmp_path: Path) -> None:
    moved = all_that_moves(kernel, DOINGS, tmp_path)
    assert not moved, "\n".join(moved)


def test_among_libraries(kernel: Kernel, tmp_path: Path) -> None:
    """Generators, settings, and warnings that were shown are there, and it is they that do not move."""
    kernel.ok(LIBRARIES)
    thought(kernel)
    changes = cell("frame.insert(3, 'd', frame['b'].values); numbers[5] = 0; kept_noise = noise[:9]")
    doings = {**DOINGS, "a change of a frame": changes, "diff of it": DOINGS["diff"]}
    moved = all_that_moves(kernel, doings, tmp_path)
    assert not moved, "\n".join(moved)


def test_a_resume(start: Start, tmp_path: Path) -> None:
    """In a kernel that has run nothing: what was kept comes, and nothing else."""
    environment = {"PYTHONPATH": PATHS, "JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    with start(environment=environment) as first:
        first.ok(DEFINES)
        first.ok(LARGE)
        first.ok("import operator; got = operator.attrgetter('a')")
        thought(first)
    kernel = start(environment=environment)
    kernel.value(f"{STATE}.armed()")
    kernel.done("status", channel="control")
    connected(kernel)
    doings: dict[str, Does] = {
        "resume": asked("resume"),
        "the next cell": cell("kept.append(function)"),
        "diff": asked("diff", target="HEAD", base="HEAD~1", values=True),
    }
    moved = all_that_moves(kernel, doings, tmp_path)
    assert not moved, "\n".join(moved)
