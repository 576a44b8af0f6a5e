"""Older, swapped and changed heads in a remote: each is told, and nothing of it is taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kishu_kernel.errors import RemoteError
from kishu_kernel.store.catalog.receive_clone import receive_clone
from kishu_kernel.store.format.signing import KEY_FILE, user_signer
from kishu_kernel.store.format.team import public_line
from kishu_kernel.store.remote import layout
from kishu_kernel.store.remote.clone import clone
from kishu_kernel.store.remote.collect import collect
from kishu_kernel.store.remote.link import remote_of
from kishu_kernel.store.remote.objects import Objects
from kishu_kernel.store.remote.pull import pull
from kishu_kernel.store.remote.push import push
from tests.store.values import checkpoint_id

from .remotes import add, memory_remote, name, refs, values

pytest.importorskip("cryptography", reason="signatures of a team need cryptography")

Be = Callable[..., None]


@pytest.fixture
def be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Be:
    """From now on this user is somebody, who trusts some others."""
    keys: dict[str, str] = {}

    def become(who: str, *trusted: str, mode: str = "on") -> None:
        (tmp_path / who).mkdir(0o700, exist_ok=True)
        monkeypatch.setenv(KEY_FILE, str(tmp_path / who / "key"))
        monkeypatch.setenv("KISHU_SIGNING", mode)
        monkeypatch.setenv("KISHU_TRUSTED_KEYS", ",".join(keys[each] for each in trusted))
        team = user_signer().team
        if mode != "off":
            assert team is not None
            assert team.own is not None
            keys[who] = public_line(team.own.public, who)

    return become


@pytest.fixture
def remote() -> Objects:
    return memory_remote()


@pytest.fixture
def alices(tmp_path: Path, remote: Objects, be: Be) -> Path:
    """Alice's store, pushed twice. Bob has a clone, in `bobs`, and is the user now."""
    be("alice")
    path = tmp_path / "alices"
    add(path, 1)
    push(path, remote)
    add(path, 2)
    push(path, remote)
    be("bob", "alice")
    clone(remote, tmp_path / "bobs")
    return path


def head(remote: Objects, number: int) -> bytes:
    return remote.get(layout.head_name(number))


def with_main_at(remote: Objects, number: int, at: int, **said: object) -> bytes:
    """A head after this one, in which branches and ends stand elsewhere. It claims what is said."""
    before = json.loads(head(remote, number))
    manifest = layout.decode_manifest(remote.get(before["manifest"]))
    moved = {
        id: replace(each, refs=dict.fromkeys(each.refs, checkpoint_id(at))) for id, each in manifest.replicas.items()
    }
    data = layout.encode_manifest(replace(manifest, replicas=moved))
    made = layout.named("e" * 32, data)[0]
    remote.put(made, data)
    return json.dumps({**before, "write": "e" * 32, "manifest": made, **said}).encode()


def test_who_made_the_newest_push_is_known(tmp_path: Path, alices: Path, remote: Objects, be: Be) -> None:
    link = remote_of(tmp_path / "bobs")
    assert link is not None
    assert (link.number, link.by, link.sealed) == (2, "alice", True)
    be("carol")
    clone(remote, tmp_path / "carols")
    link = remote_of(tmp_path / "carols")
    assert link is not None
    assert link.by.startswith("SHA256:")
    assert not link.sealed
    be("alice", mode="off")
    clone(remote, tmp_path / "hers")
    link = remote_of(tmp_path / "hers")
    assert link is not None
    assert link.by == "you"


