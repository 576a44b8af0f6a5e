"""Whose seals are believed, and the key that makes this user's own: a value, decided once at the start of a process.

Law: what is trusted is trusted by its public key, and by nothing that it says of itself. A key that was taken back is
not trusted, whoever lists it, and nothing that it signed is, however old: nobody can tell when it was signed. No
private key is ever in a `repr`.

It needs cryptography, an extra, which is imported where the first key is read.
Neighbours: `seals` says what is signed; `team_files` reads keys from where people keep them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kishu_kernel.errors import StoreError
from kishu_kernel.store.format import seals
from kishu_kernel.store.format.seals import KEY_BYTES, Seal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KIND = "ssh-ed25519"
"""How a public key begins in the form of OpenSSH, in which they are read and shown."""
_PREFIX = len(KIND).to_bytes(4, "big") + KIND.encode() + KEY_BYTES.to_bytes(4, "big")
_REMEMBERED = 10_000
_SHOWN = 100
"""Characters of a name."""


class SigningKey:
    """The private key of this user, which makes seals.

    Attributes:
        public: 32 bytes.
    """

    __slots__ = ("_private", "public")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The signature of a message: 64 bytes."""
        return self._private.sign(message)


class Team:
    """Makes and judges seals. Safe from any thread.

    Args:
        own: this user's key; None where he only reads.
        trusted: the public keys of others, and what they are called.
        revoked: public keys that are not trusted any more.
        strict: only seals count, not what this user has accepted.
    """

    __slots__ = ("_names", "_revoked", "_seen", "_trusted", "own", "strict")

    def __init__(
        self, own: SigningKey | None, trusted: Mapping[bytes, str], revoked: Collection[bytes], strict: bool = False
    ) -> None:
        self.own = own
        self.strict = strict
        self._names = dict(trusted)
        self._revoked = frozenset(revoked)
        self._trusted = frozenset([*trusted, *([own.public] if own else [])]) - self._revoked
        self._seen: dict[tuple[bytes, bytes, bytes], bool] = {}

    @property
    def scope(self) -> object:
        """What the judgement of a seal depends on."""
        return self._trusted, self.strict

    def sealed(self, leaves: Sequence[bytes], authors: Sequence[bytes]) -> list[Seal]:
        """The seals of some leaves, by one signature. This user has a key."""
        assert self.own is not None
        root, ways = seals.grown(leaves)
        signature = self.own.sign(seals.message(root))
        return [Seal(self.own.public, author, signature, *way) for author, way in zip(authors, ways, strict=True)]

    def holds(self, seal: Seal, leaf: bytes) -> bool:
        """Whether its signer has signed this leaf; trusted or not."""
        asked = seal.signer, seals.root_of(leaf, seal), seal.signature
        known = self._seen.get(asked)
        if known is None:
            if len(self._seen) >= _REMEMBERED:
                self._seen.clear()
            known = self._seen[asked] = _verifies(seal.signer, seals.message(asked[1]), seal.signature)
        return known

    def vouches(self, key: bytes, message: bytes, signature: bytes) -> bool:
        """Whether somebody whom this user trusts has signed a message."""
        return key in self._trusted and _verifies(key, message, signature)

    def has_signed(self, key: bytes, message: bytes, signature: bytes) -> bool:
        """Whether the holder of a public key, trusted or not, has signed a message."""
        return _verifies(key, message, signature)

    def trusts(self, seal: Seal) -> bool:
        """Whether this user trusts those whose seal it is."""
        return seal.signer in self._trusted and seal.author in self._trusted

    def name(self, key: bytes) -> str:
        """What the holder of a public key is called: as this user calls him, else by the key's fingerprint."""
        if self.own and key == self.own.public:
            return "you"
        return self._names.get(key) or fingerprint(key)

    def __repr__(self) -> str:
        return f"Team({len(self._trusted)} trusted, {len(self._revoked)} revoked, strict={self.strict})"


# --- keys


def fingerprint(key: bytes) -> str:
    """The fingerprint of a public key, as OpenSSH shows it."""
    digest = hashlib.sha256(_PREFIX + key).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def public_line(key: bytes, name: str = "") -> str:
    """A public key as a line, to be given to others."""
    return " ".join(filter(None, (KIND, base64.b64encode(_PREFIX + key).decode(), name)))


def public_key(line: str) -> tuple[bytes, str]:
    """The public key in a line as of `public_line`, and its name, maybe empty. ValueError where there is none."""
    kind, _, rest = line.strip().partition(" ")
    text, _, name = rest.strip().partition(" ")
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("it is no public key") from error
    if kind != KIND or not data.startswith(_PREFIX) or len(data) != len(_PREFIX) + KEY_BYTES:
        raise ValueError("it is no Ed25519 key" if kind.startswith(("ssh-", "ecdsa-")) else "it is no public key")
    shown = "".join(each for each in name.strip() if each.isprintable())
    return data[len(_PREFIX) :], shown[:_SHOWN]


def signing_key(data: bytes) -> SigningKey:
    """The private key in a file of OpenSSH's, or in PEM.

    Raises:
        StoreError: cryptography is missing.
        ValueError: there is no Ed25519 key in it, or it wants a passphrase.
    """
    private_key = _cryptography("Ed25519PrivateKey")
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    openssh = b"OPENSSH PRIVATE KEY" in data
    load = serialization.load_ssh_private_key if openssh else serialization.load_pem_private_key
    try:
        found = load(data, password=None)
    except (TypeError, UnsupportedAlgorithm) as error:  # also where the module for OpenSSH's passphrases is missing
        raise ValueError("wants a passphrase, which nobody can type while cells are stored") from error
    except ValueError as error:
        if "encrypted" in str(error) or "password" in str(error).lower():
            raise ValueError("wants a passphrase, which nobody can type while cells are stored") from error
        raise ValueError("holds no private key") from error
    if not isinstance(found, private_key):
        raise ValueError("holds no Ed25519 key")
    return SigningKey(found)


def new_signing_key() -> tuple[SigningKey, bytes]:
    """A new key, and what stands in its file. StoreError where cryptography is missing."""
    made = _cryptography("Ed25519PrivateKey").generate()
    from cryptography.hazmat.primitives import serialization

    plain = serialization.NoEncryption()
    return SigningKey(made), made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, plain)


def _verifies(key: bytes, message: bytes, signature: bytes) -> bool:
    public_key_class = _cryptography("Ed25519PublicKey")
    from cryptography.exceptions import InvalidSignature

    try:
        public_key_class.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _cryptography(name: str) -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise StoreError("signatures of a team need the extra `team`: pip install 'kishu-kernel[team]'") from error
    return getattr(ed25519, name)
