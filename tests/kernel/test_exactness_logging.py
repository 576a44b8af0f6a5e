"""What is logged, and to where: a re-run writes nothing twice and empties nothing, and what handlers hold comes back."""

# ruff: noqa: E501 -- cells, whole

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Start
from .driver import Kernel

QUIET = "import logging, io, logging.handlers, logging.config; log = logging.getLogger('a'); log.propagate = False; log.setLevel(10)"
KEPT = "class Kept(logging.Handler):\n    def __init__(self): super().__init__(); self.kept = []\n    def emit(self, record): self.kept.append(record.getMessage())"


def to_and_fro(kernel: Kernel, *steps: str) -> None:
    for step in steps or ("undo", "redo", "undo", "redo"):
        kernel.done(step)


@pytest.mark.parametrize(
    "opened",
    [
        "logging.FileHandler('a.txt', mode='w')",
        "logging.handlers.RotatingFileHandler('a.txt', mode='w', maxBytes=9999)",
    ],
)
def test_a_re_run_empties_no_log(kernel: Kernel, opened: str) -> None:
    kernel.ok(QUIET)
    kernel.ok(f"h = {opened}; log.addHandler(h); log.error('one'); g = (x for x in 'ab')")
    which = kernel.value("id(h)")
    kernel.ok("log.error('two'); list(g)")
    to_and_fro(kernel, "undo", "redo", "undo")
    assert kernel.value("open('a.txt').read()") == "one\ntwo\n"
    assert kernel.value("id(h), log.handlers == [h], list(g)") == (which, True, ["a", "b"])
    kernel.ok("log.error('three')")
    assert kernel.value("open('a.txt').read()") == "one\ntwo\nthree\n"


def test_a_handler_that_a_re_run_gives_back_writes_to_the_end(start: Start, tmp_path: Path) -> None:
    """In a new kernel there is no live one: the generator and its handler come back by a re-run."""
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    with start(environment=notebook) as kernel:
        kernel.ok(QUIET)
        kernel.ok("pair = [logging.FileHandler('a.txt', mode='w'), (x for x in 'ab')]; log.addHandler(pair[0])")
        kernel.ok("log.error('one')")
        kernel.done("log")  # what was taken is written
    again = start(environment=notebook)
    again.done("resume")
    assert again.value("open('a.txt').read()") == "one\n"
    again.ok("pair[0].emit(logging.makeLogRecord({'msg': 'two'}))")
    assert again.value("open('a.txt').read(), list(pair[1])") == ("one\ntwo\n", ["a", "b"])


def test_a_re_run_logs_nothing_a_second_time(kernel: Kernel) -> None:
    kernel.ok(f"{QUIET}\n{KEPT}")
    kernel.ok("log.addHandler(Kept()); log.addHandler(logging.FileHandler('a.txt'))")
    kernel.ok("log.error('one'); g = (x for x in 'ab')")
    kernel.ok("list(g)")
    to_and_fro(kernel, "undo", "redo", "undo")
    assert kernel.value("log.handlers[0].kept, open('a.txt').read(), list(g)") == (["one"], "one\n", ["a", "b"])
    kernel.ok("log.error('two')")
    assert kernel.value("log.handlers[0].kept, open('a.txt').read()") == (["one", "two"], "one\ntwo\n")


def test_what_is_logged_into_a_text_is_undone(start: Start, tmp_path: Path) -> None:
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    look = "text.getvalue(), log.handlers[0].stream is text"
    with start(environment=notebook) as kernel:
        kernel.ok(f"{QUIET}\ntext = io.StringIO(); log.addHandler(logging.StreamHandler(text))")
        kernel.ok("log.error('one')")
        assert kernel.done("log", limit=1)["checkpoints"][0]["modified"] == ["text"]
        kernel.ok("log.error('two')")
        for step, told in (
            ("undo", "one\n"),
            ("redo", "one\ntwo\n"),
            ("undo", "one\n"),
            ("undo", ""),
            ("redo", "one\n"),
        ):
            kernel.done(step)
            assert kernel.value(look) == (told, True)
        kernel.ok("log.error('three')")
        assert kernel.value(look) == ("one\nthree\n", True)
        kernel.done("log")  # what was taken is written
    again = start(environment=notebook)
    again.done("resume")
    assert again.value(look) == ("one\nthree\n", True)
    again.ok("log.error('four')")
    assert again.value(look) == ("one\nthree\nfour\n", True)


