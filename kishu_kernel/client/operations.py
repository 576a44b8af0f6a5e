"""The operations of the protocol, a method for each. Each returns the reply, a dict.

Neighbour: `client` sends the requests.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union

from kishu_kernel.client.connection import Json
from kishu_kernel.errors import RequestError, StoreError

Target = Union[str, "Operations"]
"""A state as the protocol names it; or another kernel with the same history, as a fork is: the state that it is in."""

Replay = Literal["auto", "ask", "harmless", "never"]

LOOKING = frozenset(
    {"status", "log", "show", "diff", "variable", "inspect", "search", "export", "stores", "hibernate", "told"}
)
"""Operations that are answered while a cell runs."""

FORK_SECONDS = 60.0
"""Seconds that the state that a fork is to begin in has to be written."""


class Operations:
    """The operations, whoever sends them.

    Attributes:
        patience: seconds for operations that wait for no cell.
    """

    patience: float

    def _asked(self, operation: str, parameters: Json, patience: float) -> Json:
        """Sends a request, and returns the reply. Raises as `request`."""
        raise NotImplementedError

    def request(self, operation: str, /, **parameters: Any) -> Json:
        """Sends a request for any operation of the protocol, and returns the reply.

        Raises:
            KishuError: the exception that the reply names; `ReplyError` where it names none of ours.
            NoReplyError: the kernel is busy for longer than the timeout. It will still do it afterwards.
            NoKernelError: the kernel ended.
        """
        return self._asked(operation, parameters, self.patience)

    def _meant(self, target: Target) -> str:
        """Returns what the kernel understands: where a target is another kernel, the state in which that is.

        Raises:
            RequestError: that has another history, or is in no state.
            StoreError: that state is not on the disk.
        """
        if isinstance(target, str):
            return target
        hibernated = target.hibernate(FORK_SECONDS)
        head = hibernated["head"]
        theirs, mine = (each.status()["store"]["path"] for each in (target, self))
        if theirs is None or mine is None or theirs != mine:
            raise RequestError(
                "the other kernel has a history of its own: what it has goes from one to another as a file, by export"
            )
        if head is None:
            raise RequestError("the other kernel is in no state yet: run a cell in it")
        check_written(hibernated, head)
        return str(head)

    # -- looking -------------------------------------------------------------------------------------

    def status(self, *, offers: bool = False, memory: bool = False) -> Json:
        """HEAD, the session, and what its store holds.

        Args:
            offers: you show a person what there is to resume (`ended`): no output of a cell says it, too.
            memory: also the bytes that the kernel uses (`kernel`).
        """
        return self.request("status", offers=offers, memory=memory)

    def log(self, limit: int = 100, all: bool = False, since: str | None = None, graph: bool = False) -> Json:
        """The checkpoints on the path to HEAD, or those of all branches and sessions; newest first."""
        return self.request("log", limit=limit, all=all, since=since, graph=graph)

    def show(self, target: Target = "HEAD") -> Json:
        """A checkpoint, the outputs of its cell, and the variables of its state."""
        return self.request("show", target=self._meant(target))

    def diff(self, target: Target, base: Target = "HEAD", values: bool = False) -> Json:
        """The variables that differ between `base` and `target`.

        Args:
            values: also how they differ; to load the values, it waits for its turn between cells.
        """
        return self.request("diff", target=self._meant(target), base=self._meant(base), values=values)

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
        target: Target,
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
        return self.request("checkout", target=self._meant(target), **options)

    def begin(self, at: str) -> Json:
        """Goes to a state of any store, STORE@TARGET, on a branch of its own; only before this kernel has states."""
        return self.request("begin", at=at)

    def promote(
        self,
        target: Target,
        *,
        dry_run: bool = False,
        replay: Replay = "ask",
        allow_lost: bool = False,
        shown: Json | None = None,
    ) -> Json:
        """Goes to a state of another line, mostly a fork's, which becomes the notebook's own.

        The line that this leaves stays in the history. The fork, if it still runs, goes on by itself.
        """
        options = {"dry_run": dry_run, "replay": replay, "allow_lost": allow_lost, "shown": shown}
        return self.request("promote", target=self._meant(target), **options)

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
        target: Target,
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
        return self.request("take", names=wanted, target=self._meant(target), **{"as": dict(copies or {})}, **options)

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


def check_written(hibernated: Json, state: str) -> None:
    """Raises `StoreError` where other kernels cannot reach a state, since it is not on the disk.

    Args:
        hibernated: the reply of the kernel that made it.
    """
    reason = next((each["reason"] for each in hibernated["missing"] if each["checkpoint"] == state), None)
    if reason is not None:
        raise StoreError(f"no other kernel can reach state {state}, which is not on the disk: {reason}")
