"""Outputs that were kept with a checkpoint, shown again.

Law: what comes here went through the gate (`answers/outputs`): of a stranger's it is text and pictures.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

_WIDGET = "application/vnd.jupyter.widget-view+json"


def republish(shell: Any, outputs: Sequence[Mapping[str, Any]]) -> None:
    """Shows them, in order."""
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            _write(output["name"], output["text"])
        elif kind == "error":  # as it looked: an error message of its own would stop whoever runs all cells
            _write("stderr", "\n".join(output["traceback"]) + "\n")
        else:
            data = {
                mimetype: value for mimetype, value in output["data"].items() if mimetype != _WIDGET or _lives(value)
            }
            if data:
                shell.display_pub.publish(data, output.get("metadata") or {})


def _write(name: str, text: str) -> None:
    stream = sys.stderr if name == "stderr" else sys.stdout
    stream.write(text)
    stream.flush()  # what follows goes another way


def _lives(view: Any) -> bool:
    """A widget can be shown as long as its model is there."""
    comm = sys.modules.get("comm")
    return comm is not None and isinstance(view, dict) and view.get("model_id") in comm.get_comm_manager().comms
