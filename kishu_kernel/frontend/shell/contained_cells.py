"""Tells of cells that they run nothing but their own code, on plain data, and that nothing else runs with them.

Law: doubt means no. What is registered with the shell as hooks, formatters and the like, `session` asks
`ambient.keeper` for; here is asked for what stands beside.
Neighbour: `detect.self_contained`, which reads the code.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from kishu_kernel.detect.self_contained import is_self_contained
from kishu_kernel.frontend.shell.notebook_code import home_of
from kishu_kernel.frontend.shell.shell_parts import ShellParts
from kishu_kernel.model import Access
from kishu_kernel.process.audit_hook import is_alone

_AROUND_CELLS = ("IPython.core.", "ipykernel.", "kishu_kernel.")
"""Modules whose hooks do nothing but to show things and to count: not extensions, which may reload modules."""


class ContainedCells:
    """Recognises them.

    Args:
        shell: IPython's.
        hooks: returns what the shell calls with every cell.
    """

    def __init__(self, shell: Any, hooks: Callable[[], Iterable[Any]]) -> None:
        self._shell = shell
        self._hooks = hooks
        self._parts = ShellParts(shell)

    def is_contained(self, source: str, access: Access, follows: bool) -> bool:
        """Whether a cell that is about to run is one. Some microseconds where it follows another, else some 100.

        Args:
            follows: nothing but such a cell has run since one was recognised: it has registered nothing.
        """
        return is_self_contained(source, access, self._shell.user_ns) and (follows or self._is_kernels_alone())

    def _is_kernels_alone(self) -> bool:
        """Whether what writes and shows is the kernel's, and nothing but that is called with every cell."""
        return (
            not _is_watched()
            and all(home_of(each).startswith(_AROUND_CELLS) for each in self._hooks())
            and self._parts.are_as_made()
        )


def _is_watched() -> bool:
    """Whether somebody hears of what the interpreter does: traces, profiles, monitors or audits it."""
    monitoring = getattr(sys, "monitoring", None)  # from Python 3.12 on
    if monitoring is not None and any(monitoring.get_tool(each) is not None for each in range(6)):
        return True
    return sys.gettrace() is not None or sys.getprofile() is not None or not is_alone()
