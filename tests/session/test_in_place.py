"""Undo in place: live arrays are changed to what they were, where nobody can tell that they were not made anew."""

from __future__ import annotations

import signal
import sys
import threading
import types
from types import FrameType
from typing import Any

import pandas
import pytest

from kishu_kernel.detect import fingerprint
from kishu_kernel.errors import CheckoutError, LostError, StoreError
from kishu_kernel.objects import sole_holders
from kishu_kernel.objects.codec import pickling
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.process import memory
from kishu_kernel.session import in_place, namespace, restore
from tests.support.harness import Notebook

IMPORTS = "import numpy as np, pandas as pd, sys, types, weakref, threading"
SIZE = 2_000_000
"""Items of eight bytes: 16 chunks."""


def id_of(notebook: Notebook, expression: str) -> int:
    """In a call of its own: what a comparison is made of would hold the object, and be somebody else."""
    return id(eval(expression, notebook.live))


def all_are(notebook: Notebook, name: str, value: int) -> bool:
    return bool((eval(name, notebook.live) == value).all(axis=None))


def made(*cells: str) -> Notebook:
    notebook = Notebook()
    for cell in (IMPORTS, *cells):
        notebook.ok(cell)
    return notebook


IN_PLACE = {
    "an element": ("x = np.ones(%d)", "x[5] = 7", "x", "x"),
    "ten in a list": ("x = [np.full(1_000_000, n) for n in range(10)]", "x[3][-1] = 77", "x", "x[3]"),
    "two of a dictionary": ("x = {n: np.zeros(%d) for n in 'abc'}", "x['a'][0] = x['c'][9] = 3", "x", "x['c']"),
    "under a view of another name": ("x = np.arange(%d)\nv = x[10:90:2]", "v[:3] = -1", "v", "x"),
    "through its base": ("v = np.arange(%d).reshape(-1, 10)[5:]", "v[3, 3] = -1", "v", "v"),
    "columns first": ("x = np.asfortranarray(np.ones((1000, 2000)))", "x[3, 4] = 0", "x", "x"),
    "times": ("x = np.arange(%d).astype('M8[s]')", "x[0] = np.datetime64('2001-02-03')", "x", "x"),
    "records": ("x = np.zeros(%d, 'i4,f8')", "x['f1'][1] = 2.5", "x", "x"),
    "shown": ("x = np.ones(%d)\nx", "__[5] = 7", "x", "_2"),
    "a frame": ("x = pd.DataFrame(np.ones((%d // 10, 10)))", "x.iloc[4, 5] = 9", "x", "x"),
    "a column of a frame": (
        "x = pd.DataFrame(np.asfortranarray(np.ones((%d // 10, 10))))",  # each lies by itself, with pandas 2 too
        "x.loc[:, 3] *= 9",
        "x",
        "x",
    ),
    "a series with dates": (
        "x = pd.Series(np.arange(%d), pd.date_range('2020', periods=%d, freq='s'))",
        "x.iloc[7] = 0",
        "x",
        "x",
    ),
    "dates of a series": (
        "x = pd.Series(np.arange(%d).astype('M8[s]'))",
        "x.iloc[7] = pd.Timestamp('2001-02-03')",
        "x",
        "x",
    ),
    "in a frame and beside it": (
        "x = pd.DataFrame(np.ones((%d // 10, 10))); y = [np.zeros(1_000_000), x]",
        "y[0][3] = 4; x.iloc[0, 0] = 3",
        "x",
        "y[1]",
    ),
}


def filled(cell: str) -> str:
    return cell.replace("%d", str(SIZE))


@pytest.mark.parametrize("case", IN_PLACE)
def test_the_objects_stay_and_are_what_they_were(case: str) -> None:
    begins, changes, name, inside = IN_PLACE[case]
    notebook = made(filled(begins), "1")
    digests = [digest_of(notebook)]
    notebook.ok(changes)
    digests.append(digest_of(notebook))
    assert digests[0] != digests[1]
    known = id_of(notebook, name), id_of(notebook, inside)
    for there in (0, 1, 0, 1, 0):
        (notebook.session.undo if there == 0 else notebook.session.redo)(1)
        assert (id_of(notebook, name), id_of(notebook, inside)) == known
        assert digest_of(notebook) == digests[there]
    notebook.ok("2")
    assert notebook.session.timeline.lookup(notebook.session.timeline.head).modified == ()
    assert not notebook.warnings


