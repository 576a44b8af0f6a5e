"""One IPython shell and one `Session`, joined: what both the kernel and other hosts of a shell need."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Set
from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from kishu_kernel.detect.access import cell_access, is_only_magic
from kishu_kernel.detect.access_trackers import make_tracker
from kishu_kernel.errors import KishuError
from kishu_kernel.frontend.shell.background_code import BackgroundCode
from kishu_kernel.frontend.shell.cell_finder import CellFinder
from kishu_kernel.frontend.shell.cell_runner import ShellRunner
from kishu_kernel.frontend.shell.cell_transform import known, transformed
from kishu_kernel.frontend.shell.output_recorder import Output, OutputRecorder
from kishu_kernel.frontend.shell.progress_line import ProgressLine
from kishu_kernel.frontend.shell.recorded_cell import RecordedCell, RecordedCells, not_run
from kishu_kernel.frontend.shell.settings import Settings
from kishu_kernel.frontend.shell.shutdown import Shutdown
from kishu_kernel.frontend.shell.store_opener import StoreOpener
from kishu_kernel.model import CellRun, SessionId
from kishu_kernel.objects.classes import module_name
from kishu_kernel.objects.reducers import ReductionTable
from kishu_kernel.process.audit_hook import start_recording
from kishu_kernel.process.cell_sources import add_source_lookup
from kishu_kernel.process.muting import warnings_muted
from kishu_kernel.session.namespace import UserNamespace, is_frontends, is_result
from kishu_kernel.session.running_cells import Ticket
from kishu_kernel.session.session import Session
from kishu_kernel.session.timeline import Timeline
from kishu_kernel.store.places.live import Announcement

if TYPE_CHECKING:  # what nobody has asked for yet is not imported: a kernel starts without it
    from kishu_kernel.frontend.protocol.requests import Requests

CellEnd = Callable[[Mapping[str, Any]], None]
"""Called with the reply of a cell: takes its checkpoint. Called again it does nothing."""

MOMENT = 0.1
"""Seconds between an interrupt and the shutdown that it may be the beginning of."""


class TrackedShell:
    """Time travel for a shell.

    Args:
        late: cells may have run before.
    """

    def __init__(self, shell: Any, settings: Settings, late: bool = False) -> None:
        self.shell = shell
        self.settings = settings
        self.warnings: list[str] = []
        self._untold: list[str] = []
        self._subscribers: list[Callable[[bool], None]] = []
        self._taking = False
        """A checkpoint is being taken: what there is to say waits for its end."""
        self._cells = 0
        """Visible cells that run: what is printed now is seen."""
        self.cells = RecordedCells()
        self.recorder = OutputRecorder(settings.output_limit)
        self._id = SessionId(time.strftime("%Y%m%dT%H%M%SZ-", time.gmtime()) + secrets.token_hex(3))
        self.progress = ProgressLine(shell)
        live = shell.user_ns
        table = ReductionTable(live)
        self._names = UserNamespace(live, shell.user_ns_hidden)
        self.session = Session(
            self._names,
            table,
            make_tracker(settings.tracker, live),
            self._open,
            ShellRunner(shell),
            self.warn,
            BackgroundCode(live, self._hooks, late).is_running,
            settings.rules,
            self.progress.show,
            trials=settings.effects,
        )
        self.opener = StoreOpener(settings.where, self._id, self.notebook, self.warn)
        self._announcement = Announcement(self._id, _connection_file(shell))
        self._announcement.tell(self.notebook(), None)
        self._greeted = False
        self._forget_sources = add_source_lookup(CellFinder(shell, lambda: self.session.timeline))
        self.ending = Shutdown(self, settings.end_timeout)

    @property
    def checkpoint_pending(self) -> bool:
        """Whether a cell's reply may have left whose checkpoint is not taken yet."""
        return self.cells.owing

    @cached_property
    def requests(self) -> Requests:
        """Answers what is asked of the session."""
        from kishu_kernel.frontend.protocol.requests import Requests

        return Requests(self)

    def warn(self, sentence: str) -> None:
        """Tells the user in the output of a cell, this one or the next, and not twice in a row; `status` keeps it."""
        if self.warnings[-1:] != [sentence]:
            if sentence in self.warnings:
                self.warnings.remove(sentence)
            self.warnings.append(sentence)
            self._untold.append(sentence)
        if self._cells and not self._taking:
            self._tell()

    def _tell(self) -> None:
        while self._untold and not self.ending.begun.is_set():
            print(f"[kishu] {self._untold.pop(0)}", file=sys.stderr)

    async def around_cell(
        self,
        run: Callable[[], Awaitable[dict[str, Any]]],
        *,
        code: str,
        hidden: bool,
        expressions: Mapping[str, str],
        msg_id: str,
        main: bool,
        later: Callable[[Callable[[], None]], None] | None = None,
    ) -> dict[str, Any]:
        """Runs a cell; its checkpoint is taken when its reply has left: nobody waits for it.

        Args:
            hidden: silent, or not to be stored in the history: no checkpoint of its own.
            expressions: `user_expressions`, which run after the cell.
            msg_id: of the request; its outputs have it as their parent.
            later: calls what it is given when the reply has left; None: the checkpoint is taken before.
        """
        if hidden:
            return await self._around_hidden(run, code, expressions, main)
        cell: RecordedCell | None = None
        self._cells += 1
        try:
            self.cells.others_settled()
            text = transformed(self.shell, code)
            source = _source(text or code, expressions)
            self._tell()
            if not is_only_magic(source, "kishu"):
                self._greet()
            cell = self._visible(code, source, msg_id, main, self.shell.execution_count)
        except KeyboardInterrupt:  # while a checkpoint of another shell was waited for: the cell does not run
            return not_run(self.shell.execution_count)
        finally:
            if cell is None:
                self._cells -= 1
        reply: dict[str, Any] = {"status": "error", "ename": "KeyboardInterrupt"}
        try:
            with known(self.shell, code, text):
                reply = await run()
            return reply
        finally:
            cell.stop(reply)
            take = partial(self._take, cell)
            if later is None:
                take()
            else:
                later(take)

    async def _around_hidden(
        self, run: Callable[[], Awaitable[dict[str, Any]]], code: str, expressions: Mapping[str, str], main: bool
    ) -> dict[str, Any]:
        text = transformed(self.shell, code)
        source = _source(text or code, expressions)
        try:
            self.cells.others_settled()
            ticket = self._begun(source, main, hidden=True)
        except KeyboardInterrupt:
            return not_run(self.shell.execution_count)
        before = self._names.variables().keys() if is_frontends(code) else None
        try:
            with known(self.shell, code, text):
                return await run()
        finally:
            if before is not None:
                self._lend(self._names.variables().keys() - before, cell_access(source).names)
            if ticket is not None:
                self.session.after_hidden(ticket)

    def _lend(self, new: Set[str], spelled: Set[str]) -> None:
        """A frontend's code bound these: what it does not spell, a cell of another shell may have bound meanwhile."""
        self._names.lend({name for name in new if name in spelled or is_result(name)})

    def join(self, code: str, msg_id: str, main: bool) -> CellEnd:
        """A printable cell runs already, and loads us: what it does from here on is watched.

        Its checkpoint has all that there was before, as nobody's doing. Returns what ends the cell.
        """
        found = self._names.variables()
        self.session.note_unseen()
        self._greet(resume=not found)
        count = len(self.shell.history_manager.input_hist_raw) - 1  # the shell's may be the next one's by now
        self._cells += 1
        cell = self._visible(code, transformed(self.shell, code) or code, msg_id, main, count)
        cell.whole = False
        self._tell()

        def ended(reply: Mapping[str, Any]) -> None:
            cell.stop(reply)
            self._take(cell)

        return ended

    def _visible(self, code: str, source: str, msg_id: str, main: bool, count: int) -> RecordedCell:
        """A printable cell begins; `_take` takes its checkpoint."""
        if self._names.lends:
            self._names.claim(cell_access(source))
        ticket = self._begun(source, main)
        cell = RecordedCell(code, source, msg_id, count, ticket, start_recording() if self.settings.effects else None)
        if cell.ticket is not None:
            self.recorder.begin(msg_id)
        self.cells.begin(cell)
        return cell

    def _take(self, cell: RecordedCell) -> None:
        """A printable cell has ended. Done again it does nothing."""
        if cell.run is None or not self.cells.take(cell):
            return
        try:
            if cell.ticket is None:  # it could not be watched
                pass
            elif is_only_magic(cell.source, "kishu"):
                self.recorder.take(cell.msg_id)
                self.session.drop(cell.ticket)
            else:
                self._ended(cell.ticket, cell.run, cell.msg_id)
        finally:
            self._cells -= 1
            self.cells.taken(cell)

    def _begun(self, source: str, main: bool, hidden: bool = False) -> Ticket | None:
        try:
            return self.session.before_cell(source, main=main, hidden=hidden)
        except Exception as error:  # law 8: the cell runs, whatever is wrong with us
            self.session.before_unseen()
            self.warn(f"Kishu could not watch a cell ({error!r}). The next checkpoint will make up for it.")
            return None

    def _ended(self, ticket: Ticket, ended: CellRun, msg_id: str) -> None:
        """Takes the checkpoint. An interrupt here must not cost the user the reply."""
        outputs: list[Output] = []
        self._taking = True
        try:
            _flush_the_kernels(sys.stdout, sys.stderr)  # what was printed is on its way, and so with the recorder
            outputs = self.recorder.take(msg_id)
            self.session.after_cell(ticket, ended, outputs)
            self._announce()
            self._changed()
        except (Exception, KeyboardInterrupt) as error:
            self.session.give_up(ticket, ended, repr(error))
        finally:
            self._taking = False
            if self._untold and not self.ending.begun.wait(MOMENT):  # was it interrupted by who ends the kernel?
                self._tell()

    def _greet(self, resume: bool = True) -> None:
        """Before its first cell a new session says that the notebook has a history, or takes it up.

        Args:
            resume: false where there are variables already, which would have to go.
        """
        try:
            if self._greeted:
                self.opener.retry(self.session.timeline)
                return
            self._greeted = True
            self.opener.reconsider(self.session.let_go)
            from kishu_kernel.frontend.shell.history_notice import cut_short, notice

            timeline = self.session.timeline
            if timeline.head is not None or not (found := notice(timeline, self.opener.place)):
                return
            if (earlier := timeline.earlier()) and (short := cut_short(timeline, earlier[0])):
                self.warnings.append(short)  # the notice tells it, and `status` keeps it
            if resume and self.settings.auto_resume and timeline.earlier():
                found = self._resumed() or found
            self.shell.display_pub.publish(dict(found))
        except Exception as error:
            self.warn(f"Kishu could not look at this notebook's earlier sessions ({error}).")

    def _resumed(self) -> Mapping[str, str] | None:
        """Takes the history up; what to show of it, or None, and then it is said why."""
        from kishu_kernel.frontend.pages.display import as_text
        from kishu_kernel.frontend.protocol.content import outcome_content

        try:
            outcome = self.session.resume(replay="annotated")
        except KishuError as error:
            self.warn(f"Kishu brought nothing back of this notebook's last session: {error}.")
            return None
        self.traveled()
        return {"text/plain": "[kishu] " + as_text({"operation": "resume", **outcome_content(outcome)})}

    def subscribe(self, callback: Callable[[bool], None]) -> Callable[[], None]:
        """Calls it after each checkpoint and each travel, on the thread that did it. Returns what ends that.

        It is told whether checkpoints that were there before may look different now: other names, other payloads.
        """
        self._subscribers.append(callback)

        def end() -> None:
            with suppress(ValueError):
                self._subscribers.remove(callback)

        return end

    def _changed(self, anew: bool = False) -> None:
        for callback in list(self._subscribers):
            with suppress(Exception):  # who only looks must not harm a cell
                callback(anew)

    def relabelled(self) -> None:
        """Checkpoints have other names or messages, or have become code only."""
        self._changed(anew=True)

    def traveled(self) -> None:
        """The session is in another state."""
        self._displayed_anew()
        self._changed()

    def _displayed_anew(self) -> None:
        """After a checkout: IPython goes on moving `_`, `__` and `___` only if they are where it left them.

        It looks in its display hook, and from 9 on among the hidden names. One that the user has bound stays theirs.
        """
        for name in self._names.aliases():
            value = self.shell.user_ns[name]
            setattr(self.shell.displayhook, name, value)
            self.shell.user_ns_hidden[name] = value

    def _announce(self) -> None:
        """For who looks for the kernel of a notebook: the path is known late, and the store opens late."""
        place = self.opener.place
        self._announcement.tell(self.notebook(), None if place is None else place.path)

    def think(self, hurried: Callable[[], bool]) -> float | None:
        """As in `Session.think`. Who watches is told when checkpoints look different for it."""
        if self._cells or not self.settings.audit:
            return None
        before = self.session.thoughts
        wait = self.session.think(hurried)
        if self.session.thoughts != before:
            self._changed(anew=True)
        return wait

    def leave(self) -> None:
        """The shell goes on without us: what running cells did until now is taken too."""
        for cell in self.cells:
            cell.stop({"status": "ok"})
            self._take(cell)
        self.ending.leave()

    def stop_cells(self, seconds: float) -> bool:
        """The process ends: cells have so many seconds to end; of one that has not, it is kept that it ran.

        Called on another thread than the cells'. Returns whether all have ended.
        """
        cut_off = self.cells.stop(seconds)
        for cell in cut_off:
            if cell.ticket is not None and not is_only_magic(cell.source, "kishu"):
                self.session.cut_off(cell.ticket, cell.cut_off(), seconds)
        return not cut_off

    def let_go(self) -> None:
        """The process ends, and what could be written is."""
        self._forget_sources()
        self._announcement.withdraw()
        self.opener.refresh()
        if not self.session.flush_within(0):
            self.session.close()

    def _hooks(self) -> list[Any]:
        """What IPython calls before and after each cell."""
        return [hook for hooks in self.shell.events.callbacks.values() for hook in hooks]

    def _open(self) -> Timeline:
        return self.opener.in_memory() if self.settings.in_memory else self.opener.open()

    def notebook(self) -> str | None:
        """The notebook's path, as the frontend told it: VS Code by a variable, Jupyter Server by another."""
        names = self.shell.user_ns
        hint = self.settings.notebook or names.get("__vsc_ipynb_file__") or names.get("__session__")
        return hint if isinstance(hint, str) and hint else None


def _source(text: str, expressions: Mapping[str, str]) -> str:
    """All that runs: the cell, and `user_expressions` after it."""
    for expression in expressions.values():
        with suppress(SyntaxError, ValueError, TypeError), warnings_muted():
            compile(expression, "<user_expression>", "eval")
            text += f"\n({expression}\n)"
    return text


def _flush_the_kernels(*streams: Any) -> None:
    """One that the user has put there is not touched: it may do anything."""
    for stream in streams:
        if module_name(type(stream)).startswith("ipykernel."):
            stream.flush()


def _connection_file(shell: Any) -> str | None:
    """By which others connect to the kernel; None where it is inside another process."""
    application = getattr(getattr(shell, "kernel", None), "parent", None)
    file = getattr(application, "abs_connection_file", None)
    return file if isinstance(file, str) else None
