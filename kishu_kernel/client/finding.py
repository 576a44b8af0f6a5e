"""Which live kernel a text means: the path of a notebook, a connection file, or a kernel's id.

Neighbours: `store.catalog.running_kernels` knows which kernels are live; `connection` connects to one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from kishu_kernel.errors import NoKernelError, RequestError, StoreError
from kishu_kernel.store.catalog import running_kernels
from kishu_kernel.store.catalog.running_kernels import LiveKernel

_MAX_NAMES = 5
"""Notebooks that a sentence names at most."""


def kernel_of(where: str) -> LiveKernel:
    """Returns the kernel that a text names.

    Raises:
        NoKernelError: it names none.
        RequestError: it names several.
    """
    file = connection_file(where)
    if file is not None:
        known = (each for each in running_kernels.live_kernels() if os.path.realpath(each.connection_file) == file)
        return next(known, LiveKernel("", 0, "", file))
    kernel = only(live_on(where) or _renamed(Path(where).expanduser()), where)
    if kernel is None:
        raise no_kernel_on(where)
    return kernel


def connection_file(where: str) -> str | None:
    """Returns the path of the connection file that a text names; None where it can be none's name.

    Its path, its name in Jupyter's runtime directory, or the id that a server gives its kernel, as frontends show it.

    Raises:
        NoKernelError: there is no such file.
    """
    path, runtime = Path(where).expanduser(), running_kernels.runtime_directory()
    if path.suffix != ".json":
        of_id = runtime / f"kernel-{where}.json"
        return os.path.realpath(of_id) if path.name == where and of_id.is_file() else None
    if not path.exists() and path.name == where:
        path = runtime / where
    if not path.exists():
        raise NoKernelError(f"there is no connection file {where}: its kernel has ended")
    return os.path.realpath(path)


def live_on(where: str) -> list[LiveKernel]:
    """Returns the kernels of a notebook: from here, or as a server that runs here shows it, from that one's root."""
    notebook = Path(where).expanduser()
    found = running_kernels.live_on(notebook)
    if found or notebook.is_absolute() or notebook.exists():
        return found
    return [kernel for root in dict.fromkeys(_server_roots()) for kernel in running_kernels.live_on(root / notebook)]


def only(kernels: Sequence[LiveKernel], where: str) -> LiveKernel | None:
    """Returns the only kernel; None where there is none. Raises `RequestError` where there are several."""
    if len(kernels) > 1:
        files = " or ".join(each.connection_file for each in kernels)
        raise RequestError(f"{len(kernels)} kernels are live on {where}: name one by its connection file, {files}")
    return kernels[0] if kernels else None


def no_kernel_on(where: str) -> NoKernelError:
    """Returns the error to raise where no kernel is live on a notebook: it says how to name the one that is meant."""
    others = list(dict.fromkeys(each.notebook for each in running_kernels.live_kernels() if each.notebook))
    alike = [each for each in others if Path(each).name == Path(where).name]
    what = f"no kernel with Kishu is live on {where}"
    if not others:
        return NoKernelError(f"{what}: open it in Jupyter, and run a cell")
    if alike:
        error = NoKernelError(f"{what}, which is {os.path.abspath(where)} here: there is one on {_listed(alike)}")
        error.hint = f"Name it by its whole path: {alike[0]}"
    else:
        error = NoKernelError(f"{what}: there are some on {_listed(others)}")
        error.hint = f"Name one of these by its whole path. {NoKernelError.hint}"
    return error


def _listed(notebooks: Sequence[str]) -> str:
    return ", ".join(notebooks[:_MAX_NAMES])


def _server_roots() -> Iterator[Path]:
    """The directories of which Jupyter servers on this machine show the notebooks."""
    for file in sorted(running_kernels.runtime_directory().glob("jpserver-*.json")):
        with suppress(OSError, ValueError, TypeError, KeyError):
            yield Path(json.loads(file.read_text("utf-8"))["root_dir"])


def _renamed(notebook: Path) -> list[LiveKernel]:
    """Returns the kernels of a notebook that was renamed since they began: they have its store open."""
    if not notebook.is_file() or not running_kernels.live_kernels():
        return []
    from kishu_kernel.model import SessionId
    from kishu_kernel.store.catalog.assignment import find_assignment
    from kishu_kernel.store.catalog.filesystems import base_for
    from kishu_kernel.store.catalog.paths import default_base

    told = os.environ.get("KISHU_STORE_DIR")
    try:
        base, _ = base_for(Path(told) if told else default_base(), False)
    except StoreError:
        return []
    place = find_assignment(base, os.path.abspath(notebook), SessionId(""))
    return [] if place.found == "new" else running_kernels.live_in(place.path)
