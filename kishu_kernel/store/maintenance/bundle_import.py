"""A bundle made into a store: checked row by row while it is put into a directory where nobody looks for stores.

Law: as in `bundle_format`: nothing is believed, no entry becomes a file, nothing is unpickled. Memory is bounded by the
largest row, disk space by what the file says beforehand. A store appears whole, by a rename.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from kishu_kernel.errors import LoadError, StoreError, StoreFormatError
from kishu_kernel.model import CheckpointId
from kishu_kernel.store.disk import environment_pool
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.seals import HISTORY_BYTES, HISTORY_KEY, decode_seal, row_of
from kishu_kernel.store.format.signatures import IDENTITY_PREFIX, IDENTITY_SIZE
from kishu_kernel.store.format.signing import SIGNATURE_SIZE
from kishu_kernel.store.format.validation import (
    check_graph,
    check_outputs,
    validated_checkpoint,
    validated_manifest,
    validated_ref,
    verified_chunk,
)
from kishu_kernel.store.maintenance.bundle_format import (
    BUNDLE,
    BUNDLE_KEY,
    BUNDLE_WITHOUT_SEALS,
    DEFLATED,
    ENTRIES,
    Content,
    Digests,
    Progress,
    read_rows,
)
from kishu_kernel.store.maintenance.new_store import appearing

if TYPE_CHECKING:
    from lmdb import Transaction

    from kishu_kernel.store.disk.environment import Environment

BATCH = 16 << 20
"""Bytes of one write transaction."""
_HEAD_BYTES = 4096
_BRANCH, _SESSION = "branch/", "head/"
_RESERVE = 64 << 20
"""Bytes of the disk that must stay free."""
_PAGE = 4096
_LAST = struct.Struct("<4s4H2LH")
"""The end of a zip archive: ..., number of entries, size and place of their list, length of a comment."""
_LAST_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_LIST_BYTES = 1 << 14

_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError),
    *(ValueError, KeyError, TypeError, RecursionError, LoadError),
)
"""What is raised by reading a file that is damaged or no bundle."""


def import_history(file: Path, path: Path, progress: Progress | None = None) -> Content:
    """Make a store of a bundle. O(bytes).

    Args:
        file: the bundle.
        path: of the new store; there is none yet.
        progress: called with the bytes done, and all bytes.

    Returns:
        What is in it.

    Raises:
        StoreFormatError: a newer kishu-kernel wrote the bundle.
        StoreError: there is something at `path`, the bundle is not used, or the disk failed. Nothing is left behind.
    """
    try:
        with file.open("rb") as stream, appearing(path) as place, _archive(file, stream) as archive:
            return _Import(archive, place, progress).run()
    except OSError as error:
        raise StoreError(f"the bundle {file} cannot be imported ({error.strerror or error})") from error
    except StoreFormatError:
        raise
    except _Refusal as refusal:
        raise StoreError(f"the file {file} is not used: {refusal}") from refusal


class _Refusal(Exception):
    """Why a bundle is not used, as a clause."""


@contextmanager
def _archive(file: Path, stream: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """The archive, after its list of entries was checked."""
    try:
        _check_list(stream)
        with zipfile.ZipFile(stream) as archive:
            _check_entries(archive, os.fstat(stream.fileno()).st_size)
            yield archive
    except _BROKEN as error:
        raise _Refusal(f"it is damaged or is no bundle of kishu-kernel ({error})") from error


def _check_list(stream: IO[bytes]) -> None:
    """Check that the list of entries is short, since `zipfile` reads all of it into memory."""
    size = stream.seek(0, os.SEEK_END)
    tail = size - _LAST.size - _LOCATOR.size - _LAST_64.size
    stream.seek(max(tail, 0))
    data = stream.read()
    if len(data) < _LAST.size:
        raise _Refusal("it is no bundle of kishu-kernel")
    magic, *_, entries, length, _, comment = _LAST.unpack(data[-_LAST.size :])
    if magic != b"PK\5\6" or comment or entries > len(ENTRIES) or length > _LIST_BYTES:
        raise _Refusal("it is damaged or is no bundle of kishu-kernel")
    if data[-_LAST.size - _LOCATOR.size :].startswith(b"PK\6\7"):
        magic, *_, entries, length, _ = _LAST_64.unpack(data[: _LAST_64.size])
        if magic != b"PK\6\6" or entries > len(ENTRIES) or length > _LIST_BYTES:
            raise _Refusal("it is damaged or is no bundle of kishu-kernel")
    stream.seek(0)


def _check_entries(archive: zipfile.ZipFile, size: int) -> None:
    infos = archive.infolist()
    names = tuple(info.filename for info in infos)
    if names not in (ENTRIES, tuple(each for each in ENTRIES if each != "seals")):
        raise _Refusal("it does not consist of the entries of a bundle, each once and in order")
    for info in infos:
        stored = info.compress_type == zipfile.ZIP_STORED and info.file_size == info.compress_size
        deflated = info.compress_type == zipfile.ZIP_DEFLATED and info.filename in DEFLATED
        if not (stored or deflated) or info.flag_bits & 1 or info.compress_size > size:
            raise _Refusal(f"its entry {info.filename} is not packed as in a bundle")


class _Import:
    def __init__(self, archive: zipfile.ZipFile, place: Path, progress: Progress | None) -> None:
        self._archive = archive
        self._place = place
        self._progress = progress
        self._total = sum(info.file_size for info in archive.infolist())
        self._done = 0
        self._parents: dict[CheckpointId, CheckpointId | None] = {}
        self._missing: Digests = set()
        self._counts: dict[str, int] = {}
        self._bytes = 0
        self._format = schema.FORMAT
        self._sessions: dict[CheckpointId, str] = {}
        self._refs: dict[str, CheckpointId] = {}

    def run(self) -> Content:
        self._check_head()
        free = shutil.disk_usage(self._place).free
        if self._total + _RESERVE > free:
            raise _Refusal(
                f"it says that it holds {self._total:,} bytes, and the disk has room for {free:,}: free some space"
            )
        store = environment_pool.acquire(self._place)
        try:
            self._fill(store, "checkpoints", self._checkpoint)
            try:
                check_graph(self._parents)
            except StoreError as error:
                raise _Refusal(str(error)) from error
            self._fill(store, "outputs", self._output)
            self._fill(store, "versions", self._manifest)
            self._fill(store, "refs", self._ref)
            self._give_heads(store)
            self._fill(store, "meta", self._made, "made")
            if "seals" in self._archive.namelist():
                self._fill(store, "seals", self._seal)
            self._fill(store, "chunks", lambda key, value: self._chunk("chunks", key, value))
            self._fill(store, "packed", lambda key, value: self._chunk("packed", key, value))
        finally:
            environment_pool.release(store)
        if self._missing:
            raise _Refusal(f"{len(self._missing):,} of the chunks that it names are not in it")
        counts = self._counts
        return Content(counts["checkpoints"], counts["versions"], counts["chunks"] + counts["packed"], self._bytes)

    def _check_head(self) -> None:
        if self._archive.getinfo("format").file_size > _HEAD_BYTES:
            raise _Refusal("it is no bundle of kishu-kernel")
        head = json.loads(self._archive.read("format"))
        versions = (head[BUNDLE_KEY], head["store"])
        if not all(type(version) is int and version > 0 for version in versions):
            raise _Refusal("it is no bundle of kishu-kernel")
        if versions[0] > BUNDLE or versions[1] > schema.FORMAT:
            raise StoreFormatError(
                f"this bundle has format {versions[0]} and its store format {versions[1]}; this kishu-kernel knows "
                f"{BUNDLE} and {schema.FORMAT}: install a newer kishu-kernel"
            )
        sealed = "seals" in self._archive.namelist()
        if versions[1] < 2 or sealed != (versions[0] > BUNDLE_WITHOUT_SEALS):  # bundles are younger than that
            raise _Refusal("it is no bundle of kishu-kernel")
        self._format = versions[1]

    def _fill(self, store: Environment, table: str, check: Callable[[bytes, bytes], None], entry: str = "") -> None:
        """Put the rows of an entry into a table, after each was checked."""
        info = self._archive.getinfo(entry or table)
        batch: list[tuple[bytes, bytes]] = []
        size = count = 0

        def put(txn: Transaction[bytes]) -> None:
            for key, value in batch:
                txn.put(key, value, db=store.tables[table])

        with self._archive.open(info) as stream:
            for key, value in read_rows(stream, info.file_size):
                if self._format < schema.SIGNED_TABLES.get(table, 0):  # as `schema.migrate` does it
                    value += schema.NO_SIGNATURE
                try:
                    check(key, value)
                except (StoreError, LoadError) as error:
                    raise _Refusal(str(error)) from error
                batch.append((key, value))
                size += len(key) + len(value)
                count += 1
                if size >= BATCH:
                    store.write(put, size + _PAGE * len(batch))
                    self._tell(size)
                    batch.clear()
                    size = 0
            if stream.read(1):  # and the checksum is looked at
                raise _Refusal("it is longer than it says")
        store.write(put, size + _PAGE * len(batch))
        self._tell(size)
        self._counts[entry or table] = count

    def _tell(self, size: int) -> None:
        self._done += size
        if self._progress and size:
            self._progress(self._done, self._total)

    # -- rows

    def _checkpoint(self, key: bytes, value: bytes) -> None:
        checkpoint = validated_checkpoint(key, schema.without_signature(value))
        self._parents[checkpoint.id] = checkpoint.parent
        self._sessions[checkpoint.id] = checkpoint.session

    def _output(self, key: bytes, value: bytes) -> None:
        self._known(schema.checkpoint_id(key))
        check_outputs(schema.without_signature(value))

    def _manifest(self, key: bytes, value: bytes) -> None:
        manifest = validated_manifest(key, schema.without_signature(value))
        self._known(schema.version_checkpoint(key))
        self._missing |= manifest.digests

    def _ref(self, key: bytes, value: bytes) -> None:
        name, id = validated_ref(key, value)
        self._known(id)
        self._refs[name] = id

    def _give_heads(self, store: Environment) -> None:
        """Add the HEAD of the session, at the end of its branch: older bundles of one state have none."""
        if any(name.startswith(_SESSION) for name in self._refs):
            return
        ends = {self._sessions[id]: id for name, id in self._refs.items() if name.startswith(_BRANCH)}

        def put(txn: Transaction[bytes]) -> None:
            for session, id in ends.items():
                txn.put(schema.ref_key(_SESSION + session), schema.checkpoint_key(id), db=store.tables["refs"])

        store.write(put, _PAGE * len(ends))

    def _made(self, key: bytes, value: bytes) -> None:
        if key.startswith(IDENTITY_PREFIX):
            if (len(key), len(value)) != (len(IDENTITY_PREFIX) + 2 * SIGNATURE_SIZE, IDENTITY_SIZE + SIGNATURE_SIZE):
                raise _Refusal("what it says of whose it is is damaged")
        elif key == HISTORY_KEY:
            if len(value) != HISTORY_BYTES:
                raise _Refusal("what it says of which history it is is damaged")
        elif schema.encode_made(schema.decode_made(value)).key != key:
            raise _Refusal("what it says of the libraries that made it is damaged")

    def _seal(self, key: bytes, value: bytes) -> None:
        table, row = row_of(key)
        decode_seal(value)
        self._known(schema.version_checkpoint(row) if table == "versions" else schema.checkpoint_id(row))

    def _chunk(self, table: str, key: bytes, value: bytes) -> None:
        if key not in self._missing:
            raise _Refusal(f"chunk {key.hex()} in it is named by nothing")
        verified_chunk(table, key, value)
        self._missing.remove(key)
        self._bytes += len(value)

    def _known(self, id: CheckpointId) -> None:
        if id not in self._parents:
            raise _Refusal(f"it holds something of state {id}, which is not in it")
