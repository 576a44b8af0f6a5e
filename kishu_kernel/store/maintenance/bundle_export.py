"""A history, or one state of it, exported as a bundle: one file for another machine.

Neighbours: `bundle_format` says what stands in the file; `bundle_import` reads it.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kishu_kernel.errors import LoadError, StoreError
from kishu_kernel.model import Checkpoint, CheckpointId, Digest, SessionId, Version
from kishu_kernel.store.disk import directory, environment_pool
from kishu_kernel.store.disk.identity import StoreIdentity
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.checkpoints import encode_checkpoint
from kishu_kernel.store.format.chunks import missing_chunk
from kishu_kernel.store.format.seals import HISTORY_KEY, row_of
from kishu_kernel.store.format.signatures import IDENTITY_PREFIX
from kishu_kernel.store.format.signing import Signer, user_signer
from kishu_kernel.store.format.validation import (
    check_graph,
    check_outputs,
    validated_checkpoint,
    validated_manifest,
    validated_ref,
    verified_chunk,
)
from kishu_kernel.store.garbage import without_versions
from kishu_kernel.store.maintenance.bundle_format import (
    BUNDLE,
    BUNDLE_KEY,
    BUNDLE_WITHOUT_SEALS,
    DEFLATED,
    MAX_VALUE_BYTES,
    ROW,
    Content,
    Digests,
    Progress,
)

if TYPE_CHECKING:
    from lmdb import Transaction

    from kishu_kernel.store.disk.environment import Environment

LEFT_OUT = "it was left out of the bundle that this history came in"
"""The reason in records of versions whose payloads are not in the bundle. It is stored."""
_TOO_MUCH = ({"output_type": "stream", "name": "stderr", "text": "(these outputs were too large for a bundle)\n"},)
_WHEN = (1980, 1, 1, 0, 0, 0)
"""The time of all entries: the same history makes the same bundle."""

Rows = Iterable["tuple[bytes | memoryview, bytes | memoryview]"]


class Extract(NamedTuple):
    """A part of a history: one state, and the code of the cells on the path to it.

    Attributes:
        head: where the branch of the bundle ends.
        session: the one whose HEAD is there.
        checkpoints: those to export. The parent of each is among them.
        versions: those whose payloads to export.
    """

    head: CheckpointId
    session: SessionId
    checkpoints: Collection[CheckpointId]
    versions: Collection[Version]


def export_history(
    path: Path,
    file: Path,
    extract: Extract | None = None,
    progress: Progress | None = None,
    signer: Signer | None = None,
) -> Content:
    """Write a bundle of a store, for this user only. O(bytes). It replaces what is at `file`, whole or not at all.

    Other processes may use the store meanwhile. Threads of this one had better not: what they write waits where the
    store has to grow.

    Args:
        extract: what goes along; all of it if None.
        signer: signs the records that `extract` changes.

    Raises:
        StoreError: there is no store, it is damaged, or the file cannot be written.
    """
    with environment_pool.opened(path, readonly=True) as store:
        try:
            with store.reading() as txn, _replacing(file) as archive:
                return _Export(store, txn, archive, extract, signer or user_signer(), progress).run()
        except OSError as error:
            raise StoreError(f"the file {file} cannot be written ({error.strerror or error})") from error
        except (StoreError, LoadError) as error:
            raise StoreError(
                f"the store at {path} cannot be exported as it is ({error}): repair it with "
                "`jupyter kishu fsck --repair`, or export one state"
            ) from error


class _Export:
    def __init__(
        self,
        store: Environment,
        txn: Transaction[memoryview],
        archive: zipfile.ZipFile,
        extract: Extract | None,
        signer: Signer,
        progress: Progress | None,
    ) -> None:
        self._tables = store.tables
        self._txn = txn
        self._archive = archive
        self._extract = extract
        self._signatures = StoreIdentity(signer).signatures(txn, store.tables)
        self._progress = progress
        self._keys: set[bytes] | None = None
        self._versions: set[bytes] | None = None
        if extract:
            self._keys = set(map(schema.checkpoint_key, extract.checkpoints))
            self._versions = set(map(schema.version_key, extract.versions))
        self._digests: Digests = set()
        self._made: set[bytes] = set()
        self._counts: dict[str, int] = {}

    def run(self) -> Content:
        sealed = "seals" in self._tables and bool(self._txn.stat(self._tables["seals"])["entries"])
        head = {BUNDLE_KEY: BUNDLE if sealed else BUNDLE_WITHOUT_SEALS, "store": schema.FORMAT}
        self._archive.writestr(_info("format"), json.dumps(head))
        self._write("checkpoints", self._records())
        self._write("outputs", self._outputs())
        self._write("versions", self._manifests())
        self._write("refs", self._refs())
        self._write("made", self._makers())
        if sealed:
            self._write("seals", self._seals())
        done = self._chunks()
        counts = self._counts
        return Content(counts["checkpoints"], counts["versions"], counts["chunks"] + counts["packed"], done)

    def _write(self, name: str, rows: Rows) -> None:
        count = 0
        with self._archive.open(_info(name), "w", force_zip64=True) as entry:
            for key, value in rows:
                entry.write(ROW.pack(len(key), len(value)) + key)
                entry.write(value)
                count += 1
        self._counts[name] = count

    def _rows(self, table: str, only: set[bytes] | None = None) -> Iterator[tuple[bytes, memoryview]]:
        with self._txn.cursor(db=self._tables[table]) as cursor:
            for key, value in cursor:
                if only is None or bytes(key) in only:
                    yield bytes(key), value

    def _records(self) -> Iterator[tuple[bytes, bytes]]:
        parents = {}
        for key, value in self._rows("checkpoints", self._keys):
            checkpoint = validated_checkpoint(key, schema.without_signature(bytes(value)))
            parents[checkpoint.id] = checkpoint.parent
            yield key, self._record(key, bytes(value), checkpoint)
        check_graph(parents)

    def _record(self, key: bytes, value: bytes, checkpoint: Checkpoint) -> bytes:
        """The value of a record: as it is, or saying which payloads are not exported."""
        if self._versions is None:
            return value
        stored = {schema.version_key(Version(each.names, checkpoint.id)) for each in checkpoint.versions if each.stored}
        if stored <= self._versions:
            return value
        changed = without_versions(checkpoint, stored - self._versions, LEFT_OUT)
        body = encode_checkpoint(changed)
        return self._rewritten("checkpoints", key, value, body)

    def _rewritten(self, table: str, key: bytes, value: bytes, body: bytes) -> bytes:
        """A value with another body, signed only if it was signed before."""
        return self._signatures.signed_again(table, key, body, value)

    def _outputs(self) -> Iterator[tuple[bytes, bytes | memoryview]]:
        for key, value in self._rows("outputs", self._keys):
            check_outputs(schema.without_signature(bytes(value)))
            fits = len(value) <= MAX_VALUE_BYTES
            yield key, value if fits else self._rewritten("outputs", key, bytes(value), schema.dump_json(_TOO_MUCH))

    def _manifests(self) -> Iterator[tuple[bytes, memoryview]]:
        for key, value in self._rows("versions", self._versions):
            manifest = validated_manifest(key, schema.without_signature(bytes(value)))
            self._digests |= manifest.digests
            if manifest.made:
                self._made.add(schema.made_key(manifest.made))
            yield key, value

    def _refs(self) -> Iterator[tuple[bytes, bytes | memoryview]]:
        if self._extract:
            for name in ("branch/main", f"head/{self._extract.session}"):
                yield schema.ref_key(name), schema.checkpoint_key(self._extract.head)
            return
        for key, value in self._rows("refs"):
            _, id = validated_ref(key, bytes(value))
            if self._txn.get(schema.checkpoint_key(id), db=self._tables["checkpoints"]) is not None:
                yield key, value

    def _makers(self) -> Iterator[tuple[bytes, memoryview]]:
        return (
            (key, value)
            for key, value in self._rows("meta")
            if key in self._made or key.startswith(IDENTITY_PREFIX) or key == HISTORY_KEY
        )

    def _seals(self) -> Iterator[tuple[bytes, bytes | memoryview]]:
        """The seals of what is exported; those anew that belong to changed records."""
        changed = self._signatures.made_seals()
        for key, value in self._rows("seals"):
            table, row = row_of(key)
            only = self._versions if table == "versions" else self._keys
            if (only is None or row in only) and self._txn.get(row, db=self._tables[table]) is not None:
                yield key, changed.get(key, value)

    def _chunks(self) -> int:
        """Write the chunks that the manifests name. The bytes of those."""
        places: dict[str, list[bytes]] = {"chunks": [], "packed": []}
        total = 0
        for digest in sorted(self._digests):
            table, value = self._find(digest)
            places[table].append(digest)
            total += len(value)
        done = 0

        def rows(table: str) -> Iterator[tuple[bytes, memoryview]]:
            nonlocal done
            for digest in places[table]:
                _, value = self._find(digest)
                verified_chunk(table, digest, value)
                yield digest, value
                done += len(value)
                if self._progress:
                    self._progress(done, total)

        for table in places:
            self._write(table, rows(table))
        return total

    def _find(self, digest: bytes) -> tuple[str, memoryview]:
        for table in ("chunks", "packed"):
            value = self._txn.get(digest, db=self._tables[table])
            if value is not None:
                return table, value
        raise missing_chunk(Digest(digest))


# --- the file


class _replacing:
    """An archive beside `file`, which replaces it at the end if nothing was raised."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __enter__(self) -> zipfile.ZipFile:
        descriptor, name = tempfile.mkstemp(prefix=f".{self._file.name[:100]}-", dir=self._file.parent)
        self._name = name
        directory.make_file_private(descriptor)
        self._stream = os.fdopen(descriptor, "w+b")
        self._archive = zipfile.ZipFile(self._stream, "w", allowZip64=True)
        return self._archive

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                self._archive.close()
                self._stream.flush()
                os.fsync(self._stream.fileno())
                self._stream.close()
                os.replace(self._name, self._file)
        finally:
            self._archive.fp = None  # nothing more is to be written, whatever happened
            self._stream.close()
            with suppress(FileNotFoundError):
                os.unlink(self._name)


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _WHEN)
    info.external_attr = 0o600 << 16
    info.compress_type = zipfile.ZIP_DEFLATED if name in DEFLATED else zipfile.ZIP_STORED
    return info
