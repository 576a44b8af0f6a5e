"""Outputs that were kept with a checkpoint, shown again as they were."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from kishu_kernel.frontend.pages.phrases import code_lines

_WIDGET = "application/vnd.jupyter.widget-view+json"
_HARMLESS = ("text/plain", "image/png", "image/jpeg", "image/gif")
"""What a frontend shows without running anything of it."""


def republish(shell: Any, outputs: Sequence[Mapping[str, Any]], *, trusted: bool) -> None:
    """Shows them, in order.

    Args:
        trusted: else somebody else may have written them, and only text and pictures are shown.
    """
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            _write(output["name"], output["text"], trusted)
        elif kind == "error":  # as it looked: an error message of its own would stop whoever runs all cells
            _write("stderr", "\n".join(output["traceback"]) + "\n", trusted)
        else:
            data = {
                mimetype: value
                for mimetype, value in output["data"].items()
                if (trusted or mimetype in _HARMLESS) and (mimetype != _WIDGET or _lives(value))
            }
            if not trusted and isinstance(text := data.get("text/plain"), str):
                data["text/plain"] = "\n".join(code_lines(text))  # a terminal obeys what it is sent
            if data:
                shell.display_pub.publish(data, output.get("metadata") or {})


def _write(name: str, text: str, trusted: bool) -> None:
    stream = sys.stderr if name == "stderr" else sys.stdout
    stream.write(text if trusted else "\n".join(code_lines(text)))
    stream.flush()  # what follows goes another way


def _lives(view: Any) -> bool:
    """A widget can be shown as long as its model is there."""
    comm = sys.modules.get("comm")
    return comm is not None and isinstance(view, dict) and view.get("model_id") in comm.get_comm_manager().comms
