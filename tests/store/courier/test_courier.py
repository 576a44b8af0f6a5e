"""A courier pushes in pauses, stops when a cell begins, tries again, and ends with its kernel."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kishu_kernel.errors import RemoteError
from kishu_kernel.store.courier import courier
from kishu_kernel.store.courier.courier import Courier
from kishu_kernel.store.courier.places import place_of
from kishu_kernel.store.remote.objects import Objects
from kishu_kernel.store.remote.push import push
from tests.store.remote.remotes import Failing, add, memory_remote, values

Json = dict[str, Any]


class KernelSide:
    """What a kernel says and hears."""

    def __init__(self, connecting: Callable[[str], Objects]) -> None:
        self.socket, theirs = socket.socketpair()
        self._heard = self.socket.makefile("rb")
        self.courier = Courier(theirs, connecting)
        self._work = threading.Thread(target=self.courier.serve)
        self._work.start()

    def say(self, **message: Any) -> None:
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def hear(self, key: str) -> Any:
        """The next message of a kind."""
        while key not in (message := json.loads(self._heard.readline())):
            pass
        return message[key]

    def hear_state(self, doing: str) -> Json:
        while (state := self.hear("state"))["doing"] != doing:
            pass
        return dict(state)

    def end(self) -> None:
        self._heard.close()
        self.socket.close()
        self._work.join(30)
        assert not self._work.is_alive()


Start = Callable[[Callable[[str], Objects]], KernelSide]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    monkeypatch.setattr(courier, "QUIET", 0.0)
    monkeypatch.setattr(courier, "FIRST_PAUSE", 0.01)
    started: list[KernelSide] = []

    def starting(connecting: Callable[[str], Objects]) -> KernelSide:
        started.append(KernelSide(connecting))
        return started[-1]

    yield starting
    for each in started:
        each.end()


class Slow(Failing):
    """A remote whose steps take until they may end."""

    def __init__(self, objects: Objects) -> None:
        super().__init__(objects)
        self.began, self.may_end = threading.Event(), threading.Event()

    def exists(self, name: str) -> bool:
        self.began.set()
        assert self.may_end.wait(30)
        return super().exists(name)


def stopped(start: Start, store: Path, remote: Slow) -> KernelSide:
    """A kernel in which a cell began when its courier was in the middle of a push."""
    add(store, 1)
    kernel = start(lambda _: remote)
    kernel.say(go=str(store), url="memory:///")
    assert remote.began.wait(30)
    kernel.say(wait=True)
    while kernel.courier._calm_since is not None:
        time.sleep(0.001)
    remote.may_end.set()  # of the step that was under way
    return kernel


def test_it_takes_no_step_while_a_cell_runs(start: Start, tmp_path: Path) -> None:
    store, remote = tmp_path / "store", Slow(memory_remote())
    kernel = stopped(start, store, remote)
    while not kernel.courier._changed._waiters:  # type: ignore[attr-defined] # it stands at the gate
        time.sleep(0.001)
    assert remote.calls == 3  # whether it is encrypted, which heads there are, and the step
    kernel.say(go=str(store), url="memory:///")
    assert kernel.hear_state("pushed")["error"] is None


def test_a_push_that_a_long_cell_has_stopped_keeps_nobody_else_from_pushing(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "HELD_SECONDS", 0.01)
    store, remote = tmp_path / "store", Slow(memory_remote())
    kernel = stopped(start, store, remote)
    assert push(store, remote).checkpoints == 1
    kernel.say(go=str(store), url="memory:///")
    assert kernel.hear_state("pushed")["error"] is None


def test_what_fails_is_tried_again_and_missing_states_are_named(start: Start, tmp_path: Path) -> None:
    store, remote = tmp_path / "store", memory_remote()
    add(store, 1)
    ways: list[Objects] = [Failing(remote, 3), Failing(remote, 1), remote]
    kernel = start(lambda _: ways.pop(0) if len(ways) > 1 else ways[0])
    kernel.say(go=str(store), url="memory:///", finish=7)
    assert "the network went away" in kernel.hear_state("failed")["error"]
    assert kernel.hear("missing") == list(values(store))
    assert "the network went away" in kernel.hear_state("failed")["error"]
    assert kernel.hear_state("pushed")["error"] is None


def test_what_a_killed_kernel_left_is_pushed(start: Start, tmp_path: Path) -> None:
    store, remote = tmp_path / "store", memory_remote()
    add(store, 1)
    kernel = start(lambda _: remote)
    kernel.say(go=str(store), url="memory:///")
    kernel.hear_state("pushed")
    add(store, 2)
    kernel.end()
    from kishu_kernel.store.remote.clone import clone

    assert clone(remote, tmp_path / "there").checkpoints == 2


def test_where_the_extra_is_missing_it_says_so(start: Start, tmp_path: Path) -> None:
    def refuse(_: str) -> Objects:
        raise RemoteError("a remote needs the extra `remote`: pip install 'kishu-kernel[remote]'")

    store = tmp_path / "store"
    add(store, 1)
    kernel = start(refuse)
    kernel.say(go=str(store), url="s3://bucket/x")
    assert "pip install" in kernel.hear_state("failed")["error"]


def test_a_notebook_has_its_place_by_where_it_lies_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert place_of("s3://b/team/", "/home/ada/work/one more.ipynb") == "s3://b/team/work/one%20more.ipynb"
    assert place_of("s3://b/team", "/srv/x.ipynb") == "s3://b/team/srv/x.ipynb"
    assert place_of("s3://b", "/home/ada/a") != place_of("s3://b", "/home/adam/a")
