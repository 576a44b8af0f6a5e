"""Which store belongs to which notebook: found again after a rename, a move or a copy, or attached by hand.

Law: never two notebooks in one store. A notebook that cannot be identified for sure gets a store of its own, and a
hint. A notebook is recognised by its path, and by the ids of its cells, which survive a rename: a new notebook at an
old path (there is always another `Untitled.ipynb`) has other cells, and so has another store.
Neighbours: `paths` names directories, `about_file` says whose they are, `disk.store_files` copies.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Literal

from kishu_kernel.errors import RequestError, StoreError, UnwritableError
from kishu_kernel.model import SessionId
from kishu_kernel.model.dataclass import dataclass, replace
from kishu_kernel.store.catalog.about_file import (
    ABOUT,
    About,
    file_state,
    is_gone,
    notebook_cells,
    read_about,
    read_cells,
    write_about,
)
from kishu_kernel.store.catalog.elsewhere import is_elsewhere
from kishu_kernel.store.catalog.paths import default_base, is_of_session, store_path
from kishu_kernel.store.disk import directory
from kishu_kernel.store.disk.directory import DATA
from kishu_kernel.store.disk.locks import FileLock, wait_for


@dataclass(frozen=True, slots=True)
class StoreAssignment:
    """Where the store of a notebook is, or will be.

    Attributes:
        found: `own`: under the notebook's own name; `attached`: under another one, but known to be its;
            `moved`: it was of a notebook that is no more, with the same cells; `new`: there is none yet.
        previous: the path that the notebook had, where it was moved.
        resembles: of a new one: the store of a notebook that is still there, of which this one may be a copy.
    """

    path: Path
    found: Literal["own", "attached", "moved", "new"]
    previous: str | None = None
    resembles: Path | None = None


@dataclass(frozen=True, slots=True)
class StoreListing:
    """A store in a list of stores. It was not opened.

    Attributes:
        notebook: the one it belongs to, where it is now; None where that is not known.
        exists: whether there is a file at the notebook's path.
        bytes: on disk.
        used: when it was last written, seconds since the epoch.
        unattended: nobody has opened it as this notebook's: a run without a notebook has said later what it made.
    """

    path: Path
    notebook: str | None
    exists: bool
    bytes: int
    used: float
    unattended: bool = False

    @property
    def is_nobodys(self) -> bool:
        """Whether it is of a kernel without a notebook. One that a person brought here is not, though it has none."""
        return self.unattended or (self.notebook is None and is_of_session(self.path))


def list_stores(base: Path | None = None) -> list[StoreListing]:
    """All stores, the last used first. None is opened. A notebook that was renamed is looked for, as `renamed` does.

    O(stores); where notebooks were renamed or removed, also O(notebooks beside them).
    """
    found = filter(None, map(listing_of, _directories(base or default_base())))
    return sorted(found, key=lambda listing: listing.used, reverse=True)


def listing_of(path: Path) -> StoreListing | None:
    """The store in a directory as `list_stores` has it; None where there is none."""
    try:
        used = (path / DATA).stat(follow_symlinks=False).st_mtime
        size = sum(directory.disk_bytes(file) for file in path.iterdir())
        about = read_about(path)
        notebook = (renamed(path) or about.notebook) if about else None
        there = notebook is not None and not is_gone(notebook)
        return StoreListing(path, notebook, there, size, used, about is not None and about.unattended)
    except OSError:
        return None


def renamed(store: Path) -> str | None:
    """The path that a store's notebook has now, if it was renamed: what lies beside its old path and has its cells.

    None where it is still there, has left that directory, or cannot be told apart for sure. It only looks: the store is
    the notebook's under its new path once a kernel is started there. O(notebooks beside it), where it has left.
    """
    about = read_about(store)
    if about is None or not about.cells or (about.state and about.state == file_state(about.notebook)):
        return None
    if about.unattended:  # it has the cells of the notebook that was run, too
        return None
    if not _has_left(about):
        return None
    others = {its.notebook for place in _directories(store.parent) if place != store and (its := read_about(place))}
    beside = Path(about.notebook).parent.glob("*.ipynb")
    alike: list[tuple[int, str]] = []
    with suppress(OSError):
        for path in map(str, beside):
            cells = frozenset() if path in others else notebook_cells(path)
            if 2 * len(cells & about.cells) >= len(cells) > 0:
                alike.append((len(cells & about.cells), path))
    alike.sort(reverse=True)
    return alike[0][1] if alike and (len(alike) == 1 or alike[0][0] > alike[1][0]) else None


def find_assignment(base: Path | None, notebook: str | None, session: SessionId) -> StoreAssignment:
    """Find the store of a notebook. It only looks; `claim_store` also claims what it finds. O(stores).

    Args:
        notebook: its path, as for `store_path`. None or empty: each session has a store of its own.
    """
    own = store_path(base, notebook, session)
    if not notebook:
        return StoreAssignment(own, "own" if _has_store(own) else "new")
    path, cells = os.path.abspath(notebook), read_cells(notebook)
    about = read_about(own)
    if about is None and _has_store(own):
        return StoreAssignment(own, "own")
    if about is not None and _is_same_path(about.notebook, path) and not _surely_differ(cells, about.cells):
        return StoreAssignment(own, "own")
    others = [(place, its) for place in _directories(own.parent) if place != own and (its := read_about(place))]
    named = [
        (place, its)
        for place, its in others
        if _is_same_path(its.notebook, path) and not _surely_differ(cells, its.cells)
    ]
    if named:
        best = max(named, key=lambda pair: (len((cells or frozenset()) & pair[1].cells), _used(pair[0])))
        return StoreAssignment(best[0], "attached")
    others = [(place, its) for place, its in others if not its.unattended]  # these have another one's cells
    return _by_cells(own, cells or frozenset(), others if about is None else [*others, (own, about)])


def claim_store(base: Path | None, notebook: str | None, session: SessionId) -> StoreAssignment:
    """As `find_assignment`, and write into the store that it is this notebook's, so that no other finds it.

    Raises:
        StoreError: it cannot be created or written.
    """
    base = base or default_base()
    with exclusively(base):
        place = find_assignment(base, notebook, session)
        directory.make_private(place.path)
        if notebook:
            about, path = read_about(place.path), os.path.abspath(notebook)
            renewed = replace(_updated(about, path), unattended=False)
            try:
                if renewed != about:
                    write_about(place.path, renewed)
            except OSError as error:  # on a full disk what stands there does, as long as it names this notebook
                if about is None or not _is_same_path(about.notebook, path):
                    kind = UnwritableError if directory.is_forbidden(error) else StoreError
                    raise kind(f"the store directory {place.path} cannot be written ({error})") from error
        return place


def claim_replacement(
    base: Path | None, notebook: str | None, session: SessionId, damaged: Collection[Path]
) -> StoreAssignment:
    """Another store for a notebook whose own cannot be opened: the one that it got before, or a new one.

    Args:
        damaged: stores that cannot be opened.

    Raises:
        StoreError: it cannot be created or written.
    """
    base = base or default_base()
    with exclusively(base):
        path = notebook and os.path.abspath(notebook)
        known = [
            (place, about) for place in _directories(base) if place not in damaged and (about := read_about(place))
        ]
        its = [place for place, about in known if path and _is_same_path(about.notebook, path) and _has_store(place)]
        if its:
            return StoreAssignment(max(its, key=_used), "attached")
        place = _unused(store_path(base, notebook, session))
        directory.make_private(place)
        if path:
            try:
                write_about(place, _updated(None, path))
            except OSError as error:
                raise StoreError(f"the store directory {place} cannot be written ({error})") from error
        return StoreAssignment(place, "new")


def name_store(store: Path, notebook: str) -> bool:
    """Write into a store that nobody has claimed that this notebook is what came of it: it is the history of that then.

    A notebook that has a history keeps it. Returns whether it was written.

    Raises:
        StoreError: it cannot be written.
    """
    path = os.path.abspath(notebook)
    with exclusively(store.parent):
        if read_about(store) is not None or find_assignment(store.parent, path, SessionId("")).found != "new":
            return False
        try:
            write_about(store, replace(_updated(None, path), unattended=True))
        except OSError as error:
            raise StoreError(f"the store directory {store} cannot be written ({error})") from error
        return True


def remember_cells(store: Path, notebook: str) -> None:
    """Write into a store which cells its notebook has now. Cheap where the file did not change. Never raises.

    A notebook that was renamed meanwhile, or that another one has taken the place of, is remembered as it was.
    """
    about, path = read_about(store), os.path.abspath(notebook)
    if about is None or not _is_same_path(about.notebook, path) or _is_as_remembered(about, path):
        return
    renewed = _updated(about, path)
    if renewed.cells and not _surely_differ(renewed.cells, about.cells):
        with suppress(OSError):
            write_about(store, renewed)


def attach(base: Path | None, store: Path, notebook: str) -> Path:
    """Give a notebook the history of another one.

    A store whose notebook is no more becomes this notebook's; one whose notebook is still there, or not known,
    is copied, so that both go on with histories of their own. O(bytes of the store) then.

    Args:
        store: a directory as in `stores`.

    Returns:
        The directory of the notebook's store.

    Raises:
        RequestError: the notebook has a history already, or there is no such store.
        StoreError: a process has the notebook's own, empty store open, or the disk fails.
    """
    from kishu_kernel.store.disk import store_files

    base, path = base or default_base(), os.path.abspath(notebook)
    if store not in _directories(base) or not _has_store(store):
        raise RequestError(f"there is no store at {store}: ask for the list of stores")
    with exclusively(base):
        there = find_assignment(base, notebook, SessionId(""))
        if there.path == store and there.found in ("own", "attached"):
            return store
        if there.found in ("own", "attached"):
            if not store_files.is_empty(there.path):
                raise RequestError(
                    f"this notebook has a history of its own in {there.path}: move that directory away, and attach then"
                )
            if _has_store(there.path):
                store_files.remove(there.path, ABOUT)
            else:
                (there.path / ABOUT).unlink(missing_ok=True)
        its = read_about(store)
        try:
            if its is not None and _has_left(its):
                write_about(store, _updated(its, path, moved=True))
                return store
            target = _unused(store_path(base, notebook, SessionId("")))
            directory.make_private(target)
            write_about(target, _updated(None, path))  # taken, while others look for places again
        except OSError as error:
            raise StoreError(f"the stores in {base} cannot be written ({error})") from error
    from kishu_kernel.store.maintenance.trust import give_new_identity

    try:
        store_files.copy(store, target)
        give_new_identity(target)
    except BaseException:
        with suppress(OSError):
            (target / ABOUT).unlink()
            target.rmdir()
        raise
    return target


# --- which notebook is which


def _by_cells(own: Path, cells: frozenset[str], others: list[tuple[Path, About]]) -> StoreAssignment:
    """The store of a notebook whose path no store knows, found by its cells."""
    alike = [(len(cells & its.cells), place, its) for place, its in others if 2 * len(cells & its.cells) >= len(cells)]
    alike = sorted((entry for entry in alike if entry[0]), key=lambda entry: (entry[0], _used(entry[1])), reverse=True)
    left = [entry for entry in alike if _has_left(entry[2])]
    if left and (len(left) == 1 or left[0][0] > left[1][0]):
        return StoreAssignment(left[0][1], "moved", previous=left[0][2].notebook)
    return StoreAssignment(_unused(own), "new", resembles=alike[0][1] if alike else None)


def _has_left(about: About) -> bool:
    """Whether the notebook of a store is not at its path any more: it is gone, or another one is there."""
    return is_gone(about.notebook) or _surely_differ(read_cells(about.notebook), about.cells)


def _surely_differ(cells: frozenset[str] | None, known: frozenset[str]) -> bool:
    """Whether these cells surely belong to different notebooks."""
    return cells is not None and bool(known) and not cells & known


def _updated(about: About | None, path: str, moved: bool = False) -> About:
    """What to write about a notebook now. Where its cells cannot be read, those that are known are kept."""
    looked, cells = file_state(path), read_cells(path)
    if about is None:
        return About(path, cells or frozenset(), state=looked)
    known = frozenset() if moved and cells else about.cells
    return replace(about, notebook=path, cells=cells or known, state=looked)


def _is_as_remembered(about: About, path: str) -> bool:
    """Whether a notebook did not change since its cells were written down."""
    return about.cells == read_cells(path) if is_elsewhere(path) else about.state == file_state(path)


def _is_same_path(one: str, other: str) -> bool:
    return os.path.normcase(one) == os.path.normcase(other)


# --- directories


def _directories(base: Path) -> list[Path]:
    """The directories in the base that can be stores of this user."""
    found = []
    with suppress(OSError), os.scandir(base) as entries:
        for entry in entries:
            if entry.name.startswith("."):  # one that is being imported or copied
                continue
            with suppress(OSError, StoreError):
                directory.check_owner(Path(entry.path))
                found.append(Path(entry.path))
    return found


def _has_store(path: Path) -> bool:
    return os.path.lexists(path / DATA)


def _used(path: Path) -> float:
    try:
        return (path / DATA).stat().st_mtime
    except OSError:
        return 0.0


def _unused(own: Path) -> Path:
    """The first of `own`, `own-2`, `own-3`, ... that is not used."""
    names = (own if number == 1 else own.with_name(f"{own.name}-{number}") for number in count(1))
    return next(path for path in names if not (os.path.lexists(path) and (_has_store(path) or read_about(path))))


@contextmanager
def exclusively(base: Path) -> Iterator[None]:
    """As `locked`, of a directory that is made where it is missing, for this user only; others may share one."""
    directory.make(base)
    with locked(base):
        yield


@contextmanager
def locked(base: Path) -> Iterator[None]:
    """A lock on all stores: two processes that look at once would claim the same one, or one that is being removed."""
    try:
        lock = FileLock(Path(os.path.realpath(base)))
    except OSError as error:
        raise StoreError(f"the directory {base} cannot be read ({error})") from error
    try:
        wait_for(lambda: lock.try_lock(True), f"the stores in {base} are being looked through by another process")
        yield
    finally:
        lock.close()
