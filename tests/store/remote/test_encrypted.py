"""What goes to an encrypted remote is read by its recipients, and tells nobody else what it is."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kishu_kernel.errors import RemoteError
from kishu_kernel.store.format.signing import KEY_FILE, user_signer
from kishu_kernel.store.format.team import public_line
from kishu_kernel.store.remote import layout, recipients
from kishu_kernel.store.remote.clone import clone
from kishu_kernel.store.remote.collect import collect
from kishu_kernel.store.remote.encrypted_objects import BLOCK, EncryptedObjects
from kishu_kernel.store.remote.link import set_remote
from kishu_kernel.store.remote.objects import Objects
from kishu_kernel.store.remote.pull import pull
from kishu_kernel.store.remote.push import Pushed, push

from .remotes import AT_ONCE, Failing, add, memory_remote, noise, values

pytest.importorskip("pyrage", reason="an encrypted remote needs pyrage")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    path = tmp_path / "here"
    add(path, 1)
    add(path, 2, data=noise(2, 3 * BLOCK + 7))
    return path


@pytest.fixture
def plain() -> Objects:
    return memory_remote()


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """This user's age key."""
    return _is(monkeypatch, tmp_path / "own")


def _is(monkeypatch: pytest.MonkeyPatch, path: Path) -> str:
    """From now on this user is who has the age key at `path`, which is made. The public one."""
    monkeypatch.setenv(recipients.IDENTITY, str(path))
    found = recipients.own_identity() if path.exists() else recipients.new_identity(path)
    assert found is not None
    return found.public


# --- there and back


def test_a_clone_of_an_encrypted_history_is_the_history(here: Path, tmp_path: Path, plain: Objects, own: str) -> None:
    push(here, plain, recipients=[own])
    clone(plain, tmp_path / "there")
    assert values(tmp_path / "there") == values(here)
    add(tmp_path / "there", 3)
    push(tmp_path / "there", plain)
    pull(here, plain)
    assert values(tmp_path / "there") == values(here)
    push(here, plain)
    assert push(here, plain) == Pushed()
    collect(plain, **AT_ONCE)
    clone(plain, tmp_path / "again")
    assert values(tmp_path / "again") == values(here)


def test_only_what_is_missing_travels(here: Path, tmp_path: Path, plain: Objects, own: str) -> None:
    large = noise(7, 20 << 20)
    add(here, 3, data=large)
    push(here, plain, recipients=[own])
    clone(plain, tmp_path / "there")
    add(here, 4, data=large[:-1] + b"!")
    counted = Failing(plain)
    push(here, counted)
    assert counted.sent < 2 << 20
    assert pull(tmp_path / "there", plain).bytes < 2 << 20
    assert values(tmp_path / "there") == values(here)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 5 * BLOCK), st.lists(st.tuples(st.integers(0, 5 * BLOCK), st.integers(0, 2 * BLOCK)), max_size=5))
def test_parts_are_those_of_the_whole(plain: Objects, size: int, wanted: list[tuple[int, int]]) -> None:
    objects, data = EncryptedObjects(plain, b"s" * 32), noise(size, size)
    name = layout.named("0" * 32, data)[0]
    objects.put(name, data)
    parts = [(min(start, size), min(length, size - min(start, size))) for start, length in wanted]
    assert objects.get(name) == data
    assert objects.get_parts(name, parts) == [data[start : start + length] for start, length in parts]


def test_what_stands_there_tells_nothing(here: Path, tmp_path: Path, plain: Objects, own: str) -> None:
    """No byte string of the history, and no digest of one, is found; the same without encryption is found."""
    known = [b"x = 1", b"stream of 1", noise(1)[:64], b"branch/main", b"checkpoints"]
    unencrypted = memory_remote()
    push(here, unencrypted)
    digests = {each.name.rpartition("/")[2] for each in unencrypted.list("writes/")}
    set_remote(here, None)
    push(here, plain, recipients=[own])
    stored = {each.name: plain.get(each.name) for each in plain.list("")}
    assert len(stored) >= 6
    assert not any(part in data for data in stored.values() for part in known)
    plainly = {hashlib.sha256(data).hexdigest() for data in stored.values()}
    assert not {name.rpartition("/")[2] for name in stored} & (digests | plainly)
    assert noise(1)[:64] in b"".join(unencrypted.get(each.name) for each in unencrypted.list(""))


