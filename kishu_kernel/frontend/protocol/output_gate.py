"""The one gate through which outputs leave a store: `show`, exported notebooks, and so every page, panel and sidebar.

Law: a frontend runs what an output holds, with the user's rights. Outputs that are not signed with this user's key
leave as text and pictures only: nothing that a browser, a notebook or a terminal executes, now or in a later version.
So the list is of what is let through, not of what is held back. Whatever the store holds, nothing here raises.
Neighbours: `reading` and `notebook_export` use it; whoever shows outputs gets them from there.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from kishu_kernel.frontend.printable import printable
from kishu_kernel.frontend.protocol.content import Json
from kishu_kernel.model import Checkpoint

_PICTURES = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
}
"""Types that a browser draws and never runs, and how their bytes begin."""
_READABLE = ("text/plain", "text/markdown", "text/latex", "application/json")
"""Types whose source a person can read, in the order of preference."""

MAX_TEXT = 1_000_000
"""Characters of one output: the recorder keeps no more of a whole cell."""
MAX_PICTURE = 20_000_000
MAX_OUTPUTS = 1000

_CONTROL_SEQUENCES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"
)
"""Control sequences of terminals."""


def is_own(checkpoint: Checkpoint) -> bool:
    """Whether the outputs of a checkpoint may be shown as they are."""
    return checkpoint.trusted and checkpoint.outputs_trusted


def shown(checkpoint: Checkpoint) -> list[Json]:
    """Returns the outputs of a checkpoint in nbformat v4; of those that are not the user's only text and pictures."""
    if is_own(checkpoint):
        return [dict(output) for output in checkpoint.outputs]
    found = (each for each in checkpoint.outputs[:MAX_OUTPUTS] if isinstance(each, dict))
    return [inert for output in found if (inert := _inert(output))]


def note(checkpoints: Sequence[Checkpoint], store: str | None) -> str | None:
    """Returns a sentence to show beside the outputs, which says what to do; None where all are shown as they are.

    Args:
        checkpoints: whose outputs are shown.
        store: the path of the store.
    """
    if all(is_own(each) or not each.outputs for each in checkpoints):
        return None
    return (
        "Shown as text and pictures only: nothing shows that you made these outputs, and outputs can run scripts. "
        f"If you know whose they are: `jupyter kishu trust {printable(store or 'STORE')}` shows them as they were."
    )


def _inert(output: Mapping[str, Any]) -> Json | None:
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return {"output_type": "stream", "name": name, "text": plain(output.get("text"))}
    if kind == "error":
        trace = output.get("traceback")
        lines = [plain(line) for line in trace] if isinstance(trace, list) else []
        named = {key: plain(output.get(key)) for key in ("ename", "evalue")}
        return {"output_type": "error", **named, "traceback": lines}
    if kind not in ("display_data", "execute_result"):
        return None
    data = output.get("data")
    made = {"output_type": kind, "data": _harmless(data if isinstance(data, dict) else {}), "metadata": {}}
    count = output.get("execution_count")
    return {**made, "execution_count": count if type(count) is int else None} if kind == "execute_result" else made


def _harmless(data: Mapping[str, Any]) -> Json:
    kept = {kind: picture for kind in _PICTURES if (picture := _picture(kind, data.get(kind)))}
    for kind in _READABLE:
        if data.get(kind):
            return {**kept, "text/plain": plain(data[kind])}
    kinds = ", ".join(printable(kind)[:80] for kind in sorted(data)[:6] if kind not in kept)
    return kept or {"text/plain": f"(an output that is not shown: {kinds or 'it is empty'})"}


def _picture(kind: str, value: object) -> str | None:
    """Returns a picture in base64, if it is one of its type and nothing else."""
    text = _joined(value)
    if len(text) > MAX_PICTURE:
        return None
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        return None
    return base64.b64encode(content).decode() if content.startswith(_PICTURES[kind]) else None


def plain(value: object) -> str:
    """Returns a text of any origin as plain text: control sequences are removed, or written out."""
    text = _CONTROL_SEQUENCES.sub("", _joined(value)[:MAX_TEXT])
    # progress bars write their line again and again: only the last version counts
    lines = (line.rstrip("\r").rpartition("\r")[2].expandtabs(4) for line in text.split("\n"))
    return "\n".join(map(printable, lines))


def _joined(value: object) -> str:
    """Returns a text of nbformat, which is one string or a list; anything else as JSON."""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "".join(value)
    if isinstance(value, str) or value is None:
        return value or ""
    try:
        return json.dumps(value, indent=2, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return str(type(value).__name__)
