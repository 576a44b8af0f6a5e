"""Source code of loaded functions put into `linecache`, for tracebacks, `inspect`, debuggers and diffs.

In the kernel that ran a cell, IPython has put the cell's source into `linecache` under the file name of its code
object. A later kernel has no such entry. So whoever loads a function registers that file name here, as a lazy entry
(`linecache` uses those for modules in archives): the source is looked up in the history when it is asked for.
Neither `checkcache` nor IPython drops lazy entries.

Law: an entry that exists is not replaced, and a file that exists is read. Nothing here raises.
Neighbours: `codec.pickling` loads functions; `frontend.shell.cell_finder` knows how IPython names cells.
"""

from __future__ import annotations

import linecache
import os
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

SourceLookup = Callable[[str], str | None]
"""Given the file name of a cell's code: the cell's source, or None where it is not known."""

_lookups: list[SourceLookup] = []


def add_source_lookup(lookup: SourceLookup) -> Callable[[], None]:
    """Use this lookup, too, from now on; the latest is asked first. Returns a function that removes it."""
    _lookups.append(lookup)

    def remove() -> None:
        if lookup in _lookups:
            _lookups.remove(lookup)

    return remove


def register_code(name: str) -> None:
    """Code with this file name was loaded: from now on `linecache` can find its source, if it is a cell's. O(1)."""
    if name not in linecache.cache and not name.startswith("<") and not _is_file(name):
        linecache.cache[name] = (partial(_look_up, name),)


def cached_lines(name: str) -> Sequence[str]:
    """The source lines that `linecache` has under this name without a file behind it; empty where it has none."""
    known: Any = linecache.cache.get(name)
    if known is None:
        return ()
    if len(known) == 1:
        return linecache.getlines(name)
    return known[2] if known[1] is None else ()


@lru_cache(maxsize=256)
def _is_file(name: str) -> bool:
    """Whether it is a module's: `linecache` reads that by itself, where somebody asks."""
    return os.path.isfile(name)


def _look_up(name: str) -> str | None:
    for lookup in reversed(_lookups):
        try:
            source = lookup(name)
        except Exception:  # printing a traceback must not raise another error
            continue
        if source is not None:
            return source
    return None
