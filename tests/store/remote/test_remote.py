"""A history goes to a remote and comes back: whole, whatever happens on the way, and whoever else pushes."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from lmdb import Transaction

from kishu_kernel.errors import RemoteError, StoreError, StoreFormatError, UntrustedError
from kishu_kernel.model import Version
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.disk import environment_pool
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.signing import Signer
from kishu_kernel.store.maintenance.fsck import check
from kishu_kernel.store.maintenance.trust import trust
from kishu_kernel.store.remote import layout
from kishu_kernel.store.remote.clone import clone
from kishu_kernel.store.remote.collect import collect
from kishu_kernel.store.remote.holdings import read_holdings
from kishu_kernel.store.remote.layout import Segment, named
from kishu_kernel.store.remote.objects import Objects, connect
from kishu_kernel.store.remote.pull import Pulled, pull
from kishu_kernel.store.remote.push import Pushed, push
from tests.store.values import checkpoint_id

from .remotes import AT_ONCE, Failing, Interrupted, add, memory_remote, noise, push_at_once, refs, values

OTHER = Signer(b"o" * 32)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A store of two states."""
    path = tmp_path / "here"
    add(path, 1)
    add(path, 2)
    return path


@pytest.fixture
def remote() -> Objects:
    return memory_remote()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda name: monkeypatch.setattr(socket, "gethostname", lambda: name)


# --- there and back


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_clone_is_the_history(here: Path, tmp_path: Path, kind: str) -> None:
    remote = memory_remote() if kind == "memory" else connect((tmp_path / "remote").as_uri())
    assert (push(here, remote).checkpoints, clone(remote, tmp_path / "there").checkpoints) == (2, 2)
    assert values(tmp_path / "there") == values(here)
    assert refs(tmp_path / "there") == refs(here)


def test_only_what_is_missing_travels(here: Path, tmp_path: Path, remote: Objects) -> None:
    large = noise(7, 20 << 20)
    add(here, 3, data=large)
    push(here, remote)
    clone(remote, tmp_path / "there")
    add(here, 4, data=large[:-1] + b"!")
    counted = Failing(remote)
    sent = push(here, counted)
    assert (sent.checkpoints, sent.versions) == (1, 1)
    assert counted.sent == sent.bytes < 2 << 20
    assert push(here, remote) == Pushed()
    got = pull(tmp_path / "there", remote)
    assert (got.checkpoints, got.versions) == (1, 1)
    assert got.bytes < 2 << 20
    assert pull(tmp_path / "there", remote) == Pulled()
    assert values(tmp_path / "there") == values(here)


def test_changes_of_records_travel_and_dropped_values_stay_there(here: Path, tmp_path: Path, remote: Objects) -> None:
    push(here, remote)
    clone(remote, tmp_path / "there")
    store = LmdbStore(here)
    store.collect([Version(("x",), checkpoint_id(1))], reason="it was dropped to save space")
    store.amend(replace(store.checkpoint(checkpoint_id(2)), message="good"), {"tag/good": checkpoint_id(2)})
    store.close()
    push(here, remote)
    before = values(tmp_path / "there")
    pull(tmp_path / "there", remote)
    after = values(tmp_path / "there")
    assert refs(tmp_path / "there")["tag/good"] == checkpoint_id(2)
    assert after[checkpoint_id(2)] == values(here)[checkpoint_id(2)] != before[checkpoint_id(2)]
    assert after[checkpoint_id(1)] == before[checkpoint_id(1)]  # the value is there still
    dropped = values(here)
    pull(here, remote)
    assert values(here) == dropped  # and does not come back to where it was dropped
    assert clone(remote, tmp_path / "third").versions == 2


# --- interrupted