# --- who can read it


def test_only_recipients_read_it(
    here: Path, tmp_path: Path, plain: Objects, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = _is(monkeypatch, tmp_path / "bob")
    monkeypatch.setenv(recipients.IDENTITY, str(tmp_path / "own"))
    push(here, plain, recipients=[own])
    _is(monkeypatch, tmp_path / "bob")
    with pytest.raises(RemoteError, match=f"is encrypted, and not to your key {bob}"):
        clone(plain, tmp_path / "his")
    monkeypatch.setenv(recipients.IDENTITY, str(tmp_path / "own"))
    assert push(here, plain, recipients=[bob]) == Pushed()  # he may, from now on
    _is(monkeypatch, tmp_path / "bob")
    clone(plain, tmp_path / "his")
    assert len(values(tmp_path / "his")) == 2
    monkeypatch.setenv(recipients.IDENTITY, str(tmp_path / "own"))
    push(here, plain)


def _file(content: str, mode: int = 0o600) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_text(content)
        path.chmod(mode)

    return make


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.unlink(), "is not there"),
        (_file("hello"), "holds no age key"),
        (_file("AGE-SECRET-KEY-1"), "holds no age key"),
        (_file("age-encryption.org/v1\n-> scrypt"), "wants a passphrase, which nobody can type"),
        (lambda path: path.chmod(0o640), "may be read by others"),
        (lambda path: path.chmod(0o622), "may be written by anybody"),
    ],
)
def test_what_is_wrong_with_a_key_is_told_in_one_sentence(
    here: Path, tmp_path: Path, plain: Objects, own: str, make: Callable[[Path], None], sentence: str
) -> None:
    push(here, plain, recipients=[own])
    make(tmp_path / "own")
    with pytest.raises(RemoteError, match=sentence) as told:
        clone(plain, tmp_path / "there")
    assert "\n" not in str(told.value)
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize(
    ("named", "told"), [("age2", "age2"), (" ", "an empty text"), ("AGE-SECRET-KEY-1QQQ", "a private key")]
)
def test_what_is_no_recipient_is_told(here: Path, plain: Objects, own: str, named: str, told: str) -> None:
    """And nothing is sent: an empty one may be of a variable that is not set."""
    for all_of_them in ([named], [own, named]):
        with pytest.raises(RemoteError, match=f"^{told} is no public key of age"):
            push(here, plain, recipients=all_of_them)
    assert list(plain.list("")) == []


