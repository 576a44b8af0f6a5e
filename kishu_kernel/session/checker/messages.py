"""Questions to the checker process and its answers: frozen values, and how they are sent.

A message is its length (8 bytes) and a pickle of one of these values. Law: neither side loads any other class from the
connection; what a payload holds stays bytes until `server` decodes it.
"""

from __future__ import annotations

import importlib
import io
import pickle
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from kishu_kernel.model import Names
from kishu_kernel.model.dataclass import dataclass, field

PATIENCE = 60.0
"""Seconds that the checker may take for a question, imports of libraries included."""
HEADER = 8
_MODULES = ("kishu_kernel.session.checker.messages", "kishu_kernel.compare.facts")

QuestionKind = Literal["census", "digest", "comparison"]
Value = TypeVar("Value")


class NoAnswerError(Exception):
    """The checker did not answer, and will not."""


@dataclass(frozen=True, slots=True)
class CopiedBlob:
    """A copy of an out-of-band buffer, with the methods of `store.base.Blob`."""

    data: bytes | bytearray
    direct: bool

    @property
    def nbytes(self) -> int:
        """Its length."""
        return len(self.data)

    def readinto(self, target: memoryview) -> None:
        """Fills `target`, of the same length."""
        target[:] = self.data


@dataclass(frozen=True, slots=True)
class CopiedPayload:
    """A copy of a payload, with the attributes of `codec.pickling.Stored`."""

    names: Names
    stream: bytes
    blobs: tuple[CopiedBlob, ...]
    made_by: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return len(self.stream) + sum(blob.nbytes for blob in self.blobs)


@dataclass(frozen=True, slots=True)
class Environment:
    """What a load depends on besides its payload.

    Attributes:
        path: `sys.path`.
        directory: the working directory.
        sources: name of code that is in no file -> its lines.
        modules: the notebook's name for a module that it has imported -> the module's own name.
        libraries: module and name of each `Library` that the notebook has registered.
    """

    path: tuple[str, ...]
    directory: str
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    libraries: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A question about payloads.

    Attributes:
        payloads: one; two for a comparison.
        names: the variables to compare.
    """

    number: int
    kind: QuestionKind
    payloads: tuple[CopiedPayload, ...]
    names: tuple[str, ...]
    environment: Environment


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found.

    Attributes:
        digest: of the loaded objects; empty if nothing was loaded.
        census: which attributes they have, as `detect.walk.result.Census`.
        comparisons: variable -> what differs.
        problem: why nothing was loaded.
        destructor: nothing was loaded, because a class in the payload has a destructor.
        refused: the side effect that the load would have had.
        seconds: what it took; 0 if modules had to be imported for it.
        last: the process ends now.
    """

    number: int
    digest: bytes = b""
    census: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    comparisons: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None
    destructor: bool = False
    refused: str | None = None
    seconds: float = 0.0
    last: bool = False


def encode_message(value: Question | Answer) -> bytes:
    """The bytes of a message."""
    body = pickle.dumps(value, protocol=5)
    return len(body).to_bytes(HEADER, "big") + body


def take_message(received: bytearray) -> Any:
    """Takes the next message from the front of what was received; None if it is not complete yet.

    Raises:
        pickle.UnpicklingError: it names another class than those of this module.
    """
    if len(received) < HEADER:
        return None
    end = HEADER + int.from_bytes(received[:HEADER], "big")
    if len(received) < end:
        return None
    body = bytes(memoryview(received)[HEADER:end])
    del received[:end]
    return _Loader(io.BytesIO(body)).load()


class _Loader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module not in _MODULES or not name.isidentifier():
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a message")
        return getattr(importlib.import_module(module), name)
