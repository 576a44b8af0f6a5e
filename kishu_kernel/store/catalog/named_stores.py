"""Finds the store that a name of a person's means: a directory, a notebook's path, or the name of a store.

Law: nothing is guessed. What fits none, or several, is refused in one sentence that names the nearest.
Neighbours: `assignment` knows whose the stores are; the command line asks, and a kernel that begins in another's state.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from kishu_kernel.errors import RequestError

if TYPE_CHECKING:
    from kishu_kernel.store.catalog.assignment import StoreListing

SHORTEST = 3
"""So many letters of a name may stand for all of it."""
MAX_NAMES = 5
"""Stores that a sentence names at most."""


def all_or(base: Path, names: Sequence[str]) -> list[Path]:
    """Returns the stores of these names, each once; all stores where there are no names.

    Raises:
        RequestError: as `find`.
    """
    from kishu_kernel.store.catalog.assignment import list_stores

    if not names:
        return [listing.path for listing in list_stores(base)]
    return list(dict.fromkeys(find(base, name) for name in names))


def find(base: Path, text: str) -> Path:
    """Returns the directory of the store that a text means. O(stores).

    Raises:
        RequestError: there is none, or there are several.
    """
    from kishu_kernel.store.catalog.assignment import list_stores

    listings = list_stores(base)
    named = next((listing.path for listing in listings if listing.path.name == text), None)
    path = Path(os.path.abspath(os.path.expanduser(text)))
    here = _at(path, listings)
    if named and here and here != named:
        raise RequestError(
            f"{text} is a store in {base}, and also one here: write {os.path.join('.', text)} for this one"
        )
    found = named or here or _of_notebook(base, path, listings)
    if found:
        return found
    if path.is_dir():
        raise RequestError(f"there is no store in {path}: `jupyter kishu stores` lists all stores")
    beginning = [listing for listing in listings if listing.path.name.startswith(text) and len(text) >= SHORTEST]
    if len(beginning) == 1:
        return beginning[0].path
    if beginning:
        raise RequestError(f"{text} may mean {_either(beginning)}: write more of the name")
    raise RequestError(_unknown(base, path, text, listings))


def _at(path: Path, listings: Sequence[StoreListing]) -> Path | None:
    """Returns the store in this directory, with its path in the list if it is listed; None where there is none."""
    from kishu_kernel.store.disk.directory import DATA

    if not os.path.lexists(path / DATA):
        return None
    real = os.path.realpath(path)
    return next((each.path for each in listings if os.path.realpath(each.path) == real), path)


def _of_notebook(base: Path, path: Path, listings: Sequence[StoreListing]) -> Path | None:
    from kishu_kernel.model import SessionId
    from kishu_kernel.store.catalog.assignment import find_assignment

    if path.is_dir():
        return None
    place = find_assignment(base, str(path), SessionId(""))
    known = {listing.path for listing in listings}
    return place.path if place.found != "new" and place.path in known else None


def _unknown(base: Path, path: Path, text: str, listings: Sequence[StoreListing]) -> str:
    from kishu_kernel.model import SessionId
    from kishu_kernel.store.catalog.assignment import find_assignment

    if path.is_file():
        resembles = find_assignment(base, str(path), SessionId("")).resembles
        way_out = "`jupyter kishu stores` lists all stores"
        if resembles:
            way_out = f"`jupyter kishu attach {resembles.name}` gives it the history of the notebook that it copies"
        return f"{path} has no history in {base}: {way_out}"
    nearest = _nearest(path.name, listings)
    if not nearest:
        return f"there is no store {text}: `jupyter kishu stores` lists all stores in {base}"
    return f"there is no store {text}: did you mean {_either(nearest)}?"


def _nearest(text: str, listings: Sequence[StoreListing]) -> list[StoreListing]:
    known: dict[str, list[StoreListing]] = {}
    for listing in listings:
        names = {listing.path.name, listing.path.name.rpartition("-")[0]}
        if listing.notebook:
            names |= {os.path.basename(listing.notebook), Path(listing.notebook).stem}
        for name in names - {""}:
            known.setdefault(name, []).append(listing)
    close = get_close_matches(text, known, MAX_NAMES, 0.6)
    return list({listing.path: listing for name in close for listing in known[name]}.values())


def _either(listings: Sequence[StoreListing]) -> str:
    texts = [f"{each.path.name} ({each.notebook or 'no notebook'})" for each in listings[:MAX_NAMES]]
    if len(listings) > MAX_NAMES:
        texts.append(f"{len(listings) - MAX_NAMES} more")
    return " or ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))
