"""What a state before has in memory that lives yet is taken from there, where nobody can tell."""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy
import pandas
import pytest

from kishu_kernel.errors import StoreError
from kishu_kernel.session import live_memory
from kishu_kernel.store.format.chunks import ChunkedBlob
from tests.session.test_in_place import HOLDS, SIZE, all_are, digest_of, filled, made
from tests.support.harness import Notebook

lazy = pytest.mark.skipif(int(pandas.__version__.partition(".")[0]) < 3, reason="pandas 2 copies what it keeps")
FRAME = "x = pd.DataFrame({n: np.arange(%d // 10) + 1.5 * k for k, n in enumerate('abcdefghij')}).copy()"
FIRST = "x['a'].to_numpy()"
TAKEN: dict[str, tuple[str, str, str]] = {
    "an assigned column": (FRAME, "x['d'] = x['d'] * 2", FIRST),
    "an added column": (FRAME, "x['new'] = 1.0", FIRST),
    "columns of other names": (FRAME, "x.columns = list('klmnopqrst')", "x.iloc[:, 0].to_numpy()"),
    "the end of an array": ("x = np.arange(%d)", "x = x[1_048_576:]", "x if len(x) == 2_000_000 else x.base"),
    "an array in another form": ("x = np.arange(%d)", "x = x.reshape(2, -1)", "x"),
    "an array that was put in a list": ("x = np.arange(%d)", "x = [1, x]", "x[1] if type(x) is list else x"),
}
MADE_ANEW = {
    "a module holds an array of it": HOLDS + "x['b'].to_numpy()",
    "a module holds the frame": HOLDS + "x",
    "a module holds a frame over the same blocks": HOLDS + "x[:]",
}


def place_of(notebook: Notebook, expression: str) -> int:
    return int(eval(expression, notebook.live).__array_interface__["data"][0])


def there_and_back(notebook: Notebook, changes: str) -> list[dict[Any, Any]]:
    """The two states, which are what they were however often one goes from one to the other."""
    states = [digest_of(notebook)]
    notebook.ok(changes)
    states.append(digest_of(notebook))
    assert states[0] != states[1]
    for there in (0, 1, 0, 1, 0):
        (notebook.session.undo if there == 0 else notebook.session.redo)(1)
        assert digest_of(notebook) == states[there]
    notebook.ok("pass")
    assert notebook.session.timeline.lookup(notebook.session.timeline.head).modified == ()
    assert not notebook.warnings
    return states


@lazy
@pytest.mark.parametrize("case", TAKEN)
def test_what_is_there_is_not_made_anew(case: str) -> None:
    begins, changes, first = TAKEN[case]
    notebook = made(filled(begins))
    known = place_of(notebook, first)
    notebook.ok(changes)
    notebook.session.undo(1)
    assert place_of(notebook, first) == known
    notebook.session.redo(1)
    notebook.session.undo(1)
    there_and_back(notebook, changes)


