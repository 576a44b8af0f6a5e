"""Exports checkpoints as a notebook: the cells in the order in which they ran, with their outputs.

Law: a file that exists is not overwritten unless the user says so, and the session's own notebook never is. A notebook
that is opened runs nothing that somebody else wrote: outputs come through `output_gate`, and no name becomes HTML.
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

_KISHU_LINE = re.compile(r"^(\s*)(%kishu\b.*)$")
_NOTE = "kishu-note"
_ENDED = {"error": "raises-exception", "interrupted": "raises-exception"}
"""Tags with which Run All goes on after a cell that raises, as the first run did."""


def as_notebook(cells: Sequence[Checkpoint], note: str | None = None) -> Json:
    """Returns a notebook in nbformat 4.5.

    Args:
        cells: in the order in which they ran, with their outputs.
        note: a sentence to put before them.
    """
    first = [_text(_NOTE, {}, f"> **Outputs.** {_marked_up(note)}")] if note else []
    notebook: Json = sendable(
        {
            "cells": [*first, *map(_cell, cells)],
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
    """Writes a notebook to a file, whole or not at all.

    Args:
        notebook: as from `as_notebook`.
        path: of the file; `.ipynb` is added if it is missing.
        own: the path of the session's own notebook, which is never written.
        force: replace the file if there is one.

    Returns:
        The absolute path.

    Raises:
        RequestError: the file cannot be written, or must not be.
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
            raise RequestError(f"{target} already exists: choose another name, or add --force")
        temporary = target.with_name(f".{secrets.token_hex(8)}.part")
        try:
            with open(temporary, "x", encoding="utf-8", opener=_private) as file:
                with suppress(OSError):  # a replaced file keeps its permissions
                    os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
                json.dump(notebook, file, indent=1, ensure_ascii=False, allow_nan=False)
                file.write("\n")
            os.replace(temporary, target)
        finally:
            with suppress(OSError):
                temporary.unlink()
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
        return _text(each.id, {"kishu": kept}, f"*Something else changed {changed} between cells.*")
    metadata: Json = {"kishu": kept}
    if each.status in _ENDED:
        metadata["tags"] = [_ENDED[each.status]]
    return {
        "cell_type": "code",
        "execution_count": each.execution_count,
        "id": each.id,
        "metadata": metadata,
        "outputs": shown(each),
        "source": _without_kishu_lines(each.code),
    }


def _text(id: str, metadata: Json, text: str) -> Json:
    return {"cell_type": "markdown", "id": id, "metadata": metadata, "source": text}


def _name(name: str) -> str:
    """Returns the name of a variable, in Markdown. One that is no name of Python's may be an attempt to inject HTML."""
    return f"`{name}`" if name.isidentifier() else f"`{_unmarked(name)}`"


def _marked_up(text: str) -> str:
    """Returns a sentence that has a command between backticks, in Markdown."""
    before, *command = text.split("`", 1)
    inside, _, after = "".join(command).rpartition("`")
    return f"{_unmarked(before)}`{_unmarked(inside)}`{_unmarked(after)}" if command else _unmarked(text)


def _unmarked(text: str) -> str:
    """Returns a text in which nothing ends a piece of code or begins HTML."""
    return html.escape(printable(text).replace("`", "'"), quote=False)


def _without_kishu_lines(code: str) -> str:
    """Returns a cell whose `%kishu` lines are comments: in the notebook the cells stand in the order that resulted."""
    lines = code.split("\n")
    kishu_lines = [number for number, line in enumerate(lines) if _KISHU_LINE.match(line)]
    if not kishu_lines:
        return code
    bare = [_KISHU_LINE.sub(r"\1pass", line) for line in lines]
    with suppress(SyntaxError, ValueError, RecursionError, MemoryError):  # where there are other magics, all are ours
        texts = [
            node for node in ast.walk(ast.parse("\n".join(bare))) if isinstance(node, (ast.Constant, ast.JoinedStr))
        ]
        quoted = {line for text in texts for line in range(text.lineno, text.end_lineno or text.lineno)}
        kishu_lines = [number for number in kishu_lines if number not in quoted]  # a line of a text, and not its first
    for number in kishu_lines:
        lines[number] = _KISHU_LINE.sub(r"\1pass  # \2", lines[number])
    return "\n".join(lines)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return os.path.abspath(one) == os.path.abspath(other)
