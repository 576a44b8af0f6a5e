"""What a kernel of ipykernel's does so that its session travels in time.

Two kernels use it: our own (`kernel`) and a plain one that loads us (`extension`). Both call the same methods around
their own; nothing here knows which of them it is.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from contextvars import ContextVar
from functools import partial
from typing import Any

from kishu_kernel.frontend.kernel.think_time import ThinkTime
from kishu_kernel.frontend.magic.magics import KishuMagics
from kishu_kernel.frontend.shell.settings import Settings
from kishu_kernel.frontend.shell.tracked_shell import TrackedShell
from kishu_kernel.process.interrupts import answering

PATIENCE = 5.0
"""Seconds that a thread waits, at most, for a checkpoint whose cell's reply has left."""

COMMS = ("comm_open", "comm_msg", "comm_close")

_LOOKING = frozenset(
    {
        *("attach", "configurationDone", "debugInfo", "disconnect", "dumpCell", "exceptionInfo", "initialize"),
        *("inspectVariables", "modules", "richInspectVariables", "scopes", "setBreakpoints", "source", "stackTrace"),
        *("setExceptionBreakpoints", "threads", "variables"),
    }
)
"""Commands of the debugger that assign to nothing."""

Handler = Callable[..., Any]

_owed: ContextVar[_Owed | None] = ContextVar("kishu_owed", default=None)
"""What the request at hand leaves to be done after its reply."""


class _Owed:
    """Work for after a reply. Tasks that a cell starts, and that outlive it, have it, too."""

    def __init__(self) -> None:
        self._work: list[Callable[[], None]] = []
        self._left = False

    def add(self, work: Callable[[], None]) -> None:
        """To be done when the reply has left: now, if it has."""
        if self._left:
            work()
        else:
            self._work.append(work)

    def pay(self) -> None:
        """The reply has left: does all of it, whatever goes wrong with some of it."""
        self._left = True
        with ExitStack() as stack:
            for each in reversed(self._work):
                stack.callback(each)


class KernelHooks:
    """Time travel for a kernel.

    Args:
        late: cells may have run before.

    Attributes:
        tracked_shell: the shell and the session.
    """

    def __init__(self, kernel: Any, settings: Settings, late: bool = False) -> None:
        self._kernel = kernel
        self.tracked_shell = TrackedShell(kernel.shell, settings, late)
        self._think_time = ThinkTime(self.tracked_shell.think)
        self.tracked_shell.ending.before = self._think_time.leave
        self._stop_listening = self.tracked_shell.recorder.listen(kernel.session)
        kernel.shell.register_magics(KishuMagics(kernel.shell, self.tracked_shell))

    def info(self, plain: Mapping[str, Any]) -> dict[str, Any]:
        """The kernel's own info, with the feature `kishu`, so that a client knows before it sends."""
        return {**plain, "supported_features": [*plain.get("supported_features", []), "kishu"]}

    async def execute(
        self,
        run: Callable[[], Awaitable[dict[str, Any]]],
        code: str,
        *,
        hidden: bool,
        expressions: Mapping[str, str] | None,
    ) -> dict[str, Any]:
        """Runs a cell; within `reply_first` its checkpoint is taken when the reply has left, else before."""
        owed = _owed.get()
        return await self.tracked_shell.around_cell(
            run,
            code=code,
            hidden=hidden,
            expressions=expressions or {},
            msg_id=parent_of(self._kernel),
            main=on_main_thread(),
            later=None if owed is None else owed.add,
        )

    async def reply_first(self, handle: Callable[[], Awaitable[Any]], stream: Any) -> None:
        """Handles an execute_request: what its cell owes is paid after its reply, in the user's think time."""
        owed = _Owed()
        token = _owed.set(owed)
        try:
            await handle()
            if hasattr(stream, "flush"):  # one of tornado's; a plain socket has sent it already
                stream.flush()
        finally:
            _owed.reset(token)
            owed.pay()
            self._think_time.begin()

    async def answer(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Answers a `kishu_request`, on the shell channel or the control channel, with one reply."""
        if not on_main_thread():
            await self._caught_up(parent.get("content"))
        with answering():
            content = self.tracked_shell.requests.answer(parent.get("content"), may_change=on_main_thread())
            self._kernel.session.send(stream, "kishu_reply", content, parent, ident)
        self._think_time.begin()

    def hurry(self) -> None:
        """A message has come in for the shell; called on any thread."""
        self._think_time.hurry()

    async def _caught_up(self, content: Any) -> None:
        """Whoever has seen a cell's reply sees its checkpoint; `status` tells that it is pending."""
        if isinstance(content, dict) and content.get("operation") == "status":
            return
        deadline = time.monotonic() + PATIENCE
        while self.tracked_shell.cells.owing and time.monotonic() < deadline:
            await asyncio.sleep(0.005)

    async def debug(self, plain: Callable[[dict[str, Any]], Awaitable[Any]], msg: dict[str, Any]) -> Any:
        """A debugger can assign to variables."""
        if msg.get("command") in _LOOKING:
            return await plain(msg)
        self.tracked_shell.session.before_unseen()
        try:
            return await plain(msg)
        finally:
            self.tracked_shell.session.note_unseen()  # a cell may have ended meanwhile

    def comm_handlers(self, plain: Mapping[str, Handler]) -> dict[str, Handler]:
        """Handlers of comm messages, in the place of the plain ones."""
        return {name: partial(self._handle_comm, plain[name]) for name in COMMS}

    def close(self) -> None:
        """The kernel ends; the history stays."""
        self.tracked_shell.ending.asked()

    def leave(self) -> None:
        """The kernel goes on without us; the history stays."""
        self._think_time.end()
        self.tracked_shell.leave()
        self._stop_listening()

    def _handle_comm(self, handler: Handler, *args: Any) -> Any:
        """A widget's callback may do anything; our own panel's changes nothing where it is called."""
        panel = sys.modules.get("kishu_kernel.frontend.panel")
        if panel is not None and panel.is_own(args[-1]["content"].get("comm_id")):
            return handler(*args)
        self.tracked_shell.session.before_unseen()
        try:
            return handler(*args)
        finally:
            self.tracked_shell.session.note_unseen()  # on a subshell, a cell may have ended meanwhile


async def answer_disabled(session: Any, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
    """Answers a `kishu_request` where nobody does."""
    content = {"status": "error", "ename": "Disabled", "evalue": "Kishu is switched off", "traceback": []}
    session.send(stream, "kishu_reply", content, parent, ident)


def parent_of(kernel: Any) -> str:
    """The id of the message that the kernel is dealing with."""
    return str(kernel.get_parent().get("header", {}).get("msg_id", ""))


def on_main_thread() -> bool:
    """Else on a subshell, or on the control channel."""
    return threading.current_thread() is threading.main_thread()
