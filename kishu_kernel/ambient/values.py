"""Values of ambient state: what checkpoints know of them, what one writes down, and the way to another one's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kishu_kernel.model import CheckpointId, Lost
from kishu_kernel.model.dataclass import dataclass, field

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """What the checkpoints know at one moment.

    Attributes:
        at: for each kind of ambient state the checkpoint that holds what it is.
        values: and the value, as it was read.
    """

    at: Mapping[str, CheckpointId] = field(default_factory=dict)
    values: Values = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AmbientRecord:
    """What one checkpoint writes down of the ambient state.

    Attributes:
        after: what is other than the last checkpoint says, now that the cell has run; encoded.
        before: what was other when it began, and is other again.
        values: those of `after`, as they were read.
        imported: modules were imported since the cell began.
        contained: the cell ran no code that could have changed anything, and nothing was read.
    """

    after: Mapping[str, bytes]
    before: Mapping[str, bytes]
    values: Values
    imported: bool
    contained: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """From the ambient state here to that of another checkpoint.

    Attributes:
        values: what is to be written.
        known: what the checkpoints know then.
        lost: what cannot be had; it stays what it is. Or what of a value cannot be had; the rest is written.
    """

    values: Values
    known: Known
    lost: tuple[Lost, ...]
