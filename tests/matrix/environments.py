"""The environment of each group: as those of the benchmarks, made once and kept in the same cache.

`requirements/<group>.txt` pins what a group tries; the dependencies of this project come besides, and the project
itself from this checkout.
"""

from __future__ import annotations

from benchmarks import environments
from tests.matrix.entry import HERE

GROUPS = (
    *("core", "data", "plots", "learning", "language", "vision", "torchvision", "pipelines"),
    *("tensorflow", "distributed", "quantum", "general"),
)


def python(group: str) -> str:
    """The interpreter of a group's environment, which is made where there is none.

    Raises:
        BenchmarkError: it cannot be made.
    """
    return environments.made(f"matrix-{group}", requirements(group))


def requirements(group: str) -> list[str]:
    """What is installed, a line each."""
    text = (HERE / "requirements" / f"{group}.txt").read_text(encoding="utf-8")
    own = [line for each in text.splitlines() if (line := each.partition("#")[0].strip())]
    return [*environments.dependencies(), *own]
