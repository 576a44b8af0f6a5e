"""Who can read an encrypted remote: the secret of a remote, encrypted to the age keys of its recipients.

Law: the secret is in no store and no message. It is drawn once, by the first push; who has seen a remote with one
secret (`Link.encryption`) uses no other there, and nothing that is not encrypted: who can write to the place could else
have things encrypted for himself.

The object `recipients` is an age file (age-encryption.org/v1), which any of the recipients can open with `age -d`; in
it is JSON {"kishu-kernel recipients": 1, "secret": 64 hex digits, "recipients": [age1...]}; and, where who wrote it
has a key for signatures, "signer", the public one, and "signature": of "kishu-kernel recipients 1", a zero byte, and
the secret.
Neighbours: `encrypted_objects` encrypts with the secret.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kishu_kernel.errors import NotThereError, RemoteError, StoreError
from kishu_kernel.model.dataclass import replace
from kishu_kernel.store.format import key_files, schema
from kishu_kernel.store.format.signing import key_path, user_signer
from kishu_kernel.store.remote import layout
from kishu_kernel.store.remote.encrypted_objects import SECRET_BYTES, EncryptedObjects
from kishu_kernel.store.remote.link import Link, new_link, read_link, write_link
from kishu_kernel.store.remote.objects import Objects

if TYPE_CHECKING:
    from kishu_kernel.store.disk.environment import Environment

NAME = "recipients"
IDENTITY, RECIPIENTS = "KISHU_AGE_IDENTITY", "KISHU_REMOTE_RECIPIENTS"
_FORMAT_KEY = "kishu-kernel recipients"
_MOST_BYTES = 1 << 20
_SECRET_KEY = "AGE-SECRET-KEY-"
_CONTEXT = b"kishu-kernel recipients 1\0"
_PAGE = 4096


class Identity(NamedTuple):
    """A private age key of this user."""

    public: str
    key: Any


def secured(store: Environment, objects: Objects, recipients: Sequence[str] | None = None) -> Objects:
    """A store's remote as it is to be written: encrypted, if it is so already, or shall be.

    Args:
        objects: those that are there.
        recipients: public age keys that shall be able to read it from now on, besides those that are. None: those of
            KISHU_REMOTE_RECIPIENTS.

    Raises:
        RemoteError: this user has no key for it; or it is not encrypted as it was; or it holds a history that is not
            encrypted, and recipients were named; or somebody else has prepared it.
    """
    if recipients is None:
        told = os.environ.get(RECIPIENTS, "").strip()
        recipients = [each for each in told.split(",") if each.strip()] or ([""] if told else [])
    # an empty one may be of a variable that is not set: nothing is to be sent as it is then
    named = list(dict.fromkeys(each.strip() or "an empty text" for each in recipients))
    with store.reading() as txn:
        link = read_link(txn, store.tables)
    if link and link.url != objects.url and link.history:
        return objects  # who pushes is refused
    if link is None or link.url != objects.url:
        link = None
    if link and link.history:
        found = opened(objects, link)
        if named and not isinstance(found, EncryptedObjects):
            raise _not_encrypted(objects)
    else:
        found = _begun(store, objects, link or new_link(objects.url), named)
    if isinstance(found, EncryptedObjects) and named:
        _add(found, objects, named)
    return found


def opened(objects: Objects, link: Link | None) -> Objects:
    """A remote as it is to be read: decrypted, if it is encrypted.

    Args:
        link: what the store knows of it; None where it has not seen it yet.

    Raises:
        RemoteError: this user has no key for it, or it is not encrypted as it was.
    """
    if isinstance(objects, EncryptedObjects):
        return objects
    seen = link if link and link.history else None
    if seen and not seen.encryption:
        return objects
    stored = _stored(objects)
    if stored is None:
        if seen:
            raise _exchanged(objects)
        return objects
    wrapped = _decrypted(objects, stored)
    found = EncryptedObjects(objects, wrapped.secret)
    if seen and found.encryption != seen.encryption:
        raise _exchanged(objects)
    team = user_signer().team
    if not seen and team and team.strict and not wrapped.is_vouched_for:
        raise _prepared(objects)
    return found


def new_identity(path: Path) -> Identity:
    """Make a private age key where there is none.

    Raises:
        RemoteError: the extra is missing, or it cannot be written.
    """
    made = _pyrage().x25519.Identity.generate()
    public = str(made.to_public())
    try:
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        key_files.make(path, f"# public key: {public}\n{made}\n".encode("ascii"))
    except OSError as error:
        raise RemoteError(f"your age key cannot be written to {path} ({error.strerror or error})") from error
    return Identity(public, made)


def identity_path() -> Path:
    """The file of this user's age key: KISHU_AGE_IDENTITY, or age_key beside the key of his signatures."""
    named = os.environ.get(IDENTITY)
    return Path(named).expanduser() if named else key_path().parent / "age_key"


def own_identity() -> Identity | None:
    """This user's age key; None where there is none.

    Raises:
        RemoteError: the extra is missing, or the file is refused, or holds no key.
    """
    path = identity_path()
    try:
        data = key_files.read(path, _MOST_BYTES, _refused, secret=True)
    except FileNotFoundError as error:
        if IDENTITY in os.environ:
            raise _refused(path, "is not there", "") from error
        return None
    except OSError as error:
        raise _refused(path, f"cannot be read ({error.strerror or error})", "") from error
    if data.startswith(b"age-encryption.org/"):
        raise _refused(path, "wants a passphrase, which nobody can type while cells are stored", "")
    for line in data.decode("utf-8", "replace").splitlines():
        if line.startswith(_SECRET_KEY):
            x25519 = _pyrage().x25519
            try:
                key = x25519.Identity.from_str(line.strip())
            except Exception as error:  # of pyrage: a class of its own
                raise _refused(path, "holds no age key", "") from error
            return Identity(str(key.to_public()), key)
    raise _refused(path, "holds no age key", "")


