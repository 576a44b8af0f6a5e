"""Checkpoints and payloads for the store's tests."""

from __future__ import annotations

from kishu_kernel.model import (
    Buffer,
    Checkpoint,
    CheckpointId,
    Digest,
    Names,
    Payload,
    SessionId,
    VariableInfo,
    Version,
    VersionRecord,
)


def checkpoint_id(number: int) -> CheckpointId:
    return CheckpointId(f"{number:016x}")


def trivial(number: int, code: str = "x = 1") -> Checkpoint:
    """What a small cell leaves."""
    return Checkpoint(
        id=checkpoint_id(number),
        parent=checkpoint_id(number - 1) if number > 1 else None,
        session=SessionId("3f2a9c41"),
        timestamp=1764000000.123456 + number,
        execution_count=number,
        code=code,
        status="ok",
        error=None,
        duration=0.000123,
        created=("x",),
        modified=(),
        deleted=(),
        accessed=("x",),
        inputs=(),
        versions=(record(("x",), VariableInfo("x", "int", "1")),),
        dropped=(),
    )


def record(names: Names, *variables: VariableInfo) -> VersionRecord:
    return VersionRecord(names, Digest(bytes(range(16))), 5, True, None, True, variables)


def full(number: int) -> Checkpoint:
    """No field has its default, and the texts are awkward."""
    return Checkpoint(
        id=checkpoint_id(number),
        parent=checkpoint_id(number + 7),
        session=SessionId("sess\u00efon/1"),
        timestamp=0.1 + 0.2,
        execution_count=0,
        code='s = "\ud800 \U0001f600 \\ \x00"\n',
        status="error",
        error="ValueError",
        duration=12.5,
        created=("a",),
        modified=("b", "c"),
        deleted=("d",),
        accessed=("a", "b", "c", "e"),
        inputs=("e",),
        versions=(
            record(
                ("b", "c"),
                VariableInfo("b", "list", "[1, 2]"),
                VariableInfo("c", "int", "3", Digest(b"d" * 16)),
            ),
            VersionRecord(
                ("\ud800",),
                Digest(b"\xff" * 16),
                0,
                False,
                "a generator",
                False,
                (),
                True,
                ("ab" * 16,),
                {"cd" * 16: "K"},
                ("tracebacks",),
                Digest(b"u" * 16),
            ),
        ),
        dropped=(("b",), ("c", "d")),
        aliases={"_": "Out"},
        ambient={"random numbers": b"\x00\xff", "of the user's": b""},
        ambient_before={"random numbers": b"\x01"},
        imported=True,
        effects=("writes files",),
        audited=True,
        payload_bytes=1 << 40,
        written_bytes=17,
        message='"; DROP TABLE',
        incomplete="RecursionError in the fingerprint",
        severed=("lost", "s"),
        population=7,
        taken=(Version(("far",), checkpoint_id(170)),),
        outputs=(
            {"output_type": "stream", "name": "stdout", "text": "\ud800\n"},
            {"output_type": "display_data", "data": {"a": [1, None, 2.5]}, "metadata": {}},
        ),
        trusted=False,
        outputs_trusted=False,
    )


def payload(stream: bytes, *buffers: bytes | bytearray, names: Names = ("x",)) -> Payload:
    return Payload(names, "cloudpickle", stream, tuple(Buffer(memoryview(b)) for b in buffers))
