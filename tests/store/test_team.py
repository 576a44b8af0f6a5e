"""Who wrote what is known to all who trust his key: histories of several people, and what an attacker makes of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from kishu_kernel.errors import LoadError
from kishu_kernel.model import SessionId, Version
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.format import schema, seals
from kishu_kernel.store.format.signing import Signer, user_signer
from kishu_kernel.store.format.signing_policy import SigningPolicy
from kishu_kernel.store.format.team import (
    SigningKey,
    Team,
    fingerprint,
    new_signing_key,
    public_key,
    public_line,
    signing_key,
)
from kishu_kernel.store.format.team_files import own_key
from kishu_kernel.store.maintenance.bundle_export import Extract, export_history
from kishu_kernel.store.maintenance.bundle_import import import_history
from kishu_kernel.store.maintenance.fsck import check
from kishu_kernel.store.maintenance.trust import give_new_identity, trust, trust_of
from kishu_kernel.store.remote.clone import clone
from kishu_kernel.store.remote.pull import pull
from kishu_kernel.store.remote.push import push
from tests.harm.tampering import put, remove, rows
from tests.store.values import checkpoint_id, payload, record, trivial

from .remote.remotes import add, memory_remote


class Person(NamedTuple):
    """One of a team, on a machine of his own."""

    hmac: bytes
    key: SigningKey

    def signer(self, *trusted: Person, revoked: tuple[Person, ...] = (), strict: bool = False) -> Signer:
        known = {each.key.public: f"person {each.hmac[:1].decode()}" for each in (*trusted, *revoked)}
        return Signer(self.hmac, team=Team(self.key, known, [each.key.public for each in revoked], strict))


def person(name: str) -> Person:
    return Person(name.encode() * 32, new_signing_key()[0])


ALICE, BOB, MALLORY = map(person, "abm")
TABLES = ("checkpoints", "outputs", "versions", "seals")


def by(path: Path, signer: Signer) -> dict[int, tuple[str, bool]]:
    """Who wrote each state, and whether it is trusted."""
    store = LmdbStore(path, signer=signer)
    found = {int(each.id, 16): (each.by, each.trusted) for each in store.checkpoints(outputs=False)}
    store.close()
    return dict(sorted(found.items()))


def loaded(path: Path, signer: Signer) -> set[int]:
    """The states of which something is loaded: a plan needs the record, and the value."""
    store = LmdbStore(path, signer=signer)
    found = set()
    for checkpoint in store.checkpoints():
        with suppress(LoadError):
            store.load(Version(("x",), checkpoint.id))
            found |= {int(checkpoint.id, 16)} if checkpoint.trusted else set()
    store.close()
    return found


@pytest.fixture
def hers(tmp_path: Path) -> Path:
    """Alice's history of two states."""
    path = tmp_path / "hers"
    add(path, 1, signer=ALICE.signer())
    add(path, 2, signer=ALICE.signer())
    return path


def test_a_history_of_two_people_by_a_remote(hers: Path, tmp_path: Path) -> None:
    remote, his = memory_remote(), tmp_path / "his"
    push(hers, remote)
    clone(remote, his)
    unknown = fingerprint(ALICE.key.public)
    assert by(his, BOB.signer()) == {1: (unknown, False), 2: (unknown, False)}  # it is read
    assert loaded(his, BOB.signer()) == set()
    assert by(his, BOB.signer(ALICE)) == {1: ("person a", True), 2: ("person a", True)}
    assert loaded(his, BOB.signer(ALICE)) == {1, 2}
    assert trust_of(his, BOB.signer(ALICE, strict=True)).whole
    add(his, 3, signer=BOB.signer(ALICE))
    push(his, remote)
    pull(hers, remote, signer=ALICE.signer())
    assert loaded(hers, ALICE.signer()) == {1, 2}
    assert loaded(hers, ALICE.signer(BOB)) == {1, 2, 3}
    assert by(hers, ALICE.signer(BOB)) == {1: ("you", True), 2: ("you", True), 3: ("person b", True)}
    assert loaded(his, BOB.signer(strict=True)) == {3}