@pytest.mark.parametrize(
    ("made", "log", "look"),
    [
        (f"{KEPT}\nk = Kept(); log.addHandler(k)", "log.error('one')", "k.kept"),
        (
            "box = {'deep': [io.StringIO()]}; log.addHandler(logging.StreamHandler(box['deep'][0]))",
            "log.error('one')",
            "box['deep'][0].getvalue()",
        ),
        (
            "text = io.StringIO(); h = logging.StreamHandler(text)",
            "h.emit(logging.makeLogRecord({'msg': 'one'}))",
            "text.getvalue()",
        ),
        (
            "text = io.StringIO(); log.addHandler(logging.StreamHandler(text))\ndef go(): logging.getLogger('a').error('one')",
            "go()",
            "text.getvalue()",
        ),
        (
            "text = io.StringIO(); logging.getLogger().addHandler(logging.StreamHandler(text)); import concurrent.futures as cf",
            "cf.process.logging if 0 else logging.getLogger('b').error('one')",
            "text.getvalue()",
        ),
        (
            "text = io.StringIO(); log.addHandler(logging.handlers.MemoryHandler(1, target=logging.StreamHandler(text)))",
            "log.error('one')",
            "text.getvalue()",
        ),
    ],
    ids=[
        "a handler of the notebook's",
        "deep inside",
        "a handler that nobody added",
        "by a function",
        "of the root",
        "by way of another",
    ],
)
def test_whatever_logs_touches_where_it_is_logged_to(kernel: Kernel, made: str, log: str, look: str) -> None:
    kernel.ok(QUIET)
    kernel.ok(made)
    before = kernel.value(look)
    kernel.ok(log)
    after = kernel.value(look)
    assert before != after
    for step, told in (("undo", before), ("redo", after), ("undo", before), ("redo", after)):
        kernel.done(step)
        assert kernel.value(look) == told, step


def test_a_handler_that_holds_records_back(start: Start, tmp_path: Path) -> None:
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    look = "[r.getMessage() for r in memory.buffer], log.handlers == [memory], memory.target is console"
    with start(environment=notebook) as kernel:
        kernel.ok(QUIET)
        kernel.ok(
            "console = logging.StreamHandler(); memory = logging.handlers.MemoryHandler(9, target=console); log.addHandler(memory)"
        )
        which = kernel.value("id(memory)")
        kernel.ok("log.info('one')")
        for step, told in (("undo", []), ("redo", ["one"]), ("undo", []), ("redo", ["one"])):
            kernel.done(step)
            assert kernel.value(look) == (told, True, True)
        assert kernel.value("id(memory)") == which
        kernel.done("log")  # what was taken is written
    again = start(environment=notebook)
    assert not again.done("resume")["plan"]["lost"]
    assert again.value(look) == (["one"], True, True)


def test_a_new_configuration_is_taken_back(kernel: Kernel) -> None:
    kernel.ok(QUIET)
    kernel.ok("console = logging.StreamHandler(); log.addHandler(console)")
    kernel.ok(
        "logging.config.dictConfig({'version': 1, 'handlers': {'n': {'class': 'logging.NullHandler'}}, 'loggers': {'a': {'handlers': ['n'], 'level': 'ERROR'}}})"
    )
    after = kernel.value("[type(h).__name__ for h in log.handlers], log.level")
    for step, told in (("undo", (["StreamHandler"], 10)), ("redo", after), ("undo", (["StreamHandler"], 10))):
        kernel.done(step)
        assert kernel.value("[type(h).__name__ for h in log.handlers], log.level") == told
    assert kernel.value("log.handlers == [console], getattr(console, '_closed', False)") == (True, False)
    assert kernel.value("any(each() is console for each in logging._handlerList)")
