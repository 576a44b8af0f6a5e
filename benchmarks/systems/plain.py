"""Plain ipykernel: the baseline of every ratio. Keeps nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.environments import python
from benchmarks.harness import Launch, launched
from benchmarks.systems.base import Subject, System


@contextmanager
def _start(place: Path) -> Iterator[Subject]:
    with launched(Launch("ipykernel", ("ipykernel_launcher",), python("kishu-kernel")), place) as kernel:
        kernel.wait()
        subject = Subject(kernel)
        subject.attach()
        yield subject


PLAIN = System("plain", "plain ipykernel", "keeps nothing", _start)
