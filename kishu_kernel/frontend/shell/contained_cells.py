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
from kishu_kernel.frontend.shell.notebook_code import home_of, is_kernels
from kishu_kernel.model import Access

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

    def is_contained(self, source: str, access: Access) -> bool:
        """Whether a cell that is about to run is one. Some microseconds."""
        return is_self_contained(source, access, self._shell.user_ns) and self._is_kernels_alone()

    def _is_kernels_alone(self) -> bool:
        """Whether what writes and shows is the kernel's, and nothing but that is called with every cell."""
        writing = (sys.stdout, sys.stderr, self._shell.displayhook, self._shell.display_pub)
        tracing = sys.gettrace() is not None or sys.getprofile() is not None
        return (
            not tracing
            and all(map(is_kernels, writing))
            and all(home_of(each).startswith(_AROUND_CELLS) for each in self._hooks())
        )
