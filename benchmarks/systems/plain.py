"""Plain ipykernel: the baseline of every ratio. Keeps nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.systems.base import IPYKERNEL, Subject, System, attached


@contextmanager
def _start(place: Path) -> Iterator[Subject]:
    with attached("kishu-kernel", IPYKERNEL, place, Subject) as subject:
        yield subject


PLAIN = System("plain", "plain ipykernel", "keeps nothing", _start)