@lazy
def test_columns_that_stay_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = made(filled(FRAME), "x = x.drop(columns='d')")
    notebook.session.undo(1)
    assert place_of(notebook, "x['j'].to_numpy()") - place_of(notebook, FIRST) == 9 * (SIZE // 10) * 8
    assert notebook["x"]["d"].tolist() == [each + 4.5 for each in range(SIZE // 10)]


def test_only_what_differs_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def counted(blob: ChunkedBlob, numbers: list[int], target: memoryview) -> None:
        read.extend(numbers)
        through(blob, numbers, target)

    notebook = made(filled("x = np.arange(%d)"), "x = [np.concatenate([x[:1_000_000], np.zeros(1_000_000, x.dtype)])]")
    through = ChunkedBlob.read_parts
    monkeypatch.setattr(ChunkedBlob, "read_parts", counted)
    notebook.session.undo(1)
    assert (notebook["x"] == numpy.arange(SIZE)).all()
    assert read == [*range(7, 16)]  # of 16 chunks; one is of both halves


@pytest.mark.parametrize("begins", ["x = np.arange(%d)", "x = np.arange(%d).reshape(-1, 10)"])
@pytest.mark.parametrize("changes", ["x = x[5:]", "x = x.reshape(2, -1)", "x = x[::-1]", "x = [x]"])
def test_an_array_owns_its_memory_afterwards(begins: str, changes: str) -> None:
    """Else the user could not resize it."""
    notebook = made(filled(begins), changes)
    notebook.session.undo(1)
    assert notebook["x"].flags.owndata
    notebook.ok("x.resize(17, refcheck=False)")
    notebook.session.undo(1)
    notebook.session.redo(1)
    assert notebook["x"].tolist() == [*range(17)]


@pytest.mark.parametrize("case", MADE_ANEW)
def test_what_somebody_else_holds_is_copied(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "this_holds", None)
    notebook = made(filled(FRAME), MADE_ANEW[case])
    states = there_and_back(notebook, "x['d'] = 0.0")
    held = sys.modules["this_holds"].x
    notebook.ok("x.loc[:, :] = -1.0")
    assert (numpy.asarray(held) >= 0).all()
    notebook.session.undo(1)
    assert digest_of(notebook) == states[0]


def test_an_old_frame_that_a_thread_works_with_keeps_what_it_has() -> None:
    notebook = made(filled(FRAME))
    notebook.ok("go = threading.Event()\ndef work():\n    mine = x\n    go.wait(60)\n    mine.iloc[3, 3] = -5.0")
    notebook.ok("x['d'] = 0.0")
    worker = threading.Thread(target=notebook["work"])
    worker.start()
    try:
        notebook.session.undo(1)
    finally:
        notebook["go"].set()
        worker.join()
    assert notebook["x"].iloc[3, 3] == 7.5


def test_a_change_that_nobody_saw_is_not_taken_for_what_is_stored() -> None:
    notebook = made(filled(FRAME))
    before = digest_of(notebook)
    notebook.ok("x['d'] = 0.0")
    block = notebook["x"]["a"].array._ndarray
    owner = block.base
    assert owner.shape[0] == 10
    owner[3, 7] = -3  # where the column was: nothing shows that memory
    del block, owner
    notebook.session.undo(1)
    assert digest_of(notebook) == before


def test_the_present_state_stays_whole_where_the_head_cannot_move(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = made(filled(FRAME), "x['d'] = 0.0")
    notebook.session.flush()
    before = digest_of(notebook)

    def refuse(*_: Any) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(notebook.session.timeline, "move", refuse)
        with pytest.raises(StoreError):
            notebook.session.undo(1)
    assert digest_of(notebook) == before
    notebook.ok("x['a'] = 3.0")
    notebook.session.undo(1)
    assert digest_of(notebook) == before


def test_a_small_part_does_not_keep_the_rest_alive() -> None:
    notebook = made("x = np.arange(200_000)", "x = [np.concatenate([x, np.arange(1_800_000)])]")
    notebook.session.undo(1)
    assert notebook["x"].base is None
    assert notebook["x"].tolist() == [*range(200_000)]


def test_no_zero_is_taken_twice() -> None:
    """Chunks that are equal lie in one place, which is given to one of them."""
    notebook = made(filled("x = [np.zeros(%d), np.zeros(%d)]"), "x = (*x, 1)")
    notebook.session.undo(1)
    one, other = notebook["x"]
    one[5] = 7
    assert other[5] == 0
    assert all_are(notebook, "x[1]", 0)
    assert live_memory.LEAST_BYTES <= 8 * SIZE


@pytest.mark.parametrize("begins", ["np.arange(%d).reshape(100, 200, -1)", "np.arange(%d * 1.0).reshape(100, 200, -1)"])
def test_memory_whose_axes_lie_in_another_order(begins: str) -> None:
    notebook = made(filled(f"x = {begins}.transpose(1, 0, 2).copy(order='K')"))
    assert not notebook["x"].flags.forc
    there_and_back(notebook, "x = [x, 1]")
    there_and_back(notebook, "x = x[:, 5:]")


@lazy
@pytest.mark.parametrize(
    "begins",
    [FRAME, "x = pd.Series(np.arange(%d))", FRAME.replace("1.5 * k", "k").replace(".copy()", ".astype('M8[s]')")],
)
@pytest.mark.parametrize(
    "changes", ["x = [x, x[10:]]", "y = x[3:]", "x = x[131_072:]", "x = {'a': x, 'b': x.copy(deep=False)}"]
)
def test_frames_over_the_same_blocks(begins: str, changes: str) -> None:
    """To encode them makes arrays, which are gone afterwards: they are none of the memory that the session has."""
    notebook = made(filled(begins))
    for change in (changes, "x = [x, 2]", "x = x[0]"):
        states = [values(notebook["x"])]
        notebook.ok(change)
        states.append(values(notebook["x"]))
        for there in (0, 1, 0, 1):
            (notebook.session.undo if there == 0 else notebook.session.redo)(1)
            assert values(notebook["x"]) == states[there]


def values(obj: Any) -> Any:
    if isinstance(obj, (list, dict)):
        return [*map(values, obj.values() if isinstance(obj, dict) else obj)]
    return obj if isinstance(obj, int) else int(pandas.util.hash_pandas_object(obj).sum())
