"""Where the history of a bundle goes: to a notebook that has none yet, or among the stores under a name of its own.

Law: as in `assignment`: never two notebooks in one store, and no history is replaced by another.
Neighbours: `maintenance.bundle_import` makes the store; `assignment` finds it afterwards.
"""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

from kishu_kernel.errors import RequestError
from kishu_kernel.model import SessionId
from kishu_kernel.store.catalog.about_file import ABOUT, About, file_state, read_cells, write_about
from kishu_kernel.store.catalog.assignment import find_assignment
from kishu_kernel.store.catalog.paths import OF_SESSION, slug
from kishu_kernel.store.disk import store_files
from kishu_kernel.store.disk.directory import DATA
from kishu_kernel.store.maintenance.bundle_format import Content, Progress
from kishu_kernel.store.maintenance.bundle_import import import_history


def receive_bundle(
    base: Path, file: Path, notebook: str | None = None, progress: Progress | None = None
) -> tuple[Path, Content]:
    """Make a store of a bundle, in `base`. O(bytes).

    Args:
        notebook: the one whose history it becomes; None for none.

    Returns:
        The directory of the store, and what is in it.

    Raises:
        RequestError: the notebook has a history.
        StoreError: the bundle is not used, or a process has the notebook's own, empty store open, or the disk failed.
    """
    path = free_place(base, slug(file.stem)) if notebook is None else cleared_place(base, notebook)
    content = import_history(file, path, progress)
    if notebook is not None:
        give_to(path, notebook)
    return path, content


def give_to(path: Path, notebook: str) -> None:
    """Say beside a new store whose history it is."""
    looked = file_state(notebook)
    write_about(path, About(os.path.abspath(notebook), read_cells(notebook) or frozenset(), state=looked))


def free_place(base: Path, name: str) -> Path:
    """The first of `name`, `name-2`, `name-3`, ... that does not exist. A person has put it there: no kernel's name."""
    name = f"of-{name}" if name.startswith(OF_SESSION) else name
    paths = (base / (name if number == 1 else f"{name}-{number}") for number in count(1))
    return next(path for path in paths if not os.path.lexists(path))


def cleared_place(base: Path, notebook: str) -> Path:
    """Where to put the store of a notebook that has no history. A store without a checkpoint is removed.

    Raises:
        RequestError: the notebook has a history.
        StoreError: a process has the notebook's own, empty store open.
    """
    place = find_assignment(base, notebook, SessionId(""))
    if place.found == "moved" or not (place.found == "new" or store_files.is_empty(place.path)):
        raise RequestError(
            f"this notebook has a history already, in {place.path}: move that directory away first, or do not "
            "name the notebook"
        )
    if place.found != "new":  # it was opened, and no cell was run
        if (place.path / DATA).exists():
            store_files.remove(place.path, ABOUT)
        else:
            (place.path / ABOUT).unlink(missing_ok=True)
        place = find_assignment(base, notebook, SessionId(""))
    return place.path