# --- the object


def _begun(store: Environment, objects: Objects, link: Link, named: list[str]) -> Objects:
    """A remote to which this store pushes for the first time.

    What it will be is remembered before anything is sent, so that an interrupted push knows its own secret again. One
    that neither this store nor somebody trusted has drawn is not used: all would be encrypted for who has put it there.
    """
    stored = _stored(objects)
    if stored is None:
        if not named:
            return objects
        if objects.exists(layout.head_name(1)):
            raise _not_encrypted(objects)
        own = own_identity() or new_identity(identity_path())
        secret = secrets.token_bytes(SECRET_BYTES)
        link = replace(link, encryption=EncryptedObjects(objects, secret).encryption)
        stored = _closed(secret, list(dict.fromkeys([own.public, *named])))
        store.write(lambda txn: write_link(txn, store.tables, link), _PAGE)
        if not objects.create(NAME, stored):
            stored = objects.get(NAME)
    wrapped = _decrypted(objects, stored)
    found = EncryptedObjects(objects, wrapped.secret)
    if found.encryption != link.encryption and not wrapped.is_vouched_for:
        raise _prepared(objects)
    return found


def _add(found: EncryptedObjects, objects: Objects, named: list[str]) -> None:
    """Let more people read it."""
    wrapped = _decrypted(objects, objects.get(NAME))
    is_it = EncryptedObjects(objects, wrapped.secret).encryption == found.encryption
    if is_it and set(named) - set(wrapped.recipients):
        objects.put(NAME, _closed(wrapped.secret, list(dict.fromkeys([*wrapped.recipients, *named]))))


def _stored(objects: Objects) -> bytes | None:
    try:
        return objects.get(NAME)
    except NotThereError:
        return None


def _closed(secret: bytes, recipients: list[str]) -> bytes:
    pyrage = _pyrage()
    keys = []
    for each in recipients:
        try:
            keys.append(pyrage.x25519.Recipient.from_str(each))
        except Exception as error:  # of pyrage: a class of its own
            shown = "a private key" if each.upper().startswith(_SECRET_KEY) else each  # errors are kept, and sent about
            raise RemoteError(
                f"{shown} is no public key of age: one begins with age1, `jupyter kishu keys` shows yours"
            ) from error
    content = {_FORMAT_KEY: 1, "secret": secret.hex(), "recipients": recipients}
    team = user_signer().team
    if team and team.own:
        content |= {"signer": team.own.public.hex(), "signature": team.own.sign(_CONTEXT + secret).hex()}
    return bytes(pyrage.encrypt(schema.dump_json(content), keys))


class _Wrapped(NamedTuple):
    """What is in the object.

    Attributes:
        is_vouched_for: somebody whom this user trusts, or he himself, has signed the secret.
    """

    secret: bytes
    recipients: list[str]
    is_vouched_for: bool


def _decrypted(objects: Objects, stored: bytes) -> _Wrapped:
    own = own_identity()
    if own is None:
        raise RemoteError(
            f"the remote {objects.url} is encrypted, and you have no age key: `jupyter kishu keys` makes one, which a "
            "recipient can add by `jupyter kishu push STORE --recipient age1...`"
        )
    try:
        content = _pyrage().decrypt(stored, [own.key])
    except Exception as error:  # of pyrage: a class of its own
        raise RemoteError(
            f"the remote {objects.url} is encrypted, and not to your key {own.public}: a recipient can add it by "
            "`jupyter kishu push STORE --recipient`"
        ) from error
    try:
        found = schema.load_json(content)
        if found[_FORMAT_KEY] != 1:
            raise RemoteError(f"the remote {objects.url} is encrypted by a newer kishu-kernel: install that")
        secret, known = bytes.fromhex(found["secret"]), [str(each) for each in found["recipients"]]
        if len(secret) != SECRET_BYTES:
            raise ValueError("its secret has another length")
        signer, signature = bytes.fromhex(found.get("signer", "")), bytes.fromhex(found.get("signature", ""))
    except (ValueError, KeyError, TypeError, AttributeError, StoreError) as error:
        raise RemoteError(f"the list of recipients of the remote {objects.url} is damaged ({error!r})") from error
    team = user_signer().team
    vouched = team is not None and team.vouches(signer, _CONTEXT + secret, signature)
    return _Wrapped(secret, known, vouched)


def _prepared(objects: Objects) -> RemoteError:
    return RemoteError(
        f"the remote {objects.url} was prepared by somebody whom you do not trust, and who could read what is sent: "
        "push to another address, or `jupyter kishu trust --key` who it was"
    )


def _not_encrypted(objects: Objects) -> RemoteError:
    return RemoteError(
        f"the remote {objects.url} holds a history that is not encrypted: push to another address, and remove what is "
        "there"
    )


def _exchanged(objects: Objects) -> RemoteError:
    return RemoteError(
        f"the remote {objects.url} is not encrypted as it was: somebody exchanged its keys, so nothing was sent or "
        "taken; `jupyter kishu remote STORE --forget` begins anew, if that is as it should be"
    )


def _refused(path: Path, why: str, mending: str) -> RemoteError:
    return RemoteError(f"the age key {path} {why}: {mending}name another file in {IDENTITY}")


def _pyrage() -> Any:
    try:
        import pyrage
    except ImportError as error:
        raise RemoteError("an encrypted remote needs the extra `team`: pip install 'kishu-kernel[team]'") from error
    return pyrage
