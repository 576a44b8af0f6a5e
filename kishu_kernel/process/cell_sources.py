"""The source of functions that were loaded, as `linecache` shows it: to tracebacks, `inspect`, debuggers, a diff.

In the kernel that ran a cell, IPython has put its source there under the name that its code bears. In a later one
nobody has. So whoever loads a function says which name its code bears, and what stands under that is looked up in the
history when somebody asks for it, and not before: `linecache` knows such entries (those of modules in archives are of
this kind), and neither `checkcache` nor IPython drops them.

Law: an entry that is there already is left as it is, and a file that is there is read. Nothing here raises.
Neighbours: `codec.pickling`, which loads; `frontend.sources`, which knows the history and how IPython names cells.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

Teller = Callable[[str], str | None]
"""The source of the cell that bore this file name; None where nobody knows."""

_tellers: list[Teller] = []


def tell_by(teller: Teller) -> Callable[[], None]:
    """Sources come from here, too, from now on. Returns what takes that back."""
    _tellers.append(teller)

    def forget() -> None:
        if teller in _tellers:
            _tellers.remove(teller)

    return forget


def expect(name: str) -> None:
    """Code that bears this file name was loaded. Costs a look into a dictionary."""
    if name not in linecache.cache and not name.startswith("<"):
        linecache.cache[name] = (partial(_told, name),)


def known_lines(name: str) -> Sequence[str]:
    """The lines under a name that is not one of a file that `linecache` would read; none where there are none."""
    known: Any = linecache.cache.get(name)
    if known is None:
        return ()
    if len(known) == 1:
        return linecache.getlines(name)
    return known[2] if known[1] is None else ()


def _told(name: str) -> str | None:
    for teller in reversed(_tellers):
        try:
            source = teller(name)
        except Exception:  # whoever prints a traceback must not get another one
            continue
        if source is not None:
            return source
    return None
