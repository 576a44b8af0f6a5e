"""The outputs of a cell, as a terminal or a program can show them.

Law: as in `wording`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kishu_kernel.frontend.pages.wording import Reply
from kishu_kernel.frontend.printable import printable

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


def outputs_text(outputs: Sequence[Reply], indent: str = "") -> str:
    """Returns the outputs of a cell as a terminal can show them: without colours and pictures."""
    lines = [line for output in outputs for line in _output_lines(output)]
    return "\n".join((indent + printable(_COLOUR.sub("", line).expandtabs(4))).rstrip() for line in lines)


def _output_lines(output: Reply) -> list[str]:
    text: object = None
    if output.get("output_type") == "stream":
        text = output.get("text")
    elif output.get("output_type") == "error":
        traceback = output.get("traceback")
        text = "\n".join(map(str, traceback)) if isinstance(traceback, list) else None
        text = text or f"{output.get('ename')}: {output.get('evalue')}"
    else:
        data = output.get("data")
        data = data if isinstance(data, dict) else {}
        text = data.get("text/plain", f"({', '.join(map(str, data)) or 'nothing'})")
    text = "".join(map(str, text)) if isinstance(text, list) else str(text)
    # progress bars write their line again and again: only the last version counts
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    return [line.rstrip("\r").rpartition("\r")[2] for line in lines]