def test_who_notes_something_does_not_become_the_author(hers: Path, tmp_path: Path) -> None:
    remote, his = memory_remote(), tmp_path / "his"
    push(hers, remote)
    clone(remote, his)
    store = LmdbStore(his, signer=BOB.signer(ALICE))
    store.amend(replace(store.checkpoint(checkpoint_id(1)), message="good"), {})
    store.close()
    push(his, remote)
    pull(hers, remote, signer=ALICE.signer(BOB))
    carol = person("c")
    for path, signer in ((hers, ALICE.signer(BOB)), (his, BOB.signer(ALICE)), (his, carol.signer(ALICE, BOB))):
        assert (by(path, signer)[1][1], loaded(path, signer)) == (True, {1, 2})
    assert by(his, carol.signer(ALICE, BOB))[1] == ("person a", True)
    for signer in (carol.signer(BOB), carol.signer(ALICE), BOB.signer(revoked=(ALICE,))):
        assert not by(his, signer)[1][1]


def test_what_a_revoked_key_signed_is_not_loaded_however_old(hers: Path) -> None:
    assert loaded(hers, BOB.signer(ALICE)) == {1, 2}
    assert loaded(hers, BOB.signer(ALICE, revoked=(ALICE,))) == set()
    assert loaded(hers, ALICE.signer(revoked=(ALICE,), strict=True)) == set()
    trust(hers, BOB.signer(revoked=(ALICE,)))  # he knows it, and says so
    assert loaded(hers, BOB.signer(revoked=(ALICE,))) == {1, 2}
    assert loaded(hers, BOB.signer(revoked=(ALICE,), strict=True)) == set()


# --- attacks


def _flipped(value: bytes, place: int) -> bytes:
    return value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :]


def _every(table: str, change: Callable[[bytes], bytes]) -> Callable[[Path, Path], None]:
    def attack(path: Path, other: Path) -> None:
        put(path, table, {key: change(value) for key, value in rows(path, table).items()})

    return attack


def _moved(path: Path, other: Path) -> None:
    """All that another history of hers has, seals included, in place of all that this one has."""
    for table in TABLES:
        remove(path, table)
        put(path, table, rows(other, table))
    put(path, "chunks", rows(other, "chunks"))
    put(path, "packed", rows(other, "packed"))


def _swapped(table: str) -> Callable[[Path, Path], None]:
    def attack(path: Path, other: Path) -> None:
        one, two = rows(path, table).items()
        put(path, table, {one[0]: two[1], two[0]: one[1]})

    return attack


def _signed_by_a_stranger(path: Path, other: Path) -> None:
    trust(path, MALLORY.signer(ALICE))
    history = rows(path, "meta")[seals.HISTORY_KEY]
    team = Team(MALLORY.key, {}, [])
    for table in ("checkpoints", "outputs", "versions"):
        for key, value in rows(path, table).items():
            leaf = seals.leaf(history, ALICE.key.public, table, key, schema.without_signature(value))
            [seal] = team.sealed([leaf], [ALICE.key.public])  # says that it is hers
            put(path, "seals", {seals.seal_key(table, key): seals.encode_seal(seal)})


def _names_her(path: Path, other: Path) -> None:
    _signed_by_a_stranger(path, other)
    _every("seals", lambda value: value[:1] + ALICE.key.public + value[33:])(path, other)