@pytest.mark.parametrize("kind", ["older", "swapped", "changed", "of another number's signature"])
def test_a_head_that_is_not_as_it_was_signed_is_refused(
    tmp_path: Path, alices: Path, remote: Objects, be: Be, kind: str
) -> None:
    other = memory_remote()
    be("alice")
    add(tmp_path / "other", 7, parent=0)
    for number in (8, 9):
        push(tmp_path / "other", other)
        add(tmp_path / "other", number, parent=number - 1)
    push(tmp_path / "other", other)
    history = json.loads(head(remote, 1))["history"]
    be("bob", "alice")
    remote.put(
        layout.head_name(3),
        {
            "older": lambda: head(remote, 1),
            "swapped": lambda: json.dumps({**json.loads(head(other, 3)), "history": history}).encode(),
            "changed": lambda: with_main_at(remote, 2, 1),
            "of another number's signature": lambda: with_main_at(remote, 2, 1, signature="00" * 64),
        }[kind](),
    )
    bobs = tmp_path / "bobs"
    before = values(bobs), refs(bobs)
    add(alices, 3)
    for work in (
        lambda: pull(bobs, remote),
        lambda: push(alices, remote),
        lambda: clone(remote, tmp_path / "new"),
        lambda: collect(remote),
    ):
        with pytest.raises(RemoteError, match="is not the one that was signed: somebody has changed it, or put an old"):
            work()
    assert (values(bobs), refs(bobs)) == before
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("mode", ["on", "strict"])
def test_names_of_a_head_without_a_signature_are_not_taken(
    tmp_path: Path, alices: Path, remote: Objects, be: Be, mode: str
) -> None:
    bobs = tmp_path / "bobs"
    be("alice")
    name(alices, "good", 2)
    push(alices, remote)
    be("bob", "alice")
    pull(bobs, remote)
    before = refs(bobs)
    assert before["tag/good"] == checkpoint_id(2)
    remote.put(layout.head_name(4), with_main_at(remote, 3, 1, signer="", signature="", mac=""))
    be("bob", "alice", mode=mode)
    if mode == "strict":
        for work in (lambda: pull(bobs, remote), lambda: push(bobs, remote)):
            with pytest.raises(
                RemoteError, match="signed by nobody whom you trust, and earlier ones were: nothing was"
            ):
                work()
    else:
        assert pull(bobs, remote).names_left
    assert refs(bobs) == before


def test_who_pushes_again_vouches_for_what_he_pushed_without_his_key(
    tmp_path: Path, alices: Path, remote: Objects, be: Be
) -> None:
    be("alice", mode="off")
    add(alices, 3)
    push(alices, remote)
    be("bob", "alice")
    assert pull(tmp_path / "bobs", remote).names_left
    be("alice")
    assert push(alices, remote).checkpoints == 0
    assert push(alices, remote).bytes == 0
    be("bob", "alice", mode="strict")
    pull(tmp_path / "bobs", remote)
    assert refs(tmp_path / "bobs")["branch/main"] == checkpoint_id(3)


def test_heads_that_were_removed_are_missed_by_who_can_know(
    tmp_path: Path, alices: Path, remote: Objects, be: Be
) -> None:
    be("alice")
    add(alices, 3)
    push(alices, remote)
    link = remote_of(alices)
    assert link is not None
    kept = head(remote, 2)
    remote.delete(layout.head_name(2))
    with pytest.raises(RemoteError, match="lacks push 2, and has later ones: somebody removed it"):
        clone(remote, tmp_path / "new")
    remote.put(layout.head_name(2), kept)
    remote.delete(layout.head_name(3))
    with pytest.raises(RemoteError, match="has gone back"):
        pull(alices, remote)
    base = tmp_path / "stores"
    for after in (f"3:{link.write[:8]}", "2:" + link.write[:8], "999999:0"):
        with pytest.raises(RemoteError, match=r"does not hold push \d+ \(\w+\), which was there"):
            receive_clone(base, remote, after=after)
    with pytest.raises(RemoteError, match="names no push"):
        receive_clone(base, remote, after="yesterday")
    path, _ = receive_clone(base, remote)  # nobody here can know
    found = remote_of(path)
    assert found is not None
    assert found.number == 2
    remote.delete(layout.head_name(2))
    with pytest.raises(RemoteError, match="does not hold push 2"):  # a store beside it knows
        receive_clone(base, remote)
    assert [each.name for each in base.iterdir() if each.is_dir()] == [path.name]
