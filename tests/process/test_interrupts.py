"""The stop button: held back where stopping would leave something half done, and at once again after it."""

import signal

import pytest

from kishu_kernel.process.interrupts import uninterrupted, until_replied


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
