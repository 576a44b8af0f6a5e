"""State outside of variables: it goes back on an undo, forwards on a redo, and is there in a kernel started anew.

A row has what prepares, what changes, and what a person would look at. It is changed, undone, redone, undone, redone;
then the kernel is killed, and another one takes the notebook up.
"""

# ruff: noqa: E501 -- cells, whole

from __future__ import annotations

import re
from pathlib import Path

from .conftest import Start
from .driver import Kernel
from .ways import Way, walked

INTERPRETER: dict[str, Way] = {
    "module search path": ("import sys", "sys.path.append('src')", "sys.path[-1] == 'src'"),
    "search path, first": (
        "import sys",
        "sys.path.insert(0, '/first')",
        "sys.path.index('/first') if '/first' in sys.path else -1",
    ),
    "recursion limit": ("import sys", "sys.setrecursionlimit(4321)", "sys.getrecursionlimit()"),
    "digits of integers": ("import sys", "sys.set_int_max_str_digits(10_000)", "sys.get_int_max_str_digits()"),
    "limit of tracebacks": ("import sys", "sys.tracebacklimit = 3", "getattr(sys, 'tracebacklimit', None)"),
    "decimal context": (
        "import decimal; D = decimal.Decimal",
        "decimal.getcontext().prec = 5",
        "decimal.getcontext().prec, str(D(1) / D(3))",
    ),
    "decimal rounding": (
        "import decimal; D = decimal.Decimal",
        "decimal.getcontext().rounding = 'ROUND_DOWN'",
        "decimal.getcontext().rounding",
    ),
    "decimal traps": (
        "import decimal; D = decimal.Decimal",
        "decimal.getcontext().traps[decimal.DivisionByZero] = False",
        "decimal.getcontext().traps[decimal.DivisionByZero]",
    ),
    "collector": ("import gc", "gc.set_threshold(500, 5, 5)", "gc.get_threshold()[1:]"),
    "no collector": ("import gc", "gc.disable()", "gc.isenabled()"),
    "time zone": (
        "import os, time",
        "os.environ['TZ'] = 'Asia/Tokyo'; time.tzset()",
        "time.tzname, time.localtime(0).tm_hour",
    ),
    "asyncio": ("import asyncio", "asyncio.get_event_loop().set_debug(True)", "asyncio.get_event_loop().get_debug()"),
    "sockets": ("import socket", "socket.setdefaulttimeout(7.5)", "socket.getdefaulttimeout()"),
    "csv": ("import csv", "csv.field_size_limit(77)", "csv.field_size_limit()"),
    "faulthandler": (
        "import faulthandler",
        "faulthandler.disable() if faulthandler.is_enabled() else faulthandler.enable()",
        "faulthandler.is_enabled()",
    ),
    "formatwarning": (
        "import warnings",
        "def plain(message, *rest, **how): return 'told: ' + str(message)\nwarnings.formatwarning = plain",
        "warnings.formatwarning('a', UserWarning, 'f', 1)[:7], warnings.formatwarning is globals().get('plain')",
    ),
    "a hook that no variable holds": (
        "import warnings",
        "warnings.showwarning = lambda *_: 'anon'",
        "warnings.showwarning.__name__",
    ),
}

LIBRARIES: dict[str, Way] = {
    "numpy printing": (
        "import numpy as np",
        "np.set_printoptions(precision=2, suppress=True)",
        "str(np.array([1 / 3]))",
    ),
    "numpy errors": ("import numpy as np", "np.seterr(divide='ignore')", "np.geterr()['divide']"),
    "numpy error function": (
        "import numpy as np",
        "def seen(kind, flag): pass\nnp.seterrcall(seen); np.seterr(over='call')",
        "np.geterrcall() is globals().get('seen'), np.geterr()['over']",
    ),
    "scikit-learn": (
        "import sklearn",
        "sklearn.set_config(display='text', transform_output='pandas')",
        "sklearn.get_config()['display'], sklearn.get_config()['transform_output']",
    ),
}

