"""How the cells of a notebook differ between two states, for frontends in which no extension of ours runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher, ndiff
from typing import Any

from kishu_kernel.frontend.pages.html import esc, page
from kishu_kernel.frontend.pages.wording import code_lines, fitted

_MOST = 400
"""Lines that are shown at most."""
_CELL = "[ ]"
_LOOKS = {"+": "k-add", "-": "k-del"}
"""Classes of `html`: tints that can be read in any theme."""


def diff_bundle(before: Sequence[str], after: Sequence[str], width: int) -> dict[str, Any]:
    """Returns the difference as a mimebundle.

    Args:
        before, after: the sources of the cells.
        width: columns of plain text.
    """
    lines = list(diff_lines(before, after))
    if not lines:
        same = "The cells of the notebook are the same in both states."
        return {"text/plain": same, "text/html": page(f"<p>{same}</p>")}
    shown = lines[:_MOST] + ([f"  ... {len(lines) - _MOST:,} more lines"] if len(lines) > _MOST else [])
    rows = "".join(f'<div class="{_LOOKS.get(line[:1], "")}">{esc(line) or "&nbsp;"}</div>' for line in shown)
    html = page(f'<div class="k-card" style="white-space:pre-wrap;font-family:monospace">{rows}</div>')
    return {"text/plain": "\n".join(fitted(line, width) for line in shown), "text/html": html}


def diff_lines(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """Returns the cells that are gone (`-`), new (`+`) or edited, line by line, and how many stay. None if all do."""
    if list(before) == list(after):
        return
    for kind, i, i_end, j, j_end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            yield f"  {i_end - i} cell{'s' * (i_end - i != 1)} as before"
            continue
        pairs = min(i_end - i, j_end - j)
        for number in range(pairs):
            yield f"~ {_CELL}"
            yield from _edited(before[i + number], after[j + number])
        for source in before[i + pairs : i_end]:
            yield f"- {_CELL}"
            yield from (f"- {line}" for line in code_lines(source))
        for source in after[j + pairs : j_end]:
            yield f"+ {_CELL}"
            yield from (f"+ {line}" for line in code_lines(source))


def _edited(before: str, after: str) -> Iterator[str]:
    return (line.rstrip() for line in ndiff(code_lines(before), code_lines(after)) if not line.startswith("?"))
