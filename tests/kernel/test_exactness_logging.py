"""What is logged, and to where: a re-run writes nothing twice and empties nothing, and what handlers hold comes back."""

# ruff: noqa: E501 -- cells, whole

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Start
from .driver import Kernel
from .ways import Way, walked

QUIET = "import logging, io, logging.handlers, logging.config; log = logging.getLogger('a'); log.propagate = False; log.setLevel(10)"
KEPT = "class Kept(logging.Handler):\n    def __init__(self): super().__init__(); self.kept = []\n    def emit(self, record): self.kept.append(record.getMessage())"

MEMORY = "logging.handlers.MemoryHandler"
EMPTY = "logging.config.dictConfig({'version': 1, 'disable_existing_loggers': False})"

HELD: dict[str, Way] = {
    "level of one of the notebook's class": (
        f"import logging, logging.handlers, logging.config, queue\n{KEPT}\nlogging.getLogger('a').addHandler(Kept())",
        "logging.getLogger('a').handlers[0].setLevel(40)",
        "logging.getLogger('a').handlers[0].level",
    ),
    "formatter and filter of one of the notebook's class": (
        "b = logging.getLogger('b'); b.addHandler(Kept())",
        "b.handlers[0].setFormatter(logging.Formatter('%(name)s')); b.handlers[0].addFilter(logging.Filter('b'))",
        "b.handlers[0].formatter and b.handlers[0].formatter._fmt, len(b.handlers[0].filters)",
    ),
    "level of a target of a target": (
        f"c = logging.getLogger('c'); c.addHandler({MEMORY}(9, target={MEMORY}(9, target=logging.StreamHandler())))",
        "c.handlers[0].target.target.setLevel(30)",
        "c.handlers[0].target.target.level",
    ),
    "level of a target of the notebook's class": (
        f"d = logging.getLogger('d'); d.addHandler({MEMORY}(9, target=Kept()))",
        "d.handlers[0].target.setLevel(30)",
        "d.handlers[0].target.level",
    ),
    "a target": (
        f"e = logging.getLogger('e'); e.addHandler({MEMORY}(9, target=logging.StreamHandler()))",
        "e.handlers[0].setTarget(None)",
        "e.handlers[0].target is None",
    ),
    "other attributes": (
        f"f = logging.getLogger('f'); f.addHandler({MEMORY}(9))",
        "f.handlers[0].capacity = 3; f.handlers[0].flushLevel = 10",
        "f.handlers[0].capacity, f.handlers[0].flushLevel",
    ),
    "in a list and a dictionary": (
        "several = [logging.StreamHandler()]; named = {'a': logging.StreamHandler()}",
        "several[0].setLevel(40); named['a'].setLevel(10)",
        "several[0].level, named['a'].level",
    ),
    "in a handler of the notebook's class": (
        "class Fan(logging.Handler):\n    def __init__(self, *to): super().__init__(); self.to = to\n    def emit(self, record): pass\n"
        "g = logging.getLogger('g'); g.addHandler(Fan(logging.StreamHandler(), logging.NullHandler()))",
        "g.handlers[0].to[1].setLevel(30)",
        "g.handlers[0].to[1].level",
    ),
    "of a listener": (
        "listener = logging.handlers.QueueListener(queue.Queue(), logging.StreamHandler())",
        "listener.handlers[0].setLevel(40)",
        "listener.handlers[0].level",
    ),
    "a name of a level that Python has": (
        "",
        "logging.addLevelName(20, 'I')",
        "logging.getLevelName(20), logging.getLevelName('I')",
    ),
    "another name of a level": (
        "logging.addLevelName(26, 'NOTE')",
        "logging.addLevelName(26, 'HINT')",
        "logging.getLevelName(26), logging.getLevelName('NOTE'), logging.getLevelName('HINT')",
    ),
    "of a library's logger, where it is imported": (
        "",
        "import mailbox; logging.getLogger('mailbox').addHandler(logging.StreamHandler())",
        "len(logging.getLogger('mailbox').handlers)",
    ),
    "where it is imported, named in a loop": (
        "",
        "import sched\nfor name in ['sched']: logging.getLogger(name).handlers.append(logging.StreamHandler())",
        "len(logging.getLogger('sched').handlers)",
    ),
}

CONFIGURED: dict[str, Way] = {
    "what a new configuration closes": (
        "import logging, logging.handlers, logging.config, queue\n"
        "listener = logging.handlers.QueueListener(queue.Queue(), logging.StreamHandler())\n"
        f"h = logging.getLogger('h'); lone = [logging.StreamHandler()]; h.addHandler({MEMORY}(9, target=logging.StreamHandler()))\n"
        f"held = h.handlers[0]; behind = [held.target]; h.handlers[0].set_name('held')",
        EMPTY,
        "[getattr(each, '_closed', None) for each in (held, behind[0], *lone, *listener.handlers)], held.target is behind[0], 'held' in logging._handlers",
    ),
}


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


