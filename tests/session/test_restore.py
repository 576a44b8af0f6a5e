"""Everything that a checkout needs, in hand or not at all."""

from __future__ import annotations

import contextlib
import logging
import sys
from types import FrameType
from typing import Any

import pytest

from kishu_kernel.errors import CheckoutError, LostError, UntrustedError
from kishu_kernel.history.graph import state_at
from kishu_kernel.model import CheckpointId, Plan, Version
from kishu_kernel.objects.ambient_state import Provider
from kishu_kernel.session import namespace, restore
from kishu_kernel.session.progress import Progress, ProgressReporter
from kishu_kernel.session.rerun import Rerun, RestoredObjects
from kishu_kernel.store.base import ReadProgress, StoredPayload
from tests.support.harness import FailingStore, Notebook
from tests.support.soak import each


class DoubtfulStore(FailingStore):
    """Cannot show who wrote some of its versions."""

    def __init__(self) -> None:
        super().__init__()
        self.doubtful: set[str] = set()

    def load(self, version: Version, on_read: ReadProgress | None = None) -> StoredPayload:
        if not self.doubtful.isdisjoint(version.names):
            raise UntrustedError(f"{', '.join(version.names)}: somebody else may have written it")
        return super().load(version, on_read)


def obtain(
    notebook: Notebook, target: str, *, allow_lost: bool = False, progress: ProgressReporter | None = None
) -> tuple[Plan, RestoredObjects]:
    timeline = notebook.session.timeline
    here = state_at(timeline.lookup, timeline.head)
    ambient = notebook.session._ledger.ambient.move(timeline.lookup, CheckpointId(target))
    obtaining = notebook.session._checkouts._restorer.obtain
    return obtaining(timeline, here, CheckpointId(target), "auto", ambient, allow_lost=allow_lost, progress=progress)


def travelled() -> tuple[Notebook, str]:
    """A notebook in which going back takes loads and re-runs of two cells, one after the other."""
    notebook = Notebook()
    notebook.ok("a = [1, 2]\nb = {'k': 3}")
    notebook.ok("gen = (each for each in a)")
    target = notebook.ok("c = [next(gen)]\nmore = (each for each in c)\nlen(c)").id
    notebook.ok("a, b, gen, c, more = [4], 5, 6, 7, 8\nnew = 9")
    return notebook, target


# -- how far it is -----------------------------------------------------------------------------------------


def test_loads_are_told_in_bytes_and_arrive_whole() -> None:
    notebook = Notebook()
    target = notebook.ok("import numpy as np\nx = np.arange(500_000.0)\ny = [str(n) for n in range(10_000)]").id
    notebook.ok("x = y = None")
    told: list[Progress] = []
    clock = iter(range(10**6)).__next__
    obtain(notebook, target, progress=ProgressReporter(told.append, clock))
    assert told[0].what == "loading"
    assert told[0].total_bytes > 4_000_000
    done = [each.done_bytes for each in told]
    assert done == sorted(done)
    assert done[-1] == told[-1].total_bytes


def test_reruns_are_told_by_step() -> None:
    notebook, target = travelled()
    told: list[Progress] = []
    clock = iter(range(10**6)).__next__
    plan, _ = obtain(notebook, target, progress=ProgressReporter(told.append, clock))
    assert len(plan.replay) > 1
    steps = [each.step for each in told if each.what == "re-running"]
    assert sorted(set(steps)) == list(range(1, len(plan.replay) + 1))
    assert {each.steps for each in told} == {len(plan.replay)}


# -- interrupts --------------------------------------------------------------------------------------------


class Interrupt:
    """Interrupts at the n-th event of the traced modules: the start of a function, a line, a return.

    Not where an exception is handled: what a tracer raises at a `return` in an `except` leaves that exception handled
    for good (Python 3.11 to 3.13), with all that its traceback holds.
    """

    FILES = frozenset({restore.__file__, namespace.__file__, contextlib.__file__})

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in self.FILES:
            return None
        if event != "exception" and sys.exc_info()[1] is None:
            self.left -= 1
            if self.left < 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self


