"""What one session of one system on one workload recorded, kept as a JSON file: so a run can be resumed.

Units: seconds and bytes throughout.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Kind = Literal["undo", "fork", "branch"]


@dataclass
class CellRecord:
    """One cell of the run.

    Attributes:
        seconds: from sending it to its reply, as the client sees it.
        in_cell: while the user's code ran.
        around: the rest: `seconds - in_cell`. What a system adds to plain ipykernel's is its visible delay.
        background: from the reply until all that the cell leaves is written.
        stored: what it added on disk.
        tracking: of it, detecting what changed; None where the system cannot tell.
    """

    seconds: float
    in_cell: float
    background: float
    stored: int
    tracking: float | None = None
    tags: list[str] = field(default_factory=list)

    @property
    def around(self) -> float:
        return self.seconds - self.in_cell


@dataclass
class RestoreRecord:
    """One state that was brought back.

    Attributes:
        kind: `undo` of a cell; `fork`: back to where the notebook branches; `branch`: to the end of the other branch.
        cell: the index of the cell that was undone, or that the state was left by.
        seconds: None where it failed.
        error: what the system said, where it refused or failed: then nothing is wrong, but told.
        wrong: names of variables that are not what they were; empty is right.
        differences: the first of them, a line each.
    """

    kind: Kind
    cell: int
    seconds: float | None
    error: str | None = None
    wrong: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)


@dataclass
class SessionRecord:
    """All of one session.

    Attributes:
        parameters: those of the workload, `SCALE` among them.
        error: why it ended early: the system failed, or the time was up. What was recorded before it stands.
        failed_at: the index of the cell at which it did.
        wall: seconds of all of it, from the start of the kernel to its end.
        memory: the peak of the kernel's process.
        variables, covariables: of the last state.
        told: what the system itself said could not be kept.
        unstable: variables whose descriptions differ although nothing ran between; not compared.
    """

    workload: str
    system: str
    round: int
    parameters: dict[str, Any]
    cells: list[CellRecord] = field(default_factory=list)
    restores: list[RestoreRecord] = field(default_factory=list)
    error: str | None = None
    failed_at: int | None = None
    wall: float = 0.0
    memory: int | None = None
    variables: int | None = None
    covariables: int | None = None
    told: list[str] = field(default_factory=list)
    unstable: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Of the whole notebook, in-cell."""
        return sum(cell.in_cell for cell in self.cells)

    @property
    def delay(self) -> float:
        """Around all cells; compare with plain ipykernel's."""
        return sum(cell.around for cell in self.cells)

    @property
    def stored(self) -> int:
        """On disk after the last cell."""
        return sum(cell.stored for cell in self.cells)


def file_of(place: Path, record: SessionRecord) -> Path:
    """Where a record is kept."""
    parameters = ",".join(f"{name}={value}" for name, value in sorted(record.parameters.items()))
    return place / f"{record.workload},{parameters},{record.system},{record.round}.json"


def write(place: Path, record: SessionRecord) -> None:
    """Keep a record; it is there whole, or not at all."""
    path = file_of(place, record)
    half = path.with_suffix(".half")
    half.write_text(json.dumps(asdict(record)), encoding="utf-8")
    half.replace(path)


def read_all(place: Path, pattern: str = "*.json") -> Iterator[SessionRecord]:
    """All that are kept there, or those whose files have such names."""
    for path in sorted(place.glob(pattern)):
        content = json.loads(path.read_text(encoding="utf-8"))
        content["cells"] = [CellRecord(**each) for each in content["cells"]]
        content["restores"] = [RestoreRecord(**each) for each in content["restores"]]
        yield SessionRecord(**content)
