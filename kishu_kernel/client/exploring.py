"""Cells that are tried, each in a fork of its own of one state, at the same time: `explore`.

    best = min(explore(k, cells, at="baseline", timeout=60), key=lambda each: float(each.result))
    k.promote(best.state)

Law: what becomes of a cell is a value, whatever it is: an exception of its own, one of a fork or of a worker. What a
fork did is in the history, on a branch of its own, also where nobody waited for it.
Neighbours: `client` forks, and runs the cells.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, Literal

from kishu_kernel.client import fork_limit
from kishu_kernel.client.client import Client, make_forks
from kishu_kernel.client.forks import END_SECONDS, ForkPlan, sharing
from kishu_kernel.client.operations import FORK_SECONDS, Target
from kishu_kernel.errors import KishuError, NoReplyError, RequestError
from kishu_kernel.model.dataclass import dataclass, replace
from kishu_kernel.store.catalog.running_kernels import runtime_directory

LAST_SECONDS = 60.0
"""Seconds that is waited for cells that run when all were cancelled."""
_MOST_TEXT = 500
_LOOK = 0.2
"""Seconds between two looks at whether to stop."""

Ending = Literal["ok", "error", "timeout", "cancelled", "lost"]


@dataclass(frozen=True, slots=True)
class Explored:
    """What became of a cell.

    Attributes:
        code: the cell.
        status: "ok"; "error": it raised; "timeout": it took too long; "cancelled": it was not, or no more, wanted;
            "lost": its fork, or the worker that had it, could not be started, or ended.
        error: why it is not "ok", one sentence; None where it is.
        result: what its last line gave, as a console shows it; None where that was nothing.
        outputs: all of them, as a notebook has them.
        seconds: that the cell took; 0 where it did not run.
        created, modified, deleted: names of variables.
        state: the id of the state that it led to, for `take`, `promote`, `diff`; None where it made none.
        branch: on which that is.
        durable: what it did is on the disk.
        connection_file: of its fork, where that was kept.
    """

    code: str
    status: Ending
    error: str | None = None
    result: str | None = None
    outputs: tuple[dict[str, Any], ...] = ()
    seconds: float = 0.0
    created: tuple[str, ...] = ()
    modified: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    state: str | None = None
    branch: str | None = None
    durable: bool = False
    connection_file: str | None = None


def explore(
    k: Client,
    cells: Sequence[str],
    at: Target = "HEAD",
    executor: Executor | None = None,
    *,
    timeout: float | None = None,
    keep: bool = False,
    cancel: Event | None = None,
) -> list[Explored]:
    """Runs each cell in a fork of its own of one state. Returns what became of them, in the same order.

    Args:
        k: a client of the kernel whose history it is.
        at: the state in which they begin.
        executor: runs the forks, any of `concurrent.futures`; its workers reach the store by the same path. None: this
            process does, as many at a time as there are processors and as fit into memory.
        timeout: seconds that each cell may take; then it is interrupted, and its fork ended where that does not help.
        keep: forks go on. Else each ends when its cell has; what it did stays on its branch.
        cancel: when it is set, no other cell begins, and those that run are interrupted.

    Raises:
        RequestError: there is no such state, or no cell, or the history is kept in memory only.
        StoreError: the state is not on the disk.
        ForkLimitError: not one fork fits here.
    """
    wanted = [cells] if isinstance(cells, str) else list(cells)
    if not wanted or not all(isinstance(each, str) for each in wanted):
        raise RequestError("there is no cell to explore: name them as a list of texts of code")
    if timeout is not None and not timeout > 0:
        raise RequestError(f"a cell needs some time to run, not {timeout} seconds")
    plan, stop = k.fork_plan(at), cancel or Event()
    if executor is not None:
        return _on_workers(executor, partial(explore_one, plan, timeout=timeout, keep=keep), wanted, stop)
    fork_limit.check(1, plan.need, plan.rules)
    at_once = min(len(wanted), os.cpu_count() or 1, max(1, fork_limit.fitting(plan.need, plan.rules)))
    with sharing(plan, len(wanted)) as shared, ThreadPoolExecutor(at_once, "kishu-explore") as threads:
        one = partial(explore_one, shared, timeout=timeout, keep=keep, stop=stop.is_set)
        return _gathered(wanted, [threads.submit(one, each) for each in wanted], stop)


def explore_one(
    plan: ForkPlan,
    code: str,
    timeout: float | None = None,
    keep: bool = False,
    stop: Callable[[], bool] = lambda: False,
    once: Path | None = None,
) -> Explored:
    """Runs a cell in a fork. What goes wrong is part of what it returns. An executor's worker calls it.

    Args:
        once: a file that is there from the first time on that somebody calls it for this cell: some engines call again
            where a worker has died, and the cell may have had effects.
    """
    if stop():
        return _cancelled(code)
    try:
        if once is not None:
            once.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            once.touch(0o600, exist_ok=False)
    except FileExistsError:
        return Explored(code, "lost", "its worker ended while it ran, and it was not run a second time")
    except OSError:  # this machine has no such directory: then it is as the engine does it
        pass
    try:
        fork_limit.check(1, plan.need, plan.rules)
        [fork] = make_forks(plan, 1, keep)
    except (KishuError, OSError) as error:
        return Explored(code, "lost", f"no fork could be started for it: {error}")
    begun = Explored(code, "lost", branch=fork.own_branch)
    seconds = END_SECONDS
    try:
        done = _run_in(fork, begun, timeout, stop)
        return replace(done, connection_file=fork.connection_file) if keep else done
    except NoReplyError:
        seconds, keep = 0.0, False
        why: Ending = "cancelled" if stop() else "timeout"
        return replace(begun, status=why, error="it did not end when it was interrupted, so its kernel was ended")
    except KishuError as error:
        keep = False
        return replace(begun, error=str(error))
    finally:
        if keep:
            fork.close()
        else:
            fork.end(seconds)


def _run_in(fork: Client, begun: Explored, timeout: float | None, stop: Callable[[], bool]) -> Explored:
    began, why = time.monotonic(), _Why()

    def is_over() -> bool:
        if stop():
            why.ending, why.sentence = "cancelled", "it was not wanted any more, and was interrupted"
        elif timeout is not None and time.monotonic() > began + timeout:
            why.ending, why.sentence = "timeout", f"it took more than {timeout:g} seconds, and was interrupted"
        return why.ending != "error"

    ran = fork.run(begun.code, stop=is_over)
    outputs, made = ran["outputs"], ran["checkpoint"]
    is_ok = ran["status"] == "ok"
    return replace(
        begun,
        status="ok" if is_ok else why.ending,
        error=None if is_ok else why.sentence or _raised(outputs),
        result=_result(outputs),
        outputs=tuple(outputs),
        seconds=made["duration"] if made else time.monotonic() - began,
        created=tuple(made["created"] if made else ()),
        modified=tuple(made["modified"] if made else ()),
        deleted=tuple(made["deleted"] if made else ()),
        state=made["id"] if made else None,
        durable=bool(fork.hibernate(FORK_SECONDS)["durable"]),
    )


@dataclass
class _Why:
    """Why a cell was interrupted; where it was not, it has ended by itself."""

    ending: Ending = "error"
    sentence: str = ""


def _raised(outputs: Sequence[dict[str, Any]]) -> str:
    errors = [each for each in outputs if each["output_type"] == "error"]
    return f"{errors[-1]['ename']}: {errors[-1]['evalue']}" if errors else "it was not run"


def _result(outputs: Sequence[dict[str, Any]]) -> str | None:
    results = [each["data"] for each in outputs if each["output_type"] == "execute_result"]
    return str(results[-1].get("text/plain", "")) if results else None


# -- executors -----------------------------------------------------------------------------------


def _on_workers(executor: Executor, task: Callable[..., Explored], cells: Sequence[str], stop: Event) -> list[Explored]:
    marks = [runtime_directory() / f"kishu-explored-{uuid.uuid4().hex}" for _ in cells]
    try:
        futures = [
            _submitted(executor, partial(task, once=mark), code) for mark, code in zip(marks, cells, strict=True)
        ]
        return _gathered(cells, futures, stop)
    finally:
        for mark in marks:
            with suppress(OSError):
                mark.unlink()


def _submitted(executor: Executor, task: Callable[[str], Explored], code: str) -> Future[Explored]:
    try:
        return executor.submit(task, code)
    except Exception as error:  # it was shut down, or all its workers are gone
        refused: Future[Explored] = Future()
        refused.set_exception(error)
        return refused


def _gathered(cells: Sequence[str], futures: Sequence[Future[Explored]], stop: Event) -> list[Explored]:
    waiting, latest = set(futures), float("inf")
    try:
        while waiting and time.monotonic() < latest:
            waiting = wait(waiting, _LOOK, FIRST_COMPLETED).not_done
            if stop.is_set() and latest == float("inf"):
                latest = time.monotonic() + LAST_SECONDS
                for each in waiting:
                    each.cancel()
    except BaseException:  # an interrupt is for all of them
        stop.set()
        for each in waiting:
            each.cancel()
        raise
    return [_ended(code, future) for code, future in zip(cells, futures, strict=True)]


def _ended(code: str, future: Future[Explored]) -> Explored:
    if not future.done():
        return Explored(code, "cancelled", "it still runs where its worker is; what it does is kept on its branch")
    try:
        return future.result()
    except CancelledError:
        return _cancelled(code)
    except Exception as error:  # of the executor: `explore_one` raises none
        return Explored(code, "lost", f"its worker was lost: {type(error).__name__}: {str(error)[:_MOST_TEXT]}")


def _cancelled(code: str) -> Explored:
    return Explored(code, "cancelled", "it was not begun")
