"""The tools that run cells, go to other states, and start kernels beside.

Law: as in `kishu_kernel.frontend.mcp`. Annotations are objects, not text: those who serve these functions read them.
"""

import time
from typing import Any, Literal

from kishu_kernel.client import Client, explore
from kishu_kernel.errors import NoReplyError
from kishu_kernel.frontend.mcp.answers import explored_answer, ran_answer, slim, state_answer, travel_answer
from kishu_kernel.frontend.mcp.kernels import KERNELS, short_name

Json = dict[str, Any]

_STILL_RUNS = (
    "this cell has not ended, or waits until another one has; it is not given up. kishu_log shows when it has ended, "
    "and kishu_show its output"
)

_STOPPING = 10.0
"""Seconds that a cell has to end when it was interrupted."""


def kishu_run(code: str, kernel: str | None = None, timeout: float = 120.0) -> dict[str, Any]:
    """Runs a cell of Python in a notebook's kernel, and tells its output and the state that it led to.

    Whatever the cell did to variables can be taken back with kishu_undo; what it did to files and other systems cannot.
    `state` is the id of the new state, `digest` a hash of the values of all variables in it. A cell that fails
    (`status`: "error") may have changed variables before: undo it.

    Args:
        code: of the cell; magics are allowed.
        kernel: the notebook's path, or a kernel's connection file, also of a fork. Without it: the only one that runs.
        timeout: seconds to wait. A cell that takes longer goes on running.
    """

    def ask(client: Client) -> Json:
        try:
            ran = client.run(code, timeout=timeout)
        except NoReplyError as error:
            unended = NoReplyError(f"after {timeout:g} seconds {_STILL_RUNS}")
            unended.hint = "Do not send it again: wait, or stop what runs with kishu_interrupt."
            raise unended from error
        made = ran["checkpoint"]
        status = client.status() if made else {}
        return ran_answer(ran, status["state"] if made and status["head"] == made["id"] else None)

    return KERNELS.answer(kernel, ask)


def kishu_undo(
    steps: int = 1,
    kernel: str | None = None,
    plan_only: bool = False,
    allow_side_effects: bool = False,
    allow_lost: bool = False,
) -> dict[str, Any]:
    """Takes back the last cell, or the last few: all variables become what they were before.

    No state is lost by it: kishu_redo or kishu_checkout lead back. If cells with side effects had to be run again, or
    values would be lost, nothing is done, and the error says what would be: decide, and call again.

    Args:
        steps: how many cells.
        kernel: the notebook's path, or a kernel's connection file. Without it: the only one that runs.
        plan_only: only tell what would be done.
        allow_side_effects: cells that write files, use the network or start processes may be run again.
        allow_lost: go there even without values that cannot be had again; without `allow_side_effects`, also without
            those that only a cell with side effects gives. `lost` in the answer names them.
    """
    how = _how(plan_only, allow_side_effects, allow_lost)
    return KERNELS.answer(kernel, lambda client: travel_answer(client.undo(steps, **how)))


def kishu_redo(
    steps: int = 1,
    kernel: str | None = None,
    plan_only: bool = False,
    allow_side_effects: bool = False,
    allow_lost: bool = False,
) -> dict[str, Any]:
    """Takes back the last undo, or the last few.

    Args:
        steps: how many.
        kernel: the notebook's path, or a kernel's connection file. Without it: the only one that runs.
        plan_only: only tell what would be done.
        allow_side_effects: cells that write files, use the network or start processes may be run again.
        allow_lost: do it even without values that cannot be had again; the answer names them.
    """
    how = _how(plan_only, allow_side_effects, allow_lost)
    return KERNELS.answer(kernel, lambda client: travel_answer(client.redo(steps, **how)))


