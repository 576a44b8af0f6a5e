"""Cells that spell nothing but plain data, where something else listens to what the kernel does around every cell.

A row has what prepares, and a cell of plain data that changes an environment variable all the same. That is in the
cell's own state: an undo takes it back, a redo brings it.
"""

from __future__ import annotations

import pytest

from .conftest import Start

PREPARED = """
import builtins, inspect, os, sys, weakref
n, xs, busy = 5, [1, 2], False
def put(*_, **__):
    global busy
    if not busy:
        busy = True
        os.environ["KISHU_N"] = str(int(os.environ.get("KISHU_N", 0)) + 1)
        busy = False
    return "put"
"""

WRAPPED = (
    "real = {0}.{1}\n{0}.{1} = lambda *given, **named: put() and real(*given, **named)\n"
    "{0}.{1}.__signature__ = inspect.signature(real)"  # ipykernel asks what it takes
)

WAYS: dict[str, tuple[str, str]] = {
    "a set that is watched": ("s = {1}\nr = weakref.ref(s, put)", "del s"),
    "a frozen set with a finalizer": ("s = [frozenset({1})]\nend = weakref.finalize(s[0], put)", "s.clear()"),
    "builtins of the notebook's": ("__builtins__ = {**vars(builtins), 'len': lambda each: put() and 2}", "len(xs)"),
    "what copies what is printed": (
        "class E:\n    def write(self, text): put()\n    def flush(self): pass\nsys.stdout.echo = E()",
        "print(n)",
    ),
    "a hook on results": ("get_ipython().displayhook.register_hook(lambda message: put() and message)", "n"),
    "an observer": ("get_ipython().observe(put, 'execution_count')", "n = 3"),
    "a method of the shell's": (f"shell = get_ipython()\n{WRAPPED.format('shell', 'run_cell_async')}", "n = 3"),
    "a method of its class": (f"kind = type(get_ipython())\n{WRAPPED.format('kind', 'run_code')}", "n = 3"),
    "a method of the kernel's": (f"kernel = get_ipython().kernel\n{WRAPPED.format('kernel', 'do_execute')}", "n = 3"),
    "a method of the compiler's": (f"owner = get_ipython().compile\n{WRAPPED.format('owner', 'ast_parse')}", "n = 3"),
    "a method of the history's": (
        f"owner = get_ipython().history_manager\n{WRAPPED.format('owner', 'store_inputs')}",
        "n = 3",
    ),
    "who sends": (f"owner = get_ipython().displayhook.session\n{WRAPPED.format('owner', 'send')}", "n"),
    "who is asked before a message": ("get_ipython().kernel.pre_handler_hook = put", "n = 3"),
    "another formatter": (
        "from IPython.core.formatters import BaseFormatter\nclass F(BaseFormatter):\n    def __call__(self, _): put()\n"
        "get_ipython().display_formatter.formatters['text/q'] = F()",
        "n",
    ),
    "a printer of one object": (
        "get_ipython().display_formatter.formatters['text/html'].singleton_printers[id(True)] = put",
        "n == 5",
    ),
    "an audit hook": ("sys.addaudithook(lambda event, _: event == 'compile' and put() and None)", "n = 3"),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_only_looks_so(way: str, start: Start) -> None:
    prepare, cell = WAYS[way]
    kernel = start()
    kernel.ok(PREPARED)
    kernel.ok(prepare)
    for number in range(2):  # it is not said to be new each time
        kernel.ok(f"m = {number}")
    before = kernel.value("os.environ.get('KISHU_N')")
    kernel.ok(cell)
    newest = kernel.done("log", limit=1)["checkpoints"][0]
    assert newest["code"] == cell
    assert "environment variables" in newest["ambient"]
    assert kernel.value("os.environ.get('KISHU_N')") != before
