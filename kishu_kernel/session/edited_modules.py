"""Sources of the user's own modules that were written after a state: their code is not taken back.

A state holds the data of such modules. Their functions and classes are what the source says, which is the user's file,
and no checkout writes that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from kishu_kernel.model import Checkpoint
from kishu_kernel.model.identity import package_of_marker
from kishu_kernel.objects.classes import module_contents

EDITED = "{} changed after {}: a checkout does not take code in files back."
MOST_FILES = 5
"""Files that the sentence names, at most."""


def edited_notes(at: Checkpoint, names: Iterable[str]) -> tuple[str, ...]:
    """A sentence about imported modules whose source was written later than a state; none if there are none.

    Args:
        names: those of the state.
    """
    packages = {package for name in names if (package := package_of_marker(name)) is not None}
    modules = sorted(each for each in sys.modules if type(each) is str and each.partition(".")[0] in packages)
    edited = [path.name for path in map(_source_of, modules) if path is not None and _written(path) > at.timestamp]
    if not edited:
        return ()
    more = [f"{len(edited) - MOST_FILES} more"] if len(edited) > MOST_FILES else []
    cell = "this state" if at.execution_count is None else f"In[{at.execution_count}]"
    return (EDITED.format(", ".join([*edited[:MOST_FILES], *more]), cell),)


def _source_of(module: str) -> Path | None:
    file = module_contents(sys.modules.get(module)).get("__file__")
    return Path(file) if type(file) is str else None


def _written(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0
