"""Works inside a kernel with ElasticNotebook: runs cells through it, checkpoints after each, and loads.

Its class is used as its documentation uses it: `record_event` runs a cell and looks at what changed, `checkpoint`
writes a file, `load_checkpoint` reads one.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections import defaultdict
from typing import Any

import dill
from elastic.core.notebook.restore_notebook import restore_notebook
from elastic.elastic_notebook import ElasticNotebook
from IPython import get_ipython

_shell = get_ipython()
notebook = ElasticNotebook(_shell)
_results: list[Any] = []
_shell.events.register("post_run_cell", _results.append)
# What is there before the first cell, and its own names with it, is not the user's: it is not described.
_shell.user_ns_hidden.update(_shell.user_ns)


def run(code: str, path: str) -> dict[str, Any]:
    """Run a cell and write a checkpoint.

    `cell`: what the cell raised, which it swallows. `lost`: what it raised itself. `tracking`: seconds that it took to
    record the cell, without those of the cell.
    """
    _results.clear()
    found: dict[str, Any] = {"cell": None, "lost": None, "tracking": 0.0}
    began = time.perf_counter()
    try:
        notebook.record_event(code)
        found["tracking"] = time.perf_counter() - began - notebook.dependency_graph.cell_executions[-1].cell_runtime
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does with each variable
            notebook.checkpoint(path)
    except Exception as error:
        found["lost"] = f"{type(error).__name__}: {error}"
    raised = next((error for each in _results if (error := each.error_before_exec or each.error_in_exec)), None)
    if raised is not None:
        found["cell"] = f"{type(raised).__name__}: {raised}"
    return found


def load(path: str) -> str | None:
    """Bring a state back. What its own `load_checkpoint` raised, if the file had to be read for it.

    Version 0.0.13 calls its reader with arguments that this does not take, and the reader expects a file that is not
    what it writes. Its files hold all, though: read as they are written, they are given to its own restoration.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            notebook.load_checkpoint(path)
        except TypeError as error:
            if "resume()" not in str(error):
                raise
            _restore(path)
            return f"load_checkpoint raises {type(error).__name__}: {error}"
    return None


def _restore(path: str) -> None:
    variables = defaultdict(list)
    with open(path, "rb") as file:
        content = dill.load(file)
        for group in content.get_serialization_order():
            for snapshot, value in zip(group, dill.load(file), strict=True):
                variables[snapshot.output_ce.cell_num].append((snapshot, value))
    notebook.dependency_graph, notebook.udfs = content.get_dependency_graph(), content.udfs
    restore_notebook(notebook.dependency_graph, _shell, variables, content.get_ces_to_recompute())
