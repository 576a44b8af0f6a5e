"""Nothing of ours keeps an object of the user's alive, or memory, past its `del`.

Every case is a notebook that is run under plain ipykernel and under ours, with pauses in which ours has done all that
it does on its own: what is dead, or freed, in the one is in the other.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.harm.driving import thought
from tests.kernel.driver import Kernel

WITNESS = '''
"""Knows what lives, from outside of the notebook's variables."""
import gc, resource, sys, weakref
refs = {}
marks = {}

def watch(**objects):
    refs.update((name, weakref.ref(each)) for name, each in objects.items())

def living():
    gc.collect()
    assert refs, "what was watched has been forgotten"
    return sorted(name for name, each in refs.items() if each() is not None)

def mark():
    gc.collect()
    marks["before"] = sys.getallocatedblocks()

def freed(least):
    "Whether so many objects were freed since `mark`."
    gc.collect()
    found = marks["before"] - sys.getallocatedblocks()
    return found >= least or found

def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // 1_000_000
'''

Cells = Sequence[str]

IN_THE_NEXT_CELL: dict[str, Cells] = {
    "an instance": ["class C: pass\nx = C()\nwatch(x=x)", "x.a = 5", "del x, C"],
    "an instance that was looked at": ["class C: pass\nx = C(); x.a = [1]\nwatch(x=x)", "x.a", "Out.clear()", "del x"],
    "an array": ["x = numpy.ones(1_000_000)\nwatch(x=x)", "x[0] = 5", "del x"],
    "an array that is being written": ["x = numpy.random.rand(3_000_000)\nwatch(x=x)", "del x"],
    "a view and its array": ["x = numpy.ones(1_000_000)\ny = x[5:]\nwatch(x=x, y=y)", "y[0] = 3", "del x, y"],
    "an array of strings": ["x = numpy.array([str(i) for i in range(9000)], object)\nwatch(x=x)", "x.size", "del x"],
    "a frame": ["x = pandas.DataFrame({'a': range(9000), 's': 'text'})\nwatch(x=x)", "len(x)", "del x"],
    "a closure": [
        "class C: pass\ndef make():\n    held = C()\n    watch(held=held)\n    return lambda: held\nf = make()",
        "f() is None",
        "del f",
    ],
    "a function": ["def f(): return 5\nwatch(f=f, code=f.__code__)", "f() == 5", "def f(): return 6", "f()", "del f"],
    "a class": ["class C:\n    def go(self): return 1\nwatch(C=C, go=C.go)", "C().go()", "del C"],
    "an exception": [
        "class C(Exception): pass\ntry:\n    raise C\nexcept C as error:\n    x = error\nwatch(x=x)",
        "x.args",
        "del x",
    ],
    "a generator": ["def f():\n    yield 1\n    yield 2\nx = f()\nnext(x)\nwatch(x=x)", "next(x)", "del x"],
    "a cycle": ["class C: pass\nx = C()\nx.me = x\nwatch(x=x)", "x.me is x", "x = None"],
    "a set of instances": ["class C: pass\nx = {C() for _ in range(5)}\nwatch(x=next(iter(x)))", "len(x)", "x = 5"],
    "what an undo took away": [
        "class C: pass",
        "x = C()\nx.data = numpy.ones(100_000)\nwatch(x=x, data=x.data)",
        "y = 1",
        "%kishu undo 2",
    ],
    "what an undo loaded anew": ["x = numpy.ones(100_000)\nwatch(x=x)", "x[0] = 3", "%kishu undo", "x.sum()"],
    "after a diff": [
        "class C: pass\nx = C()\nx.data = numpy.ones(9000)\nwatch(x=x, data=x.data)",
        "x.data[5] = 3",
        "%kishu diff HEAD~1 --values",
        "del x",
    ],
    "after a failing cell": [
        "class C: pass",
        "def fail():\n    x = C()\n    watch(x=x)\n    raise ValueError\nfail()",
        "1 / 0",
        "y = 1",
    ],
    "after a cell that only fails": ["class C: pass\nx = C()\nwatch(x=x)", "x.data\n", "del x", "1 / 0"],
    "what could not be stored": [
        "import threading\nclass C: pass\nx = C()\nx.lock = threading.Lock()\nwatch(x=x)",
        "x.lock",
        "Out.clear()",
        "del x",
    ],
    "after a refused checkout": [
        "import threading\nclass C: pass\nx = C()\nx.lock = threading.Lock()\nwatch(x=x) # kishu: no-replay",
        "x.lock = None",
        "%kishu undo --replay never",
        "del x",
    ],
}
"""Each ends with a cell after which all that is watched is dead under plain ipykernel. What only ours knows (`%kishu`)
counts as done there."""

IN_THE_SAME_CELL: dict[str, Cells] = {
    "an instance": ["class C: pass\nx = C()\nwatch(x=x)", "x.a = 5", "del x\nprint(living())"],
    "an array": ["x = numpy.ones(1_000_000)\nwatch(x=x)", "del x\nprint(living())"],
    "a frame": ["x = pandas.DataFrame({'s': list('abc') * 9000})\nwatch(x=x)", "len(x)", "del x\nprint(living())"],
    "a function": [
        "def f(): return 5\nwatch(f=f, code=f.__code__)",
        "f()",
        "Out.clear(); _ = None\ndel f\nprint(living())",
    ],
    "a class": ["class C:\n    def go(self): pass\nwatch(C=C)", "C().go()", "del C\nprint(living())"],
    "a generator": ["x = (each for each in [1, 2])\nwatch(x=x)", "next(x)", "del x\nprint(living())"],
    "an array in a list": ["x = [numpy.ones(9000)]\nwatch(x=x[0])", "len(x)", "x.clear()\nprint(living())"],
}

STRINGS = "[f'{number} ' * 3 for number in range(100_000)]"
FREED: dict[str, Cells] = {
    "rebound": [f"L = {STRINGS}", "len(L)", "mark()\nL = None\nprint(freed(90_000))"],
    "deleted": [f"L = {STRINGS}", "len(L)", "mark()\ndel L\nprint(freed(90_000))"],
    "seen after the cell": [f"L = {STRINGS}", "len(L)", "mark()", "L = None", "print(freed(90_000))"],
    "by a function": [
        f"L = {STRINGS}\ndef f():\n    global L\n    L = 5",
        "len(L)",
        "mark()\nf()\nprint(freed(90_000))",
    ],
    "by a method": [f"L = {STRINGS}", "len(L)", "mark()\nL.clear()\nprint(freed(90_000))"],
    "as an item": [f"D = dict(a={STRINGS})", "len(D)", "mark()\nD['a'] = 5\nprint(freed(90_000))"],
    "as an attribute": [
        f"class C: pass\nc = C()\nc.a = {STRINGS}",
        "len(c.a)",
        "mark()\ndel c.a\nprint(freed(90_000))",
    ],
    "by exec": [f"L = {STRINGS}", "len(L)", "mark()\nexec('L = None')\nprint(freed(90_000))"],
    "by a magic": [f"L = {STRINGS}", "len(L)", "mark()\n%xdel L\nprint(freed(90_000))"],
    "a tuple": [f"L = tuple({STRINGS})", "len(L)", "mark()\nL = None\nprint(freed(90_000))"],
    "keys": [f"D = dict.fromkeys({STRINGS})", "len(D)", "mark()\ndel D\nprint(freed(90_000))"],
    "an array": [f"A = numpy.array({STRINGS}, object)", "len(A)", "mark()\nA = None\nprint(freed(90_000))"],
    "its items": [f"A = numpy.array({STRINGS}, object)", "len(A)", "mark()\nA[:] = None\nprint(freed(90_000))"],
    "a frame": [
        f"F = pandas.DataFrame({{'s': pandas.Series({STRINGS}, dtype=object), 'n': 1}})",
        "len(F)",
        "F['m'] = 2",
        "mark()\nF = None\nprint(freed(90_000))",
    ],
    "a column": [
        f"F = pandas.DataFrame({{'s': pandas.Series({STRINGS}, dtype=object), 'n': 1}})",
        "len(F)",
        "mark()\ndel F['s']\nprint(freed(90_000))",
    ],
    "after an undo": [
        f"L = {STRINGS}",
        "L = L[:-1]",
        "%kishu undo",
        "len(L)",
        "mark()\nL = None\nprint(freed(90_000))",
    ],
}

SETUP = "import numpy, pandas, witness\nfrom witness import watch, living, mark, freed"
PLAIN = (sys.executable, "-m", "ipykernel_launcher")


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    yield from _kernel(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    yield from _kernel(tmp_path_factory.mktemp("plain"), command=PLAIN)


def _kernel(home: Path, **how: Sequence[str]) -> Iterator[Kernel]:
    with Kernel(home, **how) as kernel:  # type: ignore[arg-type]
        kernel.library("witness", WITNESS)  # the data of a module of the user's own would be brought back, too
        kernel.ok(SETUP)
        yield kernel


def printed(kernel: Kernel, cells: Cells, *, pauses: bool) -> str:
    """What the last cell prints."""
    kernel.run("%reset -f")
    kernel.ok(f"{SETUP}\nwitness.refs.clear()")
    ran = None
    for place, cell in enumerate(cells):
        if cell.startswith("%kishu") and not pauses:
            continue
        ran = kernel.run(cell)
        quiet = cell.startswith("%kishu")  # there is no new checkpoint to think about
        if pauses and not quiet and len(cells) - 4 < place < len(cells) - 1:
            thought(kernel)
    assert ran is not None
    return ran.stdout


@pytest.mark.parametrize("cells", IN_THE_NEXT_CELL.values(), ids=IN_THE_NEXT_CELL)
def test_dead_in_the_next_cell(cells: Cells, ours: Kernel) -> None:
    assert printed(ours, [*cells, "print(living())"], pauses=True) == "[]\n"


@pytest.mark.parametrize("cells", IN_THE_SAME_CELL.values(), ids=IN_THE_SAME_CELL)
def test_dead_in_the_same_cell(cells: Cells, ours: Kernel) -> None:
    assert printed(ours, cells, pauses=True) == "[]\n"


@pytest.mark.parametrize("cells", FREED.values(), ids=FREED)
def test_freed(cells: Cells, ours: Kernel) -> None:
    assert printed(ours, cells, pauses=True) == "True\n"


def test_the_memory_goes_back_to_the_system(ours: Kernel) -> None:
    many = STRINGS.replace("100_000", "1_000_000")
    cells = [f"L = {many}", "len(L)", "before = witness.rss()\nL = None\nprint(before - witness.rss() > 50)"]
    assert printed(ours, cells, pauses=True) == "True\n"


def test_plain_ipykernel_says_the_same(plain: Kernel) -> None:
    """Else the expectations above say nothing."""
    for name, cells in IN_THE_NEXT_CELL.items():
        if not any(cell.startswith("%kishu") for cell in cells):
            assert printed(plain, [*cells, "print(living())"], pauses=False) == "[]\n", name
    for name, cells in IN_THE_SAME_CELL.items():
        assert printed(plain, cells, pauses=False) == "[]\n", name
    for name, cells in FREED.items():
        assert printed(plain, cells, pauses=False) == "True\n", name
