"""Tells the kernels of a gateway whose notebook they have: the notebook lies here, and they run on another machine.

Law: nothing is told but the notebook's path, the ids of its cells, the user's name and an id of this user's servers.
Neighbour: `store.catalog.elsewhere` is the kernels' side.
"""

from __future__ import annotations

import getpass
import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from kishu_kernel.store.catalog import elsewhere
from kishu_kernel.store.catalog.about_file import notebook_cells
from kishu_kernel.store.catalog.paths import default_base
from kishu_kernel.store.disk.directory import make_missing

MOST_BYTES = 8 << 20
"""Of a notebook's file whose cells are read: the server waits for it."""


def tell_notebooks(sessions: Any) -> None:
    """From now on kernels that are started for a notebook are told so.

    Args:
        sessions: the server's manager of sessions.
    """
    server = _server_id()
    if server is not None:
        sessions.get_kernel_env = _telling(sessions.get_kernel_env, server)


def _telling(environment_of: Callable[..., dict[str, str]], server: str) -> Callable[..., dict[str, str]]:
    user = re.sub(r"[^\w.-]", "_", os.environ.get("JUPYTERHUB_USER") or getpass.getuser(), flags=re.ASCII)[:64]

    def get_kernel_env(*arguments: Any, **named: Any) -> dict[str, str]:
        environment = environment_of(*arguments, **named)
        path = environment.get("JPY_SESSION_NAME", "")
        if path.endswith(".ipynb"):
            environment[elsewhere.VARIABLE] = elsewhere.to_tell(path, user or "user", server, _cells(path))
        return environment

    return get_kernel_env


def _cells(path: str) -> frozenset[str]:
    with suppress(OSError, ValueError):
        if os.stat(path).st_size <= MOST_BYTES:
            return notebook_cells(path)
    return frozenset()


def _server_id() -> str | None:
    """Returns the id of this user's servers, whose notebooks lie in one home; None where none can be kept."""
    file: Path = default_base().parent / "server-id"
    with suppress(OSError, ValueError):
        make_missing(file.parent)
        with suppress(FileExistsError):
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="ascii") as new:
                new.write(secrets.token_hex(8))
        text = file.read_text("ascii")
        return text if re.fullmatch("[0-9a-f]{16}", text) else None
    return None
