"""Made programs under plain ipykernel and under ours, with pauses for all that is done in think time: nobody can tell.

A program is some cells, from templates that a seeded generator fills; each runs in a directory of its own. What must be
the same: every stream, result and error of every cell, random numbers and settings at the end, the files and their
bytes. Under ours no file changes in a pause. Addresses, process numbers and the directory itself are told apart by
nobody: they are taken out.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.attack.tally import Tally, Times
from tests.kernel.driver import Kernel, Ran

TIMES = Times(quick=6, whole=200)

CELLS = 7
"""Of a program, at most, besides those that begin and end it."""
PROGRAMS = 50
"""That one pair of kernels runs."""
PAUSES = 0.3
"""Of cells after which there is one."""
PATIENCE = 2.0
"""Seconds that a pause lasts, at most: where code of the notebook runs in the background it is never over."""

LIBRARY = """
import logging, warnings

def warned(): warnings.warn("of a library")
def logged(): logging.getLogger("library").warning("of a library")
def shouted(*what): print("library:", *what)
def transformed(lines):
    print("transformed", len(lines))
    return lines
counted = []
def count(): counted.append(len(counted)); return len(counted)
"""

BEGIN = """
%reset -f
import asyncio, collections, contextlib, copy, decimal, functools, gc, io, json, logging, os, random, sys, threading
import warnings, weakref
import numpy as np, pandas as pd, matplotlib.pyplot as plt, library
os.chdir(ROOT); os.mkdir(PROGRAM); os.chdir(PROGRAM)
random.seed(SEED); np.random.seed(SEED); rng = np.random.default_rng(SEED); a, b, c = [1], {"k": [2]}, (3, [4])
"""

END = """
print([random.random(), np.random.rand(), rng.random(), np.random.default_rng(1).random()])
print([(each[0], each[2].__name__) for each in warnings.filters], warnings.showwarning.__name__)
print(sorted(os.environ.items()), os.path.basename(os.getcwd()), sorted(os.listdir()), os.nice(0))
print(sys.getrecursionlimit(), sys.getswitchinterval(), gc.isenabled(), gc.get_threshold(), decimal.getcontext())
print(np.geterr(), np.get_printoptions()["precision"], pd.get_option("display.max_rows"), plt.rcParams["figure.dpi"])
print(sorted(logging.root.manager.loggerDict), len(logging.root.handlers), logging.getLogger("mine").level)
print([name for name in ("rich", "blosc2", "dill", "numexpr", "torch") if name in sys.modules], library.counted)
print(sorted(name for name in globals() if not name.startswith("_")), sys.dont_write_bytecode)
print(sum(not each.name.startswith("kishu") for each in threading.enumerate()))
get_ipython().input_transformers_post.clear(); logging.root.handlers.clear(); plt.close("all"); np.seterr(all="warn")
warnings.resetwarnings(); sys.setrecursionlimit(3000); os.environ.pop("MINE", None); pd.reset_option("display")
"""

LOUD = """
class Loud:
    def __init__(self, n): self.n = n
    def __del__(self): print("gone", self.n)
    def __repr__(self): print("shown"); return f"Loud({self.n})"
"""
DELICATE = """
class Delicate:
    def __init__(self, n): self.n = n
    def __eq__(self, other): print("compared"); return self is other
    def __hash__(self): print("hashed"); return 1
    def __len__(self): print("measured"); return 1
    def __bool__(self): print("asked"); return True
    @property
    def size(self): print("property"); return random.random()
"""
CACHED = """
@functools.lru_cache
def cached(n):
    print("computed", n)
    return random.random() + n
"""
WAITING = """
go, drawn = threading.Event(), []
def wait():
    go.wait(); drawn.append(random.random()); print("thread", len(drawn))
thread = threading.Thread(target=wait); thread.start()
"""
SUBCLASSES = """
class Listed(list):
    def append(self, each): print("appended"); super().append(each)
class Mapped(dict):
    def __missing__(self, key): print("missing", key); return random.random()
