"""The history of a live kernel from outside, for scripts and agents.

    from kishu_kernel.client import connect

    with connect("analysis.ipynb") as k:
        k.run("df = df.dropna()")
        k.undo()
        k.checkout("main~3")

There is a method for each operation of the protocol (`operations`), which returns the reply, a dict. An error reply is
raised as the exception of `kishu_kernel.errors` that it names.
Law: what only looks is answered while a cell runs; what changes something waits for its turn between cells. Nothing
heavy is imported, and nothing of Jupyter before `connect`.
Neighbours: `finding` knows which kernel is meant, `connection` carries the messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from typing import Any

from kishu_kernel import errors
from kishu_kernel.client import fork_limit
from kishu_kernel.client.connection import PATIENCE, QUIET, Connection, Json
from kishu_kernel.client.forks import END_SECONDS, ForkedKernel, ForkPlan, begin, started
from kishu_kernel.client.operations import FORK_SECONDS, LOOKING, Operations, Target, check_written
from kishu_kernel.client.outputs import Outputs
from kishu_kernel.errors import KishuError, NotKishuError, ReplyError, RequestError

OBEDIENCE = 10.0
"""Seconds that a cell has to end when it was interrupted."""

AGAIN = 2.0
"""Seconds after which it is interrupted once more: the first time it may have been about to begin."""

_NEWEST = 20
"""Checkpoints among which that of a cell is looked for: other cells may have run since."""


def connect(
    where: Any,
    *,
    timeout: float | None = None,
    patience: float = PATIENCE,
    waiting: Callable[[], None] | None = None,
    called: str | None = None,
) -> Client:
    """Connects to a live kernel. End the connection with `close`, or use it as a `with` block.

    Args:
        where: the path of a notebook that is open, from here or from the root of a Jupyter server that runs here; a
            connection file, or its name in Jupyter's runtime directory; the id of a server's kernel; or a client or a
            manager of `jupyter_client`, which is left as it is.
        timeout: seconds for operations that wait for their turn between cells; None: as long as the kernel lives.
        patience: seconds for operations that wait for no cell.
        waiting: called where the kernel does not answer at once.
        called: the name of the notebook in error messages; None: as in `where`.

    Raises:
        NoKernelError: no kernel is live there.
        RequestError: several are.
        NotKishuError: the kernel is one without Kishu.
    """
    connection = Connection.to(where, waiting, called)
    try:
        info = connection.reply("control", connection.send("control", "kernel_info_request", {}), patience)
        if "kishu" not in info.get("supported_features", ()):
            raise NotKishuError(
                f'the kernel of {connection.name} keeps no history: choose the kernel "Python 3 (Kishu)" for it, '
                "or run `%load_ext kishu_kernel` in it"
            )
    except BaseException:
        connection.close()
        raise
    return Client(connection, timeout, patience)


class Client(Operations):
    """A connection to one kernel; made by `connect`. Use it from one thread at a time.

    Attributes:
        timeout: seconds for operations that wait for their turn between cells; None: as long as the kernel lives.
        patience: seconds for operations that wait for no cell.
    """

    def __init__(self, connection: Connection, timeout: float | None = None, patience: float = PATIENCE) -> None:
        self._connection = connection
        self.timeout = timeout
        self.patience = patience

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection. The kernel goes on."""
        self._connection.close()

    @property
    def connection_file(self) -> str | None:
        """The path of the kernel's connection file; None where it is not known."""
        return self._connection.file

    def _asked(self, operation: str, parameters: Json, patience: float) -> Json:
        looking = operation in LOOKING and not parameters.get("values")
        channel = "control" if looking else "shell"
        request = self._connection.send(channel, "kishu_request", {"operation": operation, **parameters})
        reply = self._connection.reply(channel, request, patience if looking else self.timeout)
        if reply.get("status") != "ok":
            raise _raised(reply)
        return reply

    # -- forks ---------------------------------------------------------------------------------------

    def fork(self, number: int = 1, target: Target = "HEAD", *, keep: bool = False) -> list[Fork]:
        """Starts kernels in a state of this one's history. Each goes on from there by itself, all at the same time.

        Args:
            target: as of `checkout`.
            keep: they go on when this process ends. Else they end with it.

        Raises:
            RequestError: there is no such state, or the history is kept in memory only.
            StoreError: the state is not on the disk.
            ForkLimitError: so many do not fit here; none was started.
            CheckoutError: they cannot reach it.
        """
        if number < 1:
            raise RequestError(f"a fork makes one kernel or more, not {number}")
        plan = self.fork_plan(target)
        fork_limit.check(number, plan.need, plan.rules)
        return make_forks(plan, number, keep, self.timeout, self.patience)

    def fork_plan(self, target: Target = "HEAD") -> ForkPlan:
        """What `fork` would carry out, without a look at how many fit here. Raises as `fork`."""
        hibernated = self.hibernate(FORK_SECONDS)
        shown, status = self.show(target), self.status(memory=True)
        state, store, head = shown["checkpoint"]["id"], status["store"]["path"], status["head"]
        if store is None:
            raise RequestError("this history is kept in memory only: no other kernel can begin in a state of it")
        check_written(hibernated, state)
        there = fork_limit.state_bytes(shown)
        now = there if state == head or head is None else fork_limit.state_bytes(self.show(head))
        kernel = status["kernel"]
        return ForkPlan(
            kernel["executable"],
            store,
            state,
            fork_limit.needed(kernel, now, there),
            kernel["forks"],
            kernel["directory"],
            self._connection.encrypted,
            fork_limit.large(shown),
        )

    # -- cells ---------------------------------------------------------------------------------------

    def run(self, code: str, *, timeout: float | None = None, stop: Callable[[], bool] = lambda: False) -> Json:
        """Runs a cell to its end. An exception of the cell is part of its outputs, and not raised here.

        Args:
            timeout: seconds to wait; None: that of the connection.
            stop: asked several times a second; when it says so, the cell is interrupted as soon as it has begun, since
                before an interrupt would meet another one, or none; and it has `OBEDIENCE` seconds to end.

        Returns:
            `status` ("ok", "error" or "aborted"), `execution_count`, `outputs` as a notebook has them, and
            `checkpoint`: the state that it led to, as of `log`; None where it made none.

        Raises:
            NoReplyError: it still runs: `interrupt` stops it.
        """
        patience = self.timeout if timeout is None else timeout
        deadline = float("inf") if patience is None else time.monotonic() + patience
        outputs = Outputs()
        with self._connection.hearing() as heard:
            content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}}
            # else a cell that raises would keep the user's own, which wait, from running
            content |= {"allow_stdin": False, "stop_on_error": False}
            request = self._connection.send("shell", "execute_request", content)
            reply, idle, looked = None, False, time.monotonic()
            begun, stopped, again = False, False, 0.0
            while reply is None or not (idle or reply["status"] == "aborted"):
                for message in heard(0.0 if idle else 0.2):
                    if message["parent_header"].get("msg_id") == request:
                        outputs.take(message["msg_type"], message["content"])
                        begun = begun or message["msg_type"] == "execute_input"
                        idle = idle or message["content"].get("execution_state") == "idle"
                # after the last message no other comes, for which one would wait in vain
                reply = reply or self._connection.arrived("shell", request, 0.2 if idle else 0.0)
                if not (reply or stopped) and stop():
                    stopped, deadline = True, time.monotonic() + OBEDIENCE
                if begun and stopped and not reply and time.monotonic() > again:
                    deadline = deadline if again else time.monotonic() + OBEDIENCE
                    again = time.monotonic() + AGAIN
                    self.interrupt()
                if time.monotonic() > min(looked + QUIET, deadline):
                    looked = time.monotonic()
                    self._connection.check(deadline, "the cell still runs")
        count = reply.get("execution_count")
        made = None if reply["status"] == "aborted" else self._made_by(code, count)
        return {"status": reply["status"], "execution_count": count, "outputs": outputs.all, "checkpoint": made}

    def _made_by(self, code: str, count: int | None) -> Json | None:
        """Returns the checkpoint of a cell that has just run; None where it made none."""
        try:
            newest = self.log(_NEWEST)["checkpoints"]
        except KishuError:  # the cell has ended its kernel
            return None
        return next((each for each in newest if (each["code"], each["execution_count"]) == (code, count)), None)

    def interrupt(self) -> None:
        """Interrupts the cell that runs, as the stop button does."""
        self._connection.reply("control", self._connection.send("control", "interrupt_request", {}), self.patience)


