"""Whose a store is: the file `about.json` beside its data, and the ids of cells by which a notebook is recognised.

Law: its content is only ever compared, since it may be damaged or hostile: it is not used to open a file for writing,
and where it is not exactly what we write, it counts as missing. The notebook's file is only read.
Neighbour: `assignment` decides by it.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.model.pattern import pattern
from kishu_kernel.store.catalog import elsewhere
from kishu_kernel.store.disk.directory import make_file_private, sync_directory

ABOUT = "about.json"

MAX_NOTEBOOK_SIZE = 50 << 20
"""Bytes. The cells of longer notebooks are not read, since that takes a second."""

_MAX_ABOUT_SIZE = 4 << 20
_MAX_PATH = 1 << 15
_CELL = pattern(r"[A-Za-z0-9_-]{1,64}")  # as nbformat has it
_UNPRINTABLE = pattern(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Characters that can make a path look like another one on a terminal."""

FileState = tuple[int, int]


@dataclass(frozen=True, slots=True)
class About:
    """What a store knows of its notebook.

    Attributes:
        notebook: absolute path.
        cells: ids of its cells when its file was last read; empty where they are not known.
        created: of the store, in ISO format.
        state: time of change (ns) and size of the notebook's file when its cells were read.
        unattended: as of `StoreListing`.
    """

    notebook: str
    cells: frozenset[str] = frozenset()
    created: str = ""
    state: FileState | None = None
    unattended: bool = False


def read_about(store: Path) -> About | None:
    """The content of a store's `about.json`. None where there is none, or it is not exactly what we write."""
    value = _json(store / ABOUT, _MAX_ABOUT_SIZE)
    if not isinstance(value, dict):
        return None
    notebook, cells, created, seen = (value.get(key) for key in ("notebook", "cells", "created", "seen"))
    if not isinstance(notebook, str) or not _credible(notebook) or not isinstance(cells, list):
        return None
    if not all(isinstance(cell, str) and _CELL.fullmatch(cell) for cell in cells):
        return None
    when = created if isinstance(created, str) and _is_time(created) else ""
    pair = isinstance(seen, list) and len(seen) == 2 and all(isinstance(number, int) for number in seen)
    state = (seen[0], seen[1]) if pair and seen else None
    return About(notebook, frozenset(cells), when, state, value.get("unattended") is True)


def write_about(store: Path, about: About) -> None:
    """Write the `about.json` of a store, whole or not at all, for this user only.

    Raises:
        OSError: the disk fails.
    """
    value = {
        "notebook": about.notebook,
        "cells": sorted(about.cells),
        "created": about.created or datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seen": about.state,
        **({"unattended": True} if about.unattended else {}),
    }
    descriptor, name = tempfile.mkstemp(prefix=ABOUT, dir=store)  # never through a link
    try:
        make_file_private(descriptor)
        with open(descriptor, "w", encoding="ascii") as file:
            json.dump(value, file)
            file.flush()
            os.fsync(descriptor)
        os.replace(name, store / ABOUT)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    sync_directory(store)


def notebook_cells(path: str | Path) -> frozenset[str]:
    """The ids of the cells in a notebook's file. Empty where there are none, or they cannot be read."""
    return read_cells(path) or frozenset()


def read_cells(path: str | Path) -> frozenset[str] | None:
    """As `notebook_cells`, but None where they cannot be read: empty means a notebook without cells."""
    if elsewhere.is_elsewhere(str(path)):
        return elsewhere.cells(str(path))
    value = _json(path, MAX_NOTEBOOK_SIZE)
    cells = value.get("cells") if isinstance(value, dict) else None
    if not isinstance(cells, list):
        return None
    ids = (cell.get("id") for cell in cells if isinstance(cell, Mapping))
    found = frozenset(id for id in ids if isinstance(id, str) and _CELL.fullmatch(id))
    return found if found or not cells else None  # older notebooks have cells without ids


def file_state(path: str | Path) -> FileState | None:
    """The time of change (ns) and the size of a file. None where it cannot be read."""
    try:
        facts = os.stat(path)
    except (OSError, ValueError):
        return None
    return facts.st_mtime_ns, facts.st_size


def is_gone(path: str) -> bool:
    """Whether there is surely no such file. False where that is not known."""
    if elsewhere.is_elsewhere(path):
        return False
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def _json(path: str | Path, most: int) -> Any:
    """The JSON in a plain file. None where it is something else, is too long, or (`about.json`) is a link."""
    flags = sum(getattr(os, name, 0) for name in ("O_RDONLY", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
    if Path(path).name == ABOUT:
        flags |= getattr(os, "O_NOFOLLOW", 0)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening some devices does something
            return None
        with open(os.open(path, flags), "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > most:
                return None
            return json.loads(file.read(most))
    except (OSError, ValueError, RecursionError, MemoryError):
        return None


def _credible(notebook: str) -> bool:
    return len(notebook) <= _MAX_PATH and os.path.isabs(notebook) and not _UNPRINTABLE.search(notebook)


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
