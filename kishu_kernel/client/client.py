"""The history of a live kernel from outside, for scripts and agents.

    from kishu_kernel.client import connect

    with connect("analysis.ipynb") as k:
        k.run("df = df.dropna()")
        k.undo()
        k.checkout("main~3")

There is a method for each operation of the protocol, which returns the reply, a dict. An error reply is raised as the
exception of `kishu_kernel.errors` that it names.
Law: what only looks is answered while a cell runs; what changes something waits for its turn between cells. Nothing
heavy is imported, and nothing of Jupyter before `connect`.
Neighbour: `connection` finds the kernel, and carries the messages.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from typing import Any, Literal

from kishu_kernel import errors
from kishu_kernel.client import fork_limit
from kishu_kernel.client.connection import PATIENCE, QUIET, Connection, Json
from kishu_kernel.client.forks import END_SECONDS, ForkedKernel, begin, started
from kishu_kernel.client.outputs import Outputs
from kishu_kernel.errors import KishuError, NotKishuError, ReplyError, RequestError

Replay = Literal["auto", "ask", "harmless", "never"]

LOOKING = frozenset(
    {"status", "log", "show", "diff", "variable", "inspect", "search", "export", "stores", "hibernate", "told"}
)
"""Operations that are answered while a cell runs."""

_NEWEST = 20
"""Checkpoints among which that of a cell is looked for: other cells may have run since."""

FORK_SECONDS = 60.0
"""Seconds that the state that a fork is to begin in has to be written."""


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
        where: the path of a notebook that is open; a connection file, or its name in Jupyter's runtime directory;
            or a client or a manager of `jupyter_client`, which is left as it is.
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


class Client:
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

    def request(self, operation: str, /, **parameters: Any) -> Json:
        """Sends a request for any operation of the protocol, and returns the reply.

        Raises:
            KishuError: the exception that the reply names; `ReplyError` where it names none of ours.
            NoReplyError: the kernel is busy for longer than the timeout. It will still do it afterwards.
            NoKernelError: the kernel ended.
        """
        return self._asked(operation, parameters, self.patience)

    def _asked(self, operation: str, parameters: Json, patience: float) -> Json:
        looking = operation in LOOKING and not parameters.get("values")
        channel = "control" if looking else "shell"
        request = self._connection.send(channel, "kishu_request", {"operation": operation, **parameters})
        reply = self._connection.reply(channel, request, patience if looking else self.timeout)
        if reply.get("status") != "ok":
            raise _raised(reply)
        return reply

    # -- looking -------------------------------------------------------------------------------------

    def status(self, *, offers: bool = False) -> Json:
        """HEAD, the session, and what its store holds.

        Args:
            offers: you show a person what there is to resume (`ended`): no output of a cell says it, too.
        """
        return self.request("status", offers=offers)

    def log(self, limit: int = 100, all: bool = False, since: str | None = None, graph: bool = False) -> Json:
        """The checkpoints on the path to HEAD, or those of all branches and sessions; newest first."""
        return self.request("log", limit=limit, all=all, since=since, graph=graph)

    def show(self, target: str = "HEAD") -> Json:
        """A checkpoint, the outputs of its cell, and the variables of its state."""
        return self.request("show", target=target)

    def diff(self, target: str, base: str = "HEAD", values: bool = False) -> Json:
        """The variables that differ between `base` and `target`.

        Args:
            values: also how they differ; to load the values, it waits for its turn between cells.
        """
        return self.request("diff", target=target, base=base, values=values)

    def variable(self, name: str, limit: int = 100) -> Json:
        """The checkpoints on the path to HEAD that changed a variable; newest first."""
        return self.request("variable", name=name, limit=limit)

    def inspect(
        self,
        names: Sequence[str] | None = None,
        target: str | None = None,
        *,
        limit: int = 100,
        preview: bool = True,
    ) -> Json:
        """The variables of now, or those of `target`: type, summary, shape, a preview, and who changed each last.

        Runs no code of the notebook's. While a cell runs, `now` is false, and they are told as they were before it.
        """
        wanted = None if names is None else list(names)
        return self.request("inspect", names=wanted, target=target, limit=limit, preview=preview)

    def search(self, text: str, limit: int = 100) -> Json:
        """Checkpoints in whose code, message or names a text occurs."""
        return self.request("search", text=text, limit=limit)

    def export(self, target: str = "HEAD", path: str | os.PathLike[str] | None = None, *, force: bool = False) -> Json:
        """The cells on the path to `target` as a notebook: in the reply, or in a new file.

        Args:
            path: of the file, relative to the working directory of this process.
            force: replace the file if there is one.
        """
        if path is None:
            return self.request("export", target=target)
        return self.request("export", target=target, path=os.path.abspath(os.path.expanduser(path)), force=force)

    def stores(self) -> Json:
        """All stores of this user."""
        return self.request("stores")

    def hibernate(self, timeout: float = 10.0) -> Json:
        """Writes all that was done; what is not written within so many seconds is `missing`. The kernel goes on."""
        return self._asked("hibernate", {"timeout": timeout}, self.patience + timeout)

    # -- changing ------------------------------------------------------------------------------------

    def checkout(
        self,
        target: str,
        *,
        dry_run: bool = False,
        replay: Replay = "ask",
        allow_lost: bool = False,
        shown: Json | None = None,
    ) -> Json:
        """Goes to a state.

        Args:
            dry_run: change nothing: `plan` in the reply is what would be done.
            replay: "auto": re-run what must be re-run; "ask": raise `SideEffectsError`, which has the plan, where that
                has side effects; "harmless": re-run what has none, and count as lost what only others give;
                "never": fail rather than re-run cells.
            allow_lost: go there even if some values are lost.
            shown: of the plan that a person saw, `{"target": id, "replay": [ids of the cells to re-run]}`: no other
                cell runs, and no other state is gone to.
        """
        options = {"dry_run": dry_run, "replay": replay, "allow_lost": allow_lost, "shown": shown}
        return self.request("checkout", target=target, **options)

    def undo(
        self,
        steps: int = 1,
        *,
        dry_run: bool = False,
        replay: Replay = "ask",
        allow_lost: bool = False,
        shown: Json | None = None,
    ) -> Json:
        """Takes back the last cell, or the last few."""
        options = {"dry_run": dry_run, "replay": replay, "allow_lost": allow_lost, "shown": shown}
        return self.request("undo", steps=steps, **options)

    def redo(
        self,
        steps: int = 1,
        *,
        dry_run: bool = False,
        replay: Replay = "ask",
        allow_lost: bool = False,
        shown: Json | None = None,
    ) -> Json:
        """Takes back the last undo, or the last few."""
        options = {"dry_run": dry_run, "replay": replay, "allow_lost": allow_lost, "shown": shown}
        return self.request("redo", steps=steps, **options)

    def resume(
        self,
        session: str | None = None,
        *,
        dry_run: bool = False,
        replay: Replay = "ask",
        allow_lost: bool = False,
        shown: Json | None = None,
    ) -> Json:
        """Goes to where an earlier session of this notebook ended."""
        options = {"dry_run": dry_run, "replay": replay, "allow_lost": allow_lost, "shown": shown}
        return self.request("resume", session=session, **options)

    def document(
        self, cells: Sequence[Mapping[str, str]], target: str = "HEAD", *, ran: Sequence[int] | None = None
    ) -> Json:
        """Tells the kernel the notebook's cells as they are at a state: each a dict of `id`, `type` and `source`.

        Args:
            ran: numbers of cells of this session, instead of a target: the states that these made.
        """
        numbers = None if ran is None else list(ran)
        return self.request("document", cells=[dict(cell) for cell in cells], target=target, ran=numbers)

    def take(
        self,
        names: str | Sequence[str],
        target: str,
        *,
        copies: Mapping[str, str] | None = None,
        dry_run: bool = False,
        replay: Replay = "ask",
        allow_lost: bool = False,
        shown: Json | None = None,
    ) -> Json:
        """Brings variables as they were at `target`, and leaves the rest as it is.

        Args:
            names: of the variables; what shares objects with them comes along, as `along` in the reply says.
            copies: those that come as copies, under new names: {"df": "df_old"}.
        """
        options = {"dry_run": dry_run, "replay": replay, "allow_lost": allow_lost, "shown": shown}
        wanted = [names] if isinstance(names, str) else list(names)
        return self.request("take", names=wanted, target=target, **{"as": dict(copies or {})}, **options)

    def told(self, sentences: Sequence[str]) -> Json:
        """Says that you have shown these warnings (`untold` of `log`) to a person: no cell prints them."""
        return self.request("told", sentences=list(sentences))

    def commit(self, message: str) -> Json:
        """Gives HEAD a message."""
        return self.request("commit", message=message)

    def branch(self, name: str, target: str = "HEAD", *, delete: bool = False, rename: str | None = None) -> Json:
        """Makes, moves or deletes a branch, or gives it the name `rename`."""
        return self.request("branch", name=name, target=target, delete=delete, rename=rename)

    def tag(self, name: str, target: str = "HEAD", *, delete: bool = False, rename: str | None = None) -> Json:
        """Makes, moves or deletes a tag, or gives it the name `rename`."""
        return self.request("tag", name=name, target=target, delete=delete, rename=rename)

    def gc(self, dry_run: bool = False) -> Json:
        """Drops values that no branch, tag or session needs."""
        return self.request("gc", dry_run=dry_run)

    def attach(self, store: str) -> Json:
        """Gives this notebook the history of another one."""
        return self.request("attach", store=store)

    # -- forks ---------------------------------------------------------------------------------------

    def fork(self, number: int = 1, target: str = "HEAD", *, keep: bool = False) -> list[Fork]:
        """Starts kernels in a state of this one's history. Each goes on from there by itself, all at the same time.

        Args:
            target: as of `checkout`.
            keep: they go on when this process ends. Else they end with it.

        Raises:
            RequestError: there is no such state, or the history is kept in memory only.
            ForkLimitError: so many do not fit here; none was started.
            CheckoutError: they cannot reach it.
        """
        if number < 1:
            raise RequestError(f"a fork makes one kernel or more, not {number}")
        self.hibernate(FORK_SECONDS)
        shown, status = self.show(target), self.status()
        state, store, head = shown["checkpoint"]["id"], status["store"]["path"], status["head"]
        if store is None:
            raise RequestError("this history is kept in memory only: no other kernel can begin in a state of it")
        there = fork_limit.state_bytes(shown)
        now = there if state == head or head is None else fork_limit.state_bytes(self.show(head))
        rules = status["kernel"]["forks"]
        fork_limit.check(number, fork_limit.needed(status["kernel"], now, there), rules)
        kernels = started(status["kernel"]["executable"], store, state, number, rules, keep)
        forks: list[Fork] = []
        with ExitStack() as undone:
            for kernel in kernels:
                undone.callback(kernel.kill)
            for kernel in kernels:
                connection = undone.enter_context(closing(kernel.connection()))
                branch = begin(connection, state)["branch"]
                forks.append(Fork(connection, kernel, branch, self.timeout, self.patience))
            undone.pop_all()
        return forks

    # -- cells ---------------------------------------------------------------------------------------

    def run(self, code: str, *, timeout: float | None = None) -> Json:
        """Runs a cell to its end. An exception of the cell is part of its outputs, and not raised here.

        Args:
            timeout: seconds to wait; None: that of the connection.

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
            content |= {
                "allow_stdin": False,
                "stop_on_error": False,
            }  # else the user's own cells that wait would not run
            request = self._connection.send("shell", "execute_request", content)
            reply, idle, looked = None, False, time.monotonic()
            while reply is None or not (idle or reply["status"] == "aborted"):
                for message in heard(0.2):
                    if message["parent_header"].get("msg_id") == request:
                        outputs.take(message["msg_type"], message["content"])
                        idle = idle or message["content"].get("execution_state") == "idle"
                reply = reply or self._connection.arrived("shell", request, 0.0)
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

    def end(self) -> None:
        """Ends the kernel, when what it did is written. Its branch stays in the history."""
        with suppress(KishuError):
            request = self._connection.send("control", "shutdown_request", {"restart": False})
            self._connection.reply("control", request, END_SECONDS)
        self.close()
        self._kernel.wait(END_SECONDS)
        self._kernel.forget()


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
