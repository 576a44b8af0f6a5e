"""Whose a store is: `about.json` beside its data, and the cells by which a notebook is known again.

Law: what stands there is never believed further than a comparison: it may be damaged, or hostile. It opens no file for
writing, and what it says is none where it is not exactly what we write. The notebook's file is only read.
Neighbours: `assignment` decides by it.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from kishu_kernel.store.disk.directory import make_file_private, sync_directory

ABOUT = "about.json"

NOTEBOOK_AT_MOST = 50 << 20
"""Bytes; longer notebooks are not read for their cells, since that takes a second."""

_ABOUT_AT_MOST = 4 << 20
_PATH_AT_MOST = 1 << 15
_CELL = re.compile(r"[A-Za-z0-9_-]{1,64}")  # as nbformat has it
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What could make a path look like another one on a terminal."""

FileState = tuple[int, int]


@dataclass(frozen=True, slots=True)
class About:
    """What a store knows of its notebook.

    Attributes:
        notebook: absolute path.
        cells: ids of its cells when it was last looked at. Empty: not known.
        created: of the store, in ISO format.
        state: modification time (ns) and size of the notebook's file when its cells were read.
    """

    notebook: str
    cells: frozenset[str] = frozenset()
    created: str = ""
    state: FileState | None = None


def read_about(store: Path) -> About | None:
    """What a store says of itself, or None where it says nothing that could be believed."""
    value = _json(store / ABOUT, _ABOUT_AT_MOST)
    if not isinstance(value, dict):
        return None
    notebook, cells, created, seen = (value.get(key) for key in ("notebook", "cells", "created", "seen"))
    if not isinstance(notebook, str) or not _credible(notebook) or not isinstance(cells, list):
        return None
    if not all(isinstance(cell, str) and _CELL.fullmatch(cell) for cell in cells):
        return None
    when = created if isinstance(created, str) and _is_time(created) else ""
    pair = isinstance(seen, list) and len(seen) == 2 and all(isinstance(number, int) for number in seen)
    return About(notebook, frozenset(cells), when, (seen[0], seen[1]) if pair and seen else None)


def write_about(store: Path, about: About) -> None:
    """Put it beside the data of a store, whole or not at all, for this user only.

    Raises:
        OSError: the disk fails.
    """
    value = {
        "notebook": about.notebook,
        "cells": sorted(about.cells),
        "created": about.created or datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seen": about.state,
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
    """The ids of a notebook's cells, as its file has them. Empty where there is none, or none can be read."""
    return read_cells(path) or frozenset()


def read_cells(path: str | Path) -> frozenset[str] | None:
    """As `notebook_cells`, but empty for a notebook without cells only; None where that cannot be told."""
    value = _json(path, NOTEBOOK_AT_MOST)
    cells = value.get("cells") if isinstance(value, dict) else None
    if not isinstance(cells, list):
        return None
    ids = (cell.get("id") for cell in cells if isinstance(cell, Mapping))
    found = frozenset(id for id in ids if isinstance(id, str) and _CELL.fullmatch(id))
    return found if found or not cells else None  # older notebooks have cells without ids


def file_state(path: str | Path) -> FileState | None:
    """By which it is known that a notebook's file did not change."""
    try:
        facts = os.stat(path)
    except (OSError, ValueError):
        return None
    return facts.st_mtime_ns, facts.st_size


def is_gone(path: str) -> bool:
    """Whether there is surely no such file; false where that cannot be told."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def _json(path: str | Path, most: int) -> Any:
    """The content of a plain file that is no link, or None where it is not JSON, or is too long."""
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
    return len(notebook) <= _PATH_AT_MOST and os.path.isabs(notebook) and not _UNPRINTABLE.search(notebook)


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
