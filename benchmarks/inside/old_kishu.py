"""Works inside a kernel with kishu 0.3.4: tells how long detecting what changed took, and what its hook raised.

Detecting is what its planner does before and after a cell: it looks up which variables may have changed, builds and
compares their id graphs, and intersects them to find co-variables. The planner's update after a cell ends by writing
the history graph to the database; that is taken off. Planning, pickling and storing of variables come after it.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from IPython import get_ipython
from kishu.jupyterint import KISHU_INSTRUMENT, KishuForJupyter
from kishu.planning.planner import CheckpointRestorePlanner
from kishu.storage.disk_ahg import KishuDiskAHG

instrument: Any = None
_cells: list[float] = []
_errors: list[str] = []
_spent = 0.0


def hide() -> None:
    """What is there before the first cell is not the user's, and is not described.

    Its instrument is kept here. IPython's own names are hidden again: attaching makes the shell forget which they are.
    """
    global instrument
    shell = get_ipython()
    instrument = shell.user_ns.pop(KISHU_INSTRUMENT)
    shell.user_ns_hidden.update(dict(shell.user_ns.items()))


def head() -> str | None:
    """The commit that was made last, or checked out."""
    commit: str | None = instrument._kishu_branch.get_head().commit_id
    return commit


def covariables() -> list[int]:
    """How many variables each component of its history graph has, at the head."""
    return [len(each.name) for each in instrument._cr_planner.get_ahg().get_active_variable_snapshots(head())]


def told(kind: str) -> list[Any]:
    """`cells`: seconds of detecting, each; `errors`: what its hook raised. Since the last call."""
    kept: list[Any] = {"cells": _cells, "errors": _errors}[kind]
    found = kept.copy()
    kept.clear()
    return found


def _timed(kind: type, method: str, sign: int) -> None:
    original = getattr(kind, method)

    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        global _spent
        began = time.perf_counter()
        try:
            return original(*args, **kwargs)
        finally:
            _spent += sign * (time.perf_counter() - began)

    setattr(kind, method, wrapper)


def _noted(hook: Callable[..., Any]) -> Callable[..., Any]:
    """The hook after a cell, which is where its time is complete. IPython prints what it raises, and goes on."""

    @functools.wraps(hook)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        global _spent
        try:
            return hook(*args, **kwargs)
        except BaseException as error:
            _errors.append(f"{type(error).__name__}: {error}")
            raise
        finally:
            _cells.append(_spent)
            _spent = 0.0

    return wrapper


_timed(CheckpointRestorePlanner, "pre_run_cell_update", 1)
_timed(CheckpointRestorePlanner, "post_run_cell_update", 1)
_timed(KishuDiskAHG, "store_update_results", -1)
KishuForJupyter.post_run_cell = _noted(KishuForJupyter.post_run_cell)  # type: ignore[method-assign]
