"""The kernel itself, ours on top of it, and IPython below. What the live shell holds goes by where that holds it."""

from __future__ import annotations

from typing import Any

from kishu_kernel.objects.classes import attributes
from kishu_kernel.objects.libraries.standard.processes import reduction_of_thread
from kishu_kernel.objects.library import Library, Reduction


def _shell(shell: Any) -> Reduction:
    from IPython.core.getipython import get_ipython

    return (get_ipython, ()) if shell is get_ipython() else NotImplemented


def _of_shell(obj: Any) -> Reduction:
    """A formatter, a manager: a copy of it would be nobody's."""
    from IPython.core.getipython import get_ipython

    from kishu_kernel.objects.rebuild.libraries import part_of_shell

    held = attributes(get_ipython()) or {}
    traits = held.get("_trait_values", {})
    for named in (held, traits):  # asked of each object to be shown, of which there may be many: nothing is made
        for name, value in named.items():
            if value is obj and not name.startswith("_"):
                return part_of_shell, (name,)
    formatter = traits.get("display_formatter")
    formatters = (attributes(formatter) or {}).get("_trait_values", {}).get("formatters", {})
    mime = next((mime for mime, value in formatters.items() if value is obj), None)
    return NotImplemented if mime is None else (part_of_shell, ("display_formatter", mime))


def _job(job: Any) -> Reduction:
    from kishu_kernel.objects.rebuild.libraries import set_job_state

    make, arguments, (state, _), *_ = reduction_of_thread(job)
    from IPython.core.getipython import get_ipython

    live = getattr(get_ipython(), "user_ns", None)
    theirs = [name for name in ("glob", "loc") if state[name] is live]
    kept = {name: value for name, value in state.items() if name not in theirs}
    return make, arguments, (kept, theirs), None, None, set_job_state


class Kernel(Library):
    """The shell goes by reference: whoever has it can run any code."""

    packages = ("ipykernel", "IPython", "kishu_kernel")
    untraversable = {"ipykernel.*", "kishu_kernel.frontend.*"}
    dynamic = {"ipykernel.zmqshell.*"}
    reductions = {"ipykernel.zmqshell.*": _shell, "IPython.core.*": _of_shell}
    whole = {"IPython.core.display_functions.*", "IPython.core.ultratb.*"}
    exact_reductions = {"IPython.lib.backgroundjobs.BackgroundJobExpr": _job}