LOGGING: dict[str, Way] = {
    "a level": (
        "import logging; log = logging.getLogger('a')",
        "log.setLevel('ERROR')",
        "log.level, log.isEnabledFor(30)",
    ),
    "a level of the root": ("import logging", "logging.getLogger().setLevel(15)", "logging.root.level"),
    "a handler": (
        "log = logging.getLogger('b')",
        "log.addHandler(logging.StreamHandler())",
        "[type(h).__name__ for h in log.handlers]",
    ),
    "a handler with a name": (
        "log = logging.getLogger('c')",
        "h = logging.StreamHandler(); log.addHandler(h)",
        "len(log.handlers), log.handlers[-1:] == [globals().get('h')]",
    ),
    "a formatter": (
        "import sys; log = logging.getLogger('d'); k = logging.StreamHandler(sys.stdout); log.addHandler(k)",
        "k.setFormatter(logging.Formatter('%(name)s!'))",
        "k.formatter is not None and k.formatter._fmt, log.handlers == [k], k.stream is sys.stdout",
    ),
    "a level of a handler": ("log = logging.getLogger('e'); m = logging.StreamHandler()", "m.setLevel(40)", "m.level"),
    "propagate": ("log = logging.getLogger('f')", "log.propagate = False", "log.propagate"),
    "disabled": ("log = logging.getLogger('g')", "log.disabled = True", "log.disabled"),
    "all disabled below": ("import logging", "logging.disable(20)", "logging.root.manager.disable"),
    "a filter": (
        "log = logging.getLogger('i')\ndef quiet(record): return False",
        "log.addFilter(quiet)",
        "log.filters == [quiet]",
    ),
    "a handler of the notebook's": (
        "class Kept(logging.Handler):\n    def __init__(self): super().__init__(); self.kept = []\n    def emit(self, record): self.kept.append(record.getMessage())",
        "log = logging.getLogger('j'); keeper = Kept(); log.addHandler(keeper); log.warning('a')",
        "logging.getLogger('j').handlers == [globals().get('keeper', 0)], globals().get('keeper') and keeper.kept",
    ),
    "a file": (
        "log = logging.getLogger('k'); log.propagate = False",
        "log.addHandler(logging.FileHandler('book.txt', mode='w')); log.error('first')",
        "[type(h).__name__ for h in log.handlers], open('book.txt').read() if log.handlers else ''",
    ),
    "a removed one": (
        "log = logging.getLogger('l'); log.addHandler(logging.NullHandler())",
        "log.handlers.clear()",
        "[type(h).__name__ for h in log.handlers]",
    ),
    "a name of a level": ("import logging", "logging.addLevelName(25, 'NOTE')", "logging.getLevelName(25)"),
}


def test_of_the_interpreter(start: Start, tmp_path: Path) -> None:
    walked(start, tmp_path, INTERPRETER)


def test_of_libraries(start: Start, tmp_path: Path) -> None:
    walked(start, tmp_path, LIBRARIES)


def test_of_logging(start: Start, tmp_path: Path) -> None:
    # Each has a variable of its own: all are looked at once more at the end.
    ways = {
        name: tuple(re.sub(r"\blog\b", f"log{number}", code) for code in way)
        for number, (name, way) in enumerate(LOGGING.items())
    }
    walked(start, tmp_path, ways)


def test_a_handler_is_the_very_same_one(kernel: Kernel) -> None:
    """Nothing is said twice, and a file that was opened to be written is not emptied."""
    kernel.ok("import logging; log = logging.getLogger('a'); log.propagate = False")
    kernel.ok("h = logging.FileHandler('a.log', mode='w'); log.addHandler(h)")
    which = kernel.value("id(h)")
    kernel.ok("log.error('one')")
    for step in ("undo", "redo", "undo", "undo", "redo", "redo"):
        kernel.done(step)
    assert kernel.value("log.handlers == [h] and id(h)") == which
    kernel.ok("log.error('two')")
    assert kernel.value("open('a.log').read()") == "one\ntwo\n"


def test_a_re_run_doubles_no_handler(kernel: Kernel) -> None:
    kernel.ok("import logging; log = logging.getLogger('a'); log.propagate = False")
    kernel.ok("log.addHandler(logging.NullHandler()); g = (x for x in 'ab')")
    kernel.ok("list(g)")
    for step in ("undo", "redo", "undo"):
        kernel.done(step)
    assert kernel.value("len(log.handlers)") == 1


