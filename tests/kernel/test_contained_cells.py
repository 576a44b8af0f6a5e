"""Cells that run nothing but their own code on plain data are not asked for more; those that only look so are.

A row has what prepares, a cell whose code spells nothing but plain data and builtins, and that changes an environment
variable all the same. That is in the cell's own state: an undo takes it back, a redo brings it.
"""

from __future__ import annotations

import pytest

from .driver import Kernel

PREPARED = """
import os
n, xs = 5, [1, 2]
def put(*_, **__):
    os.environ["KISHU_N"] = str(int(os.environ.get("KISHU_N", 0)) + 1)
    return "put"
"""

WAYS: dict[str, tuple[str, str]] = {
    "a formatter": (
        "get_ipython().display_formatter.formatters['text/plain'].for_type(int, lambda n, p, c: p.text(put()))",
        "n",
    ),
    "an event": ("get_ipython().events.register('post_run_cell', put)", "n = 2"),
    "a transformer of trees": (
        "import ast\nclass T(ast.NodeTransformer):\n    def visit_Module(self, node):\n        put(); return node\n"
        "get_ipython().ast_transformers.append(T())",
        "n",
    ),
    "a transformer of texts": ("get_ipython().input_transformers_post.append(lambda lines: put() and lines)", "n"),
    "a handler of errors": ("get_ipython().set_custom_exc((ZeroDivisionError,), put)", "1 / 0"),
    "a builtin": ("import builtins\nreal = abs\nbuiltins.abs = lambda each: put() and real(each)", "abs(n)"),
    "an operator": ("class V:\n    def __add__(self, other): return put()\nxs = [V()]", "xs[0] + 1"),
    "a function in a container": ("xs = {'f': [put]}", "xs['f'][0]()"),
    "a text of a class of one's own": ("class S(str):\n    def upper(self): return put()\ns = S('a')", "s.upper()"),
    "a generator": ("g = (put() for _ in 'abc')", "next(g)"),
    "a map": ("m = map(put, 'abc')", "next(m)"),
    "a default": ("import collections\nd = collections.defaultdict(put)", "d['x']"),
    "what was displayed": ("put", "_()"),
    "a method of a library's": ("f = os.environ.update", "f(KISHU_N='9')"),
    "a magic": ("pass", "%env KISHU_N=9"),
    "an object that is let go of": ("class V:\n    def __del__(self): put()\nv = V()", "v = 1"),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_only_looks_so(way: str, shared: Kernel) -> None:
    prepare, cell = WAYS[way]
    shared.ok("base = 1")
    base = shared.done("log", limit=1)["head"]
    shared.ok(PREPARED)
    shared.ok(prepare)
    shared.ok("m0 = 1")
    before = shared.value("os.environ.get('KISHU_N')")
    shared.run(cell)
    newest = shared.done("log", limit=1)["checkpoints"][0]
    assert newest["code"] == cell
    assert "environment variables" in newest["ambient"]
    assert shared.value("os.environ.get('KISHU_N')") != before
    assert shared.done("checkout", target=base)["applied"]
    assert "KISHU_N" not in shared.value("[*__import__('os').environ]")
    if way == "a builtin":
        assert shared.value("abs(-1)") == 1


def test_a_stream_of_ones_own(kernel: Kernel) -> None:
    kernel.ok(PREPARED)
    kernel.ok("class W:\n    def write(self, text): put()\n    def flush(self): pass")
    kernel.ok("import sys\nkept, sys.stdout = sys.stdout, W()")
    kernel.run("print(n)")
    newest = kernel.done("log", limit=1)["checkpoints"][0]
    kernel.ok("sys.stdout = kept")
    assert "environment variables" in newest["ambient"]


COUNTED = """
from kishu_kernel.ambient import Provider, register
class Counted(Provider):
    name = "counted"
    reads = 0
    def read(self):
        Counted.reads += 1
        return 0
register(Counted())
"""


def test_after_others_nothing_is_read(kernel: Kernel) -> None:
    kernel.ok(COUNTED)
    kernel.ok("n, xs = 5, [1, 2]")
    kernel.ok("n")
    before = kernel.value("Counted.reads")
    for cell in ("n", "xs.append(3)", "len(xs) + n", "m = 3", "for each in xs:\n    print(each)", "_i"):
        kernel.ok(cell)
    assert kernel.value("Counted.reads") <= before + 3  # the last leads to the shell; who asked before the first, too


def test_what_came_between_is_read(kernel: Kernel) -> None:
    """A plain cell, and then one that is not: what the second changed is its own."""
    kernel.ok(PREPARED)
    for number in range(3):
        kernel.ok(f"n = {number}")
        kernel.ok("put()")
        kernel.ok("n")
    found = [each["ambient"] for each in kernel.done("log", limit=9)["checkpoints"]]
    assert [("environment variables" in each) for each in found] == [False, True, False] * 3
    kernel.done("undo", steps=2)
    assert kernel.value("os.environ['KISHU_N']") == "2"
