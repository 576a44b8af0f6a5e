"""The source of what the notebook defined is there wherever its functions are: after an undo, and in a new kernel."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .conftest import Start
from .driver import Kernel
from .test_execution import Debugger
from .test_resume import on, write_notebook, written

IMPORTS = "import inspect, functools, dataclasses, contextlib, linecache"

DEFINED = {
    "a function": ("def f(x):\n    # a comment\n    return x + 1", "f"),
    "below other lines": ("y = 1\n\n\ndef f(x):\n    return x", "f"),
    "nested": ("def outer():\n    def inner():\n        return 1\n    return inner\nf = outer()", "f"),
    "a lambda": ("f = lambda x: x + 41", "f"),
    "a comprehension": ("def f():\n    return [(lambda: i) for i in range(3)]\ng = f()[1]", "g"),
    "a closure": ("def make(n):\n    def add(x):\n        return x + n\n    return add\nf = make(3)", "f"),
    "a method": ("class C:\n    def m(self):\n        return 'm'", "C.m"),
    "a property": ("class C:\n    @property\n    def p(self):\n        return 'p'", "C.p.fget"),
    "a class method": ("class C:\n    @classmethod\n    def k(cls):\n        return cls", "C.k"),
    "a cached property": ("class C:\n    @functools.cached_property\n    def q(self):\n        return 5", "C.q.func"),
    "decorated": (
        "def loud(f):\n    @functools.wraps(f)\n    def around(*a):\n        return f(*a)\n    return around\n"
        "@loud\ndef f():\n    return 7",
        "f",
    ),
    "a context manager": ("@contextlib.contextmanager\ndef f():\n    yield 1", "f"),
    "a cache": ("@functools.lru_cache\ndef f(n):\n    return n", "f"),
    "a method of a dataclass": (
        "@dataclasses.dataclass\nclass D:\n    a: int = 1\n    def m(self):\n        return self.a",
        "D.m",
    ),
    "a coroutine": ("async def f():\n    return 1", "f"),
    "a generator": ("def f():\n    yield 1", "f"),
    "below a magic": ("%matplotlib --list\ndef f(x):\n    return x", "f"),
    "a class in a class": ("class A:\n    class B:\n        def m(self):\n            return 1", "A.B.m"),
    "one of an instance": ("class I:\n    def __init__(self):\n        self.f = lambda: 41\ni = I()", "i.f"),
    "below a magic of the cell": ("%%capture\ndef f():\n    return 3", "f"),
    "not English": ("def f():\n    return 'Grüße, 世界'", "f"),
}

LOOK = "inspect.getsource({0}), {0}.__name__, inspect.unwrap({0}).__code__.co_firstlineno"
FILE = "inspect.unwrap({0}).__code__.co_filename"


def look(kernel: Kernel, name: str) -> object:
    return kernel.value(LOOK.format(name)), kernel.value(FILE.format(name))


def plain(text: str) -> str:
    """Without its colours."""
    return re.sub("\x1b\\[[0-9;]*m", "", text)


@pytest.mark.parametrize("what", DEFINED)
def test_after_a_checkout(shared: Kernel, what: str) -> None:
    code, name = DEFINED[what]
    shared.ok(IMPORTS)
    shared.ok(code)
    before, there = look(shared, name), shared.done("log", limit=1)["head"]
    shared.ok(f"del {name.partition('.')[0]}")
    shared.done("checkout", target=there)
    assert look(shared, name) == before


def test_in_a_new_kernel(start: Start, tmp_path: Path) -> None:
    """Each under a name of its own, in one kernel: the file of a function is the one that it had."""
    book = write_notebook(tmp_path / "book.ipynb")
    with start(environment=on(book)) as kernel:
        kernel.ok(IMPORTS)
        cells = {
            what: (f"{code}\nkept_{n} = {name}", f"kept_{n}") for n, (what, (code, name)) in enumerate(DEFINED.items())
        }
        for code, _ in cells.values():
            kernel.ok(code)
        kernel.ok("%%time\ndef timed():\n    return 1")
        before = {what: look(kernel, name) for what, (_, name) in cells.items()}
        written(kernel)
    again = start(environment=on(book))
    again.done("resume")
    assert (
        again.value("any('kept_' in line for each in linecache.cache.values() if len(each) > 1 for line in each[2])")
        is False
    )
    again.ok("linecache.checkcache()")
    assert {what: look(again, name) for what, (_, name) in cells.items()} == before
    again.ok("linecache.checkcache()")
    assert look(again, "kept_0") == before["a function"]


def test_what_reads_the_source_in_a_new_kernel(start: Start, tmp_path: Path) -> None:
    book = write_notebook(tmp_path / "book.ipynb")
    with start(environment=on(book)) as kernel:
        kernel.ok(
            "def fails(x):\n    # why it fails\n    return x / 0   # here\n"
            "class C:\n    def m(self):\n        return fails(1)"
        )
        kernel.ok("c = C()\ncode = C.m.__code__")
        kernel.ok("def fails(x):\n    # why it fails\n    return x / 0.0   # there")
        new, old, *_ = [each["id"] for each in kernel.done("log")["checkpoints"]]
        written(kernel)
    again = start(environment=on(book))
    again.done("resume")
    assert "return fails(1)" in again.value("__import__('inspect').getsource(code)")  # asked first
    ran = again.run("c.m()")
    traceback = plain("\n".join(ran.reply["traceback"]))
    assert "return x / 0.0" in traceback  # without the comment under IPython 8
    assert "return fails(1)" in traceback
    for ask in ("%psource fails", "fails??", "C.m??", "%pinfo2 c.m"):
        reply = again.ok(ask)
        pages = "".join(each["data"]["text/plain"] for each in reply.reply["payload"])
        assert ("# there" if "fails" in ask else "return fails(1)") in plain(pages + reply.text)
    assert "# there" in again.ok("import traceback\ntry: c.m()\nexcept Exception: print(traceback.format_exc())").stdout
    pytest.importorskip("debugpy")
    source = {"path": again.value("fails.__code__.co_filename")}
    assert "# there" in Debugger(again)("source", source=source, sourceReference=0)["body"]["content"]
    listed = again.run("%debug c.m()", answers=["s", "s", "s", "s", "s", "s", "l", "q"])
    assert "return fails(1)" in plain(listed.text)
    details = again.done("diff", target=new, base=old, values=True)["details"]
    [change] = [each["change"] for each in details if each["name"] == "fails"]
    assert any("# here" in str(each) and "# there" in str(each) for each in change["aspects"])


def test_no_source_where_there_is_none(start: Start, tmp_path: Path) -> None:
    """Made by `exec`, or by a silent cell: as in the kernel that made it, and no error of ours."""
    book = write_notebook(tmp_path / "book.ipynb")
    with start(environment=on(book)) as kernel:
        kernel.ok("exec('def f():\\n    return 1')")
        kernel.ok("def g(): return 2", silent=True)
        kernel.ok("x = g()")
        written(kernel)
    again = start(environment=on(book))
    again.done("resume")
    assert again.value("f.__code__.co_filename") == "<string>"
    for name in "fg":
        assert again.run(f"import inspect\ninspect.getsource({name})").reply["ename"] == "OSError"


def test_a_file_of_the_users_is_read(start: Start, tmp_path: Path) -> None:
    """What `%run` defined has its source in a file: what stands there now is shown, as in a plain kernel."""
    book = write_notebook(tmp_path / "book.ipynb")
    script = tmp_path / "script.py"
    script.write_text("def f():\n    return 1  # first\n")
    with start(environment=on(book)) as kernel:
        kernel.ok(f"%run -i {script}")
        written(kernel)
    script.write_text("def f():\n    return 1  # second\n")
    again = start(environment=on(book))
    again.done("resume")
    assert "# second" in again.value("__import__('inspect').getsource(f)")