def kishu_checkout(
    target: str,
    kernel: str | None = None,
    plan_only: bool = True,
    allow_side_effects: bool = False,
    allow_lost: bool = False,
) -> dict[str, Any]:
    """Goes to any state: all variables become what they were in it. At first it only tells what it would do.

    Call it once to see the plan, and again with plan_only=false to do it. No state is lost by it: the state that you
    leave can be gone to again. What runs from then on begins a new line.

    Args:
        target: a state's id or its first letters, `In[7]`, a branch, a tag, `HEAD~2`.
        kernel: the notebook's path, or a kernel's connection file. Without it: the only one that runs.
        plan_only: only tell what would be done: true unless you say otherwise.
        allow_side_effects: cells that write files, use the network or start processes may be run again.
        allow_lost: do it even without values that cannot be had again; the answer names them.
    """
    how = _how(plan_only, allow_side_effects, allow_lost)
    return KERNELS.answer(kernel, lambda client: travel_answer(client.checkout(target, **how)))


def kishu_resume(
    kernel: str | None = None,
    plan_only: bool = False,
    allow_side_effects: bool = False,
    allow_lost: bool = False,
) -> dict[str, Any]:
    """After a restart or a crash: brings back the variables of the notebook's last session.

    Args:
        kernel: the notebook's path, or a kernel's connection file. Without it: the only one that runs.
        plan_only: only tell what would be done.
        allow_side_effects: cells that write files, use the network or start processes may be run again.
        allow_lost: do it even without values that cannot be had again; the answer names them.
    """
    how = _how(plan_only, allow_side_effects, allow_lost)
    return KERNELS.answer(kernel, lambda client: travel_answer(client.resume(None, **how)))


def kishu_take(
    names: list[str],
    target: str,
    copies: dict[str, str] | None = None,
    kernel: str | None = None,
    plan_only: bool = False,
    allow_side_effects: bool = False,
    allow_lost: bool = False,
) -> dict[str, Any]:
    """Brings single variables as they were in another state into the present one, and leaves the rest as it is.

    The state may be one of a fork: so a result that was found there comes here. It makes a new state, which
    kishu_undo takes back.

    Args:
        names: of the variables. What shares objects with them comes along: "came_along" names it.
        target: a state's id or its first letters, `In[7]`, a branch, a tag, `HEAD~2`.
        copies: new names for those that are to come beside what is there: {"df": "df_old"}.
        kernel: the notebook's path, or a kernel's connection file. Without it: the only one that runs.
        plan_only: only tell what would be done.
        allow_side_effects: cells that write files, use the network or start processes may be run again.
        allow_lost: do it even without values that cannot be had again; the answer names them.
    """
    how = _how(plan_only, allow_side_effects, allow_lost)
    return KERNELS.answer(kernel, lambda client: travel_answer(client.take(names, target, copies=copies, **how)))


def kishu_promote(
    target: str,
    kernel: str | None = None,
    plan_only: bool = False,
    allow_side_effects: bool = False,
    allow_lost: bool = False,
) -> dict[str, Any]:
    """Makes the line of a fork the notebook's own: goes to its state, and the notebook's branch goes on from there.

    Use it for the best of several ways. The line that this leaves stays in the history.

    Args:
        target: a fork's branch, or any state as of kishu_checkout.
        kernel: the notebook's path, or a kernel's connection file. Without it: the only one that runs.
        plan_only: only tell what would be done.
        allow_side_effects: cells that write files, use the network or start processes may be run again.
        allow_lost: do it even without values that cannot be had again; the answer names them.
    """
    how = _how(plan_only, allow_side_effects, allow_lost)
    return KERNELS.answer(kernel, lambda client: travel_answer(client.promote(target, **how)))


