"""Where a notebook's history lies below a remote that many notebooks share. Pure but for the home directory's name.

Law: the same notebook has the same place on each machine where it lies in the same way in its user's home directory.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote


def place_of(remote: str, notebook: str) -> str:
    """The address of a notebook's own history.

    Args:
        remote: as in `c.KishuKernel.remote`: of all notebooks.
        notebook: its path.
    """
    path = Path(os.path.abspath(notebook))
    home = Path(os.path.abspath(os.path.expanduser("~")))
    parts = path.relative_to(home).parts if path.is_relative_to(home) else path.parts[1:]
    return "/".join([remote.rstrip("/"), *(quote(part, safe="") for part in parts)])
