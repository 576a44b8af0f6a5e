"""Whose code caused an audit event: the notebook's, the kernel's, or the import of a library.

Neighbours: `audit_hook` asks; `code_origins` knows which files belong to libraries.
"""

from __future__ import annotations

import sys
import threading
import types

from kishu_kernel.process.code_origins import is_of_a_library

_KERNEL_PACKAGES = frozenset(
    {
        *("kishu_kernel", "ipykernel", "IPython", "jupyter_client", "traitlets", "zmq", "tornado", "comm"),
        *("debugpy", "pydevd", "_pydevd_bundle", "_pydev_bundle"),
    }
)
"""Packages whose threads do the kernel's work and ours."""


# --- by the stack


def is_notebook_code(frame: types.FrameType | None) -> bool:
    """Whether code of the notebook is on the stack, below neither code of ours nor the import of a library.

    What a library does when it is imported (write byte code, fill a cache of fonts) is not done again when a cell is
    re-run, so it is no side effect of the cell. O(depth of the stack).

    Args:
        frame: the innermost one.
    """
    inner = None
    while frame is not None:
        name = frame.f_globals.get("__name__")
        if name == "__main__":
            return True
        if is_in_import_system(frame) and not (inner and is_in_import_system(inner)) and _is_library_frame(inner):
            return False
        if isinstance(name, str) and name.partition(".")[0] == "kishu_kernel":
            return False
        inner, frame = frame, frame.f_back
    return True


def is_in_import(frame: types.FrameType | None) -> bool:
    """Whether a module is being imported. O(depth of the stack)."""
    while frame is not None:
        if is_in_import_system(frame):
            return True
        frame = frame.f_back
    return False


def is_in_import_system(frame: types.FrameType) -> bool:
    """Whether this very frame is one of `importlib`."""
    return frame.f_code.co_filename.startswith("<frozen importlib")


def _is_library_frame(frame: types.FrameType | None) -> bool:
    """Whether this frame, called by the import system, runs an installed module.

    None stands for the import system itself, which counts as one.
    """
    return frame is None or is_of_a_library(frame.f_code.co_filename)


# --- by the thread


def is_kernel_thread(ident: int) -> bool:
    """Whether a thread that runs no cell works for the kernel. The main thread does so between cells."""
    thread = threading._active.get(ident)  # type: ignore[attr-defined]  # `current_thread` would make one
    if thread is None:
        return False
    return thread is threading.main_thread() or _package(thread) in _KERNEL_PACKAGES


def is_notebook_thread(thread: threading.Thread) -> bool:
    """Whether the notebook started it: neither the kernel, nor a library for itself (tqdm watches its bars so)."""
    package = _package(thread)
    file = getattr(sys.modules.get(package), "__file__", None) or ""
    return package not in _KERNEL_PACKAGES and not _is_installed(file)


def _is_installed(file: str) -> bool:
    return "site-packages" in file or "dist-packages" in file


def _package(thread: threading.Thread) -> str:
    """The top-level package of the thread's class or, for a plain `Thread`, of the function that it runs."""
    package = type(thread).__module__.partition(".")[0]
    if package != "threading":
        return package
    target = getattr(thread, "_target", None) or getattr(thread, "function", None)
    return str(getattr(target, "__module__", None) or "threading").partition(".")[0]


def created_process_count() -> int:
    """How many `multiprocessing.Process` objects this process has made. Spawned ones raise no audit event."""
    module = sys.modules.get("multiprocessing.process")
    digits = "".join(filter(str.isdigit, repr(getattr(module, "_process_counter", ""))))
    return int(digits or 1)  # the counter's first value
