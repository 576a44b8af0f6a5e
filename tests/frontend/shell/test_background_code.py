"""Code of the notebook that runs outside of cells."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from kishu_kernel.frontend.shell.background_code import BackgroundCode
from kishu_kernel.objects.library import Library
from kishu_kernel.objects.registry import registry


class Sending(Library):
    packages = ("sending",)
    sends = True


@pytest.fixture
def sending(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library is there whose threads send what a cell has given them."""
    monkeypatch.setattr(registry, "_registered", [])
    registry.register(Sending())


def test_what_lasts_is_waited_for_once(sending: None) -> None:
    """It was waited for several times with each cell, a tenth of a second each."""
    namespace: dict[str, Any] = {}
    exec("def notice(): pass", namespace)
    hooked: list[Callable[[], None]] = [namespace["notice"]]
    looks = 0

    def hooks() -> list[Callable[[], None]]:
        nonlocal looks
        looks += 1
        return hooked

    background = BackgroundCode(namespace, hooks)
    assert background.is_running()
    assert looks > 1
    looks = 0
    assert background.is_running()
    assert looks == 1
    hooked.clear()
    assert not background.is_running()
    hooked.append(namespace["notice"])
    looks = 0
    assert background.is_running()
    assert looks > 1


def _keep(log: deque[int], end: threading.Event) -> None:
    end.wait()


class Looking(Library):
    packages = ("looking",)
    quiet_threads = (f"{__name__}._keep",)


def test_a_thread_that_a_library_says_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Dask's, which looks at its own loop all the time: no cell of such a session could be re-run."""
    monkeypatch.setattr(registry, "_registered", [])
    background, end = BackgroundCode({}), threading.Event()
    thread = threading.Thread(target=_keep, kwargs={"log": deque[int](), "end": end})
    thread.start()
    try:
        assert background.is_running()  # it may work on the user's values
        registry.register(Looking())
        assert not background.is_running()
    finally:
        end.set()
        thread.join()
