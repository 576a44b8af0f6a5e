"""An IPython shell with a session: each of its cells gets a checkpoint, and its requests are answered.

Duty: what happens around a cell, at the first cell, and at the end. It needs no kernel: it works in a terminal, too.
Neighbours: `kernel.kernel_hooks` calls it in a kernel, `kernel.extension` in a terminal; the other modules of this room
each do a part.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from kishu_kernel.detect.access import is_only_magic
from kishu_kernel.detect.access_trackers import make_tracker
from kishu_kernel.frontend.shell.background_code import BackgroundCode
from kishu_kernel.frontend.shell.beginning import Beginning
from kishu_kernel.frontend.shell.cell_finder import CellFinder
from kishu_kernel.frontend.shell.cell_runner import ShellRunner
from kishu_kernel.frontend.shell.cell_transform import CellTransform, all_code, told_of_code
from kishu_kernel.frontend.shell.contained_cells import ContainedCells
from kishu_kernel.frontend.shell.output_recorder import Output, OutputRecorder, flush_own
from kishu_kernel.frontend.shell.progress_line import ProgressLine
from kishu_kernel.frontend.shell.recorded_cell import RecordedCell, RecordedCells, interrupted
from kishu_kernel.frontend.shell.remote_courier import RemoteCourier
from kishu_kernel.frontend.shell.settings import Settings
from kishu_kernel.frontend.shell.shutdown import Shutdown
from kishu_kernel.frontend.shell.store_fate import StoreFate, written_by_papermill
from kishu_kernel.frontend.shell.store_opener import StoreOpener
from kishu_kernel.frontend.shell.user_warnings import UserWarnings
from kishu_kernel.model import CellRun, SessionId
from kishu_kernel.model.identity import FORKED
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.objects.secret_names import keep_out_of_environment
from kishu_kernel.process.audit_hook import start_recording
from kishu_kernel.process.cell_sources import add_source_lookup
from kishu_kernel.process.interrupts import cell_begins, let_in, raise_kept
from kishu_kernel.process.python_gc import collector_paused
from kishu_kernel.process.tracing import untraced
from kishu_kernel.session.module_data import ModuleData
from kishu_kernel.session.namespace import UserNamespace
from kishu_kernel.session.running_cells import Ticket
from kishu_kernel.session.session import Session
from kishu_kernel.store.catalog.running_kernels import Announcement, is_fork

if TYPE_CHECKING:  # what nobody has asked for yet is not imported: a kernel starts without it
    from kishu_kernel.frontend.protocol.request_handler import RequestHandler
    from kishu_kernel.session.timeline import Timeline

CellEnd = Callable[[Mapping[str, Any]], None]
"""To be called with the content of a cell's reply: takes its checkpoint. Called again it does nothing."""

SHUTDOWN_FOLLOWS = 0.1
"""Seconds after an interrupt in which a shutdown comes, if the interrupt was the beginning of one."""