_KILLED = """
import os, signal, sys
from pathlib import Path
from kishu_kernel.store.remote.clone import clone
from kishu_kernel.store.remote.objects import connect
clone(connect(sys.argv[1]), Path(sys.argv[2]), lambda *_: os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_what_a_killed_clone_has_left_goes_with_the_next_one(here: Path, tmp_path: Path) -> None:
    remote, stores = connect((tmp_path / "remote").as_uri()), tmp_path / "stores"
    push(here, remote)
    subprocess.run([sys.executable, "-c", _KILLED, remote.url, str(stores / "there")], check=False)
    [left] = stores.iterdir()
    assert (left / "data.mdb").stat().st_size > 300_000

    def long_ago() -> None:
        for place in stores.glob(".import-*"):
            for each in (*place.iterdir(), place):
                os.utime(each, (time.time() - 3600, time.time() - 3600))

    clone(remote, stores / "one")
    assert left.exists()  # its process may be about to open it

    def another(*_: int) -> None:
        if not (stores / "two").exists():
            long_ago()  # as if this one had waited for the network all the time
            clone(remote, stores / "two")

    clone(remote, stores / "three", another)
    assert sorted(each.name for each in stores.iterdir()) == ["one", "three", "two"]
    assert values(stores / "three") == values(here)


def test_a_clone_for_which_there_is_no_room_leaves_nothing(here: Path, tmp_path: Path, remote: Objects) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    push(here, remote)
    there = tmp_path / "stores" / "there"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limits[1]))
    try:
        with pytest.raises(StoreError, match=f"the store at {re.escape(str(there))} has no room"):
            clone(remote, there)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(there.parent.iterdir()) == []
    clone(remote, there)
    assert values(there) == values(here)


@pytest.mark.parametrize("heard", [True, False], ids=["refused", "answer lost"])
def test_a_push_interrupted_anywhere_is_all_or_nothing(here: Path, tmp_path: Path, heard: bool) -> None:
    at = ended = 0
    while not ended:
        at += 1
        path, remote = tmp_path / f"store-{at}", memory_remote()
        shutil.copytree(here, path)
        push(path, remote)
        first = values(path)
        add(path, 3)
        failing = Failing(remote, at, heard)
        try:
            push(path, failing)
            ended = at
        except Interrupted:
            pass
        clone(remote, tmp_path / f"seen-{at}")
        assert values(tmp_path / f"seen-{at}") in (first, values(path))
        again = push(path, remote)
        assert failing.sent + again.bytes < 1_000_000  # what was sent is not sent once more, nor lost
        clone(remote, tmp_path / f"after-{at}")
        assert values(tmp_path / f"after-{at}") == values(path)
        assert refs(tmp_path / f"after-{at}") == refs(path)
        assert push(path, remote) == Pushed()
    assert ended > 5


def test_the_first_push_whose_answer_got_lost_is_known_again(here: Path, tmp_path: Path) -> None:
    counted = Failing(memory_remote())
    push(here, counted)
    path = tmp_path / "copy"
    add(path, 1)
    remote = memory_remote()
    failed = 0
    for at in range(1, counted.calls + 1):
        try:
            push(path, Failing(remote, at, heard=False))
        except Interrupted:
            failed += 1
    push(path, remote)
    clone(remote, tmp_path / "there")
    assert failed
    assert values(tmp_path / "there") == values(path)


@pytest.mark.parametrize("heard", [True, False], ids=["refused", "answer lost"])
def test_a_pull_interrupted_anywhere_is_all_or_nothing(
    here: Path, tmp_path: Path, remote: Objects, heard: bool
) -> None:
    push(here, remote)
    clone(remote, tmp_path / "there")
    add(here, 3)
    push(here, remote)
    at, before = 0, values(tmp_path / "there")
    while True:
        at += 1
        try:
            pull(tmp_path / "there", Failing(remote, at, heard))
            break
        except Interrupted:
            assert values(tmp_path / "there") == before
        with pytest.raises(Interrupted):
            clone(Failing(remote, at, heard), tmp_path / "clone")
        assert sorted(each.name for each in tmp_path.iterdir()) == ["here", "there"]
    assert at > 4
    assert values(tmp_path / "there") == values(here)


# --- several who write


def test_two_who_go_on_from_one_state_both_keep_their_lines(
    here: Path, tmp_path: Path, remote: Objects, machine: Callable[[str], None]
) -> None:
    machine("laptop")
    push(here, remote)
    machine("cluster-7.example.org")
    there = tmp_path / "there"
    clone(remote, there)
    add(here, 3, parent=2)
    add(there, 4, parent=2)
    push(there, remote)
    push(here, remote)
    pull(here, remote)
    pull(there, remote)
    assert values(here) == values(there)
    assert len(values(here)) == 4
    assert refs(here)["branch/main"] == refs(there)["branch/main@laptop"] == checkpoint_id(3)
    assert refs(there)["branch/main"] == refs(here)["branch/main@cluster-7"] == checkpoint_id(4)
    add(there, 5, parent=4)
    push(there, remote)
    pull(here, remote)
    assert refs(here)["branch/main@cluster-7"] == checkpoint_id(5)
    assert refs(here)["branch/main"] == checkpoint_id(3)
    clone(remote, tmp_path / "third")
    assert {"branch/main", "branch/main@cluster-7"} <= {*refs(tmp_path / "third")} or {
        "branch/main",
        "branch/main@laptop",
    } <= {*refs(tmp_path / "third")}


def test_a_branch_that_went_on_elsewhere_follows_unless_a_kernel_may_stand_on_it(
    here: Path, tmp_path: Path, remote: Objects, machine: Callable[[str], None]
) -> None:
    machine("laptop")
    push(here, remote)
    clone(remote, tmp_path / "there")
    add(tmp_path / "there", 3)
    push(tmp_path / "there", remote)
    before = refs(here)
    shutil.copytree(here, tmp_path / "live")
    assert pull(tmp_path / "live", remote, in_use=True).checkpoints == 1
    assert refs(tmp_path / "live") == {**before, "branch/main@laptop": checkpoint_id(3)}
    assert "branch/main" in pull(here, remote).names
    assert refs(here)["branch/main"] == checkpoint_id(3)
    add(here, 4)
    push(here, remote)
    assert "branch/main" in pull(tmp_path / "there", remote).names
    assert refs(tmp_path / "there")["branch/main"] == checkpoint_id(4)


def test_many_who_push_at_once(here: Path, tmp_path: Path, remote: Objects) -> None:
    push(here, remote)
    places = [tmp_path / f"copy-{number}" for number in range(4)]
    for number, place in enumerate(places):
        clone(remote, place)
        add(place, 10 + number, parent=2, branch=f"line-{number}")
    failures = push_at_once(places, remote)
    assert not failures
    pull(here, remote)
    assert {*values(here)} == {checkpoint_id(number) for number in (1, 2, 10, 11, 12, 13)}
    assert {f"branch/line-{number}" for number in range(4)} <= {*refs(here)}


def test_a_push_during_a_pull_is_not_forgotten(here: Path, tmp_path: Path, remote: Objects) -> None:
    """Two commands at once, of one store: else it would be taken for a copy that another one has pushed from."""
    push(here, remote)
    there = tmp_path / "there"
    clone(remote, there)
    add(here, 3)
    push(here, remote)
    add(there, 4, parent=2, branch="other")
    pushed: list[Pushed] = []
    pull(there, remote, lambda *_: None if pushed else pushed.append(push(there, remote)))
    assert [each.checkpoints for each in pushed] == [1]
    assert push(there, remote) == Pushed()
    assert len(read_holdings(remote, None).manifest.replicas) == 2
    assert {*values(there)} == {checkpoint_id(number) for number in (1, 2, 3, 4)}


def test_a_copied_directory_is_a_replica_of_its_own(here: Path, tmp_path: Path, remote: Objects) -> None:
    push(here, remote)
    shutil.copytree(here, tmp_path / "copy")
    add(here, 3, parent=2, branch="one")
    add(tmp_path / "copy", 4, parent=2, branch="two")
    push(here, remote)
    push(tmp_path / "copy", remote)
    push(here, remote)
    clone(remote, tmp_path / "there")
    assert {"branch/one", "branch/two"} <= {*refs(tmp_path / "there")}


# --- trust


def test_what_another_user_pushed_is_read_and_not_loaded(here: Path, tmp_path: Path, remote: Objects) -> None:
    push(here, remote)
    there = tmp_path / "there"
    clone(remote, there)
    assert [found[-1] for found in values(there, OTHER).values()] == [UntrustedError] * 2  # type: ignore[index]
    trust(there, OTHER)
    assert UntrustedError not in [found[-1] for found in values(there, OTHER).values()]  # type: ignore[index]
    add(there, 3, signer=OTHER)
    push(there, remote)
    mine = values(here)
    pull(here, remote)
    assert {id: values(here)[id] for id in mine} == mine  # his signatures do not replace those of the user here
    assert values(here)[checkpoint_id(3)][-1] is UntrustedError  # type: ignore[index]


def test_what_is_trusted_is_not_replaced_by_what_is_not(here: Path, tmp_path: Path, remote: Objects) -> None:
    push(here, remote)
    there = tmp_path / "there"
    clone(remote, there)
    trust(there, OTHER)
    store = LmdbStore(there, signer=OTHER)
    store.amend(replace(store.checkpoint(checkpoint_id(1)), message="evil", code="evil()"), {})
    store.close()
    push(there, remote)
    before = values(here)
    pull(here, remote)
    assert values(here) == before


# --- what is refused


def _replace(remote: Objects, name: str, change: Callable[[bytes], bytes]) -> None:
    remote.put(name, change(remote.get(name)))


def test_damaged_and_exchanged_objects_are_refused(here: Path, tmp_path: Path, remote: Objects) -> None:
    push(here, remote)
    names = [each.name for each in remote.list("writes/")]
    kept = {name: remote.get(name) for name in names}
    assert len(names) == 4  # a pack, rows, a segment, a manifest
    for name in names:
        for change in (
            lambda data: data[:-1] + bytes([data[-1] ^ 1]),
            lambda data: data[: len(data) // 2],
            lambda _, name=name: kept[next(other for other in names if other != name)],
        ):
            _replace(remote, name, change)
            with pytest.raises(StoreError) as refused:
                clone(remote, tmp_path / "there")
            assert not (tmp_path / "there").exists()
            assert "\n" not in str(refused.value)
            remote.put(name, kept[name])
        remote.delete(name)
        with pytest.raises(RemoteError):
            clone(remote, tmp_path / "there")
        remote.put(name, kept[name])
    clone(remote, tmp_path / "there")


def test_what_claims_to_be_huge_is_not_read(here: Path, tmp_path: Path) -> None:
    remote = connect((tmp_path / "remote").as_uri())
    push(here, remote)
    files = [file for file in (tmp_path / "remote").rglob("*") if file.is_file()]
    for file in sorted(files, key=lambda each: each.stat().st_size)[:-1]:  # of the pack, the largest, parts are read
        before = file.read_bytes()
        os.truncate(file, 3 << 30)  # sparse
        with pytest.raises(RemoteError, match="is larger than it can be"):
            clone(remote, tmp_path / "there")
        file.write_bytes(before)
    name = named("0" * 32, b"")[0]
    segment = Segment(name, {}, {name: (("chunks", b"d" * 16, 0, 3 << 30),)})
    with pytest.raises(RemoteError, match="a segment of the remote is damaged"):
        layout.decode_segment(layout.encode_segment(segment))


def test_an_older_state_of_a_remote_is_told(here: Path, tmp_path: Path, remote: Objects) -> None:
    push(here, remote)
    add(here, 3)
    push(here, remote)
    remote.delete(layout.head_name(2))
    add(here, 4)
    for work in (push, pull):
        with pytest.raises(RemoteError, match="has gone back, or was emptied"):
            work(here, remote)
    remote.delete(layout.head_name(1))
    with pytest.raises(RemoteError, match="has gone back, or was emptied"):
        push(here, remote)


def test_another_history_is_refused(here: Path, tmp_path: Path, remote: Objects) -> None:
    push(here, remote)
    other = tmp_path / "other"
    add(other, 9, parent=0)
    with pytest.raises(RemoteError, match="holds another history: push to another address"):
        push(other, remote)
    with pytest.raises(RemoteError, match="is not that of this history"):
        pull(other, remote)
    with pytest.raises(StoreError, match="there is something at"):
        clone(remote, other)
    assert len(values(other)) == 1


def test_a_newer_format_and_an_empty_place_are_told(tmp_path: Path, here: Path, remote: Objects) -> None:
    with pytest.raises(RemoteError, match="there is no history at memory:///: push one there first"):
        clone(remote, tmp_path / "there")
    for url in ("s3://", "file://rel/x", "s3://te am/x", "", "file://", "file:///"):
        with pytest.raises(RemoteError, match="' is no address of a remote: write s3://"):
            connect(url, make=url != "file://rel/x")
    push(here, remote)
    head = remote.get(layout.head_name(1))
    _replace(remote, layout.head_name(1), lambda data: data[:-9])
    with pytest.raises(RemoteError, match="or have whoever can write there look at heads/0000000001"):
        push(here, remote)
    _replace(remote, layout.head_name(1), lambda _: head)
    _replace(remote, layout.head_name(1), lambda data: data.replace(b'remote":1', b'remote":2'))
    for work in (lambda: push(here, remote), lambda: pull(here, remote), lambda: clone(remote, tmp_path / "there")):
        with pytest.raises(StoreFormatError, match="install a newer kishu-kernel"):
            work()


@pytest.mark.parametrize(
    ("table", "of", "damage", "told"),
    [
        ("checkpoints", 3, lambda value: value.replace(b'"code"', b'"cade"'), "the record of state"),
        ("checkpoints", 2, lambda value: value[:40], "the record of state"),
        ("checkpoints", 3, lambda _: None, "its record"),
        ("outputs", 3, lambda value: b"{" + value, "the outputs of a cell are damaged"),
    ],
)
def test_what_no_pull_would_take_is_not_pushed(
    here: Path, tmp_path: Path, remote: Objects, table: str, of: int, damage: Callable[[bytes], bytes | None], told: str
) -> None:
    """A damaged row would keep everybody from pulling; a repair, and all goes on."""
    push(here, remote)
    add(here, 3)
    store = LmdbStore(here)
    if of == 2:  # so that it would go there once more
        store.amend(replace(store.checkpoint(checkpoint_id(2)), message="good"), {})
    store.close()
    with environment_pool.opened(here) as environment:
        key = schema.checkpoint_key(checkpoint_id(of))

        def work(txn: Transaction[bytes]) -> None:
            changed = damage(bytes(txn.get(key, db=environment.tables[table]) or b""))
            txn.delete(key, db=environment.tables[table])
            if changed is not None:
                txn.put(key, changed, db=environment.tables[table])

        environment.write(work)
    with pytest.raises(StoreError, match=f"cannot be pushed as it is .*{told}.*fsck --repair"):
        push(here, remote)
    clone(remote, tmp_path / "before")
    assert len(values(tmp_path / "before")) == 2
    assert check(here, repair=True).clean
    push(here, remote)
    clone(remote, tmp_path / "after")
    assert len(values(tmp_path / "after")) == 3


def test_a_file_beside_the_heads_is_none(here: Path, tmp_path: Path, remote: Objects) -> None:
    push(here, remote)
    for name in ("heads/copy-of-0000000007", "heads/00000000009", "heads/0000000009.bak"):
        remote.put(name, remote.get(layout.head_name(1)))
    clone(remote, tmp_path / "there")
    assert values(tmp_path / "there") == values(here)


# --- what is not needed


def test_a_collection_removes_what_nothing_names(here: Path, tmp_path: Path, remote: Objects) -> None:
    push(here, remote)
    add(here, 3)
    with pytest.raises(Interrupted):
        push(here, Failing(remote, 7))
    assert collect(remote).removed == 0  # that push may go on
    assert collect(remote, **AT_ONCE, dry_run=True).removed == collect(remote, **AT_ONCE).removed == 1
    assert collect(remote, **AT_ONCE).removed == 1  # the manifest before that of the collection
    clone(remote, tmp_path / "there")
    assert len(values(tmp_path / "there")) == 2


def test_an_object_of_a_clock_that_was_ahead_makes_no_other_old(here: Path, tmp_path: Path) -> None:
    remote = connect((tmp_path / "remote").as_uri())
    push(here, remote)
    ahead = min((tmp_path / "remote" / "writes").rglob("*"), key=lambda path: path.is_dir())
    os.utime(ahead, (0, time.time() + 400 * 86400))
    add(here, 3)
    with pytest.raises(Interrupted):
        push(here, Failing(remote, 7))
    assert collect(remote).removed == 0  # that push may go on
