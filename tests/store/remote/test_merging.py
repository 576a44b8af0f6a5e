"""Many pushes: the manifest stays short, nothing is lost, and what each replica knew is known afterwards."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from kishu_kernel.store import LmdbStore
from kishu_kernel.store.remote import layout, merging
from kishu_kernel.store.remote.clone import clone
from kishu_kernel.store.remote.collect import collect
from kishu_kernel.store.remote.holdings import Holdings, KnownHoldings, digests_at, read_holdings
from kishu_kernel.store.remote.layout import Segment
from kishu_kernel.store.remote.link import remote_of
from kishu_kernel.store.remote.objects import Objects, connect
from kishu_kernel.store.remote.pull import pull
from kishu_kernel.store.remote.push import Pushed, push
from tests.store.values import checkpoint_id

from .remotes import AT_ONCE, Failing, Interrupted, add, memory_remote, push_at_once, values


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "TOGETHER", 4)


def known_rows(path: Path, remote: Objects) -> int:
    """Of how many rows a store knows what the remote held when it saw it last."""
    link = remote_of(path)
    assert link is not None
    assert len(link.segments) <= 12
    return len(digests_at(link.segments, read_holdings(remote, None)))


def test_the_manifest_stays_short_and_clones_are_the_history(tmp_path: Path) -> None:
    here, remote = tmp_path / "here", memory_remote()
    for number in range(1, 22):
        add(here, number, data=b"%d" % number * 100)
        push(here, remote)
    assert len(read_holdings(remote, None).segments) < 8
    counted = Failing(remote)
    clone(counted, tmp_path / "there")
    assert counted.calls < 60
    assert values(tmp_path / "there") == values(here)
    assert push(here, remote) == Pushed()
    swept = collect(remote, **AT_ONCE)
    assert swept.removed > len([*remote.list("writes/")])
    clone(remote, tmp_path / "after")
    assert values(tmp_path / "after") == values(here)


def test_packs_that_are_named_by_their_bytes_are_merged_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As earlier versions named them; and what was exchanged goes into no other pack."""
    here, remote = tmp_path / "here", memory_remote()
    with monkeypatch.context() as earlier:
        earlier.setattr(layout, "named_pack", layout.named)
        for number in range(1, 4):
            add(here, number)
            push(here, remote)
    [*_, exchanged] = [name for segment in read_holdings(remote, None).segments.values() for name in segment.packs]
    whole = remote.get(exchanged)
    for content, merged in ((bytes(len(whole)), False), (whole, True)):
        remote.put(exchanged, content)
        add(here, number := number + 1)
        push(here, remote)
        add(here, number := number + 1)
        push(here, remote)
        assert (len(read_holdings(remote, None).segments) < 5) == merged
    clone(remote, tmp_path / "there")
    assert values(tmp_path / "there") == values(here)


def test_what_is_known_of_a_remote_grows_into_what_it_holds(tmp_path: Path) -> None:
    here, there, remote, known = tmp_path / "here", tmp_path / "there", memory_remote(), KnownHoldings()
    first = None
    for number in range(1, 23):
        add(here, number, data=b"%d" % number * 100)
        if number % 5 == 0:
            store = LmdbStore(here)
            store.amend(replace(store.checkpoint(checkpoint_id(number - 3)), message=str(number)), {})
            store.close()
        assert push(here, remote, known=known).checkpoints
        assert known.last == read_holdings(remote, None)
        first = first or known.last
        assert known.last is first  # nothing was copied
    collect(remote, **AT_ONCE)
    clone(remote, there)
    add(there, 23, branch="other")
    push(there, remote)
    add(here, 24, parent=22)
    push(here, remote, known=known)
    assert known.last == read_holdings(remote, None)


def test_what_is_known_grows_by_what_others_have_added(tmp_path: Path) -> None:
    here, there, remote, known = tmp_path / "here", tmp_path / "there", memory_remote(), KnownHoldings()
    add(here, 1)
    push(here, remote, known=known)
    first = known.last
    clone(remote, there)
    add(there, 2, branch="other")
    push(there, remote)
    add(here, 3, parent=1)
    push(here, remote, known=known)
    assert known.last == read_holdings(remote, None)
    assert known.last is first
    store = LmdbStore(there)
    store.amend(replace(store.checkpoint(checkpoint_id(1)), message="theirs"), {})
    store.close()
    push(there, remote)
    assert push(here, remote, known=known) == Pushed()
    assert known.last == read_holdings(remote, None)
    assert known.last is not first  # what was found out of rows that were there does not hold any more