def test_of_handlers_that_others_hold(start: Start, tmp_path: Path) -> None:
    walked(start, tmp_path, HELD)


def test_of_what_a_new_configuration_closes(start: Start, tmp_path: Path) -> None:
    walked(start, tmp_path, CONFIGURED)


def test_what_is_closed_again_writes_nothing_twice(kernel: Kernel) -> None:
    kernel.ok(
        f"{QUIET}\nclass Told(logging.StreamHandler):\n    def emit(self, record): print(record.getMessage(), file=open('told.txt', 'a'))"
    )
    kernel.ok(
        f"m = {MEMORY}(9, target=logging.FileHandler('a.txt')); log.addHandler(m); n = {MEMORY}(9, target=Told()); log.addHandler(n)"
    )
    kernel.ok("log.info('one')")
    kernel.ok("m.close(); n.close()")
    look = "open('a.txt').read(), open('told.txt').read(), m.target is None, len(m.buffer), m._closed"
    assert kernel.value(look) == ("one\n", "one\n", True, 0, True)
    for step, told in (("undo", (False, 1, False)), ("redo", (True, 0, True)), ("undo", (False, 1, False))):
        kernel.done(step)
        assert kernel.value(look) == ("one\n", "one\n", *told), step


def test_many_records_that_wait_are_one_object(start: Start, tmp_path: Path) -> None:
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    look = "len(log.handlers[0].buffer), [each.getMessage() for each in log.handlers[0].buffer[-1:]]"
    kept = "len(__import__('kishu_kernel.objects.live_objects', fromlist=['x']).live_objects._known)"
    with start(environment=notebook) as kernel:
        kernel.ok(f"{QUIET}; log.addHandler({MEMORY}(10_000)); x = 1")
        before = kernel.value(kept)
        kernel.ok("for i in range(3000): log.info('number %d', i)")
        which = kernel.value("id(log.handlers[0].buffer[7])")
        for step, told in (
            ("undo", (0, [])),
            ("redo", (3000, ["number 2999"])),
            ("undo", (0, [])),
            ("redo", (3000, ["number 2999"])),
        ):
            kernel.done(step)
            assert kernel.value(look) == told
        assert kernel.value("id(log.handlers[0].buffer[7])") == which
        kernel.ok(
            "[logging.Formatter().format(each) for each in log.handlers[0].buffer[:2]]; log.handlers[0].buffer.pop()"
        )
        kernel.done("undo")
        assert kernel.value("len(log.handlers[0].buffer), hasattr(log.handlers[0].buffer[0], 'message')") == (
            3000,
            False,
        )
        assert kernel.value(kept) < before + 10
        kernel.done("log")  # what was taken is written
    again = start(environment=notebook)
    lost = again.done("resume", allow_lost=True)["plan"]["lost"]
    assert [each["names"] for each in lost] == [["logging"]]  # they are too many to travel
    assert again.value("x, len(log.handlers)") == (1, 1)


def test_where_a_handler_writes_to_is_told_where_it_is_not_to_be_had(start: Start, tmp_path: Path) -> None:
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    with start(environment=notebook) as kernel:
        kernel.ok(f"{QUIET}; box = [io.StringIO()]; log.addHandler(logging.StreamHandler(box[0]))")
        kernel.ok("import sys; logging.getLogger('b').addHandler(logging.StreamHandler(sys.__stdout__))")
        kernel.done("log")  # what was taken is written
    again = start(environment=notebook)
    lost = again.done("resume", allow_lost=True)["plan"]["lost"]
    assert [each["names"] for each in lost] == [["logging"]]
    assert again.value("logging.getLogger('b').handlers[0].stream is sys.__stdout__")


def test_what_a_library_gives_its_logger_as_it_is_imported_stays(kernel: Kernel) -> None:
    kernel.library("noisy", "import logging; logging.getLogger('noisy').addHandler(logging.StreamHandler())")
    kernel.ok("import logging")
    kernel.ok("import noisy")
    kernel.ok("x = 1; del noisy")
    for step in ("undo", "undo", "redo", "undo"):
        kernel.done(step)
    kernel.ok("import noisy")
    assert kernel.value("len(logging.getLogger('noisy').handlers)") == 1


def test_a_re_run_that_empties_a_buffer_into_a_text(kernel: Kernel) -> None:
    kernel.ok(QUIET)
    kernel.ok(f"text = io.StringIO(); log.addHandler({MEMORY}(9, target=logging.StreamHandler(text)))")
    kernel.ok("log.info('one')")
    kernel.ok("log.error('two'); both = [text, (x for x in 'ab')]")
    kernel.ok("list(both[1]); log.error('three')")
    look = "text.getvalue(), len(log.handlers[0].buffer), both[0] is text"
    for step, told in (("undo", "one\ntwo\n"), ("redo", "one\ntwo\nthree\n"), ("undo", "one\ntwo\n")):
        kernel.done(step)
        assert kernel.value(look) == (told, 0, True), step