def digest_of(notebook: Notebook) -> dict[Any, Any]:
    """What all variables are, by their fingerprints: without what is known of them."""
    table = ReductionTable(notebook.live)
    return {name: fingerprint.digest_of({name: obj}, table) for name, obj in notebook.names.variables().items()}


HOLDS = "sys.modules['this_holds'] = types.ModuleType('m'); sys.modules['this_holds'].x = "
HELD = {
    "by a module": ("x = np.ones(%d)", HOLDS + "x"),
    "in what a module holds": ("x = [np.ones(%d)]", HOLDS + "x"),
    "as a view that a module holds": ("x = np.ones(%d)", HOLDS + "x[3:]"),
    "as memory that a module holds": ("x = np.ones(%d)", HOLDS + "memoryview(x)"),
    "weakly": ("x = np.ones(%d)", HOLDS + "weakref.ref(x)"),
    "by labels": ("x = np.arange(%d); i = pd.Index(x, copy=False)", "i.get_loc(3)"),
    "by a frame that copies": ("x = pd.DataFrame(np.ones((%d // 10, 10)))", "y = [x.copy(deep=False)]"),
    "and cannot be written to": ("x = np.ones(%d)", "x.flags.writeable = False"),
}  # fmt: skip


@pytest.mark.parametrize("case", HELD)
def test_what_somebody_else_holds_is_made_anew(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "this_holds", None)
    begins, holds = HELD[case]
    if case == "by a frame that copies" and int(pandas.__version__.partition(".")[0]) < 3:
        pytest.skip("pandas 2 does not copy when it is written to: both frames are to change")
    notebook = made(filled(begins), holds)
    before = digest_of(notebook)
    x = "x[0]" if begins.startswith("x = [") else "x"
    if "frame" in case:
        change = "x.iloc[3, 3] = 7"
    elif "cannot" in case:
        change = "x.flags.writeable = True; x[5] = 7; x.flags.writeable = False"
    else:
        change = f"{x}[5] = 7"
    notebook.ok(change)
    known = id_of(notebook, x)
    held = sys.modules.get("this_holds")
    notebook.session.undo(1)
    assert id_of(notebook, x) != known
    assert digest_of(notebook) == before
    if held is not None and "weak" not in case:
        seen = held.x[0] if "in what" in case else held.x
        assert 7 in list(seen[:20])


def test_what_a_thread_works_with_is_made_anew() -> None:
    notebook = made(filled("x = np.ones(%d)"))
    notebook.ok("go = threading.Event()\ndef work():\n    mine = x\n    go.wait(60)\n    mine[9] = 5")
    notebook.ok("x[5] = 7")
    go = notebook["go"]
    worker = threading.Thread(target=notebook["work"])
    worker.start()
    known = id_of(notebook, "x")
    try:
        notebook.session.undo(1)
    finally:
        go.set()
        worker.join()
    assert id_of(notebook, "x") != known
    assert all_are(notebook, "x", 1)


