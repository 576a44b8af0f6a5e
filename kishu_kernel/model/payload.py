"""The bytes of one version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from kishu_kernel.model.dataclass import dataclass, field
from kishu_kernel.model.identity import Names

CodecName = Literal["cloudpickle", "dill"]


@dataclass(frozen=True, slots=True)
class Buffer:
    """An out-of-band piece of a payload.

    Attributes:
        data: contiguous bytes. Unless `copied`, this is the user's live memory, valid until the next cell.
        row_bytes: length of one row if the bytes are rows of a 2-D block, else 0. Chunks start anew at each row.
        item_bytes: length of one item, for compressors that can use it.
        direct: the loader reads it straight into the object's own memory (see `Blob`);
            else the loader is handed a writable buffer.
        owner: the object that keeps the memory alive.
        copied: the memory belongs to the payload.
    """

    data: memoryview
    row_bytes: int = 0
    item_bytes: int = 1
    direct: bool = False
    owner: object = None
    copied: bool = False


@dataclass(frozen=True, slots=True)
class Payload:
    """The bytes of one version: a pickle stream and its out-of-band buffers.

    Attributes:
        made_by: names of Python and of the libraries that made it -> their versions.
        left_out: what of the objects is not in it, since it cannot be stored. Plurals.
    """

    names: Names
    codec: CodecName
    stream: bytes
    buffers: tuple[Buffer, ...] = ()
    made_by: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes before chunking and compression."""
        beside = sum(buffer.data.nbytes for buffer in self.buffers) if self.buffers else 0
        return len(self.stream) + beside


@dataclass(frozen=True, slots=True)
class NotStored:
    """Why a co-variable has no payload.

    Attributes:
        secret: it is not shown either.
    """

    names: Names
    reason: str
    secret: bool = False
