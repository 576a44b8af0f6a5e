"""The kernel itself, and ours on top of it."""

from __future__ import annotations

from typing import Any

from kishu_kernel.objects.library import Library, Reduction


def _shell(shell: Any) -> Reduction:
    from IPython.core.getipython import get_ipython

    return (get_ipython, ()) if shell is get_ipython() else NotImplemented


class Kernel(Library):
    """The shell goes by reference: whoever has it can run any code."""

    packages = ("ipykernel", "kishu_kernel")
    untraversable = {"ipykernel.*", "kishu_kernel.frontend.*"}
    dynamic = {"ipykernel.zmqshell.*"}
    reductions = {"ipykernel.zmqshell.*": _shell}