listed, mapped = Listed([$i]), Mapped(k=$i)
"""

TEMPLATES = (
    "print(random.random(), random.randint(0, 99))",
    "random.seed($i)",
    "a = random.sample(range(100), 5); a",
    "random.shuffle(a) if isinstance(a, list) else None; a",
    "mine = random.Random($i); mine.random()",
    "mine.random()",
    "np.random.rand(2)",
    "rng.normal(size=3), rng.integers(0, 9, 4)",
    "rng = np.random.default_rng($i)",
    "legacy = np.random.RandomState($i); legacy.rand()",
    "legacy.rand()",
    "frame = pd.DataFrame({'a': np.random.rand(6), 'b': list('uvwxyz')}); frame",
    "frame.sample(2)",
    "frame['c'] = frame['a'] * $i; frame.describe()",
    "frame = pd.DataFrame({'n': np.arange(200_000), 's': ['x', 'y'] * 100_000}); frame.tail(2)",
    "big = np.arange(300_000) * $i; int(big.sum())",
    "big[::1000] += 1; int(big.sum())",
    "noise = rng.random(200_000); float(noise[:5].sum())",
    "words = ['w%d' % (i * $i) for i in range(20_000)]; len(words)",
    "g = (random.random() for _ in range(5)); next(g)",
    "next(g)",
    "it = iter(a if isinstance(a, list) else [1]); next(it)",
    "shuffled = collections.OrderedDict.fromkeys('abcde$i'); shuffled.move_to_end('a'); shuffled",
    "print('out'); print('err', file=sys.stderr); $i",
    "for n in range($i): print(n, end=' ')",
    "print({str(i) for i in range(12)}, hash('abc$i'))",
    "display({'shown': $i}); $i * 2",
    "_",
    "Out and sorted(Out)[-1] >= 0",
    "with open('f$i.txt', 'w') as f: f.write('x' * $i)",
    "with open('f.txt', 'a') as f: print($i, file=f)",
    "fh = open('held$i.txt', 'a'); fh.write('first')",
    "fh.write('more'); fh.flush()",
    "fh.close()",
    "sorted(os.listdir()), [os.path.getsize(each) for each in sorted(os.listdir())]",
    "os.mkdir('d$i'); os.chdir('d$i')",
    "os.chdir('..') if os.path.basename(os.getcwd()).startswith('d') else None",
    "frame.to_csv('frame.csv')",
    "np.save('big.npy', big)",
    "json.dump({'a': $i}, open('j.json', 'w'))",
    "warnings.warn('careful $i')",
    "library.warned()",
    "library.warned(); library.logged()",
    "warnings.simplefilter('$action')",
    "warnings.filterwarnings('ignore', 'careful')",
    "with warnings.catch_warnings(): warnings.simplefilter('ignore'); library.warned()",
    "np.array([1.0, 0.0]) / np.array([0.0, 0.0])",
    "np.seterr(divide='ignore'); np.set_printoptions(precision=$i)",
    "pd.set_option('display.max_rows', 10 + $i)",
    "plt.rcParams['figure.dpi'] = 70 + $i",
    "logging.warning('logged $i')",
    "logging.basicConfig(stream=sys.stdout, level=logging.INFO, force=True); logging.info('told')",
    "logging.getLogger('mine').setLevel(10 * $i)",
    "logging.getLogger('mine').error('of mine')",
    "os.environ['MINE'] = '$i'",
    "os.environ.get('MINE'), os.getenv('HOME') is not None",
    "decimal.getcontext().prec = 5 + $i; decimal.Decimal(1) / 3",
    "sys.setrecursionlimit(3000 + $i)",
    "fig, ax = plt.subplots(); ax.plot([1, 2, $i]); plt.close(fig)",
    "ax.set_title('t$i'); len(ax.lines)",
    "t = threading.Thread(target=lambda: print('from a thread', random.random())); t.start(); t.join()",
    WAITING,
    "go.set(); thread.join(); drawn",
    LOUD,
    "loud = Loud($i)",
    "loud = Loud($i); kept = [loud]",
    "del loud",
    "kept = None",
    "loud",
    DELICATE,
    "delicate = Delicate($i); holder = {'d': delicate}",
    "delicate.n += 1; delicate.size",
    "watched = Loud($i); ref = weakref.ref(watched); end = weakref.finalize(watched, print, 'finalized')",
    "del watched; ref() is None",
    CACHED,
    "cached($i), cached.cache_info()",
    SUBCLASSES,
    "listed.append($i); mapped['k'], mapped['none']",
    "@contextlib.contextmanager\ndef around():\n    print('in'); yield random.random(); print('out')\n"
    "with around() as got: got",
    "def f(x=[]):\n    x.append($i); return x, random.random()\nf(), f()",
    "b['k'].append($i); b",
    "c[1].append(a); c",
    "d = copy.deepcopy(c); d is not c, d",
    "a = b = c",
    "library.count()",
    "get_ipython().input_transformers_post.append(library.transformed)",
    "%who_ls",
    "%%capture got\nprint('captured', random.random())",
    "got.stdout",
    "await asyncio.sleep(0); random.random()",
    "task = asyncio.ensure_future(asyncio.sleep(0, random.random())); await task",
    "exec('made = random.random()'); made",
    "1 / 0",
    "undefined_$i",
    "def (",
    "raise ValueError(random.random())",
    "old, sys.stdout = sys.stdout, io.StringIO(); print('hidden'); text, sys.stdout = sys.stdout.getvalue(), old; text",
    "with contextlib.redirect_stdout(io.StringIO()) as caught: print(random.random())\ncaught.getvalue()",
    "print(gc.collect() >= 0, gc.isenabled())",
    "import inspect; inspect.getsource(f)",
    "f.__code__.co_firstlineno, f.__qualname__",
)


@dataclass(frozen=True)
class Program:
    """Cells that run one after the other, and after which of them there is a pause."""

    cells: tuple[str, ...]
    pauses: frozenset[int]


def made(seed: int) -> Program:
    """The program of this seed."""
    draw = random.Random(seed)
    first = BEGIN.replace("PROGRAM", repr(f"p{seed}")).replace("SEED", str(seed)).strip()
    cells = [_filled(draw.choice(TEMPLATES), draw) for _ in range(draw.randint(3, CELLS))]
    # What some need stands before them more often than chance would have it.
    follows = [each for cell in cells for each in (cell, *_after(cell, draw))]
    cells = [first, *follows, END.strip()]
    return Program(tuple(cells), frozenset(n for n in range(len(cells)) if draw.random() < PAUSES))


def _filled(template: str, draw: random.Random) -> str:
    text = template.replace("$action", draw.choice(("default", "always", "once", "ignore")))
    return re.sub(r"\$i", lambda _: str(draw.randint(1, 9)), text).strip()


def _after(cell: str, draw: random.Random) -> list[str]:
    """Cells that use what this one has made; a thread that waits must not go on waiting."""
    if "go.wait" in cell:
        return ["x = random.random()", "go.set(); thread.join(); drawn"]
    makes = re.match(r"(?:class |@functools.*\ndef )?(\w+)", cell)
    users = [each for each in TEMPLATES if makes and re.search(rf"\b{makes[1]}\b", each) and each != cell]
    return [_filled(draw.choice(users), draw)] if users and draw.random() < 0.6 else []


class Side:
    """One of the two kernels."""

    def __init__(self, home: Path, stack: ExitStack, *, ours: bool, number: int) -> None:
        self.ours = ours
        self.root = home / f"{'ours' if ours else 'bare'}-{number}"
        self.root.mkdir()
        (self.root / "library.py").write_text(LIBRARY)
        command = (sys.executable, "-m", "kishu_kernel" if ours else "ipykernel_launcher")
        environment: dict[str, str | None] = {
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        self.kernel = stack.enter_context(
            Kernel(self.root, environment=environment, cwd=self.root, command=command, patience=60)
        )
        self.kernel.ok(f"ROOT = {str(self.root)!r}", silent=True)

    def play(self, program: Program) -> tuple[list[Any], list[str]]:
        """What each cell showed; and what changed on the disk while no cell ran."""
        told, touched = [], []
        for number, cell in enumerate(program.cells):
            code = cell.replace("ROOT", repr(str(self.root))) if number == 0 else cell
            told.append(self.shown(self.kernel.run(code)))
            if self.ours and number in program.pauses:
                before = self.files()
                self.pause()
                touched += [f"{name} changed in the pause after {cell!r}" for name in self.differing(before)]
        return told, touched

    def pause(self) -> None:
        """Until there is nothing more to think about."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            newest = self.kernel.done("log", channel="control", limit=1)["checkpoints"]
            if newest and newest[0]["audited"] and not self.kernel.done("status", channel="control")["pending"]:
                return
            time.sleep(0.02)

    def files(self) -> dict[str, tuple[int, int, int]]:
        """Size, time of change and number of each file of the programs."""
        found = {}
        for place, _, names in os.walk(self.root):
            for name in names:
                if re.search(r"/p\d+", place):
                    status = os.stat(os.path.join(place, name))
                    found[os.path.join(place, name)] = (status.st_size, status.st_mtime_ns, status.st_ino)
        return found

    def differing(self, before: dict[str, tuple[int, int, int]]) -> list[str]:
        """Files that are not what they were."""
        now = self.files()
        return [name for name in {**before, **now} if before.get(name) != now.get(name)]

    def contents(self) -> dict[str, str]:
        """Digests of all files, by their names below the root."""
        return {
            str(Path(name).relative_to(self.root)): hashlib.sha256(Path(name).read_bytes()).hexdigest()
            for name in self.files()
        }

    def shown(self, ran: Ran) -> Any:
        """What a person sees of a cell, with what may differ taken out."""
        outputs: list[Any] = []
        for each in ran.outputs:
            kind = each["output_type"]
            if kind == "stream" and outputs and outputs[-1][:2] == [kind, each["name"]]:
                outputs[-1][2] += each["text"]
            elif kind == "stream":
                outputs.append([kind, each["name"], each["text"]])
            else:
                outputs.append([kind, each.get("data") or each.get("traceback")])
        return self.alike(repr((ran.status, ran.reply.get("ename"), ran.reply.get("evalue"), outputs)))

    def alike(self, text: str) -> str:
        """Without the directory, addresses and process numbers."""
        text = re.sub(r"\\x1b\[[0-9;]*m", "", text.replace(str(self.root), "ROOT"))
        text = re.sub(r"0x[0-9a-f]{6,}", "0x", text)
        text = re.sub(r"(ipykernel_|'JPY_PARENT_PID', '|'KISHU\w*', ')\w*", r"\1", text)
        return text


