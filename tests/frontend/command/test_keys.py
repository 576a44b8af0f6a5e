"""Keys of a team on the command line: two people, a history that goes from one to the other, and what can be wrong."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kishu_kernel.errors import UntrustedError
from kishu_kernel.model import Version
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.format.signing import KEY_FILE
from kishu_kernel.store.format.team import new_signing_key
from tests.frontend.command.commanding import fill, in_json, ok, refused, run
from tests.store.values import checkpoint_id

Who = Callable[[str], None]


@pytest.fixture
def who(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Who:
    """Become another user, with a directory of his own for keys and stores."""
    monkeypatch.chdir(tmp_path)
    for name in ("KISHU_SIGNING", "KISHU_SIGNING_KEY", "KISHU_TRUSTED_KEYS"):
        monkeypatch.delenv(name, raising=False)

    def become(name: str) -> None:
        (tmp_path / name).mkdir(0o700, exist_ok=True)
        monkeypatch.setenv(KEY_FILE, str(tmp_path / name / "key"))
        monkeypatch.setenv("KISHU_STORE_DIR", str(tmp_path / name / "stores"))

    become("alice")
    return become


def loads(path: Path) -> bool:
    store = LmdbStore(path)
    try:
        store.load(Version(("x",), checkpoint_id(1)))
    except UntrustedError:
        return False
    finally:
        store.close()
    return True


def test_a_history_goes_to_somebody_who_trusts_her_key(
    who: Who, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = in_json("keys")["key"]
    ok("export", fill(tmp_path / "alice" / "stores" / "hers"), "book.kishu")
    who("bob")
    there = Path(in_json("import", "book.kishu")["path"])
    assert not loads(there)
    assert {each["by"] for each in in_json("log", there)["checkpoints"]} == {None}  # he has no team yet
    (tmp_path / "alice.pub").write_text(f"{key.rpartition(' ')[0]} alice\n")
    assert "is trusted now: alice  SHA256:" in ok("trust", "--key", "alice.pub")
    assert loads(there)
    assert "All of it is yours." in ok("trust", there, "--check")
    assert "by alice" in ok("log", there)
    assert {each["by"] for each in in_json("log", there)["checkpoints"]} == {"alice"}
    monkeypatch.setenv("KISHU_SIGNING", "off")
    assert not loads(there)
    monkeypatch.delenv("KISHU_SIGNING")
    assert "Nothing that this key signed is loaded any more" in ok("trust", "--revoke", "alice")
    assert not loads(there)
    assert "You trust no more:\n  alice  SHA256:" in ok("keys")
    ok("trust", there, "--yes")  # he knows it
    assert loads(there)
    monkeypatch.setenv("KISHU_SIGNING", "strict")
    assert not loads(there)
    assert "signatures are strict here" in run("trust", there, "--yes").output
    assert "since signatures are strict here: jupyter kishu trust --key FILE" in ok("import", "book.kishu")


def test_what_the_key_before_signed_stays_trusted_here(who: Who, tmp_path: Path) -> None:
    before = in_json("keys")["key"]
    path = fill(tmp_path / "alice" / "stores" / "hers")
    after = in_json("keys", "--new")
    assert after["key"] != before
    assert after["trusted"][0]["key"].startswith(before.rpartition(" ")[0])
    assert after["trusted"][0]["name"].startswith("you, until 2")
    assert {each["by"] for each in in_json("log", path)["checkpoints"]} == {after["trusted"][0]["name"]}


def test_an_encrypted_remote_is_read_by_those_who_were_named(who: Who, tmp_path: Path) -> None:
    pytest.importorskip("pyrage", reason="an encrypted remote needs pyrage")
    pytest.importorskip("obstore", reason="a remote needs obstore")
    url = (tmp_path / "remote").as_uri()
    who("bob")
    bob = in_json("keys")["age"]
    who("alice")
    path = fill(tmp_path / "alice" / "stores" / "hers")
    ok("push", path, url, "--recipient", bob)
    who("carol")
    assert "is encrypted, and you have no age key: `jupyter kishu keys` makes one" in refused("clone", url)
    carol = in_json("keys")["age"]
    assert f"not to your key {carol}" in refused("clone", url)
    who("bob")
    assert "4 states" in ok("clone", url)
    assert "carol is no public key of age" in refused("push", "remote", "--recipient", "carol")
    ok("push", "remote", "--recipient", carol)
    who("carol")
    assert "4 states" in ok("clone", url)


def _no_extra(at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cryptography.hazmat.primitives.asymmetric", None)


def _own(content: bytes, mode: int = 0o600) -> Callable[[Path, Any], None]:
    def put(at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (at / "signing_key").write_bytes(content)
        (at / "signing_key").chmod(mode)

    return put


def _with_passphrase(at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(at / "signing_key")]
    try:
        subprocess.run(made, check=True)
    except OSError:
        pytest.skip("needs ssh-keygen")


def _list(content: str, mode: int = 0o600) -> Callable[[Path, Any], None]:
    def put(at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (at / "trusted_keys").write_text(content)
        (at / "trusted_keys").chmod(mode)

    return put


KEY = new_signing_key()[1]
WRONG: dict[str, tuple[Callable[[Path, Any], None], str]] = {
    "the extra is missing": (_no_extra, "need the extra `team`: pip install"),
    "a key that is none": (_own(b"hello"), "holds no private key"),
    "a key that others may read": (_own(KEY, 0o644), "may be read by others"),
    "a key that others may write": (_own(KEY, 0o620), "may be written by a group"),
    "a key with a passphrase": (_with_passphrase, "wants a passphrase, which nobody can type"),
    "a key that is missing": (
        lambda at, patch: patch.setenv("KISHU_SIGNING_KEY", str(at / "no")),
        "there is no key at",
    ),
    "a list that is none": (_list("hello"), "is no list of public keys"),
    "a list that others may write": (_list("", 0o666), "may be written by anybody, so nobody is trusted by it"),
    "no such mode": (lambda at, patch: patch.setenv("KISHU_SIGNING", "yes"), "is off, on or strict, and not 'yes'"),
    "no such list": (lambda at, patch: patch.setenv("KISHU_TRUSTED_KEYS", "no"), "the list of keys no is not there"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_keys_is_told_in_one_sentence(
    who: Who, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    make, sentence = WRONG[what]
    path = fill(tmp_path / "alice" / "stores" / "hers")
    make(tmp_path / "alice", monkeypatch)
    if what == "the extra is missing":
        monkeypatch.setenv("KISHU_SIGNING", "on")
    assert sentence in refused("log", path)


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("no.pub", "no.pub is no list of public keys (No such file or directory)"),
        ("signing_key", "it is a private key, which nobody but its owner may have; name its .pub file"),
        ("ssh-ed25519 AAAA", "this is no public key"),
        ("ssh-rsa AAAA", "is no list of public keys"),
    ],
)
def test_what_is_no_public_key_is_not_trusted(who: Who, tmp_path: Path, named: str, sentence: str) -> None:
    (tmp_path / "signing_key").write_bytes(KEY)
    assert sentence in refused("trust", "--key", named)
    assert in_json("keys")["trusted"] == []
    assert "none of the keys that you trust is called 'carol'" in refused("trust", "--revoke", "carol")