def test_recipients_of_the_environment(here: Path, plain: Objects, own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(recipients.RECIPIENTS, ", ")  # as of two variables that are not set
    with pytest.raises(RemoteError, match=r"^an empty text is no public key of age"):
        push(here, plain)
    monkeypatch.setenv(recipients.RECIPIENTS, f"{own},")
    push(here, plain)
    assert recipients.NAME in {each.name for each in plain.list("")}


# --- attacks


def test_a_remote_that_is_exchanged_gets_nothing(here: Path, tmp_path: Path, plain: Objects, own: str) -> None:
    """Who can write to the place knows everybody's public keys, and would like to have things encrypted for himself."""
    push(here, plain, recipients=[own])
    kept = plain.get(recipients.NAME)
    other, stranger = tmp_path / "other", memory_remote()
    add(other, 9, 0)
    push(other, stranger, recipients=[own])
    add(here, 3)
    for attack in (
        lambda: plain.put(recipients.NAME, stranger.get(recipients.NAME)),
        lambda: plain.delete(recipients.NAME),
        lambda: plain.put(recipients.NAME, b"age"),
    ):
        attack()
        counted = Failing(plain)
        for work in (push, pull):
            with pytest.raises(RemoteError):
                work(here, counted)
        assert counted.sent == 0
    plain.put(recipients.NAME, kept)
    assert push(here, plain).checkpoints == 1


def test_nothing_is_sent_to_a_place_that_somebody_has_prepared(here: Path, plain: Objects, own: str) -> None:
    stranger = memory_remote()
    push(here, stranger, recipients=[own])
    set_remote(here, None)
    plain.put(recipients.NAME, stranger.get(recipients.NAME))
    counted = Failing(plain)
    with pytest.raises(RemoteError, match="was prepared by somebody whom you do not trust, and who could read"):
        push(here, counted, recipients=[own])
    assert counted.sent == 0


def test_a_place_that_a_trusted_one_has_prepared_is_used(
    here: Path, tmp_path: Path, plain: Objects, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "alice").mkdir(0o700)
    monkeypatch.setenv(KEY_FILE, str(tmp_path / "alice" / "key"))
    monkeypatch.setenv("KISHU_SIGNING", "on")
    hers = tmp_path / "hers"
    add(hers, 9, 0)
    with pytest.raises(RemoteError):
        push(hers, Failing(plain, 4), recipients=[own])  # its keys are there, and no head
    team = user_signer().team
    assert team is not None
    assert team.own is not None
    monkeypatch.setenv(KEY_FILE, str(tmp_path / "key"))
    monkeypatch.setenv("KISHU_SIGNING", "strict")
    for known, is_trusted in (("", False), (public_line(team.own.public), True)):
        monkeypatch.setenv("KISHU_TRUSTED_KEYS", known)
        for work in (lambda: push(here, plain, recipients=[own]), lambda: clone(plain, tmp_path / "there")):
            if is_trusted:
                work()
            else:
                with pytest.raises(RemoteError, match="was prepared by somebody whom you do not trust"):
                    work()


def test_a_history_that_is_not_encrypted_does_not_become_so(here: Path, plain: Objects, own: str) -> None:
    push(here, plain)
    with pytest.raises(RemoteError, match="holds a history that is not encrypted: push to another address"):
        push(here, plain, recipients=[own])


@pytest.mark.parametrize("heard", [True, False], ids=["failed", "its answer got lost"])
def test_a_first_push_interrupted_anywhere_goes_on(here: Path, tmp_path: Path, own: str, heard: bool) -> None:
    whole = Failing(memory_remote())
    push(here, whole, recipients=[own])
    for at in range(1, whole.calls + 1):
        plain, path = memory_remote(), tmp_path / f"{heard}-{at}"
        shutil.copytree(tmp_path / "here", path)
        set_remote(path, None)
        with pytest.raises(RemoteError):
            push(path, Failing(plain, at, heard), recipients=[own])
        push(path, plain, recipients=[own])
        clone(plain, tmp_path / f"clone-{heard}-{at}")
        assert values(tmp_path / f"clone-{heard}-{at}") == values(here)


def test_tampered_swapped_foreign_and_older_objects_are_refused(
    here: Path, tmp_path: Path, plain: Objects, own: str
) -> None:
    push(here, plain, recipients=[own])
    kept = {each.name: plain.get(each.name) for each in plain.list("") if each.name != recipients.NAME}
    names, chance = sorted(kept), random.Random(1)
    for name in names:
        data = kept[name]
        place = chance.randrange(len(data))
        for changed in (
            data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :],
            data[:-BLOCK] if len(data) > 2 * BLOCK else data[:-1],
            data[:32] + data[32 + BLOCK + 16 :] + data[32 : 32 + BLOCK + 16],
            kept[next(other for other in names if other != name)],
            b"",
        ):
            plain.put(name, changed)
            if changed != data:
                with pytest.raises(RemoteError) as told:
                    clone(plain, tmp_path / "there")
                assert "\n" not in str(told.value)
                assert not (tmp_path / "there").exists()
        plain.put(name, data)
    add(here, 3)
    push(here, plain)
    plain.delete(layout.head_name(2))
    with pytest.raises(RemoteError, match="has gone back"):
        pull(here, plain)
    plain.put("writes/" + "0" * 32 + "/" + "f" * 96, b"foreign")
    assert collect(plain, **AT_ONCE, dry_run=True).removed_bytes > 0