def test_who_was_interrupted_as_he_learned_reads_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, remote, known = tmp_path / "here", memory_remote(), KnownHoldings()
    add(here, 1)
    push(here, remote, known=known)
    for number in range(2, 12):
        add(here, number)
        with monkeypatch.context() as interrupt:
            interrupt.setattr(Holdings, "add", half_added)
            with pytest.raises(KeyboardInterrupt):
                push(here, remote, known=known)
        push(here, remote, known=known)
        assert known.last == read_holdings(remote, None)
        assert push(here, remote) == Pushed()
    clone(remote, tmp_path / "there")
    assert values(tmp_path / "there") == values(here)


def half_added(self: Holdings, name: str, segment: Segment) -> None:
    self.segments[name] = segment
    self.chunks.clear()
    raise KeyboardInterrupt


def test_a_failed_push_adds_nothing_to_what_is_known(tmp_path: Path) -> None:
    here, remote, known = tmp_path / "here", memory_remote(), KnownHoldings()
    add(here, 1)
    push(here, remote, known=known)
    for at, heard in itertools.product(range(1, 20), (True, False)):
        add(here, 2 * at + heard, parent=1)
        before = read_holdings(remote, None)
        try:
            push(here, Failing(remote, at, heard), known=known)
        except Interrupted:
            assert known.last == before
        else:
            assert known.last == read_holdings(remote, None)
        push(here, remote, known=known)
        assert known.last == read_holdings(remote, None)
        assert push(here, remote) == Pushed()


def test_two_who_know_a_remote_together_know_it_one_at_a_time(tmp_path: Path) -> None:
    here, there, remote, known = tmp_path / "here", tmp_path / "there", memory_remote(), KnownHoldings()
    add(here, 1)
    push(here, remote, known=known)
    clone(remote, there)
    for number in range(2, 20, 2):
        add(here, number, parent=1, branch=f"here-{number}")
        add(there, number + 1, parent=1, branch=f"there-{number}")
        assert push_at_once([here, there], remote, known) == []
        for path in (here, there):
            assert push(path, remote, known=known) == Pushed()
            assert push(path, remote) == Pushed()
    assert known.last == read_holdings(remote, None)
    clone(remote, tmp_path / "after")
    assert len(values(tmp_path / "after")) == 19


def test_several_who_push_one_store_at_once_are_one(tmp_path: Path) -> None:
    """The couriers of two kernels of one notebook, or of one that ends and the next."""
    here, remote = tmp_path / "here", memory_remote()
    for number in range(1, 7):
        add(here, number)
        assert push_at_once([here, here, here], remote) == []
    assert push(here, remote) == Pushed()
    holdings = read_holdings(remote, None)
    assert len(holdings.manifest.replicas) == 1
    assert known_rows(here, remote) == len(holdings.rows)


def test_what_each_knew_before_is_known_after_others_have_merged(tmp_path: Path) -> None:
    here, there, remote = tmp_path / "here", tmp_path / "there", memory_remote()
    for number in (1, 2, 3):
        add(here, number)
        push(here, remote)
    clone(remote, there)
    rows = known_rows(there, remote)
    for number in range(4, 16):
        add(here, number)
        push(here, remote)
    assert known_rows(there, remote) == rows > 0
    store = LmdbStore(there)
    store.amend(replace(store.checkpoint(checkpoint_id(2)), message="mine"), {})
    store.close()
    store = LmdbStore(here)
    store.amend(replace(store.checkpoint(checkpoint_id(3)), message="yours"), {})
    store.close()
    for path in (here, there, here):
        push(path, remote)
        pull(path, remote)
    assert values(here) == values(there)
    assert values(here)[checkpoint_id(2)][2] == "mine"  # type: ignore[index]
    assert values(here)[checkpoint_id(3)][2] == "yours"  # type: ignore[index]


def test_a_push_that_merges_and_is_interrupted_anywhere_is_all_or_nothing(tmp_path: Path) -> None:
    path, there = tmp_path / "store", tmp_path / "remote"
    remote = connect(there.as_uri())
    for number in (1, 2, 3, 4):
        add(path, number)
        push(path, remote)
    add(path, 5)
    shutil.copytree(tmp_path, tmp_path / "before")
    at, ended = 0, False
    while not ended:
        at += 1
        for each in (path, there):
            shutil.rmtree(each)
            shutil.copytree(tmp_path / "before" / each.name, each)
        try:
            push(path, Failing(remote, at, heard=bool(at % 2)))
            ended = True
        except Interrupted:
            pass
        clone(remote, tmp_path / f"seen-{at}")
        assert len(values(tmp_path / f"seen-{at}")) in (4, 5)
        push(path, remote)
        assert push(path, remote) == Pushed()
        clone(remote, tmp_path / f"after-{at}")
        assert values(tmp_path / f"after-{at}") == values(path)
    assert at > 15
