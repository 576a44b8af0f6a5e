"""Shows the outputs that were stored with a checkpoint again.

Law: they came through `protocol.output_gate`: those that are not the user's are text and pictures only.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

_WIDGET = "application/vnd.jupyter.widget-view+json"


def republish(shell: Any, outputs: Sequence[Mapping[str, Any]]) -> None:
    """Shows outputs, in nbformat v4, in their order."""
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            _write(output["name"], output["text"])
        elif kind == "error":  # as text: an error message would stop Run All
            _write("stderr", "\n".join(output["traceback"]) + "\n")
        else:
            data = {
                mimetype: value
                for mimetype, value in output["data"].items()
                if mimetype != _WIDGET or _has_model(value)
            }
            if data:
                shell.display_pub.publish(data, output.get("metadata") or {})


def _write(name: str, text: str) -> None:
    stream = sys.stderr if name == "stderr" else sys.stdout
    stream.write(text)
    stream.flush()  # displays go another way, and must not come first


def _has_model(view: Any) -> bool:
    """Whether a widget can be shown: its model still exists."""
    comm = sys.modules.get("comm")
    return comm is not None and isinstance(view, dict) and view.get("model_id") in comm.get_comm_manager().comms
