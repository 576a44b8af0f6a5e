"""How far something is, told now and then."""

from __future__ import annotations

import threading
import time

import pytest

from kishu_kernel.session import progress
from kishu_kernel.session.progress import Progress, ProgressReporter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def told() -> list[Progress]:
    return []


@pytest.fixture
def reporter(clock: Clock, told: list[Progress]) -> ProgressReporter:
    return ProgressReporter(told.append, clock)


def test_what_takes_less_than_a_second_is_not_told(
    reporter: ProgressReporter, clock: Clock, told: list[Progress]
) -> None:
    reporter.plan(1000)
    for _ in range(9):
        clock.now += 0.1
        reporter.add_loaded(100)
    assert told == []


def test_bytes_and_time_left(reporter: ProgressReporter, clock: Clock, told: list[Progress]) -> None:
    reporter.plan(4000)
    clock.now += 2
    reporter.add_loaded(1000)
    assert told == [Progress("loading", 1000, 4000, 0, 0, 6.0)]


def test_five_times_a_second_at_most(reporter: ProgressReporter, clock: Clock, told: list[Progress]) -> None:
    reporter.plan(10_000)
    for _ in range(3000):
        clock.now += 0.001
        reporter.add_loaded(1)
    assert 9 <= len(told) <= 11
    assert told[-1].done_bytes > told[0].done_bytes


def test_a_cell_that_took_long_is_told_at_once(reporter: ProgressReporter, clock: Clock, told: list[Progress]) -> None:
    reporter.plan(0, [30.0, 0.1])
    with reporter.cell(0):
        assert told == [Progress("re-running", 0, 0, 1, 2, 30.1)]
        clock.now += 10
        reporter.tick()
        assert told[-1].seconds_left == pytest.approx(20.1)
        clock.now += 100
        reporter.tick()  # it takes longer than it took: nobody knows how long
        assert told[-1].seconds_left == pytest.approx(0.1)
    clock.now += 1
    with reporter.cell(1):
        assert told[-1] == Progress("re-running", 0, 0, 2, 2, pytest.approx(0.1))


def test_a_cell_that_was_short_is_told_when_it_takes_long_now(
    reporter: ProgressReporter, clock: Clock, told: list[Progress], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "TICK", 0.005)
    reporter.plan(0, [0.1])
    with reporter.cell(0):
        time.sleep(0.05)
        assert told == []
        clock.now += 5
        deadline = time.monotonic() + 20
        while not told and time.monotonic() < deadline:
            time.sleep(0.005)
    assert [(each.what, each.step) for each in told] == [("re-running", 1)]
    told.clear()
    clock.now += 5
    time.sleep(0.05)
    assert told == []  # nobody ticks any more


def test_loads_between_cells_count_at_the_speed_of_loads(
    reporter: ProgressReporter, clock: Clock, told: list[Progress]
) -> None:
    reporter.plan(3000, [10.0, 7.0])
    clock.now += 1
    reporter.add_loaded(1000)
    with reporter.cell(0):
        clock.now += 50
    reporter.add_loaded(500)
    assert told[-1] == Progress("loading", 1500, 3000, 1, 2, pytest.approx(1 + 7))


def test_a_new_plan_forgets_nothing_that_was_done(
    reporter: ProgressReporter, clock: Clock, told: list[Progress]
) -> None:
    reporter.plan(2000)
    reporter.add_loaded(1000)
    reporter.plan(500, [3.0])
    clock.now += 2
    reporter.add_loaded(250)
    assert told == [Progress("loading", 1250, 1500, 0, 1, pytest.approx(2 * 250 / 1250 + 3))]


def test_more_bytes_than_planned_are_not_told(reporter: ProgressReporter, clock: Clock, told: list[Progress]) -> None:
    reporter.plan(100)
    clock.now += 2
    reporter.add_loaded(150)
    assert told == [Progress("loading", 100, 100, 0, 0, 0.0)]


def test_whoever_fails_to_show_it_is_not_asked_again(clock: Clock) -> None:
    asked = []

    def show(progress: Progress) -> None:
        asked.append(progress)
        raise OSError("the frontend is gone")

    reporter = ProgressReporter(show, clock)
    reporter.plan(1000)
    for _ in range(5):
        clock.now += 2
        reporter.add_loaded(1)
    assert len(asked) == 1


def test_an_interrupt_while_it_is_shown_goes_on(clock: Clock) -> None:
    def show(_: Progress) -> None:
        raise KeyboardInterrupt

    reporter = ProgressReporter(show, clock)
    reporter.plan(1000)
    clock.now += 2
    with pytest.raises(KeyboardInterrupt):
        reporter.add_loaded(1)


def test_many_threads(told: list[Progress], clock: Clock) -> None:
    reporter = ProgressReporter(told.append, clock)
    reporter.plan(4 * 5000)
    threads = [threading.Thread(target=lambda: [reporter.add_loaded(1) for _ in range(5000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    clock.now += 2
    reporter.tick()
    assert told[-1].done_bytes == told[-1].total_bytes == 20_000


def test_nobody_to_tell() -> None:
    reporter = ProgressReporter()
    reporter.plan(1000, [100.0])
    before = threading.active_count()
    with reporter.cell(0):
        reporter.add_loaded(500)
        assert threading.active_count() == before