def kishu_tag(name: str, target: str = "HEAD", kernel: str | None = None, delete: bool = False) -> dict[str, Any]:
    """Gives a state a name, by which other tools find it, and people see it. Values of a tagged state are kept.

    Args:
        name: of the tag; it moves if there is one.
        target: a state's id or its first letters, `In[7]`, a branch, `HEAD`, `HEAD~2`.
        kernel: the notebook's path, or a kernel's connection file. Without it: the only one that runs.
        delete: remove the tag instead; the state stays.
    """

    def ask(client: Client) -> Json:
        state = client.tag(name, target, delete=delete)["tags"].get(name)
        return {"told": f"The tag {name} is {'gone' if state is None else f'at {state}'}."}

    return KERNELS.answer(kernel, ask)


def kishu_fork(number: int = 1, target: str = "HEAD", kernel: str | None = None) -> dict[str, Any]:
    """Starts kernels that begin in a state of this notebook's history and go on by themselves, each on its own branch.

    Use it to try several ways from one state at the same time: pass the `kernel` of each to kishu_run and the other
    tools. The notebook's own kernel is not touched. What they do is kept in the notebook's history: compare with
    kishu_diff, bring a result with kishu_take, or go on from the best with kishu_promote. Each needs about as much
    memory as the notebook's kernel: end it with kishu_end_fork. They end with this server.

    Args:
        number: how many.
        target: where they begin: a state's id or its first letters, `In[7]`, a branch, a tag, `HEAD`.
        kernel: the notebook's path, or a kernel's connection file. Without it: the only one that runs.
    """

    def ask(client: Client) -> Json:
        forks = client.fork(number, target)
        KERNELS.keep(forks)
        return {"forks": [{"kernel": short_name(each.connection_file), "branch": each.own_branch} for each in forks]}

    return KERNELS.answer(kernel, ask)


def kishu_explore(
    cells: list[str], target: str = "HEAD", kernel: str | None = None, timeout: float = 300.0
) -> dict[str, Any]:
    """Tries cells, each in a fork of its own of one state, at the same time, and tells what became of each.

    The notebook's own kernel is not touched, and the forks end with their cells; the states that these led to stay in
    the history. Use it to compare ways: go on from the best with kishu_promote or kishu_checkout to its `state`, bring
    a result of it with kishu_take, compare two with kishu_diff. `status` is "ok", "error", "timeout", or "lost" where
    the fork could not run.

    Args:
        cells: the code of each way, as one cell.
        target: where they begin: a state's id or its first letters, `In[7]`, a branch, a tag, `HEAD`.
        kernel: the notebook's path, or a kernel's connection file. Without it: the only one that runs.
        timeout: seconds that each may take.
    """
    return KERNELS.answer(kernel, lambda client: explored_answer(explore(client, cells, target, timeout=timeout)))


def kishu_end_fork(kernel: str) -> dict[str, Any]:
    """Ends the kernel of a fork. Its branch and all its states stay in the notebook's history.

    Args:
        kernel: as kishu_fork gave it.
    """
    branch = KERNELS.end(kernel)
    return {"told": f"The fork has ended; its states are on the branch {branch}."}


def kishu_interrupt(kernel: str | None = None) -> dict[str, Any]:
    """Interrupts the cell that runs, as the stop button does. What it had changed by then is in its state: undo it.

    Args:
        kernel: the notebook's path, or a kernel's connection file. Without it: the only one that runs.
    """

    def ask(client: Client) -> Json:
        client.interrupt()
        deadline = time.monotonic() + _STOPPING
        while client.inspect([], preview=False)["now"] is False:  # a cell runs; to ask takes a moment
            if time.monotonic() > deadline:
                return {
                    "told": "The kernel was interrupted, and its cell still runs: it may hear of it later, or never."
                }
        return {"told": "No cell runs now.", "last": state_answer(client.log(1)["checkpoints"][0])}

    return KERNELS.answer(kernel, ask)


def _how(plan_only: bool, allow_side_effects: bool, allow_lost: bool) -> Json:
    replay: Literal["auto", "harmless", "ask"] = "auto" if allow_side_effects else "harmless" if allow_lost else "ask"
    return slim({"dry_run": plan_only, "replay": replay, "allow_lost": allow_lost})
