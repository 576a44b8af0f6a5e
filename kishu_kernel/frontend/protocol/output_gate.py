"""The one gate through which outputs leave a store: `show`, exported notebooks, and so every page, panel and sidebar.

Law: a frontend runs what an output holds, as the user. What this user's mark does not vouch for leaves as text and
pictures: nothing that a browser, a notebook or a terminal obeys, and no kind that one of them may come to obey: what
is let through is listed, not what is held back. Whatever the store holds, nothing here raises.
Neighbours: `reading` and `export` ask; whoever shows outputs has them from there.
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
"""What a browser draws and never runs, and how its bytes begin."""
_READABLE = ("text/plain", "text/markdown", "text/latex", "application/json")
"""Whose source says something to a person, in this order."""

MOST_TEXT = 1_000_000
"""Characters of one output: the recorder keeps no more of a whole cell."""
MOST_PICTURE = 20_000_000
MOST_OUTPUTS = 1000

_STEERING = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[PX^_][^\x1b]*(?:\x1b\\)?")
"""What a terminal obeys: colours and moves, titles and links, and what is longer."""


def is_own(checkpoint: Checkpoint) -> bool:
    """Whether its outputs may be shown as they are."""
    return checkpoint.trusted and checkpoint.outputs_trusted


def shown(checkpoint: Checkpoint) -> list[Json]:
    """Its outputs, as nbformat v4 has them: as they were where they are the user's, else text and pictures."""
    if is_own(checkpoint):
        return [dict(output) for output in checkpoint.outputs]
    found = (each for each in checkpoint.outputs[:MOST_OUTPUTS] if isinstance(each, dict))
    return [inert for output in found if (inert := _inert(output))]


def note(checkpoints: Sequence[Checkpoint], store: str | None) -> str | None:
    """What to say beside them, with the way out; None where all is shown as it was.

    Args:
        store: where it lies.
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
    """A picture, if it is one of its kind and nothing else."""
    text = _joined(value)
    if len(text) > MOST_PICTURE:
        return None
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        return None
    return base64.b64encode(content).decode() if content.startswith(_PICTURES[kind]) else None


def plain(value: object) -> str:
    """A text of any origin, that nothing obeys: what steers a terminal is left out, or written out."""
    text = _STEERING.sub("", _joined(value)[:MOST_TEXT])
    # a line is what was left of it when it ended: progress bars write theirs again and again
    lines = (line.rstrip("\r").rpartition("\r")[2].expandtabs(4) for line in text.split("\n"))
    return "\n".join(map(printable, lines))


def _joined(value: object) -> str:
    """A text as nbformat has it, in one piece or in many; else what JSON says of it."""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "".join(value)
    if isinstance(value, str) or value is None:
        return value or ""
    try:
        return json.dumps(value, indent=2, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return str(type(value).__name__)
