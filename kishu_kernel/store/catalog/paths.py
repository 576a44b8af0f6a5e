"""Where the store of a notebook lies, if nothing speaks against it. Pure: looks at nothing, creates nothing.

Neighbour: `assignment` looks what is there, and finds notebooks that were renamed or moved.
"""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path, PurePath

import xxhash

from kishu_kernel.model import SessionId
from kishu_kernel.model.pattern import pattern

SLUG_LENGTH = 48
"""Characters. The strictest of the common file systems allows names of 143 bytes."""

OF_SESSION = "session-"
"""How the names of stores of kernels without a notebook begin."""
_OF_NOTEBOOK = pattern(r".*-[0-9a-f]{16}(-\d+)?")


def store_path(base: Path | None, notebook: str | None, session: SessionId) -> Path:
    """The directory of a notebook's store.

    Args:
        base: where stores lie; None for the Jupyter data directory of this user.
        notebook: path of the notebook, as the frontend tells it. None or empty: each session gets
            a store of its own.
        session: the kernel process's session.

    Returns:
        A directory right under `base`, whatever characters `notebook` and `session` have. Notebooks
        at different paths have different ones.
    """
    base = base or default_base()
    if not notebook:
        name = slug(session)
        return base / (f"{OF_SESSION}{name}" if name == session else f"{OF_SESSION}{name}-{_mark(session)}")
    return base / f"{slug(PurePath(notebook).stem)}-{_mark(os.path.normcase(os.path.abspath(notebook)))}"


def is_of_session(store: Path) -> bool:
    """Whether a store has the name that a kernel without a notebook gives it. In doubt it has not."""
    return store.name.startswith(OF_SESSION) and not _OF_NOTEBOOK.fullmatch(store.name)


def default_base() -> Path:
    """Where the stores of this user lie by default: in the Jupyter data directory."""
    from jupyter_core.paths import jupyter_data_dir

    return Path(jupyter_data_dir()) / "kishu" / "stores"


def last_look(base: Path) -> Path:
    """A file whose time is that of the last look at all stores in a directory. It is not in there."""
    return default_base().parent / f"looked-{_mark(os.path.realpath(base))}"


def slug(text: str) -> str:
    """A readable name of letters, digits, `_` and `-` for a text. Never empty."""
    ascii = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    found = "".join(each if each.isalnum() or each == "_" else "-" for each in ascii)
    while "--" in found:
        found = found.replace("--", "-")
    return found[:SLUG_LENGTH].strip("-") or "notebook"


def _mark(text: str) -> str:
    """16 hexadecimal digits that distinguish texts with the same slug."""
    return xxhash.xxh3_64_hexdigest(text.encode("utf-8", "surrogatepass"))
