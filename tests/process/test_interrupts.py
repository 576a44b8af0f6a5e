"""The stop button: held back where stopping would leave something half done, and at once again after it."""

import signal
from collections.abc import Callable, Iterator

import pytest

from kishu_kernel.process.interrupts import (
    are_kept,
    cell_begins,
    keep_for_cell,
    keep_no_more,
    let_in,
    uninterrupted,
    until_replied,
)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def test_it_is_held_back_during_the_work_only() -> None:
    uninterrupted(press)
    with pytest.raises(KeyboardInterrupt):
        press()


def test_it_is_held_back_from_the_last_step_to_the_end_of_the_answer() -> None:
    with until_replied():
        uninterrupted(press)
        with pytest.raises(KeyboardInterrupt):
            press()
        uninterrupted(press, final_step=True)
        press()
    with pytest.raises(KeyboardInterrupt):
        press()


def test_where_nothing_is_answered_the_last_step_is_as_any_other() -> None:
    uninterrupted(press, final_step=True)
    with pytest.raises(KeyboardInterrupt):
        press()


def test_a_step_that_fails_holds_nothing_back() -> None:
    with until_replied():
        with pytest.raises(ZeroDivisionError):
            uninterrupted(lambda: 1 // 0, final_step=True)
        with pytest.raises(KeyboardInterrupt):
            press()


@pytest.fixture
def asked_for() -> Iterator[None]:
    """A cell is."""
    before = keep_for_cell()
    yield
    signal.signal(signal.SIGINT, before)


def test_one_that_comes_before_the_cell_is_kept_for_it(asked_for: None) -> None:
    press()
    with pytest.raises(KeyboardInterrupt), let_in():
        pytest.fail("the cell ran")
    assert are_kept()
    with let_in():  # what is done after it
        pass


def test_one_that_was_held_back_before_the_cell_is_the_cells(asked_for: None) -> None:
    with let_in():
        uninterrupted(press)
        with pytest.raises(KeyboardInterrupt):
            cell_begins()


def test_one_that_somebody_swallows_before_the_cell_is_the_cells(asked_for: None) -> None:
    with let_in():
        with pytest.raises(KeyboardInterrupt):
            press()
        with pytest.raises(KeyboardInterrupt):
            cell_begins()


def test_code_finds_the_usual_handler(asked_for: None) -> None:
    with let_in():
        cell_begins()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_none_is_kept_from_a_cell_that_runs(asked_for: None) -> None:
    with let_in():
        cell_begins()
        assert keep_for_cell() is None
        with pytest.raises(KeyboardInterrupt):
            press()
    assert are_kept()


def test_none_is_kept_for_a_cell_that_was_cancelled() -> None:
    before = keep_for_cell()
    keep_no_more(before)
    with pytest.raises(KeyboardInterrupt):
        press()


@pytest.mark.parametrize("way", [press, lambda: uninterrupted(press)])
def test_the_next_cell_has_none_of_before(asked_for: None, way: Callable[[], None]) -> None:
    with let_in():
        cell_begins()
        if way is not press:
            way()
    way()
    with let_in():
        cell_begins()
        with pytest.raises(KeyboardInterrupt):
            press()
