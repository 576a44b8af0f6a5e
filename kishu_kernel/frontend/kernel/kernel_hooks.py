"""What a kernel does around its own handling of messages, so that its cells get checkpoints.

Two kernels call these methods around their own: ours (`kernel`), and a plain ipykernel that loads us (`extension`).
Nothing here knows which of them it is.
Neighbours: `shell.tracked_shell` does what concerns one shell; `idle_scheduler` runs on the kernel's event loop.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from kishu_kernel.frontend.kernel.idle_scheduler import IdleScheduler, interruptible
from kishu_kernel.frontend.kernel.packing import pack_everything
from kishu_kernel.frontend.magic.magics import KishuMagics
from kishu_kernel.frontend.shell.autoreload_spared import spare_our_modules
from kishu_kernel.frontend.shell.settings import Settings
from kishu_kernel.frontend.shell.tracked_shell import TrackedShell
from kishu_kernel.process.cell_sources import cached_lines
from kishu_kernel.process.interrupts import are_kept, keep_for_cell, until_replied
from kishu_kernel.process.tracing import skipped_files, untraced

if TYPE_CHECKING:  # most kernels keep none
    from kishu_kernel.frontend.kernel.spare import Spare

PATIENCE = 5.0
"""Seconds that a request waits, at most, for a pending checkpoint."""

COMMS = ("comm_open", "comm_msg", "comm_close")

_READ_ONLY = frozenset(
    {
        *("attach", "configurationDone", "debugInfo", "disconnect", "dumpCell", "exceptionInfo", "initialize"),
        *("inspectVariables", "modules", "richInspectVariables", "scopes", "setBreakpoints", "source", "stackTrace"),
        *("setExceptionBreakpoints", "threads", "variables"),
    }
)
"""Commands of the debugger that change no variable."""

Handler = Callable[..., Any]

_pending_work: ContextVar[_PendingWork | None] = ContextVar("kishu_pending_work", default=None)
"""What is to be done after the reply to the current request."""


class _PendingWork:
    """Work for after a reply. Tasks that a cell starts, and that outlive it, see it, too."""

    def __init__(self) -> None:
        self._work: list[Callable[[], None]] = []
        self._replied = False

    def add(self, work: Callable[[], None]) -> None:
        """Runs `work` when the reply has left; at once, if it has."""
        if self._replied:
            work()
        else:
            self._work.append(work)

    def run(self) -> None:
        """Runs all of it; the reply has left. What goes wrong in one part does not keep the others from running."""
        self._replied = True
        with ExitStack() as stack:
            for each in reversed(self._work):
                stack.callback(each)


def _spare() -> Spare | None:
    """What keeps a process that becomes forks; None where that cannot be."""
    from kishu_kernel.frontend.kernel.spare import Spare, can_be_kept

    return Spare() if can_be_kept() else None


def _get_ready() -> bool:
    """Imports what the first checkout needs, so that nobody waits for that: 15 ms, more where the disk is slow.

    Not as long as the session has nothing but plain values: an idle kernel is smaller without, and few values are soon
    loaded.
    """
    if "kishu_kernel.objects.codec.pickling" not in sys.modules:
        return False
    importlib.import_module("kishu_kernel.session.checkout")
    return True


class KernelHooks:
    """The hooks of one kernel.

    Args:
        kernel: an ipykernel.
        late: cells may have run before.

    Attributes:
        tracked_shell: its shell and the session.
    """

    def __init__(self, kernel: Any, settings: Settings, late: bool = False) -> None:
        self._kernel = kernel
        self.tracked_shell = TrackedShell(kernel.shell, settings, late)
        self._spare = _spare() if settings.forks.spare else None
        if self._spare is not None:
            self.tracked_shell.spare_process = self._spare.where
        self._idle_scheduler = IdleScheduler(self._think, _get_ready)
        self.tracked_shell.shutdown.on_begin = self._idle_scheduler.stop
        self._stop_listening = self.tracked_shell.recorder.listen(kernel.session)
        _tell_debugger(kernel)
        self._stop_packing = pack_everything(kernel.session)
        kernel.shell.register_magics(KishuMagics(kernel.shell, lambda: self.tracked_shell.requests))

    def _think(self, should_stop: Callable[[], bool]) -> float | None:
        if self._spare is not None:
            self._spare.keep()
        self.tracked_shell.courier.keep()
        return self.tracked_shell.think(should_stop)

    def begin(self) -> None:
        """Begins the session: the kernel's event loop is about to run."""
        self.tracked_shell.courier.begin()
        if self.tracked_shell.beginning.pending:
            self._kernel.io_loop.add_callback(self._reach_start)

    def _reach_start(self) -> None:
        with interruptible():  # it may re-run cells
            self.tracked_shell.beginning.reach_start()

    def info(self, plain: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the kernel's info with the feature `kishu`, by which clients know that they may send requests."""
        return {**plain, "supported_features": [*plain.get("supported_features", []), "kishu"]}

    async def execute(
        self,
        run: Callable[[], Awaitable[dict[str, Any]]],
        code: str,
        *,
        hidden: bool,
        expressions: Mapping[str, str] | None,
        attended: bool,
    ) -> dict[str, Any]:
        """Runs a cell. Within `reply_first` its checkpoint is taken when the reply has left, else before.

        Args:
            run: runs the cell, and returns the content of its reply.
            hidden: silent, or not to be stored in the history.
            expressions: the request's `user_expressions`.
            attended: a person is there who could answer the cell, if it asked something.

        Returns:
            The content of the reply.
        """
        self.tracked_shell.fate.attended |= attended
        if not hidden:  # what a client runs for itself would put off each push, and be followed by one
            self.tracked_shell.courier.pause()
        spare_our_modules()
        pending = _pending_work.get()
        return await self.tracked_shell.around_cell(
            run,
            code=code,
            hidden=hidden,
            expressions=expressions or {},
            msg_id=parent_message_id(self._kernel),
            main=on_main_thread(),
            later=None if pending is None else pending.add,
        )

    async def reply_first(self, handle: Callable[[], Awaitable[Any]], stream: Any) -> None:
        """Handles an execute_request, and takes the cell's checkpoint after its reply, so that nobody waits for it.

        Args:
            handle: handles the request, and sends the reply.
            stream: what the reply is sent on.
        """
        pending = _PendingWork()
        token = _pending_work.set(pending)
        if not are_kept():
            keep_for_cell()
        try:
            await handle()
            if hasattr(stream, "flush"):  # one of tornado's; a plain socket has sent it already
                stream.flush()
        finally:
            _pending_work.reset(token)
            pending.run()
            self._idle_scheduler.begin()

    async def answer(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Sends the one reply to a `kishu_request`, which came on the shell channel or on the control channel."""
        if on_main_thread():
            self._reach_start()
        if not on_main_thread():
            await self._wait_for_checkpoint(parent.get("content"))
        with until_replied(), untraced():
            try:
                content = self.tracked_shell.requests.answer(parent.get("content"), may_change=on_main_thread())
            except Exception as error:  # what answers could not even be imported: no file can be opened
                content = _refusal(type(error).__name__, f"no request can be answered now: {error}", "Ask again later.")
            self._kernel.session.send(stream, "kishu_reply", content, parent, ident)
        self._idle_scheduler.begin()

    def hurry(self) -> None:
        """Makes thinking stop early: a message has come for the shell. May be called on any thread."""
        self._idle_scheduler.hurry()

    async def _wait_for_checkpoint(self, content: Any) -> None:
        """Who has seen a cell's reply is to see its checkpoint. `status` need not wait: it says that one is pending."""
        if isinstance(content, dict) and content.get("operation") == "status":
            return
        deadline = time.monotonic() + PATIENCE
        while self.tracked_shell.checkpoint_pending and time.monotonic() < deadline:
            await asyncio.sleep(0.005)

    async def debug(self, plain: Callable[[dict[str, Any]], Awaitable[Any]], msg: dict[str, Any]) -> Any:
        """Handles a request to the debugger, which can change variables.

        Args:
            plain: the kernel's own handler.
        """
        if msg.get("command") in _READ_ONLY:
            reply = await plain(msg)
            return _with_source(reply, msg) if msg["command"] == "source" else reply
        self.tracked_shell.session.before_unwatched_code()
        try:
            return await plain(msg)
        finally:
            self.tracked_shell.session.note_unwatched_code()  # a cell may have ended meanwhile

    def comm_handlers(self, plain: Mapping[str, Handler]) -> dict[str, Handler]:
        """Returns handlers of comm messages to use in the place of the plain ones."""
        return {name: partial(self._handle_comm, plain[name]) for name in COMMS}

    def close(self, restart: bool) -> None:
        """Ends the session, since the kernel is asked to end. As `StoreFate` says, the history stays.

        Args:
            restart: another kernel takes its place.
        """
        self._close_spare()
        self.tracked_shell.shutdown.on_request(restart)

    def detach(self) -> None:
        """Ends the session; the kernel goes on. The history stays."""
        self._close_spare()
        self._idle_scheduler.end()
        self.tracked_shell.detach()
        self._stop_listening()
        self._stop_packing()

    def _close_spare(self) -> None:
        if self._spare is not None:
            self._spare.close()

    def _handle_comm(self, handler: Handler, *args: Any) -> Any:
        """Handles a comm message. A widget's callback may change anything; that of our own panel changes nothing."""
        panel = sys.modules.get("kishu_kernel.frontend.panel.widget")
        if panel is not None and panel.is_own(args[-1]["content"].get("comm_id")):
            return handler(*args)
        self.tracked_shell.session.before_unwatched_code()
        try:
            return handler(*args)
        finally:
            self.tracked_shell.session.note_unwatched_code()  # on a subshell, a cell may have ended meanwhile


def _tell_debugger(kernel: Any) -> None:
    """Our files come first among those that it skips: for each file that it meets it looks through all of them."""
    skipped = getattr(getattr(kernel, "debugger", None), "kernel_modules", None)
    if isinstance(skipped, list):
        skipped.insert(0, skipped_files())


def _with_source(reply: Any, msg: Mapping[str, Any]) -> Any:
    """The reply to who asks for the source of a file: of a cell of an earlier kernel there is none, but a history."""
    if reply.get("success") is not False:
        return reply
    lines = cached_lines(str(msg["arguments"]["source"]["path"]))
    return {**reply, "success": True, "body": {"content": "".join(lines)}} if lines else reply


async def answer_disabled(session: Any, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
    """Sends the reply to a `kishu_request` where Kishu is switched off: an error."""
    content = _refusal("Disabled", "Kishu is switched off", "Start the kernel with Kishu switched on.")
    session.send(stream, "kishu_reply", content, parent, ident)


def _refusal(name: str, sentence: str, hint: str) -> dict[str, Any]:
    return {"status": "error", "ename": name, "evalue": sentence, "traceback": [f"{name}: {sentence}"], "hint": hint}


def parent_message_id(kernel: Any) -> str:
    """Returns the id of the message that the kernel is handling; empty where there is none."""
    return str(kernel.get_parent().get("header", {}).get("msg_id", ""))


def on_main_thread() -> bool:
    """Whether this is the main thread, and not that of a subshell or of the control channel."""
    return threading.current_thread() is threading.main_thread()
