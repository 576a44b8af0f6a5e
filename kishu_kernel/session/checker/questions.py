"""What is asked of the checker process and what it answers: frozen values, and how they go over the line.

A message is its length (8 bytes) and a pickle of one of these values. Law: neither side loads any other class from the
line; what a payload holds stays bytes until `child` decodes it.
"""

from __future__ import annotations

import importlib
import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from kishu_kernel.model import Names

PATIENCE = 60.0
"""Seconds that the checker takes for a question at most, imports of libraries included."""
HEADER = 8
_KNOWN = ("kishu_kernel.session.checker.questions", "kishu_kernel.compare.facts")

Kind = Literal["census", "digest", "comparison"]
Value = TypeVar("Value")


class NoAnswerError(Exception):
    """The checker did not answer, and will not."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """An out-of-band buffer, as `store.base.Blob` is one."""

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
class Given:
    """A payload, as `codec.pickling.Stored`."""

    names: Names
    stream: bytes
    blobs: tuple[Bytes, ...]
    made_by: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many bytes it weighs."""
        return len(self.stream) + sum(blob.nbytes for blob in self.blobs)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a load depends on besides its payload.

    Attributes:
        sources: lines of code that are in no file, by the name of the code.
        modules: those that the notebook has imported, by its names for them.
    """

    path: tuple[str, ...]
    directory: str
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """What there is to know of payloads.

    Attributes:
        payloads: one; two for a comparison.
        names: variables to be compared.
    """

    number: int
    kind: Kind
    payloads: tuple[Given, ...]
    names: tuple[str, ...]
    around: Surroundings


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found.

    Attributes:
        digest: of the loaded objects; empty where nothing was loaded.
        census: which attributes they have, as `detect.walk.result.Census`.
        comparisons: by variable.
        problem: why it was not loaded.
        destructor: it was not, because a class in it has a destructor.
        refused: what the load wanted to do to the world.
        seconds: what it took; 0 where modules had to be imported for it.
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


def packed(value: Question | Answer) -> bytes:
    """A message."""
    body = pickle.dumps(value, protocol=5)
    return len(body).to_bytes(HEADER, "big") + body


def unpacked(received: bytearray) -> Any:
    """The next message, taken from the front of what was received; None where it is not there yet.

    Raises:
        pickle.UnpicklingError: it is none of ours.
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
        if module not in _KNOWN or not name.isidentifier():
            raise pickle.UnpicklingError(f"{module}.{name} is not said here")
        return getattr(importlib.import_module(module), name)
