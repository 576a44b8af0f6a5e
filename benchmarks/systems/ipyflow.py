"""IPyFlow 0.0.231: a kernel that traces what cells read and write. It keeps no states: what it adds is measured.

It is launched as its own kernelspec does. It instruments the user's code, so that its cost is in the cell as well as
around it, and cannot be told apart from inside: the report takes the difference to plain ipykernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import Launch
from benchmarks.systems.base import Subject, System, attached

ENVIRONMENT = "ipyflow"


@contextmanager
def _start(place: Path) -> Iterator[Subject]:
    launch = Launch("IPyFlow", ("ipyflow.kernel",), variables={"PYTHONPATH": ""})
    with attached(ENVIRONMENT, launch, place, Subject) as subject:
        yield subject


IPYFLOW = System(
    "ipyflow",
    "IPyFlow 0.0.231",
    "its kernel, with its defaults; its cost is all that it adds to plain ipykernel's cells",
    _start,
    ENVIRONMENT,
    rounds=1,
    tracks_only=True,
)
