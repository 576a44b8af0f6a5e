"""Nominal size is not real size: what occupies little is looked at, stored and brought back at the cost of little.

Each on a real kernel: the next cell's reply comes within the kernel's patience, its memory grows by little more than
what the value occupies, and the values are exact after an undo and in a fresh kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harm.driving import thought
from tests.kernel.driver import Kernel

PATIENCE = 60.0
SETUP = """
import itertools, mmap, os, numpy as np, pandas as pd
from numpy.lib.stride_tricks import as_strided, sliding_window_view
"""
ROOM = 400
"""MB by which a kernel may grow over what it has when all libraries are imported."""


@dataclass(frozen=True)
class Case:
    """A value of large nominal size.

    Attributes:
        made: binds `x`.
        seen: an expression, whose repr says all that counts.
        changed: changes what `x` shows, or binds it anew.
        stored: whether it is stored; else it comes back by a re-run.
    """

    made: str
    seen: str
    changed: str = "x = 5"
    stored: bool = True


LOOK = "(x.shape, x.strides, str(x.dtype), bool(x.flags.writeable), x.ravel()[:3].tolist(), x[-1].ravel()[:3].tolist())"
FLAT = "(x.shape, x.strides, str(x.dtype), bool(x.flags.writeable), x[:3].tolist(), x[-3:].tolist())"
MB = 1_000_000
CASES: dict[str, Case] = {
    "a number, broadcast": Case("x = np.broadcast_to(np.float64(1.5), (300_000_000,))", FLAT),
    "a row, broadcast": Case(
        "x = np.broadcast_to(np.arange(10.), (50_000_000, 10))",
        "(x.shape, x.strides, x.flags.writeable, x[0].tolist(), x[-1].tolist())",
    ),
    "dates, broadcast": Case("x = np.broadcast_to(np.datetime64('2020-01-01'), (300_000_000,))", FLAT),
    "records, broadcast": Case("x = np.broadcast_to(np.array((1, 2.5), 'i4,f8'), (100_000_000,))", FLAT),
    "an object, broadcast": Case("x = np.broadcast_to(np.array('text', object), (300_000_000,))", FLAT),
    "a writeable one": Case(
        "x = as_strided(np.array([1.5]), (300_000_000,), (0,))", FLAT, "x[7] = 2.5"
    ),  # all of it is one number
    "windows": Case(
        "x = sliding_window_view(np.arange(1e6), 3650)",
        "(x.shape, x.strides, x.flags.writeable, x[5, :3].tolist(), x[-1, -3:].tolist())",
    ),
    "windows of what has a name": Case(
        "a = np.arange(1e6)\nx = sliding_window_view(a, 3650)",
        "(x.shape, x.strides, np.shares_memory(a, x), x[5, :3].tolist(), x[-1, -3:].tolist())",
        "a[7] = -1",
    ),
    "windows backwards": Case(
        "x = sliding_window_view(np.arange(1e6)[::-1], 3650)", "(x.shape, x.strides, x[5, :3].tolist(), x[-1, -1])"
    ),
    "writeable windows": Case(
        "x = as_strided(np.arange(1e6), (999_000, 1000), (8, 8))",
        "(x.shape, x.strides, x.flags.writeable, x[0, 5], x[5, 0], x[2, 3])",
        "x[0, 5] = -1",
    ),
    "windows of objects": Case(
        "x = sliding_window_view(np.array([f't{i}' for i in range(9000)], object), 4000)",
        "(x.shape, x.strides, x[5, :3].tolist(), x[-1, -3:].tolist())",
    ),
    "a Series over one number": Case(
        "x = pd.Series(np.broadcast_to(np.float64(1.5), (200_000_000,)), copy=False)",
        "(len(x), x.iloc[0], x.iloc[-1], x._values.strides)",
    ),
    "a frame of nothing but rows": Case("x = pd.DataFrame(index=range(300_000_000))", "(x.shape, str(x.index))"),
    "zeros that nobody touched": Case(
        "x = np.zeros(500_000_000)", "(x.shape, x[:3].tolist(), x[10**8:10**8 + 3].tolist())", "x[10**8 + 1] = 7"
    ),
    "zeros, of which few are touched": Case(
        "x = np.zeros(500_000_000)\nx[3 * 10**8] = 5", "(x.shape, x[0], x[5], x[3 * 10**8])", "x[5] = 1"
    ),
    "a masked array": Case(
        "x = np.ma.masked_array(np.broadcast_to(1.5, (10**8,)), np.broadcast_to(False, (10**8,)))",
        "(x.shape, float(x.data[7]), x.data.strides)",
        stored=False,
    ),
    "a file, mapped": Case(
        "if not os.path.exists('big'):\n    with open('big', 'wb') as f: f.truncate(20 * 10**9)\n"
        "x = np.memmap('big', 'f8', 'r')",
        "(x.shape, x[:3].tolist(), type(x).__name__)",
        stored=False,
    ),
    "a file, mapped by hand": Case(
        "if not os.path.exists('large'):\n    with open('large', 'wb') as f: f.truncate(20 * 10**9)\n"
        "with open('large', 'rb') as f: x = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)\n"
        "x = np.frombuffer(x, 'f8')\ndel f",
        "(x.shape, x[:3].tolist())",
        stored=False,
    ),
    "one text in many places": Case(
        "x = ['a' * 100_000 + 'b'] * 1_000_000", "(len(x), len(x[7]), x[-1][-2:], x[0] is x[-1])", "x[7] = 'c'"
    ),
    "one text under many keys": Case("x = dict.fromkeys(range(300_000), 'a' * 100_000)", "(len(x), len(x[7]))"),
    "a long range": Case("x = range(10**12)", "repr(x)"),
    "an endless repetition": Case("x = itertools.repeat(0, 10**12)", "repr(x)", "x = 5"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sizes")


@pytest.fixture(scope="module")
def sized(home: Path) -> Iterator[Kernel]:
    yield from _kernel(home)


@pytest.fixture(scope="module")
def fresh(home: Path) -> Iterator[Kernel]:
    """Another session of the same notebook."""
    yield from _kernel(home)


def _kernel(home: Path) -> Iterator[Kernel]:
    with Kernel(home, environment={"JPY_SESSION_NAME": str(home / "book.ipynb")}, patience=PATIENCE) as kernel:
        kernel.ok(f"{SETUP}pd.Series(['text']).sum(); pd.DataFrame(index=range(3)).sum()")
        kernel.ok("x = np.arange(5_000_000.)")  # what compresses and writes is imported, and has its memory
        kernel.ok("del x")
        thought(kernel)
        yield kernel


def _memory(kernel: Kernel, field: str) -> int:
    status = Path(f"/proc/{kernel.manager.provisioner.process.pid}/status").read_text()  # type: ignore[union-attr]
    [line] = [line for line in status.splitlines() if line.startswith(field)]
    return int(line.split()[1]) // 1000


@contextmanager
def grows_little(kernel: Kernel) -> Iterator[None]:
    """The process never occupies many MB more than when this began."""
    process = f"/proc/{kernel.manager.provisioner.process.pid}"  # type: ignore[union-attr]
    Path(f"{process}/clear_refs").write_text("5")  # the peak begins anew
    before = _memory(kernel, "VmRSS")
    yield
    assert _memory(kernel, "VmHWM") - before < ROOM


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_large_only_by_name(case: Case, sized: Kernel, fresh: Kernel) -> None:
    with grows_little(sized):
        sized.ok(case.made)
        sized.ok("y = 5")
        seen = sized.ok(case.seen).text
        newest = thought(sized)
        sized.ok(case.changed)
        if case.changed != "x = 5":
            assert sized.ok(case.seen).text != seen
            sized.done("undo")
        sized.done("undo")
        assert sized.ok(case.seen).text == seen
    if case.stored:
        with grows_little(fresh):
            plan = fresh.done("checkout", target=newest["id"])["plan"]
            assert not plan["replay"]
            assert fresh.ok(case.seen).text == seen
    sized.ok("x = 5")


def test_windows_of_a_column_are_stored_once(sized: Kernel) -> None:
    sized.ok("df = pd.DataFrame({'p': np.random.default_rng(0).random(500_000)})")
    sized.ok("w = sliding_window_view(df['p'].to_numpy(), 365)")
    newest = thought(sized)
    assert newest["written_bytes"] < 9_000_000


def test_a_file_that_is_mapped_is_not_written(sized: Kernel) -> None:
    sized.ok("np.arange(1000.).tofile('data')")
    sized.ok("x = np.memmap('data', 'f8', 'r+')")
    thought(sized)
    before = (sized.home / "data").stat()
    sized.ok("y = 6\nx[3]")
    thought(sized)
    sized.ok("x = 7")
    sized.done("undo", replay="auto")  # mapping it again counts as writing
    assert sized.value("float(x[3])") == 3.0
    after = (sized.home / "data").stat()
    assert (after.st_mtime_ns, after.st_size, after.st_ino) == (before.st_mtime_ns, before.st_size, before.st_ino)


def test_a_file_that_changes_under_a_mapping_is_seen(sized: Kernel) -> None:
    sized.ok("np.zeros(20_000_000).tofile('data')\nx = np.memmap('data', 'f8', 'r')")
    sized.ok("x[3]")
    [before] = sized.done("log", limit=1)["checkpoints"]
    assert before["modified"] == []
    sized.ok("with open('data', 'r+b') as opened: opened.write(b'12345678')\nx[0]")
    [after] = sized.done("log", limit=1)["checkpoints"]
    assert after["modified"] == ["x"]