@each("step", (5, 2), 1)
def test_wherever_it_is_interrupted_nothing_has_changed(step: int) -> None:
    """At each fifth place, and as a soak at each second one."""
    notebook, target = travelled()
    notebook.ok("'shown'")
    live, out = dict(notebook.live), dict(notebook["Out"])
    tracing = sys.gettrace()
    interrupted = 0
    while True:
        try:
            sys.settrace(Interrupt(interrupted))
            obtain(notebook, target)
            break
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(tracing)
        interrupted += step
        assert dict(notebook.live) == live, interrupted
        assert all(notebook.live[name] is obj for name, obj in live.items())
        assert notebook["Out"] == out
        assert not notebook.session.rerunning
        assert not any("handle" in vars(each) for each in logging.root.handlers), "they are silent"
    assert interrupted > 100
    assert notebook.session.checkout(target).applied
    assert notebook["c"] == [1]


def test_an_interrupt_of_the_cell_that_is_rerun() -> None:
    notebook, target = travelled()
    before = notebook.identities()

    def interrupted(code: str, number: int | None) -> Rerun:
        raise KeyboardInterrupt

    notebook.rerunner = interrupted
    with pytest.raises(KeyboardInterrupt):
        notebook.session.checkout(target)
    assert notebook.identities() == before
    notebook.rerunner = notebook._execute
    assert notebook.session.checkout(target).applied


# -- what somebody else may have written -------------------------------------------------------------------


def test_what_cannot_be_trusted_is_lost_and_not_rerun() -> None:
    store = DoubtfulStore()
    notebook = Notebook(store=store)
    target = notebook.ok("x = [1]").id
    notebook.ok("y = [x]")
    notebook.ok("x, y = 2, 3")
    store.doubtful = {"x"}
    with pytest.raises(LostError, match=r"x \(somebody else may have written it"):
        notebook.session.checkout(target)
    assert notebook.reran == []
    assert (notebook["x"], notebook["y"]) == (2, 3)


def test_what_came_with_it_is_doubted_too() -> None:
    store = DoubtfulStore()
    notebook = Notebook(store=store)
    notebook.ok("a = [0]")
    target = notebook.ok("b = [1]\nx = [2]").id
    notebook.ok("a, b, x = 3, 4, 5")
    store.doubtful = {"x"}
    plan, found = obtain(notebook, target, allow_lost=True)
    assert [version.names for version in found] == [("a",)]
    assert {lost.version.names for lost in plan.lost} == {("b",), ("x",)}
    assert notebook.reran == []


def test_what_a_rerun_would_need_of_it_is_doubted_too() -> None:
    store = DoubtfulStore()
    notebook = Notebook(store=store)
    notebook.ok("x = [1]")
    target = notebook.ok("gen = (each for each in list(x))").id
    notebook.ok("x = gen = None")
    store.doubtful = {"x"}
    with pytest.raises(CheckoutError):
        notebook.session.checkout(target)
    assert notebook.reran == []


def test_what_was_split_off_is_made_anew_with_what_it_was_split_from() -> None:
    notebook = Notebook()
    notebook.ok("a = b = (n for n in range(3))")
    notebook.ok("a = (n for n in range(5))")
    notebook.ok("del b")
    notebook.session.undo()
    assert len(notebook.reran) == 2
    notebook.ok("left = list(b), list(a)")
    assert notebook["left"] == ([0, 1, 2], [0, 1, 2, 3, 4])


def test_a_load_that_failed_is_tried_again() -> None:
    """What it lacked may be there now, though the session has not moved."""
    notebook = Notebook()
    made = notebook.ok("# kishu: no-replay\nx = [1]")
    notebook.ok("x = 2")
    notebook.store.broken = {Version(("x",), made.id)}
    with pytest.raises(LostError):
        notebook.session.undo()
    assert notebook.session.undo(dry_run=True).plan.lost
    notebook.store.broken = set()
    assert notebook.session.undo().plan.lost == ()
    assert notebook["x"] == [1]


def test_a_dry_run_loads_nothing() -> None:
    notebook, target = travelled()
    assert isinstance(notebook.store, FailingStore)
    notebook.store.loaded.clear()
    assert notebook.session.checkout(target, dry_run=True).plan.load
    notebook.session.undo(dry_run=True)
    assert notebook.store.loaded == []
    assert notebook.reran == []


def test_what_another_provider_raises_at_the_end_of_a_rerun_leaves_no_handler_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_: Provider) -> None:
        raise ValueError

    notebook, target = travelled()
    monkeypatch.setattr(Provider, "end_rerun", broken)
    assert notebook.session.checkout(target).applied
    assert notebook["c"] == [1]
    assert not any("handle" in vars(each) for each in logging.root.handlers)