ATTACKS: dict[str, Callable[[Path, Path], None]] = {
    "records changed": _every("checkpoints", lambda value: value.replace(b'"code":"x', b'"code":"y')),
    "manifests changed": _every("versions", lambda value: _flipped(value, len(value) - 17)),
    "records without seals": lambda path, other: remove(path, "seals"),
    "seals cut": _every("seals", lambda value: value[:-32]),
    "authors changed": _every("seals", lambda value: value[:33] + BOB.key.public + value[65:]),
    "signatures changed": _every("seals", lambda value: _flipped(value, 70)),
    "ways changed": _every("seals", lambda value: _flipped(value, len(value) - 1)),
    "another history's rows": _moved,
    "values swapped": _swapped("versions"),
    "records swapped": _swapped("checkpoints"),
    "a stranger's seals": _signed_by_a_stranger,
    "a stranger's seals under her key": _names_her,
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_is_loaded_that_she_did_not_write_there(hers: Path, tmp_path: Path, attack: str) -> None:
    other = tmp_path / "other"
    for number in (1, 2):
        add(other, number + 10, parent=0, data=b"evil" * 100, signer=ALICE.signer())
    ATTACKS[attack](hers, other)
    assert loaded(hers, BOB.signer(ALICE)) == set()
    assert loaded(hers, ALICE.signer(strict=True)) == set()
    assert not trust_of(hers, BOB.signer(ALICE)).whole  # and that is told


def test_what_is_moved_within_her_own_histories_is_not_loaded_either(hers: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    add(other, 3, parent=0, data=b"evil" * 100, signer=ALICE.signer())
    for table in (*TABLES, "chunks", "packed"):
        put(hers, table, rows(other, table))
    assert loaded(hers, ALICE.signer(strict=True)) == loaded(hers, BOB.signer(ALICE)) == {1, 2}


def test_a_rolled_back_head_is_no_news(hers: Path, tmp_path: Path) -> None:
    """Who can write to a store can put an older record of hers back; it is hers, and no value of it is another."""
    before = {table: rows(hers, table) for table in TABLES}
    store = LmdbStore(hers, signer=ALICE.signer())
    store.amend(replace(store.checkpoint(checkpoint_id(2)), message="new"), {})
    store.close()
    put(hers, "checkpoints", before["checkpoints"])
    assert loaded(hers, BOB.signer(ALICE)) == {1}  # with its newer seal it is none of hers
    put(hers, "seals", before["seals"])
    assert loaded(hers, BOB.signer(ALICE)) == {1, 2}


# --- what else stores do


def test_without_a_team_nothing_is_sealed(tmp_path: Path) -> None:
    add(tmp_path / "own", 1, signer=Signer(b"o" * 32))
    assert rows(tmp_path / "own", "seals") == {}
    assert seals.HISTORY_KEY not in rows(tmp_path / "own", "meta")


def test_what_is_written_together_has_one_signature(tmp_path: Path) -> None:
    names = [(f"x{number}",) for number in range(101)]
    checkpoint = replace(trivial(1), versions=tuple(record(each) for each in names))
    store = LmdbStore(tmp_path / "many", signer=ALICE.signer())
    store.commit(checkpoint, [payload(b"s%d" % place, names=each) for place, each in enumerate(names)], {})
    store.close()
    found = [seals.decode_seal(value) for value in rows(tmp_path / "many", "seals").values()]
    assert (len(found), len({each.signature for each in found})) == (102, 1)
    store = LmdbStore(tmp_path / "many", signer=BOB.signer(ALICE))
    assert [store.load(Version(each, checkpoint.id)).stream for each in names] == [b"s%d" % n for n in range(101)]
    store.close()


def test_what_was_there_before_the_team_stays_his_own(tmp_path: Path) -> None:
    path = tmp_path / "old"
    add(path, 1, signer=Signer(ALICE.hmac))
    add(path, 2, signer=ALICE.signer())
    assert by(path, ALICE.signer()) == {1: ("", True), 2: ("you", True)}
    assert loaded(path, ALICE.signer()) == loaded(path, Signer(ALICE.hmac)) == {1, 2}
    assert loaded(path, BOB.signer(ALICE)) == loaded(path, ALICE.signer(strict=True)) == {2}


@pytest.mark.parametrize("part", [False, True], ids=["all", "one state"])
def test_a_bundle_brings_the_seals(hers: Path, tmp_path: Path, part: bool) -> None:
    ids = [checkpoint_id(1), checkpoint_id(2)]
    chosen = Extract(ids[1], SessionId("s"), ids, [Version(("x",), ids[1])])
    export_history(hers, tmp_path / "bundle", chosen if part else None, signer=ALICE.signer())
    import_history(tmp_path / "bundle", tmp_path / "there")
    assert {each for each, (_, trusted) in by(tmp_path / "there", BOB.signer(ALICE)).items() if trusted} == {1, 2}
    assert loaded(tmp_path / "there", BOB.signer(ALICE)) == ({2} if part else {1, 2})
    assert loaded(tmp_path / "there", BOB.signer()) == set()


def test_her_states_stay_hers_in_a_copy_and_after_a_collection(hers: Path, tmp_path: Path) -> None:
    give_new_identity(hers, BOB.signer(ALICE))
    store = LmdbStore(hers, signer=BOB.signer(ALICE))
    store.collect([Version(("x",), checkpoint_id(1))], reason="it was dropped")
    store.close()
    assert by(hers, BOB.signer(ALICE)) == {1: ("person a", True), 2: ("person a", True)}
    assert loaded(hers, BOB.signer(ALICE)) == {2}
    assert loaded(hers, BOB.signer(revoked=(ALICE,))) == set()
    assert not any(key.startswith(b"v") and key.endswith(b"\1") for key in rows(hers, "seals"))
    assert check(hers, signer=BOB.signer(ALICE)).problems == ()


# --- keys


@pytest.mark.skipif(sys.platform != "linux", reason="a place that nobody can write, not even root")
def test_where_no_key_can_be_kept_those_whom_somebody_trusts_count_all_the_same(
    hers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KISHU_KEY_FILE", "/proc/nowhere/key")
    monkeypatch.setenv("KISHU_SIGNING", "strict")
    monkeypatch.setenv("KISHU_TRUSTED_KEYS", public_line(ALICE.key.public, "alice"))
    assert not user_signer().persistent
    assert loaded(hers, user_signer()) == {1, 2}


def test_those_who_start_at_once_have_one_key(tmp_path: Path) -> None:
    at_once, found = threading.Barrier(8), []

    def begin(policy: SigningPolicy) -> None:
        at_once.wait()
        found.append(own_key(policy))

    for number in range(20):
        policy = SigningPolicy("on", tmp_path / str(number))
        starting = [threading.Thread(target=begin, args=(policy,)) for _ in range(8)]
        for each in starting:
            each.start()
        for each in starting:
            each.join()
        assert len({key.public for key in found if key}) == 1
        assert len(found) == 8
        assert [each.name for each in policy.directory.iterdir()] == ["signing_key"]
        found.clear()


def test_keys_are_read_as_openssh_writes_them(tmp_path: Path) -> None:
    line = public_line(ALICE.key.public, "alice@lab")
    assert public_key(line) == (ALICE.key.public, "alice@lab")
    if shutil.which("ssh-keygen"):
        made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bob", "-f", str(tmp_path / "key")]
        subprocess.run(made, check=True)
        key, name = public_key((tmp_path / "key.pub").read_text())
        shown = subprocess.check_output(["ssh-keygen", "-lf", str(tmp_path / "key.pub")], text=True)
        assert fingerprint(key) in shown
        assert (signing_key((tmp_path / "key").read_bytes()).public, name) == (key, "bob")


@pytest.mark.parametrize("line", ["", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-rsa AAAA", "ssh-ed25519 !", "x" * 9999])
def test_what_is_no_key_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="it is no"):
        public_key(line)


def test_who_can_write_to_the_remote_gets_nothing_loaded(hers: Path, tmp_path: Path) -> None:
    """Mallory makes whole, well-formed objects of a remote: his clone, with what he wants, pushed."""
    remote, his, evil, other = memory_remote(), tmp_path / "his", tmp_path / "evil", tmp_path / "other"
    push(hers, remote)
    clone(remote, his)
    clone(remote, evil)
    mallory = MALLORY.signer(ALICE)
    add(other, 3, data=b"evil" * 100, signer=ALICE.signer())  # of another history of hers
    for table in (*TABLES, "chunks", "packed"):
        put(evil, table, rows(other, table))
    store = LmdbStore(evil, signer=mallory)
    store.amend(replace(store.checkpoint(checkpoint_id(1)), code="evil()"), {})
    store.commit(trivial(2, "evil()"), [payload(b"evil")], {})
    store.commit(trivial(4, "evil()"), [payload(b"evil")], {"branch/main": checkpoint_id(4)})
    store.close()
    push(evil, remote)
    pull(his, remote, signer=BOB.signer(ALICE))
    assert by(his, BOB.signer(ALICE)) == {
        1: ("person a", True),
        2: ("person a", True),
        3: ("", False),
        4: (fingerprint(MALLORY.key.public), False),
    }
    assert loaded(his, BOB.signer(ALICE)) == {1, 2}
    fresh = tmp_path / "fresh"
    clone(remote, fresh)
    assert loaded(fresh, BOB.signer(ALICE)) == set()  # what he wrote in the places of hers is his
    assert trust_of(fresh, BOB.signer(ALICE)).trusted_checkpoints == 0
