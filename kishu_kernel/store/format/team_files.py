"""Where the keys of a team are kept: read when a store is opened.

Beside the user's own key (`signing.key_path`) may stand:

- `signing_key`: his private Ed25519 key, as `ssh-keygen -t ed25519` makes one. KISHU_SIGNING_KEY names another file.
- `trusted_keys`: a public key a line, as OpenSSH writes it, and a name: whom he trusts. A line that begins with
  `revoked` takes a key back. KISHU_TRUSTED_KEYS names more keys, or files of such lines (an administrator's).

Law: nothing is created by looking; a private key is made where signatures are on and there is none.
Neighbours: `signing_policy` says where; `team` judges by what is read here; `signing` puts both together.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from kishu_kernel.errors import StoreError
from kishu_kernel.model.dataclass import dataclass, replace
from kishu_kernel.store.format import key_files
from kishu_kernel.store.format.signing_policy import SIGNING_KEY, SigningPolicy
from kishu_kernel.store.format.team import (
    KIND,
    SigningKey,
    Team,
    fingerprint,
    new_signing_key,
    public_key,
    public_line,
    signing_key,
)

_MOST_BYTES = 1 << 20
_REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A line of a list of keys."""

    key: bytes
    name: str
    revoked: bool = False


def read_team(policy: SigningPolicy) -> Team | None:
    """The team of a policy; None where signatures are off. A private key is made where there is none.

    Raises:
        StoreError: cryptography is missing, or a file is refused, or holds no keys.
    """
    if policy.mode == "off":
        return None
    known = [*known_keys(policy), *_configured(policy.trusted)]
    revoked = {each.key for each in known if each.revoked}
    return Team(own_key(policy), {each.key: each.name for each in known}, revoked, policy.mode == "strict")


# --- the private key


def own_key(policy: SigningPolicy) -> SigningKey | None:
    """This user's key. It is made where there is none; None where it cannot be.

    Raises:
        StoreError: cryptography is missing, or somebody else can have read or chosen the key that is there.
    """
    path = policy.key_file
    try:
        return signing_key(key_files.read(path, _MOST_BYTES, _private_refused, secret=True))
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise _private_refused(path, str(error) if isinstance(error, ValueError) else "cannot be read", "") from error
    if policy.key is not None:
        raise StoreError(f"there is no key at {path}, which {SIGNING_KEY} names: make one with `ssh-keygen -t ed25519`")
    return make_key(policy)


def make_key(policy: SigningPolicy) -> SigningKey | None:
    """Make a private key where there is none; None where the directory cannot be written."""
    made, content = new_signing_key()
    path = policy.key_file
    try:
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        key_files.check_place(path, _private_refused)
        key_files.make(path, content)
    except FileExistsError:  # another process was faster: its key it is
        return signing_key(key_files.read(path, _MOST_BYTES, _private_refused, secret=True))
    except OSError:
        return None
    return made


def _private_refused(path: Path, why: str, mending: str) -> StoreError:
    return StoreError(
        f"the key {path} {why}, so nothing is signed with it: {mending}`jupyter kishu keys --new` makes another one"
    )


# --- lists of public keys


def known_keys(policy: SigningPolicy) -> list[KnownKey]:
    """Whom this user trusts, and whom he has taken back, as his file says. StoreError where it is refused."""
    return _listed(policy.trusted_file, missing=True)


def remember(policy: SigningPolicy, keys: Iterable[KnownKey]) -> None:
    """Write the file of the keys that this user trusts. It is replaced whole.

    Raises:
        StoreError: it cannot be written.
    """
    lines = [f"{_REVOKED} " * each.revoked + public_line(each.key, each.name) for each in keys]
    path = policy.trusted_file
    made = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        made.unlink(missing_ok=True)
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(descriptor)
        os.replace(made, path)
    except OSError as error:
        raise StoreError(f"the keys that you trust cannot be written to {path} ({error.strerror or error})") from error


def keys_named(text: str) -> list[KnownKey]:
    """The public keys in a line, or in a file of such lines.

    Raises:
        StoreError: there is none, or the file is refused.
    """
    if text.strip().startswith(KIND):
        return [_line(text, "this")]
    path = Path(text).expanduser()
    try:
        shown = path.read_bytes()[:_MOST_BYTES]
    except OSError as error:
        raise _no_key(text, error.strerror or "it cannot be read") from error
    found = [_line(line, str(path)) for line in _lines(shown, path)]
    if not found:
        raise _no_key(text, "it is empty")
    return found


def found_key(keys: Iterable[KnownKey], asked: str) -> KnownKey:
    """The one of some keys that a line, a name or a fingerprint means.

    Raises:
        StoreError: none is meant, or several are.
    """
    line = asked.strip()
    wanted = _line(line, "this").key if line.startswith(KIND) else None
    found = [
        each for each in keys if each.key == wanted or line in (each.name, fingerprint(each.key)) if not each.revoked
    ]
    if wanted is not None and not found:  # one that was never trusted can be taken back, too
        return _line(line, "this")
    if len(found) != 1:
        which = "several of the keys that you trust are" if found else "none of the keys that you trust is"
        raise StoreError(f"{which} called {asked!r}: `jupyter kishu keys` lists them with their fingerprints")
    return found[0]


def _configured(trusted: Iterable[str]) -> list[KnownKey]:
    found: list[KnownKey] = []
    for each in trusted:
        found += [_line(each, "this")] if each.startswith(KIND) else _listed(Path(each).expanduser())
    return found


def _listed(path: Path, missing: bool = False) -> list[KnownKey]:
    try:
        data = key_files.read(path, _MOST_BYTES, _list_refused, shared=True)
    except FileNotFoundError as error:
        if missing:
            return []
        raise _list_refused(path, "is not there", "") from error
    except OSError as error:
        raise _list_refused(path, f"cannot be read ({error.strerror or error})", "") from error
    found = []
    for line in _lines(data, path):
        first, _, rest = line.partition(" ")
        found.append(replace(_line(rest, str(path)), revoked=True) if first == _REVOKED else _line(line, str(path)))
    return found


def _lines(data: bytes, path: Path) -> list[str]:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _no_key(str(path), "it is no text") from error
    if "PRIVATE KEY" in text:
        raise _no_key(str(path), "it is a private key, which nobody but its owner may have; name its .pub file")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def _line(line: str, where: str) -> KnownKey:
    try:
        return KnownKey(*public_key(line))
    except ValueError as error:
        raise _no_key(where, str(error)) from error


def _no_key(where: str, why: str) -> StoreError:
    what = "this is no public key" if where == "this" else f"{where} is no list of public keys ({why})"
    return StoreError(f"{what}: a key is a line like `{KIND} AAAA... name`")


def _list_refused(path: Path, why: str, mending: str) -> StoreError:
    return StoreError(f"the list of keys {path} {why}, so nobody is trusted by it: {mending}name another one")