def test_modules_are_found_before_anything_is_loaded(start: Start, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "prep2.py").write_text("class Scaler:\n    factor = 3")
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    with start(environment=notebook) as kernel:
        kernel.ok("import sys; sys.path.append('src')")
        kernel.ok("import prep2; s = prep2.Scaler(); s.factor = 4")
        kernel.done("log")  # what was taken is written
    again = start(environment=notebook)
    assert not again.done("resume")["plan"]["lost"]
    assert again.value("s.factor, type(s) is prep2.Scaler, sys.path[-1]") == (4, True, "src")


def test_a_closed_handler_writes_again_and_empties_nothing(kernel: Kernel) -> None:
    kernel.ok("import logging; log = logging.getLogger('a'); log.propagate = False")
    kernel.ok("h = logging.FileHandler('a.txt', mode='w'); log.addHandler(h); log.error('one')")
    kernel.ok("h.close()")
    assert kernel.done("log", limit=1)["checkpoints"][0]["modified"] == ["h"]
    for step in ("undo", "redo", "undo"):
        kernel.done(step)
    kernel.ok("log.error('two')")
    assert kernel.value("open('a.txt').read()") == "one\ntwo\n"


def test_what_a_library_gave_to_its_own_logger_at_its_first_use_is_no_loss(start: Start, tmp_path: Path) -> None:
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    with start(environment=notebook) as kernel:
        kernel.ok("import logging, _pytest.logging; x = [1]")
        kernel.ok(
            "h = _pytest.logging.LogCaptureHandler(); h.lines = (line for line in 'ab')\n"
            "logging.getLogger('_pytest.of').addHandler(h); del h"
        )  # nobody could store it
        for step in ("undo", "redo"):
            kernel.done(step)
        assert kernel.value("len(logging.getLogger('_pytest.of').handlers)") == 1
        kernel.ok("x.append(2)")
        kernel.done("log")  # what was taken is written
    again = start(environment=notebook)
    assert not again.done("resume")["plan"]["lost"]
    assert again.value("x") == [1, 2]


def test_a_function_for_errors_set_where_numpy_is_imported(start: Start, tmp_path: Path) -> None:
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    with start(environment=notebook) as kernel:
        kernel.ok("%precision 3\nbest = None\ndef told(kind, flag): said.append(kind)\nsaid = []")
        kernel.ok("import numpy as np; np.seterr(all='call'); np.seterrcall(told)")
        kernel.done("undo")
        assert kernel.value("__import__('numpy').geterrcall()") is None
        kernel.ok("best = 5")
        for step in ("undo", "undo", "redo", "redo"):
            kernel.done(step)
        assert kernel.value("best, __import__('numpy').geterrcall()") == (5, None)
        assert (
            kernel.value("__import__('numpy').get_printoptions()['precision']") == 8
        )  # %precision sets it, where it is
        kernel.done("undo")
        kernel.ok("import numpy as np; np.seterr(all='call'); np.seterrcall(told)")
        kernel.done("log")  # what was taken is written
    again = start(environment=notebook)
    assert not again.done("resume")["plan"]["lost"]
    again.ok("np.array([1.0]) / 0")
    assert again.value("said, np.geterrcall() is told") == (["divide by zero"], True)


def test_a_setting_that_another_machine_lacks_loses_nothing_else(start: Start, tmp_path: Path) -> None:
    notebook = {"JPY_SESSION_NAME": str(tmp_path / "book.ipynb")}
    with start(environment=notebook) as kernel:
        kernel.ok("import locale, socket; x = [1]")
        kernel.ok("other = 'POSIX' if locale.setlocale(locale.LC_ALL) != 'C' else 'C.UTF-8'")
        kernel.ok("locale.setlocale(locale.LC_ALL, other); socket.setdefaulttimeout(7)")
        kernel.done("log")  # what was taken is written
    again = start(environment=notebook)
    lacking = (
        "import locale\n_real, _now = locale.setlocale, locale.setlocale(locale.LC_ALL)\n"
        "def _lacking(category, text=None):\n"
        "    if text not in (None, _now): raise locale.Error('unsupported locale setting')\n"
        "    return _real(category, text)\nlocale.setlocale = _lacking"
    )
    again.ok(lacking)
    [lost] = again.done("resume", allow_lost=True)["plan"]["lost"]
    assert lost["names"] == ["settings of the interpreter"]
    assert lost["reason"].endswith("is not on this machine")
    assert again.value("x, __import__('socket').getdefaulttimeout()") == ([1], 7)