class TrackedShell:
    """An IPython shell whose cells get checkpoints.

    Args:
        shell: IPython's.
        late: cells may have run before.

    Attributes:
        cells: those that run, or whose checkpoints are pending.
        recorder: keeps their outputs.
        progress: shows how far a checkout is.
        user_warnings: sentences that no request has asked for.
        opener: opens the notebook's store.
        courier: carries its history to a remote, and from there.
        fate: what becomes of that store when the session ends.
        beginning: brings the session to the state in which it begins.
        shutdown: ends the session.
    """

    def __init__(self, shell: Any, settings: Settings, late: bool = False) -> None:
        self.shell = shell
        self.settings = settings
        self.user_warnings = UserWarnings(self._cell_prints, lambda: self.shutdown.begun.is_set())
        self._subscribers: list[Callable[[bool], None]] = []
        self._taking = False
        """A checkpoint is being taken: what is to be printed waits for its end."""
        self._open_cells = 0
        """Cells that run and whose outputs the user sees."""
        self.spare_process: Callable[[], tuple[str | None, int | None]] = lambda: (None, None)
        keep_out_of_environment(settings.secret_environment)
        self.cells = RecordedCells()
        self.recorder = OutputRecorder(settings.output_limit)
        connection_file = _connection_file(shell)
        kind = FORKED if is_fork(connection_file or "") else "-"
        self._id = SessionId(time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + kind + secrets.token_hex(5))
        self.progress = ProgressLine(shell)
        self._transform = CellTransform(shell)
        live = shell.user_ns
        table = ReductionTable(live)
        self._names = UserNamespace(live, shell.user_ns_hidden, ModuleData(sys.modules))
        self.session = Session(
            self._names,
            table,
            make_tracker(settings.tracker, live),
            self._open,
            ShellRunner(shell),
            self.warn,
            BackgroundCode(live, self._event_callbacks, late).is_running,
            settings.rules,
            self.progress.show,
            trials=settings.effects,
            contained=ContainedCells(shell, self._event_callbacks).is_contained,
        )
        self.opener = StoreOpener(settings.where, self._id, self.notebook, self.warn)
        self.courier = RemoteCourier(settings.remote, self.opener, self.notebook, settings.remote_recipients)
        self.opener.on_written = self.courier.note_written
        self.fate = StoreFate(settings.keep, self.session, self.opener)
        self._announcement = Announcement(self._id, connection_file)
        self._announcement.tell(self.notebook(), None)
        self.beginning = Beginning(self)
        self._forget_sources = add_source_lookup(CellFinder(shell, lambda: self.session.timeline))
        self.shutdown = Shutdown(self, settings.end_timeout)

    @property
    def checkpoint_pending(self) -> bool:
        """Whether a cell's reply may have left whose checkpoint is not taken yet, or the session is still to begin."""
        return self.cells.pending or self.beginning.pending

    @property
    def fork_rules(self) -> Mapping[str, Any]:
        """What clients that fork this kernel are to obey; `spare`: where a process listens that becomes forks."""
        place, pid = self.spare_process()
        return {**asdict(self.settings.forks), "spare": place, "spare_pid": pid}

    @cached_property
    def requests(self) -> RequestHandler:
        """Answers requests about the session."""
        from kishu_kernel.frontend.protocol.request_handler import RequestHandler

        self.fate.attended = True
        return RequestHandler(self)

    @property
    def warnings(self) -> list[str]:
        """Sentences that `status` repeats, the newest last."""
        return self.user_warnings.all

    def warn(self, sentence: str, *, quiet: bool = False) -> None:
        """Shows a sentence where it belongs, as `UserWarnings.add`; `status` repeats it."""
        self.user_warnings.add(sentence, quiet=quiet)

    def _cell_prints(self) -> bool:
        return self._open_cells > 0 and not self._taking

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
        """Runs a cell. Its checkpoint is taken when its reply has left, so that nobody waits for it.

        Args:
            run: runs the cell, and returns the content of its reply.
            code: what the user wrote.
            hidden: silent, or not to be stored in the history: it gets no checkpoint of its own.
            expressions: `user_expressions`, which run after the cell.
            msg_id: the id of the request; outputs of the cell have it as their parent.
            main: it runs on the main thread.
            later: calls what it is given when the reply has left; None: the checkpoint is taken before.

        Returns:
            The content of the reply.
        """
        if hidden:
            return await self._around_hidden(run, code, expressions, main)
        cell: RecordedCell | None = None
        reply: dict[str, Any] | None = None
        begun = False
        self._open_cells += 1
        try:
            with let_in():
                with untraced():
                    self.beginning.reach_start()
                    self.cells.wait_for_other_threads()
                    text = self._transform(code)
                    source = all_code(text or code, expressions)
                    if not is_only_magic(source, "kishu"):
                        self.user_warnings.print()
                        self.beginning.before_cell()
                    cell = self._begin_cell(code, source, msg_id, main, self.shell.execution_count)
                contained = cell.ticket is not None and cell.ticket.contained
                with self._transform.reused(code, text, contained), told_of_code(self.shell, cell_begins):
                    raise_kept()
                    begun = True
                    reply = await run()
        except KeyboardInterrupt:  # IPython had not come to its code, or was done with that
            reply = reply or self._interrupted(begun)
        finally:
            if cell is None:
                self._open_cells -= 1
            else:
                self._ended(cell, reply or {"status": "error", "ename": "KeyboardInterrupt"}, later)
        return reply

    def _ended(
        self, cell: RecordedCell, reply: Mapping[str, Any], later: Callable[[Callable[[], None]], None] | None
    ) -> None:
        cell.end(reply)
        self.fate.note_cell(reply)
        take = partial(self._take, cell)
        if later is None:
            take()
        else:
            later(take)

    def _interrupted(self, begun: bool) -> dict[str, Any]:
        """Shows that the cell was interrupted. Returns the content of its reply."""
        reply = interrupted(self.shell.execution_count, begun)
        with suppress(Exception):  # a cell may have put anything in the place of what shows it
            self.shell.showtraceback((KeyboardInterrupt, KeyboardInterrupt(reply["evalue"]), None))
        return reply

    async def _around_hidden(
        self, run: Callable[[], Awaitable[dict[str, Any]]], code: str, expressions: Mapping[str, str], main: bool
    ) -> dict[str, Any]:
        ticket: Ticket | None = None
        reply: dict[str, Any] | None = None
        try:
            with let_in():
                with untraced():
                    text = self._transform(code)
                    source = all_code(text or code, expressions)
                    self.beginning.reach_start()
                    self.cells.wait_for_other_threads()
                    ticket = self._watch(source, main, hidden=True)
                with self._transform.reused(code, text), told_of_code(self.shell, cell_begins):
                    raise_kept()
                    reply = await run()
        except KeyboardInterrupt:
            reply = reply or interrupted(self.shell.execution_count)
        finally:
            if ticket is not None:
                with untraced():
                    self.session.after_hidden(ticket)
        return reply

    def watch_running_cell(self, code: str, msg_id: str, main: bool) -> CellEnd:
        """Watches a cell that runs already, and that loads us: its checkpoint has what it does from here on.

        What there was before is in that checkpoint, too, but no cell is said to have made it.

        Returns:
            What is to be called when the cell ends.
        """
        found = self._names.variables()
        self.session.note_unwatched_code()
        self.beginning.before_cell(resume=not found)
        count = len(self.shell.history_manager.input_hist_raw) - 1  # the shell's may be the next one's by now
        self._open_cells += 1
        cell = self._begin_cell(code, self._transform(code) or code, msg_id, main, count)
        cell.from_start = False
        self.user_warnings.print()

        def ended(reply: Mapping[str, Any]) -> None:
            cell.end(reply)
            self._take(cell)

        return ended

    def _begin_cell(self, code: str, source: str, msg_id: str, main: bool, count: int) -> RecordedCell:
        """Begins to watch a cell; `_take` takes its checkpoint."""
        ticket = self._watch(source, main)
        with untraced():
            recorder = start_recording() if self.settings.effects else None
            cell = RecordedCell(code, source, msg_id, count, ticket, recorder)
        if cell.ticket is not None:
            self.recorder.begin(msg_id)
        self.cells.add(cell)
        return cell

    @untraced()
    def _take(self, cell: RecordedCell) -> None:
        """Takes the checkpoint of a cell that has ended. Called again it does nothing."""
        if cell.run is None or not self.cells.take(cell):
            return
        try:
            if cell.ticket is None:  # it could not be watched
                pass
            elif is_only_magic(cell.source, "kishu"):
                self.recorder.take(cell.msg_id)
                self.session.discard(cell.ticket)
            else:
                self._checkpoint(cell.ticket, cell.run, cell.msg_id)
        finally:
            self._open_cells -= 1
            self.cells.remove(cell)

    def _watch(self, source: str, main: bool, hidden: bool = False) -> Ticket | None:
        try:
            return self.session.before_cell(source, main=main, hidden=hidden)
        except Exception as error:  # law 8: the cell runs, whatever is wrong with us
            self.session.before_unwatched_code()
            self.warn(f"Kishu could not watch a cell ({error!r}). The next state will include what it changed.")
            return None

    def _checkpoint(self, ticket: Ticket, run: CellRun, msg_id: str) -> None:
        """Takes a checkpoint. Never raises: an interrupt here must not cost the user the reply."""
        outputs: list[Output] = []
        self._taking = True
        try:
            with let_in():
                flush_own(sys.stdout, sys.stderr)  # then the recorder has all that was printed
                outputs = self.recorder.take(msg_id)
                self.session.after_cell(ticket, run, outputs)
                self._announce()
                self._changed()
        except (Exception, KeyboardInterrupt) as error:
            self.session.after_failed_checkpoint(ticket, run, repr(error))
        finally:
            self._taking = False
            if self.user_warnings.waits_for_cell and not self.shutdown.begun.wait(SHUTDOWN_FOLLOWS):
                self.user_warnings.print()

    def subscribe(self, callback: Callable[[bool], None]) -> Callable[[], None]:
        """As in `SessionHost.subscribe`."""
        self._subscribers.append(callback)

        def end() -> None:
            with suppress(ValueError):
                self._subscribers.remove(callback)

        return end

    def _changed(self, older_too: bool = False) -> None:
        for callback in list(self._subscribers):
            with suppress(Exception):  # a subscriber must not harm a cell
                callback(older_too)

    def begin_at(self, wanted: str) -> None:
        """As in `Beginning.begin_at`."""
        self.beginning.begin_at(wanted)

    def note_offer_shown(self) -> None:
        """As in `SessionHost`: the first cell's output does not say it, too."""
        self.beginning.offer_shown = True

    def notify_relabelled(self) -> None:
        """Tells subscribers that checkpoints have other names or messages, or have lost their values."""
        self._changed(older_too=True)

    def notify_checkout(self) -> None:
        """Tells IPython and subscribers that the session is in another state."""
        self._update_last_results()
        self._changed()

    def _update_last_results(self) -> None:
        """Tells IPython what `_`, `__` and `___` are after a checkout: else it would stop moving them.

        It compares them with what its display hook has, and from version 9 on with the hidden names. A name that the
        user has bound stays the user's.
        """
        for name in self._names.aliases():
            value = self.shell.user_ns[name]
            setattr(self.shell.displayhook, name, value)
            self.shell.user_ns_hidden[name] = value

    def _announce(self) -> None:
        """Lets clients find this kernel by its notebook: the path is known late, the store opens late, names change."""
        place = self.opener.place
        self._announcement.tell(self.opener.notebook(), None if place is None else place.path)

    @untraced()
    def think(self, should_stop: Callable[[], bool]) -> float | None:
        """As in `Session.think`. Tells subscribers when checkpoints look different for it."""
        if self._open_cells or not self.settings.audit:
            return None
        before = self.session.corrections
        self.fate.tidy(self.warn, should_stop)
        wait = self.session.think(should_stop)
        if self.session.corrections != before:
            self._changed(older_too=True)
        return wait

    def detach(self) -> None:
        """Ends the session; the shell goes on. What running cells did until now gets a checkpoint, too."""
        for cell in self.cells:
            cell.end({"status": "ok"})
            self._take(cell)
        self.shutdown.detach()

    def stop_cells(self, seconds: float) -> bool:
        """Gives running cells so many seconds to end; of one that does not, it is recorded that it ran.

        Not to be called on a thread that runs cells.

        Returns:
            Whether all have ended.
        """
        cut_off = self.cells.stop(seconds)
        for cell in cut_off:
            if cell.ticket is not None and not is_only_magic(cell.source, "kishu"):
                self.session.note_unfinished_cell(cell.ticket, cell.cut_off(), seconds)
        return not cut_off

    def close(self) -> None:
        """Lets go of the store, once what could be written is. The process ends, or goes on without us."""
        self._forget_sources()
        self._announcement.withdraw()
        self.opener.refresh()
        if not self.session.writer.flush_within(0):
            self.session.close()

    def _event_callbacks(self) -> list[Any]:
        """Returns what IPython calls before and after each cell."""
        return [each for callbacks in self.shell.events.callbacks.values() for each in callbacks]

    def _open(self) -> Timeline:
        with collector_paused():  # what is imported for it, and made, stays
            timeline = self.opener.open_in_memory() if self.settings.in_memory else self.opener.open()
        self._announce()
        return timeline

    def notebook(self) -> str | None:
        """Returns the notebook's path; None where the frontend has not told it.

        VS Code tells it by one variable, Jupyter Server by another, and older ipykernels leave that to who looks into
        the environment.
        """
        names = self.shell.user_ns
        hint = self.settings.notebook or names.get("__vsc_ipynb_file__") or names.get("__session__")
        hint = hint or os.environ.get("JPY_SESSION_NAME")
        return hint if isinstance(hint, str) and hint else written_by_papermill(names)


def _connection_file(shell: Any) -> str | None:
    """Returns the path of the kernel's connection file; None where it is inside another process."""
    application = getattr(getattr(shell, "kernel", None), "parent", None)
    file = getattr(application, "abs_connection_file", None)
    return file if isinstance(file, str) else None
