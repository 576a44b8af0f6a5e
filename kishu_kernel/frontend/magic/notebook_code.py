"""`%kishu checkout X --code`: the notebook's cells beside what a checkout does to the variables.

Where no extension of ours runs, nobody has told the notebook's cells: then the cells on the path to a state stand for
them. The notebook that is open is never written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kishu_kernel.errors import RequestError
from kishu_kernel.frontend.pages.notebook_diff import diff_bundle
from kishu_kernel.frontend.protocol.documents import document_content, document_notebook
from kishu_kernel.frontend.protocol.notebook_export import write_notebook
from kishu_kernel.frontend.protocol.request_handler import RequestHandler
from kishu_kernel.model import CheckpointId

Cells = list[dict[str, Any]]


def code_difference(requests: RequestHandler, reply: dict[str, Any], width: int) -> dict[str, Any]:
    """Returns how the cells differ between the state that is left and the one that is gone to, as a mimebundle."""
    history = requests.host.session.timeline
    target = _target(reply)
    here = None if reply["from"] is None else document_content(history, CheckpointId(reply["from"]))
    there = reply.get("document")
    if here is None or there is None:
        here, there = _path_cells(requests, reply["from"]), _path_cells(requests, target)
    return diff_bundle(_sources(here), _sources(there), width)


def write_code(requests: RequestHandler, reply: dict[str, Any], path: str) -> str:
    """Writes the notebook as it was in the state that is gone to. Returns where.

    Raises:
        RequestError: it cannot be written there.
    """
    target, document = _target(reply), reply.get("document")
    if target is None:
        raise RequestError("there is no notebook before the first cell")
    if document is not None:
        return write_notebook(document_notebook(document), path, requests.host.notebook(), force=False)
    return str(requests.reader.export(target, path)["path"])


def _target(reply: dict[str, Any]) -> str | None:
    target: str | None = reply["head"] if reply["applied"] else reply["plan"]["target"]
    return target


def _path_cells(requests: RequestHandler, target: str | None) -> Cells:
    cells: Cells = [] if target is None else requests.reader.export(target)["notebook"]["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def _sources(cells: Sequence[dict[str, Any]]) -> list[str]:
    return [str(cell["source"]) for cell in cells]
