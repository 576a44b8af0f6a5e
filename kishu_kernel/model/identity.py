"""What identifies things: checkpoints, sessions, co-variables and their versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NewType

from kishu_kernel.model.dataclass import dataclass

CheckpointId = NewType("CheckpointId", str)
"""16 random hexadecimal digits. An id and not a timestamp, because two kernels' clocks can give the same time."""

SessionId = NewType("SessionId", str)

FORKED = "-fork-"
"""Part of the name of a session in a fork, which goes on beside its notebook: that does not go on from there."""

Names = tuple[str, ...]
"""The sorted names of one co-variable."""

Digest = NewType("Digest", bytes)
"""16 bytes of xxh3-128."""

NO_DIGEST = Digest(b"")

State = Mapping[Names, CheckpointId]
"""A session state (Definition 5): for each co-variable the checkpoint that made its version."""


@dataclass(frozen=True, slots=True)
class Version:
    """A co-variable as one cell left it (Definition 4)."""

    names: Names
    checkpoint: CheckpointId


def covariable(names: Sequence[str] | frozenset[str] | set[str]) -> Names:
    """The canonical form of a co-variable's names: sorted."""
    return tuple(sorted(names))


_MARKER = "module "


def module_marker(package: str) -> str:
    """The name under which a state holds which modules of one of the user's packages are imported.

    No variable that code can spell has it.
    """
    return _MARKER + package


def package_of_marker(name: str) -> str | None:
    """The package, or the module that is none, that such a name tells of; None for other names."""
    return name[len(_MARKER) :] if name.startswith(_MARKER) else None