def meanwhile(monkeypatch: pytest.MonkeyPatch, notebook: Notebook, code: str) -> None:
    """Another thread runs this code while something is loaded."""

    def decode(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(restore, "decode", pickling.decode)
        thread = threading.Thread(target=exec, args=(code, {**notebook.live}))
        thread.start()
        thread.join()
        return pickling.decode(*arguments, **named)

    monkeypatch.setattr(restore, "decode", decode)


def test_what_a_thread_takes_up_while_the_rest_is_loaded_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = made(filled("x = np.ones(%d); y = [1]"), "x[5] = 7; y.append(2)")
    monkeypatch.setitem(sys.modules, "this_holds", types.ModuleType("m"))
    meanwhile(monkeypatch, notebook, "sys.modules['this_holds'].x = x")
    notebook.session.undo(1)
    assert notebook["y"] == [1]
    assert all_are(notebook, "x", 1)
    assert sys.modules["this_holds"].x[5] == 7


def test_an_array_that_gets_another_memory_at_last_is_not_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = made(filled("x = np.ones(%d)"), "x[5] = 7")
    known = notebook.session._checkouts._ledger.known_of_loaded

    def resize_before(*arguments: Any) -> Any:
        notebook["x"].resize(10, refcheck=False)
        return known(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(notebook.session._checkouts._ledger, "known_of_loaded", resize_before)
        with pytest.raises(CheckoutError, match="another size"):
            notebook.session.undo(1)
    assert notebook["x"].tolist() == [1, 1, 1, 1, 1, 7, 1, 1, 1, 1]
    notebook.session.undo(1)
    assert all_are(notebook, "x", 1)


def test_what_mostly_differs_is_made_anew() -> None:
    notebook = made(filled("x = np.ones(%d)"), "x *= 2")
    known = id_of(notebook, "x")
    notebook.session.undo(1)
    assert id_of(notebook, "x") != known
    assert all_are(notebook, "x", 1)


def test_a_change_that_nobody_saw_is_not_taken_for_what_is_stored() -> None:
    notebook = made(filled("x = np.ones(%d)"), "x[5] = 7")
    notebook["x"][6] = 8
    notebook.session.undo(1)
    assert all_are(notebook, "x", 1)


@pytest.mark.parametrize(
    "change", ["x.shape = (-1, 2)", "x.dtype = 'i8'", "x = x[::-1]", "x.resize(2_000_001, refcheck=False)"]
)
def test_another_form_of_the_same_memory_comes_back(change: str) -> None:
    notebook = made(filled("x = np.ones(%d)"))
    before = digest_of(notebook)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.filters", [("ignore", None, Warning, None, 0)])
        notebook.run(f"{change}\nx[5] = 7")
    notebook.session.undo(1)
    assert digest_of(notebook) == before


def test_what_a_rerun_may_read_is_made_anew() -> None:
    notebook = made(filled("x = np.ones(%d)"), "r = (each for each in x[5:8].tolist())", "x[5] = 7; r = None")
    notebook.session.undo(1)
    assert notebook.reran
    assert all_are(notebook, "x", 1)
    assert list(notebook["r"]) == [1, 1, 1]


def test_many_arrays_are_looked_at_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = made("x = [np.zeros(5_000) for _ in range(400)]", "[each.put(0, 1) for each in x[:200]];")
    looks = 0

    def counted(array: Any) -> Any:
        nonlocal looks
        looks += 1
        return memory.owner_of(array)

    monkeypatch.setattr(sole_holders, "owner_of", counted)
    known = id_of(notebook, "x[0]")
    notebook.session.undo(1)
    assert id_of(notebook, "x[0]") == known
    assert sum(each.sum() for each in notebook["x"]) == 0
    assert 400 <= looks <= 800


# -- all or nothing ----------------------------------------------------------------------------------------


def travelled() -> tuple[Notebook, Any]:
    notebook = made(filled("x = np.ones(%d); v = x[4:]; y = pd.DataFrame(np.zeros((%d // 10, 10)))"))
    notebook.ok("v[5] = 7; y.iloc[3, 3] = 4; z = 1")
    notebook.session.flush()
    return notebook, digest_of(notebook)


def test_if_the_head_cannot_move_all_bytes_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook, before = travelled()
    seen = []

    def refuse(*_: Any) -> None:
        seen.append((notebook["x"][9], notebook["y"].iloc[3, 3]))
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(notebook.session.timeline, "move", refuse)
        with pytest.raises(StoreError):
            notebook.session.undo(1)
    assert seen == [(1, 0)]  # it was about to be done
    assert digest_of(notebook) == before
    notebook.session.undo(1)
    assert all_are(notebook, "x", 1)


def test_a_damaged_chunk_changes_nothing() -> None:
    notebook, before = travelled()
    chunks = notebook.store._chunks  # of a store in memory
    for key, data in list(chunks.items()):
        if len(data) > 900_000:
            chunks[key] = b"!" + bytes(data)[1:]
    with pytest.raises(LostError):
        notebook.session.undo(1, replay="never")
    assert digest_of(notebook) == before


class Interrupt:
    """Interrupts at the n-th event of the traced modules."""

    FILES = frozenset({in_place.__file__, sole_holders.__file__, namespace.__file__})

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in self.FILES:
            return None
        self.left -= 1
        if self.left < 0:
            sys.settrace(None)
            signal.raise_signal(signal.SIGINT)
        return self


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of our generators
def test_wherever_it_is_interrupted_all_or_nothing_is_done() -> None:
    notebook, before = travelled()
    known, place, ended = id_of(notebook, "x"), 0, 0
    while ended < 2 and place < 20_000:
        tracing = sys.gettrace()
        try:
            sys.settrace(Interrupt(place))
            notebook.session.undo(1)
        except KeyboardInterrupt:
            sys.settrace(tracing)
            assert digest_of(notebook) == before
        else:
            sys.settrace(tracing)
            ended += 1
            assert all_are(notebook, "x", 1)
            assert all_are(notebook, "y", 0)
            notebook.session.redo(1)
            assert digest_of(notebook) == before
        place += 97
    assert ended == 2
    assert id_of(notebook, "x") == known
