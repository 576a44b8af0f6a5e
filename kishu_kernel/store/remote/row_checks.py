"""Whether rows are such as a history has: asked of what is about to be sent, and of what was read.

Law: both sides ask the same. What no pull would take is not pushed, since it would keep everybody from pulling.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kishu_kernel.errors import StoreError
from kishu_kernel.model import CheckpointId
from kishu_kernel.model.dataclass import dataclass, field
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.seals import HISTORY_BYTES, HISTORY_KEY, decode_seal, row_of
from kishu_kernel.store.format.signatures import IDENTITY_PREFIX, IDENTITY_SIZE
from kishu_kernel.store.format.signing import SIGNATURE_SIZE
from kishu_kernel.store.format.validation import check_outputs, validated_checkpoint, validated_manifest
from kishu_kernel.store.remote.layout import RowKey


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """What rows say that are as they should be, each by itself.

    Attributes:
        parents: of the states, theirs.
        digests: of the manifests, those of the chunks that they name.
    """

    parents: dict[CheckpointId, CheckpointId | None] = field(default_factory=dict)
    digests: dict[RowKey, set[Any]] = field(default_factory=dict)

    def add(self, row: RowKey, value: bytes) -> None:
        """Check a row. StoreError or LoadError where it is damaged."""
        table, key = row
        body = schema.without_signature(value)
        if table == "checkpoints":
            checkpoint = validated_checkpoint(key, body)
            self.parents[checkpoint.id] = checkpoint.parent
        elif table == "versions":
            self.digests[row] = set(validated_manifest(key, body).digests)
        elif table == "outputs":
            check_outputs(body)
        elif table == "seals":
            decode_seal(value)
        else:
            _check_meta(key, value)


def states_of(rows: Iterable[RowKey]) -> Mapping[CheckpointId, RowKey]:
    """The states that rows say something of: of each, one of its rows. StoreError where a seal is for no row."""
    found = {}
    for row in rows:
        table, key = row_of(row[1]) if row[0] == "seals" else row
        if table != "meta":
            found[schema.version_checkpoint(key) if table == "versions" else schema.checkpoint_id(key)] = row
    return found


def _check_meta(key: bytes, value: bytes) -> None:
    if key.startswith(IDENTITY_PREFIX):
        fits = (len(key), len(value)) == (len(IDENTITY_PREFIX) + 2 * SIGNATURE_SIZE, IDENTITY_SIZE + SIGNATURE_SIZE)
    elif key == HISTORY_KEY:
        fits = len(value) == HISTORY_BYTES
    else:
        fits = schema.encode_made(schema.decode_made(value)).key == key
    if not fits:
        raise StoreError("what it says of who made it is damaged")