def attack(times: int, seed: int, work: Path) -> Tally:
    """Plays so many programs on pairs of kernels."""
    tally = Tally()
    for number, start in enumerate(range(0, times, PROGRAMS)):
        with ExitStack() as stack:
            bare, ours = (Side(work, stack, ours=each, number=number) for each in (False, True))
            for each in range(start, min(start + PROGRAMS, times)):
                _play(seed * 100_000 + each, bare, ours, tally)
            if bare.contents() != ours.contents():
                tally.failed.append(f"files differ after the programs from {seed * 100_000 + start} on")
    return tally


def _play(seed: int, bare: Side, ours: Side, tally: Tally) -> None:
    program = made(seed)
    expected, _ = bare.play(program)
    told, touched = ours.play(program)
    for cell, theirs, other in zip(program.cells, expected, told, strict=True):
        if theirs != other:
            tally.wrong(
                f"program {seed}, cell {cell!r}: plain {_clipped(theirs, other)}, ours {_clipped(other, theirs)}"
            )
            return
    if touched:
        tally.wrong(f"program {seed}: {touched[0]}")
    else:
        tally.well("the same outputs, numbers and files")


def _clipped(text: str, other: str) -> str:
    """The part where it begins to differ."""
    at = next(
        (n for n, (one, two) in enumerate(zip(text, other, strict=False)) if one != two), min(len(text), len(other))
    )
    return repr(text[max(at - 100, 0) : at + 300])
