"""What nobody needs goes from a remote, and nothing else, whoever pushes meanwhile and wherever it is interrupted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kishu_kernel.errors import LoadError, RemoteError
from kishu_kernel.model import Version
from kishu_kernel.session.garbage import needed_by, sorted_by_need
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.remote import layout
from kishu_kernel.store.remote.clone import clone
from kishu_kernel.store.remote.collect import RemoteCollected, collect
from kishu_kernel.store.remote.encrypted_objects import EncryptedObjects
from kishu_kernel.store.remote.holdings import read_holdings
from kishu_kernel.store.remote.link import remote_of, set_remote
from kishu_kernel.store.remote.objects import Objects, connect
from kishu_kernel.store.remote.pull import Pulled, pull
from kishu_kernel.store.remote.push import Pushed, push
from tests.store.values import checkpoint_id

from .remotes import AT_ONCE, Failing, Interrupted, add, memory_remote, name, noise, refs, values


@pytest.fixture
def remote() -> Objects:
    return memory_remote()


@pytest.fixture
def here(tmp_path: Path, remote: Objects) -> Path:
    """A store of six states, each with a value of 300 kB, pushed by and by."""
    for number in range(1, 7):
        add(tmp_path / "here", number)
        push(tmp_path / "here", remote)
    return tmp_path / "here"


def all_that_may(remote: Objects, **how: Any) -> RemoteCollected:
    return collect(remote, None, sorted_by_need, limit=0, **how)


def with_values(path: Path) -> set[int]:
    """The states whose own value can be had."""
    return {int(str(id), 16) for id, found in values(path).items() if not isinstance(found[-1], type)}  # type: ignore[index]


def stored_bytes(remote: Objects) -> int:
    return sum(each.size for each in remote.list("writes/"))


def test_what_somebody_names_stays_and_the_rest_goes(here: Path, tmp_path: Path, remote: Objects) -> None:
    there = tmp_path / "there"
    clone(remote, there)
    name(there, "good", 3)
    push(there, remote)
    before = stored_bytes(remote)
    told = all_that_may(remote, dry_run=True)
    assert stored_bytes(remote) == before
    assert (told.states, told.needed_before // 100_000, told.needed_after // 100_000) == (4, 18, 6)
    assert all_that_may(remote) == told
    assert stored_bytes(remote) > before  # who reads an older head finds it still
    all_that_may(remote, **AT_ONCE)
    assert stored_bytes(remote) < before - 1_100_000
    clone(remote, tmp_path / "third")
    assert with_values(tmp_path / "third") == {3, 6}
    assert values(tmp_path / "third").keys() == values(here).keys()  # all code and outputs are there
    with pytest.raises(LoadError, match="dropped there to save space"):
        LmdbStore(tmp_path / "third").load(Version(("x",), checkpoint_id(1)))


def test_who_has_it_keeps_it_and_does_not_send_it_again(here: Path, tmp_path: Path, remote: Objects) -> None:
    mine = values(here)
    all_that_may(remote, **AT_ONCE)
    all_that_may(remote, **AT_ONCE)
    assert push(here, remote, needed=needed_by) == Pushed()
    assert pull(here, remote) == Pulled()
    assert values(here) == mine
    add(here, 7)
    assert push(here, remote, needed=needed_by).versions == 1
    clone(remote, tmp_path / "there")
    assert with_values(tmp_path / "there") == {6, 7}


def test_what_is_named_again_is_pushed_again(here: Path, tmp_path: Path, remote: Objects) -> None:
    all_that_may(remote, **AT_ONCE)
    name(here, "after all", 2)
    assert push(here, remote, needed=needed_by).versions == 1
    all_that_may(remote, **AT_ONCE)
    clone(remote, tmp_path / "there")
    assert with_values(tmp_path / "there") == {2, 6}
    assert values(tmp_path / "there")[checkpoint_id(2)] == values(here)[checkpoint_id(2)]


def test_who_has_what_another_names_pushes_it_again(here: Path, tmp_path: Path, remote: Objects) -> None:
    all_that_may(remote, **AT_ONCE)
    there = tmp_path / "there"
    clone(remote, there)
    name(there, "I want it", 2)
    push(there, remote, needed=needed_by)
    assert push(here, remote, needed=needed_by).versions == 1
    assert pull(there, remote).versions == 1
    assert with_values(there) == {2, 6}


def test_names_of_this_store_count_before_they_are_pushed(here: Path, tmp_path: Path, remote: Objects) -> None:
    name(here, "not pushed", 4)
    collect(remote, remote_of(here), sorted_by_need, refs(here), 0, **AT_ONCE)
    clone(remote, tmp_path / "there")
    assert with_values(tmp_path / "there") == {4, 6}


def test_a_limit_takes_the_oldest_first_and_no_more(here: Path, tmp_path: Path, remote: Objects) -> None:
    assert collect(remote, None, sorted_by_need).states == 0
    collect(remote, None, sorted_by_need, limit=1_300_000)
    clone(remote, tmp_path / "there")
    found = with_values(tmp_path / "there")
    assert len(found) == 4
    assert 6 in found


def test_a_pack_that_is_half_needed_is_made_anew(tmp_path: Path, remote: Objects) -> None:
    here = tmp_path / "here"
    for number in range(1, 5):
        add(here, number)
    push(here, remote)  # one pack
    name(here, "one", 1)
    push(here, remote)
    assert all_that_may(remote).needed_after < 610_000
    all_that_may(remote, **AT_ONCE)
    assert stored_bytes(remote) < 650_000
    clone(remote, tmp_path / "there")
    assert with_values(tmp_path / "there") == {1, 4}
    assert push(here, remote, needed=needed_by) == Pushed()


@pytest.mark.parametrize("heard", [True, False], ids=["refused", "answer lost"])
def test_interrupted_anywhere_everything_that_is_needed_is_there(here: Path, tmp_path: Path, heard: bool) -> None:
    original = tmp_path / "remote"
    set_remote(here, original.as_uri())
    push(here, connect(original.as_uri()))
    at, ended = 0, False
    while not ended:
        at += 1
        place = tmp_path / f"remote-{at}"
        shutil.copytree(original, place)
        remote = connect(place.as_uri())
        try:
            all_that_may(Failing(remote, at, heard), **AT_ONCE)
            ended = True
        except Interrupted:
            pass
        all_that_may(remote, **AT_ONCE)
        all_that_may(remote, **AT_ONCE)
        clone(remote, tmp_path / f"clone-{at}")
        assert with_values(tmp_path / f"clone-{at}") == {6}
        assert stored_bytes(remote) < 400_000
    assert at > 15


class Meanwhile(Failing):
    """A remote at whose nth call somebody else does something first."""

    def __init__(self, objects: Objects, at: int, do: Callable[[], object]) -> None:
        super().__init__(objects)
        self.at = at
        self.do = do

    def _begin(self) -> bool:
        super()._begin()
        if self.calls == self.at:
            self.do()
        return False


class NoHead(Failing):
    """A remote that goes away when all is sent but the head."""

    def create(self, name: str, data: bytes) -> bool:
        raise Interrupted(name)


@pytest.mark.parametrize("first", ["push", "collect"])
def test_a_push_and_a_collection_at_once_lose_nothing(tmp_path: Path, first: str) -> None:
    """At each call of the one all of the other happens, with all time over: what was sent may be removed at once."""
    here = tmp_path / "here"
    for number in (1, 2, 3):
        add(here, number, data=noise(number, 40_000))
    origin = memory_remote()
    push(here, origin)
    add(here, 4, parent=3, data=noise(1, 40_000))  # its chunks are those of the first value, which nobody needs
    at, ended = 0, False
    while not ended:
        at += 1
        store, remote = tmp_path / f"store-{at}", memory_remote()
        shutil.copytree(here, store)
        for each in (*origin.list("writes/"), *origin.list("heads/")):
            remote.put(each.name, origin.get(each.name))

        def sweep(remote: Objects = remote) -> None:
            all_that_may(remote, **AT_ONCE)
            all_that_may(remote, **AT_ONCE)

        def send(objects: Objects, store: Path = store) -> None:
            push(store, objects, needed=needed_by)

        if first == "push":
            meanwhile = Meanwhile(remote, at, sweep)
            send(meanwhile)
        else:
            with pytest.raises(Interrupted):
                send(NoHead(remote))
            meanwhile = Meanwhile(remote, at, lambda remote=remote, send=send: send(remote))
            all_that_may(meanwhile, **AT_ONCE)
            send(remote)
        ended = meanwhile.calls < at
        sweep()
        clone(remote, tmp_path / f"clone-{at}")
        assert {4} <= with_values(tmp_path / f"clone-{at}") <= {3, 4}
        found = values(tmp_path / f"clone-{at}")
        assert found[checkpoint_id(4)] == values(store)[checkpoint_id(4)]
        assert push(store, remote, needed=needed_by) == Pushed()
    assert at > 8


def test_clocks_that_are_wrong_lose_nothing(tmp_path: Path) -> None:
    """An interrupted push whose objects seem to be years old, as to a remote whose clock jumped: it begins anew."""
    place, here = tmp_path / "remote", tmp_path / "here"
    remote = connect(place.as_uri())
    add(here, 1)
    push(here, remote)
    add(here, 2)
    with pytest.raises(Interrupted):
        push(here, Failing(remote, 8))
    for file in (place / "writes").rglob("*"):
        os.utime(file, (time.time() - 900 * 86400,) * 2)
    other = tmp_path / "other"
    clone(remote, other)
    assert collect(remote).removed  # what the push has sent is gone
    push(here, remote)
    clone(remote, tmp_path / "there")
    assert values(tmp_path / "there") == values(here)
    for file in (place / "writes").rglob("*"):
        os.utime(file, (time.time() + 900 * 86400,) * 2)
    assert collect(remote).removed == 0
    assert read_holdings(remote, None).manifest.sweeps == 1


def test_what_is_told_of_an_empty_place(remote: Objects) -> None:
    with pytest.raises(RemoteError, match="there is no history at"):
        collect(remote, grace=timedelta())


def test_what_one_has_dropped_here_comes_again_from_another(here: Path, tmp_path: Path, remote: Objects) -> None:
    there = tmp_path / "there"
    clone(remote, there)
    all_that_may(remote, **AT_ONCE)
    store = LmdbStore(here)
    store.collect([Version(("x",), checkpoint_id(2))], reason="it was dropped to save space")
    store.close()
    push(here, remote, needed=needed_by)
    name(there, "after all", 2)
    push(there, remote, needed=needed_by)
    clone(remote, tmp_path / "third")
    assert with_values(tmp_path / "third") == {2, 6}
    store = LmdbStore(tmp_path / "third")
    assert all(each.stored for each in store.checkpoint(checkpoint_id(2)).versions)
    store.close()


_KILLED = """
import resource, signal, sys
from kishu_kernel.store.remote.objects import connect
remote = connect(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
remote.put(sys.argv[2], bytes(4 << 20))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limit")
def test_what_a_killed_push_has_left_in_a_directory_goes(tmp_path: Path) -> None:
    """obstore writes beside the name, and shows that in no list."""
    url = (tmp_path / "remote").as_uri()
    remote = connect(url)
    add(tmp_path / "here", 1)
    push(tmp_path / "here", remote)
    killed = subprocess.run([sys.executable, "-c", _KILLED, url, layout.named("1" * 32, b"")[0]], check=False)
    assert killed.returncode == -signal.SIGXFSZ
    left = [each for each in (tmp_path / "remote").rglob("*") if "#" in each.name]
    assert [each.stat().st_size for each in left] == [1 << 20]
    assert len([*EncryptedObjects(remote, b"s" * 32).list("writes/")]) == 1
    assert collect(remote).removed == 0  # it may be under way
    assert collect(remote, **AT_ONCE).removed_bytes >= 1 << 20
    assert not left[0].exists()
    clone(remote, tmp_path / "there")
    assert values(tmp_path / "there") == values(tmp_path / "here")
