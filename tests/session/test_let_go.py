"""A checkout lets go of what may run code of the user's (a destructor, a generator to close): not in the new state."""

from __future__ import annotations

import gc
import sys

import pytest

from tests.support.harness import Notebook

MADE = """
log = []
class Held:
    def __del__(self): log.append('gone'); globals()['extra'] = 1
def waiting():
    try: yield
    finally: log.append('closed')
"""


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    made = Notebook.as_main(monkeypatch)
    made.ok(MADE)
    return made


@pytest.mark.parametrize(
    "cell",
    [
        "held = Held()",
        "held = [Held(), Held()]",
        "held = waiting(); next(held)",
        "import weakref\nheld = Held.__new__(type('T', (), {})); end = weakref.finalize(held, log.append, 'end')",
    ],
    ids=["a destructor", "two", "a generator", "a finalizer"],
)
def test_what_goes_changes_nothing_of_the_state_that_comes(notebook: Notebook, cell: str) -> None:
    before = notebook.head
    notebook.ok(cell)
    after, state = notebook.head, notebook.describe()
    for _ in range(2):
        gc.collect()  # who describes holds what he has described, in a cycle
        notebook.session.checkout(str(before))
        assert notebook["log"] == []
        assert "extra" not in notebook.live
        assert "held" not in notebook.live
        assert notebook.head == before
        notebook.session.checkout(str(after), replay="auto")
        assert notebook.describe() == state
    notebook.ok("log.append(1)")
    assert notebook.session.timeline.lookup(notebook.head).modified == ("log",)
    assert notebook.warnings == []


@pytest.mark.parametrize(
    "cell",
    [
        "held = Held(); held.me = held",
        "held, other = Held(), Held(); held.other, other.other = other, held",
        "held = [waiting()]; held.append(held); next(held[0]); other = Held()",
        "import weakref\nclass T: pass\nheld = T(); held.me = held; end = weakref.finalize(held, log.append, 'end')",
    ],
    ids=["itself", "each other", "a generator", "a finalizer"],
)
def test_what_goes_in_a_cycle_changes_nothing_of_the_state_that_came(notebook: Notebook, cell: str) -> None:
    """Python looks for cycles whenever it likes: it was a change of some cell after the checkout."""
    before = notebook.head
    notebook.ok(cell)
    gc.collect()
    notebook.session.checkout(str(before))
    gc.collect()
    assert notebook["log"] == []
    assert "extra" not in notebook.live
    notebook.ok("log.append(1)")
    assert notebook["log"] == [1]
    assert notebook.warnings == []


def test_a_class_that_counts_its_instances(notebook: Notebook) -> None:
    """It is loaded with them: what it came with in between ends without counting."""
    notebook.ok(
        "class R:\n    live, ended = 0, []\n    def __init__(self, n): self.n = n; R.live += 1\n"
        "    def __del__(self): R.live -= 1; R.ended.append(self.n)\na, b = R('a'), R('b')"
    )
    states = {str(notebook.head): (2, [])}
    for cell, expected in {"del a": (1, ["a"]), "b = [R(n) for n in range(3)]": (3, ["a", "b"])}.items():
        notebook.ok(cell)
        states[str(notebook.head)] = expected
    for head in [*states, *reversed(states), *states]:
        notebook.session.checkout(head)
        assert (notebook["R"].live, notebook["R"].ended) == states[head]
    assert notebook.warnings == []


def test_where_nobody_can_look_it_is_told(notebook: Notebook) -> None:
    notebook.ok("seen = (n for n in range(9)); next(seen)")  # in no store
    before = notebook.head
    notebook.ok("class Ends:\n    def __del__(self): next(seen)\nends = Ends()")
    notebook.session.checkout(str(before), replay="auto")
    assert notebook.head == before
    assert [
        each for each in notebook.warnings if each.startswith("seen: perhaps not as it was in this state. Code ran")
    ]


def test_a_profiler_of_the_users_stays(notebook: Notebook) -> None:
    before = notebook.head
    notebook.ok("held = Held()")
    profiler = lambda *_: None  # noqa: E731
    sys.setprofile(profiler)
    try:
        notebook.session.checkout(str(before))
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)
    assert notebook["log"] == []


def test_what_went_in_a_cycle_while_one_went_back(notebook: Notebook) -> None:
    """What an earlier cell has left behind may be found while values are loaded, after all was compared."""
    notebook.ok("held = Held(); held.me = held")
    notebook.ok("value = [[n] for n in range(9)]")
    before = notebook.head
    gc.disable()
    try:
        notebook.ok("held = None; value.append(1)")
        load = notebook.store.load
        notebook.store.load = lambda *asked: [load(*asked), gc.collect()][0]
        notebook.session.checkout(str(before))
    finally:
        gc.enable()
    assert (notebook["log"], len(notebook["value"])) == ([], 9)
    assert "extra" not in notebook.live


def test_what_went_in_a_cycle_before_one_goes_back(notebook: Notebook) -> None:
    """Between two cells, and no code has named what its destructor has changed."""
    notebook.ok("held = Held(); held.me = held")
    before = notebook.head
    notebook.ok("held = None")
    gc.collect()
    assert notebook["log"] == ["gone"]
    notebook.session.undo()
    assert notebook.head == before
    assert notebook["log"] == []
    assert notebook["held"].me is notebook["held"]