class Fork(Client):
    """A client of a kernel of its own, which began in a state of another's history.

    It ends with its `with` block, or by `end`.

    Attributes:
        own_branch: on which it goes on.
    """

    def __init__(
        self, connection: Connection, kernel: ForkedKernel, branch: str, timeout: float | None, patience: float
    ) -> None:
        super().__init__(connection, timeout, patience)
        self._kernel = kernel
        self.own_branch = branch

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self, seconds: float = END_SECONDS) -> None:
        """Ends the kernel, when what it did is written. Its branch stays in the history.

        Args:
            seconds: after which it is killed.
        """
        with suppress(KishuError):
            request = self._connection.send("control", "shutdown_request", {"restart": False})
            self._connection.reply("control", request, seconds)
        self.close()
        self._kernel.wait(seconds)
        self._kernel.forget()


def make_forks(
    plan: ForkPlan, number: int, keep: bool = False, timeout: float | None = None, patience: float = PATIENCE
) -> list[Fork]:
    """Carries a plan out, whether it fits or not. All of them stand in their state, or there are none.

    Raises:
        NoKernelError: one does not start.
        CheckoutError: one cannot reach the state.
    """
    forks: list[Fork] = []
    with ExitStack() as undone:
        kernels = started(plan, number, keep)
        for kernel in kernels:
            undone.callback(kernel.kill)
        for kernel in kernels:
            connection = undone.enter_context(closing(kernel.connection()))
            branch = begin(connection, plan.state)["branch"]
            forks.append(Fork(connection, kernel, branch, timeout, patience))
        undone.pop_all()
    return forks


def _raised(reply: Mapping[str, Any]) -> KishuError:
    """Returns the exception that an error reply stands for, with its hint."""
    error = _of_name(reply)
    error.hint = str(reply.get("hint") or error.hint)
    return error


def _of_name(reply: Mapping[str, Any]) -> KishuError:
    ename, evalue = str(reply.get("ename", "Error")), str(reply.get("evalue", ""))
    kind = getattr(errors, ename, None)
    if kind is errors.AmbiguousTargetError:
        return errors.AmbiguousTargetError(evalue, [str(each) for each in reply.get("candidates", ())])
    if isinstance(kind, type) and issubclass(kind, errors.NotAcceptedError):
        return kind(evalue, reply.get("plan"))
    if isinstance(kind, type) and issubclass(kind, KishuError) and kind is not ReplyError:
        return kind(evalue)
    return ReplyError(ename, evalue)


__all__ = ["Client", "connect"]
