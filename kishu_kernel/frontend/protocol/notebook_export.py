"""Checkpoints as a notebook of their own: the cells in the order in which they ran, with their outputs.

Law: what is there already is not overwritten unless the user says so, and the session's own notebook never. A notebook
that is opened runs nothing that somebody else wrote: outputs come through the gate, and no name becomes HTML.
"""

from __future__ import annotations

import ast
import html
import json
import os
import re
import secrets
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from kishu_kernel.errors import RequestError
from kishu_kernel.frontend.printable import printable
from kishu_kernel.frontend.protocol.content import Json, sendable
from kishu_kernel.frontend.protocol.output_gate import shown
from kishu_kernel.model import Checkpoint

_TRAVEL = re.compile(r"^(\s*)(%kishu\b.*)$")
_NOTE = "kishu-note"
_ENDED = {"error": "raises-exception", "interrupted": "raises-exception"}
"""Tags that let a run of all cells go on where the first run went on."""


def as_notebook(cells: Sequence[Checkpoint], note: str | None = None) -> Json:
    """A notebook in nbformat 4.5.

    Args:
        cells: in the order in which they ran, with their outputs.
        note: what is to be said before them.
    """
    said = [_text(_NOTE, {}, f"> **Outputs.** {_marked_up(note)}")] if note else []
    notebook: Json = sendable(
        {
            "cells": [*said, *map(_cell, cells)],
            "metadata": {
                "kernelspec": {"display_name": "Python 3 (Kishu)", "language": "python", "name": "kishu"},
                "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"},
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )
    return notebook


def write_notebook(notebook: Mapping[str, Any], path: str, own: str | None, *, force: bool) -> str:
    """Writes it, whole or not at all. Returns the absolute path.

    Raises:
        RequestError: it is not to be written there.
    """
    target = Path(os.path.abspath(os.path.expanduser(path)))
    try:
        if target.is_dir() or path.endswith(("/", os.sep)):
            raise RequestError(f"{target} is a directory: add a file name, like history.ipynb")
        if target.suffix != ".ipynb":
            target = target.with_name(f"{target.name}.ipynb")
        if own is not None and _same(target, Path(own)):
            raise RequestError(f"{target} is this notebook itself, which Kishu never writes: choose another name")
        if target.is_dir():
            raise RequestError(f"{target} is a directory: choose another name")
        if os.path.lexists(target) and not force:
            raise RequestError(f"{target} is there already: choose another name, or say --force")
        beside = target.with_name(f".{secrets.token_hex(8)}.part")
        try:
            with open(beside, "x", encoding="utf-8", opener=_private) as file:
                with suppress(OSError):  # who replaces a file means it to be open to whom it was
                    os.chmod(beside, stat.S_IMODE(target.stat().st_mode))
                json.dump(notebook, file, indent=1, ensure_ascii=False, allow_nan=False)
                file.write("\n")
            os.replace(beside, target)
        finally:
            with suppress(OSError):
                beside.unlink()
    except OSError as error:
        raise RequestError(f"{target} cannot be written: {error.strerror or error}") from error
    except ValueError as error:  # characters that no file name can have
        raise RequestError(f"{str(target)!r} cannot be written: {error}") from error
    return str(target)


def _private(path: str, flags: int) -> int:
    """Opens a new file for this user only, whatever the umask would take or leave."""
    descriptor = os.open(path, flags, 0o600)
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, 0o600)
    return descriptor


def _cell(each: Checkpoint) -> Json:
    kept = {"checkpoint": each.id, "timestamp": each.timestamp}
    if not each.code:
        changed = ", ".join(map(_name, (*each.created, *each.modified, *each.deleted)))
        return _text(each.id, {"kishu": kept}, f"*Between the cells, something else changed {changed}.*")
    metadata: Json = {"kishu": kept}
    if each.status in _ENDED:
        metadata["tags"] = [_ENDED[each.status]]
    return {
        "cell_type": "code",
        "execution_count": each.execution_count,
        "id": each.id,
        "metadata": metadata,
        "outputs": shown(each),
        "source": _without_travel(each.code),
    }


def _text(id: str, metadata: Json, text: str) -> Json:
    return {"cell_type": "markdown", "id": id, "metadata": metadata, "source": text}


def _name(name: str) -> str:
    """The name of a variable, in Markdown. One that Python has not is somebody's who wants to be read as HTML."""
    return f"`{name}`" if name.isidentifier() else f"`{_unmarked(name)}`"


def _marked_up(text: str) -> str:
    """A sentence with a command between backticks, in Markdown."""
    before, *command = text.split("`", 1)
    inside, _, after = "".join(command).rpartition("`")
    return f"{_unmarked(before)}`{_unmarked(inside)}`{_unmarked(after)}" if command else _unmarked(text)


def _unmarked(text: str) -> str:
    """Nothing in it ends a piece of code, or begins HTML."""
    return html.escape(printable(text).replace("`", "'"), quote=False)


def _without_travel(code: str) -> str:
    """The cell without its journeys: the notebook is the way that was left of them."""
    lines = code.split("\n")
    ours = [number for number, line in enumerate(lines) if _TRAVEL.match(line)]
    if not ours:
        return code
    bare = [_TRAVEL.sub(r"\1pass", line) for line in lines]
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):  # where there are other magics, all are ours
        texts = [
            node for node in ast.walk(ast.parse("\n".join(bare))) if isinstance(node, (ast.Constant, ast.JoinedStr))
        ]
        quoted = {line for text in texts for line in range(text.lineno, text.end_lineno or text.lineno)}
        ours = [number for number in ours if number not in quoted]  # a line of a text, and not its first
    for number in ours:
        lines[number] = _TRAVEL.sub(r"\1pass  # \2", lines[number])
    return "\n".join(lines)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return os.path.abspath(one) == os.path.abspath(other)
