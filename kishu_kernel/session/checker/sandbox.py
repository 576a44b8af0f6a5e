"""What the operating system forbids in the checker process, whoever asks: Python's code or a library's in C.

Audit hooks (`audit_hook.forbid_side_effects_in_process`) do not hear of everything: shared memory, fifos, programs that
`multiprocessing` starts, files that C opens. So the process is confined before it is asked anything (Landlock, Linux
5.13 and newer): it can make, write, rename or remove nothing, and run no program; it can read, as imports need it.
Where the system cannot do that, only what is known to be harmless is loaded.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from kishu_kernel.process.audit_hook import raise_forbidden

_CREATE_RULESET, _RESTRICT_SELF = 444, 446
"""System calls, which have the same numbers on every machine."""
_ASK_VERSION = 1
_NO_NEW_PRIVILEGES = 38
_READING = 0b1100
"""Reading files and directories: the only rights that are left."""
_RIGHTS = {1: 13, 2: 14, 3: 15}
"""How many rights over files each version of Landlock knows."""

_UNHEARD = {
    "_posixsubprocess": ("fork_exec",),
    "_posixshmem": ("shm_open", "shm_unlink"),
    "_multiprocessing": ("sem_unlink",),
    "os": ("mkfifo", "mknod", "setpriority", "sched_setaffinity", "sched_setscheduler"),
}
"""Functions that have side effects and raise no audit event."""


def confine() -> bool:
    """From here on this process can change nothing outside its memory.

    Returns:
        False if the system cannot promise that.
    """
    _forbid_unheard()
    if sys.platform != "linux":
        return False
    with suppress(OSError, AttributeError):
        system: Any = ctypes.CDLL(None, use_errno=True)
        version = system.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION)
        if version < 1:
            return False
        rights = ctypes.c_uint64(((1 << _RIGHTS.get(version, 15)) - 1) & ~_READING)
        rules = system.syscall(_CREATE_RULESET, ctypes.byref(rights), ctypes.c_size_t(8), 0)
        if rules < 0:
            return False
        try:
            without_privileges = system.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
            return bool(without_privileges and system.syscall(_RESTRICT_SELF, rules, 0) == 0)
        finally:
            os.close(rules)
    return False


def _forbid_unheard() -> None:
    for module, names in _UNHEARD.items():
        with suppress(ImportError):
            found = __import__(module)
            for name in names:
                if hasattr(found, name):
                    setattr(found, name, _refusing(f"{module.lstrip('_')}.{name}"))


def _refusing(name: str) -> Callable[..., Any]:
    return lambda *_, **__: raise_forbidden(name)
