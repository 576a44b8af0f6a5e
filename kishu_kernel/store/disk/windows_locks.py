"""Locks between processes on Windows: on bytes of open files, far behind their ends, where nobody reads or writes.

Law: as `flock`: shared or exclusive, asked for without a wait, changed in kind by giving up the one and taking the
other; each belongs to the open file, and ends with it. What Windows locks nobody else can read: so not what is there.
A directory, which Windows opens for nobody, is locked by a file beside it, whose name begins with a dot; one in the
directory would keep that from being removed.
Neighbour: `locks`, which is the same everywhere.
"""

from __future__ import annotations

import ctypes
from importlib import import_module
from pathlib import Path
from typing import Any

_AT_ONCE, _EXCLUSIVE = 1, 2
_FAR = 1 << 30
"""The higher half of a place that no file is long enough for."""
_TAKEN = {33, 997}
"""Errors that say that somebody else has it: a violation, and one that would have to be waited for."""
_MISSING = {1, 50}
"""Errors of file systems without such locks: there, LMDB's own must do."""


class Overlapped(ctypes.Structure):
    """Where the locked bytes are."""

    _fields_ = (
        *(("Internal", ctypes.c_void_p), ("InternalHigh", ctypes.c_void_p)),
        *(("Offset", ctypes.c_uint32), ("OffsetHigh", ctypes.c_uint32), ("hEvent", ctypes.c_void_p)),
    )


def system() -> tuple[Any, Any]:
    """The functions of Windows, and the one that gives the handle of a descriptor."""
    kernel32 = vars(ctypes)["WinDLL"]("kernel32", use_last_error=True)
    number, pointer = ctypes.c_uint32, ctypes.POINTER(Overlapped)
    kernel32.LockFileEx.argtypes = (ctypes.c_void_p, number, number, number, number, pointer)
    kernel32.UnlockFileEx.argtypes = (ctypes.c_void_p, number, number, number, pointer)
    return kernel32, import_module("msvcrt").get_osfhandle


def last_error() -> int:
    """Why the last function failed."""
    return int(vars(ctypes)["get_last_error"]())


def lock(descriptor: int, exclusive: bool) -> bool:
    """Try to lock. False where somebody else is in the way; then the file is not locked by this one any more."""
    unlock(descriptor)  # else its own lock of the other kind would be in the way
    kernel32, handle_of = system()
    how, where = _AT_ONCE | (_EXCLUSIVE if exclusive else 0), Overlapped(OffsetHigh=_FAR)
    if kernel32.LockFileEx(handle_of(descriptor), how, 0, 1, 0, ctypes.byref(where)):
        return True
    if (error := last_error()) in _TAKEN:
        return False
    if error in _MISSING:
        return True
    raise OSError(0, "it cannot be locked", None, error)


def unlock(descriptor: int) -> None:
    """Release the lock. Without one nothing happens."""
    kernel32, handle_of = system()
    kernel32.UnlockFileEx(handle_of(descriptor), 0, 1, 0, ctypes.byref(Overlapped(OffsetHigh=_FAR)))


def file_for(directory: Path) -> Path:
    """The file by which a directory is locked."""
    return directory.with_name(f".{directory.name}.lock")
