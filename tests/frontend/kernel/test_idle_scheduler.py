"""When a kernel has rested for a while it gets ready for the first checkout: once, and not while cells are run."""

from __future__ import annotations

import asyncio

import pytest

from kishu_kernel.frontend.kernel import idle_scheduler
from kishu_kernel.frontend.kernel.idle_scheduler import IdleScheduler


@pytest.fixture
def happened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(idle_scheduler, "AFTER_REPLY", 0.0)
    monkeypatch.setattr(idle_scheduler, "AFTER_MESSAGE", 0.0)
    monkeypatch.setattr(idle_scheduler, "REST", 0.001)
    return []


def test_it_gets_ready_until_it_is_when_there_is_nothing_more_to_think_of(happened: list[str]) -> None:
    waits = iter([0.0, 0.0, None, None, None])
    needed = iter([False, True])

    def think(_: object) -> float | None:
        happened.append("think")
        return next(waits)

    async def rest() -> None:
        ready = asyncio.Event()

        def get_ready() -> bool:
            happened.append("ready")
            ready.set()
            return next(needed)

        scheduler = IdleScheduler(think, get_ready)
        scheduler.begin()
        await ready.wait()
        ready.clear()
        scheduler.begin()  # another cell
        await ready.wait()
        scheduler.begin()
        while len(happened) < 7:
            await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(rest(), 10))
    assert happened == ["think", "think", "think", "ready", "think", "ready", "think"]


def test_a_message_or_a_cell_puts_it_off(happened: list[str]) -> None:
    async def work() -> None:
        ready = asyncio.Event()

        def get_ready() -> bool:
            happened.append("ready")
            ready.set()
            return True

        scheduler = IdleScheduler(lambda _: happened.append("think"), get_ready)
        scheduler.begin()
        while not happened:
            await asyncio.sleep(0)
        scheduler.begin()
        while len(happened) < 2:
            await asyncio.sleep(0)
        scheduler.hurry()
        await ready.wait()

    asyncio.run(asyncio.wait_for(work(), 10))
    assert happened == ["think", "think", "ready"]


def test_what_goes_wrong_is_met_by_who_needs_it(happened: list[str]) -> None:
    async def rest() -> None:
        tried = asyncio.Event()

        def fail() -> bool:
            tried.set()
            raise ImportError

        IdleScheduler(lambda _: None, fail).begin()
        await tried.wait()
        await asyncio.sleep(0.002)

    failures: list[object] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        await rest()

    asyncio.run(asyncio.wait_for(watched(), 10))
    assert failures == []
