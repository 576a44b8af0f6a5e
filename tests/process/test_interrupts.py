"""The stop button: held back where stopping would leave something half done, and at once again after it."""

import signal

import pytest

from kishu_kernel.process.interrupts import answering, uninterrupted


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def test_it_is_held_back_during_the_work_only() -> None:
    uninterrupted(press)
    with pytest.raises(KeyboardInterrupt):
        press()


def test_it_is_held_back_from_the_last_step_to_the_end_of_the_answer() -> None:
    with answering():
        uninterrupted(press)
        with pytest.raises(KeyboardInterrupt):
            press()
        uninterrupted(press, last=True)
        press()
    with pytest.raises(KeyboardInterrupt):
        press()


def test_where_nothing_is_answered_the_last_step_is_as_any_other() -> None:
    uninterrupted(press, last=True)
    with pytest.raises(KeyboardInterrupt):
        press()


def test_a_step_that_fails_holds_nothing_back() -> None:
    with answering():
        with pytest.raises(ZeroDivisionError):
            uninterrupted(lambda: 1 // 0, last=True)
        with pytest.raises(KeyboardInterrupt):
            press()
