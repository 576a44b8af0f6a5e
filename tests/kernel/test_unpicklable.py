"""What cannot be pickled, on a real kernel: it comes back as it was, or by a re-run, or it is told. Neighbours stay."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import Start
from .driver import Kernel

CLASSES = {
    "Raises": "def __reduce_ex__(self, protocol): raise ValueError('not me')",
    "Lies": "def __reduce__(self): return list, ([1],)",
    "Wavers": (
        "def __reduce__(self):\n        import random\n        return Wavers, (), {'a': random.choice([self.a, 0])}"
    ),
}


@dataclass(frozen=True)
class Thing:
    """Something that is made by one cell, changed or used by the next, and brought back.

    Attributes:
        change: the second cell.
        check: true of what came back, as it was of what was there.
        how: stored, or re-run.
    """

    name: str
    make: str
    change: str
    check: str
    how: str


STORED, RERUN = "stored", "re-run"
TEXT = "open('data.txt', 'w').write('one\\ntwo\\nthree\\n')"

THINGS = [
    # code that waits
    Thing("generator", "x = (i for i in range(9)); next(x)", "next(x)", "next(x) == 1", RERUN),
    Thing("coroutine", "async def f(): return 7\nx = f()", "await x", "(await x) == 7", RERUN),
    Thing(
        "asynchronous generator",
        "async def f():\n    yield 7\nx = f()",
        "await x.aclose()",
        "(await anext(x)) == 7",
        RERUN,
    ),
    # state that C keeps to itself
    Thing(
        "hash",
        "import hashlib; x = hashlib.sha256(b'a')",
        "x.update(b'b')",
        "x.digest() == hashlib.sha256(b'a').digest()",
        RERUN,
    ),
    Thing("compressor", "import zlib; x = zlib.compressobj(); _n = x.compress(b'a')", "x.flush()", "x.flush()", RERUN),
    Thing(
        "parser",
        "from xml.parsers import expat; x = expat.ParserCreate()",
        "x.Parse('<a/>', True)",
        "x.Parse('<b/>', True) == 1",
        RERUN,
    ),
    Thing(
        "memory map", "import mmap; x = mmap.mmap(-1, 4); x[:] = b'abcd'", "x[:] = b'ABCD'", "x[:] == b'abcd'", RERUN
    ),
    Thing(
        "match",
        "import re; x = re.search('b(.)', 'abc')",
        "x = None",
        "x.span(1) == (2, 3) and x.re.pattern == 'b(.)'",
        STORED,
    ),
    Thing(
        "pointer",
        "import ctypes; y = ctypes.c_int(3); x = ctypes.pointer(y)",
        "y.value = 4",
        "x.contents.value == 3",
        RERUN,
    ),
    Thing("array of ctypes", "import ctypes; x = (ctypes.c_int * 2)(1, 2)", "x[0] = 9", "list(x) == [1, 2]", STORED),
    Thing(
        "context variable", "import contextvars; x = contextvars.ContextVar('v')", "x = None", "x.name == 'v'", RERUN
    ),
    Thing("object of C", "import _queue; x = _queue.SimpleQueue(); x.put(1)", "x.get()", "x.get() == 1", RERUN),
    # iterators
    Thing("iterator", "l = [1, 2, 3]; x = iter(l); next(x)", "next(x)", "list(x) == [2, 3]", STORED),
    Thing(
        "iterators",
        "x = [zip('ab', 'cd'), map(str, [1, 2]), enumerate('ab')]\nfor y in x: next(y)",
        "for y in x: next(y)",
        "[next(y) for y in x] == [('b', 'd'), '2', (1, 'b')]",
        STORED,
    ),
    Thing(
        "iterator over keys",
        "d = dict(a=1, b=2); x = iter(d); next(x)",
        "next(x)",
        "(type(x).__name__, next(x)) == ('dict_keyiterator', 'b')",
        RERUN,
    ),
    # locks
    Thing("lock", "import threading; x = threading.Lock()", "x.acquire()", "x.acquire(timeout=1)", STORED),
    Thing("held lock", "import threading; x = threading.Lock(); x.acquire()", "x.release()", "x.locked()", RERUN),
    Thing("event", "import threading; x = threading.Event()", "x.set()", "not x.is_set()", STORED),
    Thing("semaphore", "import threading; x = threading.Semaphore(1)", "x.acquire()", "x.acquire(timeout=1)", STORED),
    Thing("condition", "import threading; x = threading.Condition()", "x.a = 1", "x.acquire(timeout=1)", STORED),
    # files
    Thing(
        "file to read",
        f"{TEXT}; x = open('data.txt'); x.readline()",
        "x.readline()",
        "x.readline() == 'two\\n'",
        STORED,
    ),
    Thing(
        "file to read bytes",
        f"{TEXT}; x = open('data.txt', 'rb'); x.readline()",
        "x.close()",
        "x.readline() == b'two\\n'",
        STORED,
    ),
    Thing(
        "file to write",
        "x = open('out.txt', 'w'); x.write('one '); x.flush()",
        "x.close()",
        "(x.write('two'), x.close(), open('out.txt').read())[-1] == 'one two'",
        STORED,
    ),
    Thing("file to append to", "x = open('log.txt', 'a')", "x.close()", "(x.mode, x.closed) == ('a', False)", STORED),
    Thing(
        "closed file",
        "with open('once.txt', 'w') as x: x.write('once')",
        "x = None",
        "(x.closed, x.name, x.mode) == (True, 'once.txt', 'w')",
        STORED,
    ),
    Thing(
        "file with text in its buffer",
        "x = open('late.txt', 'w'); x.write('late')",
        "x.close()",
        "x.tell() == 4",
        RERUN,
    ),
    # connections, threads, processes
    Thing("socket", "import socket; x = socket.socket()", "x.close()", "x.fileno() > 0", RERUN),
    Thing(
        "database",
        "import sqlite3; x = sqlite3.connect(':memory:'); x.execute('create table t (a)')",
        "x.execute('insert into t values (1)')",
        "x.execute('select count(*) from t').fetchone() == (0,)",
        RERUN,
    ),
    Thing(
        "cursor",
        "import sqlite3; c = sqlite3.connect(':memory:').execute('select 1 union select 2'); x = [c]; c.fetchone()",
        "c.fetchone()",
        "x[0] is c and c.fetchone() == (2,)",
        RERUN,
    ),
    Thing(
        "thread",
        "import threading; x = threading.Thread(target=len, args=('',)); x.start(); x.join()",
        "x = None",
        "not x.is_alive() and x.ident and not x.join()",
        STORED,
    ),
    Thing(
        "process",
        "import subprocess; x = subprocess.Popen(['true']); x.wait()",
        "x = None",
        "x.returncode == x.poll() == x.wait() == 0",
        STORED,
    ),
    Thing(
        "unstarted process",
        "import multiprocessing; x = multiprocessing.Process(target=print)",
        "x = None",
        "x.pid is None and not x.is_alive()",
        STORED,
    ),
    Thing(
        "pool of threads",
        "from concurrent.futures import ThreadPoolExecutor as P; x = P(1)",
        "x.shutdown()",
        "(x.submit(len, 'ab').result(), x.shutdown())[0] == 2",
        STORED,
    ),
    Thing(
        "pipe",
        "import multiprocessing; x, y = multiprocessing.Pipe()",
        "x.close()",
        "not x.closed",
        RERUN,
    ),
    Thing(
        "temporary directory",
        "import tempfile; x = tempfile.TemporaryDirectory()",
        "x.cleanup()",
        "__import__('os').path.isdir(x.name)",
        RERUN,
    ),
    # what has its place elsewhere
    Thing(
        "logger",
        "import logging; x = [logging.getLogger('kishu.unpicklable')]",
        "x.append(1)",
        "x == [logging.getLogger('kishu.unpicklable')]",
        STORED,
    ),
    Thing(
        "logger of nobody",
        "import logging; x = logging.Logger('alone', 30)",
        "x.setLevel(10)",
        "x.level == 30 and x is not logging.getLogger('alone')",
        RERUN,
    ),
    Thing("handler", "import logging; x = logging.StreamHandler()", "x.setLevel(10)", "x.level == 0", STORED),
    Thing(
        "weak reference",
        "import weakref\nclass C: pass\no = C(); x = weakref.ref(o)",
        "o.a = 1",
        "x() is o and not hasattr(o, 'a')",
        STORED,
    ),
    Thing(
        "weak dictionary",
        "import weakref\nclass C: pass\no = C(); x = weakref.WeakValueDictionary(a=o)",
        "del x['a']",
        "x['a'] is o",
        RERUN,
    ),
    Thing(
        "module of the user",
        "import types; x = types.ModuleType('mine'); x.a = [1]",
        "x.a.append(2)",
        "x.a == [1] and x.__name__ == 'mine'",
        STORED,
    ),
    Thing("frame", "import sys; x = sys._getframe(); y = 1", "x = None", "type(x).__name__ == 'frame'", RERUN),
    Thing(
        "traceback",
        "try:\n    1 / 0\nexcept Exception as e:\n    x = e.__traceback__",
        "x = None",
        "x.tb_lineno == 2",
        RERUN,
    ),
    # deep, and false
    Thing("deep list", "x = []\nfor _ in range(5000): x = [x]", "x.append(1)", "len(x) == 1", RERUN),
    Thing("deep dict", "x = {}\nfor _ in range(5000): x = {'a': x}", "x['b'] = 1", "list(x) == ['a']", RERUN),
    Thing(
        "deep instances",
        "class N: pass\nx = None\nfor i in range(5000):\n    n = N(); n.below = x; n.i = i; x = n\ndel n",
        "x.i = 0",
        "x.i == 4999 and x.below.i == 4998",
        RERUN,
    ),
    Thing("raises", f"class Raises:\n    {CLASSES['Raises']}\nx = Raises(); x.a = 1", "x.a = 2", "x.a == 1", RERUN),
    Thing(
        "lies",
        f"class Lies:\n    {CLASSES['Lies']}\nx = Lies(); x.a = 1",
        "x.a = 2",
        "type(x) is Lies and x.a == 1",
        STORED,
    ),
    Thing(
        "wavers",
        f"class Wavers:\n    {CLASSES['Wavers']}\nx = Wavers(); x.a = 1",
        "x.a = 2",
        "type(x) is Wavers and x.a == 1",
        STORED,
    ),
]


@pytest.fixture
def session(shared: Kernel) -> Kernel:
    shared.ok("near = [1]; nested = {'near': near}; apart = 'text'; x = holder = y = c = d = l = o = ok = None")
    return shared


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: thing.name)
def test_it_comes_back_or_is_told(session: Kernel, thing: Thing) -> None:
    """In a list of its own, too: what holds it is spoiled with it, and nothing else is."""
    session.ok(thing.make + "\nholder = [x]")
    session.ok(f"{thing.change}\nnear.append(2); apart = 'changed'")
    foreseen = session.done("undo", dry_run=True)["plan"]
    done = session.done("undo")["plan"]
    assert done == foreseen
    assert done["lost"] == []
    assert sorted(n for step in done["load"] for n in step["names"] if n in ("near", "apart", "nested")) == [
        *("apart", "near", "nested")
    ]
    given = {name for step in done["replay"] for name in step["gives"]}
    assert ("x" in given) is (thing.how == RERUN), done
    assert given.isdisjoint({"near", "apart", "nested"})
    session.ok(f"ok = bool({thing.check}), holder[0] is x, near == [1], nested['near'] is near, apart == 'text'")
    assert session.value("ok") == (True,) * 5


@pytest.mark.parametrize("thing", [each for each in THINGS if each.how == RERUN], ids=lambda thing: thing.name)
def test_what_must_not_be_re_run_is_told_as_lost_before_anything_is_done(session: Kernel, thing: Thing) -> None:
    session.ok("# kishu: no-replay\n" + thing.make)
    session.ok("x = None; near.append(2)")
    lost = session.done("undo", dry_run=True)["plan"]["lost"]
    assert [each for each in lost if "x" in each["names"]]
    assert all(each["reason"] for each in lost)
    refused = session.request("undo")
    assert (refused["status"], refused["ename"]) == ("error", "LostError")
    assert "x" in refused["evalue"]
    assert session.value("(x, near)") == (None, [1, 2])
    session.done("undo", allow_lost=True)
    assert session.value("('x' in globals(), near, nested['near'] is near)") == (False, [1], True)


def test_an_object_that_hangs_while_it_is_taken_apart_is_interrupted_once(start: Start) -> None:
    kernel = start()
    gate = kernel.home / "hangs"
    kernel.library(
        "hanging",
        "import pathlib, time\nclass Hangs:\n    def __reduce_ex__(self, protocol):\n"
        f"        pathlib.Path({str(gate)!r}).touch()\n        time.sleep(600)",
    )
    kernel.ok("from hanging import Hangs\nnear = [1]")
    running = kernel.begin("x = Hangs(); near.append(2)")
    kernel.reply(running)  # nobody waits for what comes now
    while not gate.exists():
        time.sleep(0.05)
    time.sleep(1.5)
    kernel.manager.interrupt_kernel()
    assert kernel.value("near") == [1, 2]
    kernel.ok("near.append(3)")
    head = kernel.done("log", limit=1)["checkpoints"][0]
    assert (head["incomplete"], head["modified"]) == (None, ["near"])
    kernel.ok("x.a = 1; near.append(4)")
    plan = kernel.done("undo", dry_run=True)["plan"]
    assert {"near"} in [set(step["names"]) for step in plan["load"]]
    kernel.done("undo", allow_lost=True)
    assert kernel.value("near") == [1, 2, 3]


def test_the_files_of_a_session_come_back_in_another_process(start: Start, tmp_path: Path) -> None:
    environment = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    kernel = start(environment=environment)
    kernel.ok(
        f"{TEXT}\nf = open('data.txt'); _n = f.readline()\nw = open('out.txt', 'w'); _n = w.write('one '), w.flush()"
    )
    kernel.close(gracefully=True)
    kernel = start(environment=environment)
    plan = kernel.done("resume")["plan"]
    assert (plan["replay"], plan["lost"]) == ([], [])
    kernel.ok("_n = w.write('two'), w.close()")
    assert kernel.value("(f.readline(), open('out.txt').read())") == ("two\n", "one two")
