"""Objects that are encrypted before they leave this machine: another `Objects`, around those of a remote.

Law: who can read the place learns how much there is, when it came and by how many pushes; nothing of what it is. No
object is ever used that is not, byte for byte, the one that a recipient put under its name. Names keep what makes
pushes cheap: the same object has the same name among those who have the secret.

All keys come from one secret of 32 bytes (`recipients` says who has it), by HMAC-SHA256. An object, byte by byte::

    0    8 bytes    "kishuAE1"
    8    8 bytes    length of the plain bytes, little-endian
    16   16 bytes   HMAC-SHA256 of the name, and of the SHA-256 digest of the plain bytes, cut: who puts the same again
                    writes the same, and nothing else has the same key
    32   blocks of 64 KiB of plain bytes, at least one, each with a tag of 16 bytes: AES-256-GCM under the key of this
         header and name; the nonce is the number of the block

The names of heads stay: numbers. The digest in any other name is that of plain bytes, and stands there encrypted
(AES-SIV), so that a list can be read by who has the secret.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from kishu_kernel.errors import RemoteError
from kishu_kernel.store.remote.objects import Listed, Objects

SECRET_BYTES = 32
BLOCK = 64 << 10
_MAGIC = b"kishuAE1"
_HEADER = struct.Struct("<8sQ16s")
_TAG = 16
_KNOWN_HEADERS = 10_000
_NAME = re.compile(r"(writes/[0-9a-f]{32}/)([0-9a-f]{64})")
_STORED = re.compile(r"(writes/[0-9a-f]{32}/)([0-9a-f]{96})")


class EncryptedObjects:
    """The objects of a remote, encrypted. Safe from any thread.

    Args:
        objects: where they are.
        secret: of SECRET_BYTES.

    Attributes:
        url: as of the remote.
        encryption: tells this secret from another, and nothing of it.
    """

    def __init__(self, objects: Objects, secret: bytes) -> None:
        self.url = objects.url
        self.encryption = _derived(secret, b"fingerprint").hex()[:32]
        self._objects = objects
        self._data = _derived(secret, b"data")
        self._salt = _derived(secret, b"salt")
        self._names = _aead("AESSIV")(_derived(secret, b"names") + _derived(secret, b"names, too"))
        self._headers: dict[str, bytes] = {}

    def get(self, name: str) -> bytes:
        """As in `Objects`."""
        stored = self._objects.get(self._stored_name(name))
        header, body = stored[: _HEADER.size], memoryview(stored)[_HEADER.size :]
        size = self._size(name, header)
        if len(body) != size + _TAG * _blocks(size):
            raise _damaged(name)
        return self._plain(name, header, 0, body)

    def get_parts(self, name: str, parts: Sequence[tuple[int, int]]) -> list[bytes]:
        """As in `Objects`. Whole blocks are read."""
        stored = self._stored_name(name)
        header = self._headers.get(name)
        if header is None:
            header = bytes(self._objects.get_parts(stored, [(0, _HEADER.size)])[0])
        size = self._size(name, header)
        if len(self._headers) >= _KNOWN_HEADERS:
            self._headers.clear()
        self._headers[name] = header
        if any(start + length > size for start, length in parts):
            raise RemoteError(f"the object {name} of the remote is shorter than it should be: nothing of it is used")
        runs = _runs([(start // BLOCK, -(-(start + length) // BLOCK)) for start, length in parts if length])
        places = [(_HEADER.size + first * (BLOCK + _TAG), _stored_length(size, first, stop)) for first, stop in runs]
        found = self._objects.get_parts(stored, places) if places else []
        plain = [self._plain(name, header, first, each) for (first, _), each in zip(runs, found, strict=True)]
        firsts = [first * BLOCK for first, _ in runs]
        values = []
        for start, length in parts:
            run = bisect_right(firsts, start) - 1
            values.append(plain[run][start - firsts[run] :][:length] if length else b"")
        return values

    def exists(self, name: str) -> bool:
        """As in `Objects`."""
        return self._objects.exists(self._stored_name(name))

    def put(self, name: str, data: bytes) -> None:
        """As in `Objects`."""
        self._objects.put(self._stored_name(name), self._encrypted(name, data))

    def create(self, name: str, data: bytes) -> bool:
        """As in `Objects`."""
        return self._objects.create(self._stored_name(name), self._encrypted(name, data))

    def list(self, prefix: str) -> Iterator[Listed]:
        """As in `Objects`. What nobody with the secret can have put there is left out."""
        for each in self._objects.list(prefix):
            found = _STORED.fullmatch(each.name)
            if not each.name.startswith("writes/") or "#" in each.name:  # what an interrupted put has left
                yield each
            elif found:
                digest = self._digest(*found.groups())
                if digest:
                    yield each._replace(name=found[1] + digest)

    def delete(self, name: str) -> None:
        """As in `Objects`."""
        self._objects.delete(self._stored_name(name))

    # -- names

    def _stored_name(self, name: str) -> str:
        found = _NAME.fullmatch(name)
        if not found:
            return name
        folder, digest = found.groups()
        hidden: bytes = self._names.encrypt(bytes.fromhex(digest), [folder.encode()])
        return f"{folder}{hidden.hex()}"

    def _digest(self, folder: str, stored: str) -> str:
        from cryptography.exceptions import InvalidTag

        try:
            digest: bytes = self._names.decrypt(bytes.fromhex(stored), [folder.encode()])
            return digest.hex()
        except InvalidTag:
            return ""

    # -- bytes

    def _encrypted(self, name: str, data: bytes) -> bytes:
        salt = hmac.digest(self._salt, _bound(name) + hashlib.sha256(data).digest(), "sha256")[:16]
        header = _HEADER.pack(_MAGIC, len(data), salt)
        cipher, plain = self._cipher(name, header), memoryview(data)
        parts = [header]
        for number in range(_blocks(len(data))):
            parts.append(cipher.encrypt(_nonce(number), plain[number * BLOCK : (number + 1) * BLOCK], None))
        return b"".join(parts)

    def _plain(self, name: str, header: bytes, first: int, stored: bytes | memoryview) -> bytes:
        """The plain bytes of some blocks that stand one behind the other."""
        from cryptography.exceptions import InvalidTag

        cipher, view = self._cipher(name, header), memoryview(stored)
        parts = []
        try:
            for number, start in enumerate(range(0, len(view), BLOCK + _TAG), first):
                parts.append(cipher.decrypt(_nonce(number), view[start : start + BLOCK + _TAG], None))
        except (InvalidTag, ValueError) as error:
            raise _damaged(name) from error
        return b"".join(parts)

    def _cipher(self, name: str, header: bytes) -> Any:
        return _aead("AESGCM")(hmac.digest(self._data, header + _bound(name), "sha256"))

    def _size(self, name: str, header: bytes) -> int:
        if len(header) != _HEADER.size or not header.startswith(_MAGIC):
            raise _damaged(name)
        size: int = _HEADER.unpack(header)[1]
        return size


def encryption_of(objects: Objects) -> str:
    """Tells the secret with which objects are encrypted before they leave; empty where they are not."""
    return objects.encryption if isinstance(objects, EncryptedObjects) else ""


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return hmac.digest(secret, b"kishu-kernel remote " + purpose, "sha256")


def _bound(name: str) -> bytes:
    encoded = name.encode()
    return len(encoded).to_bytes(4, "little") + encoded


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "little")


def _blocks(size: int) -> int:
    return max(1, -(-size // BLOCK))


def _stored_length(size: int, first: int, stop: int) -> int:
    """Stored bytes of some blocks of an object with so many plain bytes."""
    return min(stop * BLOCK, size) - first * BLOCK + _TAG * (stop - first)


def _runs(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans of blocks, those that touch joined."""
    found: list[tuple[int, int]] = []
    for first, stop in sorted(spans):
        if found and first <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], stop)
        else:
            found.append((first, stop))
    return found


def _damaged(name: str) -> RemoteError:
    return RemoteError(f"the object {name} of the remote is damaged, or was exchanged: nothing of it is used")


def _aead(name: str) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers import aead
    except ImportError as error:
        raise RemoteError("an encrypted remote needs the extra `team`: pip install 'kishu-kernel[team]'") from error
    return getattr(aead, name)
