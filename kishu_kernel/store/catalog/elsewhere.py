"""A notebook that lies on another machine than its kernel: through a gateway its own server says which one it is.

Law: what is told is compared, and nothing else; no file is looked for here. A notebook of another server is another
one, whatever its path: each server tells an id of its own. What cannot be seen from here has not left its place, so a
copy is never taken for what it copies.
Neighbours: `server.elsewhere` tells it; `about_file` and `assignment` compare.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from kishu_kernel.model.pattern import pattern

VARIABLE = "KERNEL_KISHU_NOTEBOOK"
"""Of the environment. Gateways let pass what begins so."""

MOST_CELLS = 1000
"""Whose ids are told. The system allows 128 KiB for a variable."""
_PLACE = pattern(r"/[\w.-]{1,64}@[0-9a-f]{16}/.+")
_CELL = pattern(r"[A-Za-z0-9_-]{1,64}")

_cells: dict[str, frozenset[str]] = {}
"""Of notebooks that were told to this process."""


def to_tell(path: str, user: str, server: str, cells: Iterable[str]) -> str:
    """The content of the variable.

    Args:
        path: of the notebook, on its own machine.
        server: 16 hexadecimal digits, by which its server is known.
        cells: the ids of its cells.
    """
    place = f"/{user}@{server}/" + path.replace("\\", "/").lstrip("/")
    return json.dumps({"notebook": place, "cells": sorted(cells)[:MOST_CELLS]})


def told() -> str | None:
    """The path of this kernel's notebook, as others name it here; None where nobody has told one."""
    text = os.environ.get(VARIABLE)
    if not text:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    place, cells = (value.get("notebook"), value.get("cells")) if isinstance(value, dict) else (None, None)
    if not isinstance(place, str) or not is_elsewhere(place) or not isinstance(cells, list):
        return None
    remember(place, cells)
    return place


def remember(place: str, cells: Iterable[Any]) -> None:
    """These are the ids of a notebook's cells now."""
    _cells[place] = frozenset(each for each in cells if isinstance(each, str) and _CELL.fullmatch(each))


def cells(place: str) -> frozenset[str] | None:
    """The ids of a notebook's cells; None where nobody has told them to this process."""
    return _cells.get(place)


def is_elsewhere(path: str) -> bool:
    """Whether a path is that of a notebook on another machine. Such a file is never looked for."""
    return os.name != "nt" and _PLACE.fullmatch(path) is not None and os.path.normpath(path) == path
