"""How a session begins: in the state that its kernel was started for, in that of the last session, or in the empty one.

Law: a kernel starts, whatever is wrong with the state that it was started for: then it begins with the empty one, in
the notebook's own store, and says so.
Neighbours: `tracked_shell` calls it before the first cell, `history_notice` has the words, `store_opener` opens.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Protocol

from kishu_kernel.errors import KishuError, RequestError
from kishu_kernel.frontend.shell.progress_line import ProgressLine
from kishu_kernel.frontend.shell.remote_courier import RemoteCourier
from kishu_kernel.frontend.shell.settings import Settings
from kishu_kernel.frontend.shell.store_opener import StoreOpener
from kishu_kernel.session.session import Session


class Beginner(Protocol):
    """What a beginning needs of the shell whose session begins."""

    @property
    def shell(self) -> Any:
        """IPython's."""

    @property
    def settings(self) -> Settings:
        """What was chosen."""

    @property
    def session(self) -> Session:
        """It begins."""

    @property
    def opener(self) -> StoreOpener:
        """Opens its store."""

    @property
    def courier(self) -> RemoteCourier:
        """Brings the notebook's history, where that is elsewhere."""

    @property
    def progress(self) -> ProgressLine:
        """Shows how far it is."""

    @property
    def warnings(self) -> list[str]:
        """Sentences that `status` repeats."""

    def warn(self, sentence: str, *, quiet: bool = False) -> None:
        """Prints a sentence in the output of the next cell. `quiet`: it is shown elsewhere."""

    def notify_checkout(self) -> None:
        """Called after the session went to another state."""


class Beginning:
    """The beginning of one session.

    Attributes:
        pending: the state that the kernel was started for is not reached yet.
        offer_shown: a frontend shows by its own means what there is to resume: no cell's output needs to.
    """

    def __init__(self, host: Beginner) -> None:
        self._host = host
        self._began = False
        self.pending = bool(host.settings.start_at)
        self.offer_shown = False

    def reach_start(self) -> None:
        """Goes to the state that the kernel was started for, if there is one. To be called on the main thread.

        A state that cannot be reached is told, and not tried again. An interrupt is passed on.
        """
        if not self.pending or threading.current_thread() is not threading.main_thread():
            return
        host = self._host
        try:
            self._go_to(host.settings.start_at or "")
            host.notify_checkout()
        except KeyboardInterrupt:
            self._begin_empty("it was interrupted on its way")
            raise
        except Exception as error:  # whatever it is, the kernel starts
            self._begin_empty(str(error))
        finally:
            from kishu_kernel.process import inherited_memory

            self.pending = False
            inherited_memory.release()
            host.progress.end()

    def begin_at(self, wanted: str) -> None:
        """Goes to a state, STORE@TARGET, before the session has any. One that cannot be reached leaves it as it was.

        Raises:
            KishuError: it cannot be reached; the sentence says why.
        """
        host = self._host
        if not host.session.close_if_unused():
            raise RequestError("this session has states already: restart the kernel, and ask before the first cell")
        try:
            self._go_to(wanted)
        except BaseException:
            host.opener.use(None)
            host.session.close_if_unused()
            raise
        finally:
            host.progress.end()
        host.notify_checkout()

    def _begin_empty(self, why: str) -> None:
        host = self._host
        host.opener.use(None)
        host.session.close_if_unused()
        host.warn(
            f"This kernel was started for the state {host.settings.start_at}, and is not in it: {why}. It begins with "
            "no variables."
        )

    def before_cell(self, resume: bool = True) -> None:
        """Before the first cell: shows that the notebook has a history, or resumes it. Later: retries a failed store.

        Args:
            resume: false where there are variables already, which would have to go.
        """
        host = self._host
        try:
            if self._began:
                if host.opener.is_substitute:
                    host.opener.retry(host.session.timeline)
                return
            self._began = True
            self.reach_start()
            host.opener.close_provisional(host.session.close_if_unused)
            host.courier.begin()  # where the notebook was told late
            failed = host.courier.await_history(host.settings.auto_resume)
            if failed is not None:
                host.warn(failed, quiet=True)
            if host.courier.has_brought:
                host.session.close_if_unused()  # it was opened when it was empty
            if host.session.writer.opened is None and not host.settings.in_memory and host.opener.finds_none():
                return  # the store is made behind the reply
            timeline, place = host.session.timeline, host.opener.place
            earlier = timeline.other_heads()
            if timeline.head is not None or not (earlier or (place and place.resembles)):
                return  # as most begin: nothing is imported for it
            from kishu_kernel.frontend.shell.history_notice import notice
            from kishu_kernel.session.ended_session import unwritten_work

            if not (found := notice(timeline, place)):
                return
            if earlier and (unwritten := unwritten_work(timeline, earlier[0])):
                host.warnings.append(unwritten)  # the notice says it, and `status` repeats it
            ended = timeline.resumable() if resume and host.settings.auto_resume else None
            if ended is not None and ended.id not in timeline.running_heads():  # that goes on elsewhere
                found = self._resumed() or found
            elif earlier and self.offer_shown:
                return
            host.progress.end()
            shown_at = host.progress.take_place()
            host.shell.display_pub.publish(
                dict(found), transient={"display_id": shown_at} if shown_at else {}, update=bool(shown_at)
            )
        except Exception as error:
            host.warn(f"Kishu could not look at this notebook's earlier sessions ({error}).")

    def _go_to(self, wanted: str) -> None:
        from kishu_kernel.store.catalog.named_stores import find

        store, at, target = wanted.rpartition("@")
        if not (store and at and target):
            raise RequestError("it is to be given as STORE@TARGET, like analysis.ipynb@HEAD")
        host = self._host
        place = find(host.opener.base(), store)
        host.opener.use(place)
        if not host.session.close_if_unused():
            raise RequestError("this session has states already")
        outcome = host.session.begin_at(target, f"fork-{host.session.timeline.session.rpartition('-')[2]}")
        if outcome.plan.lost:
            names = sorted(name for lost in outcome.plan.lost for name in lost.version.names)
            host.warn(f"Not brought back: {', '.join(names)}. `status` and `%kishu log` say why.")

    def _resumed(self) -> Mapping[str, str] | None:
        """Resumes the last session. Returns what to show; None, with a warning, where that failed."""
        from kishu_kernel.frontend.pages.display import as_text
        from kishu_kernel.frontend.protocol.content import outcome_content

        try:
            outcome = self._host.session.resume(replay="annotated")
        except KishuError as error:
            self._host.warn(f"Kishu brought nothing back of this notebook's last session: {error}.")
            return None
        self._host.notify_checkout()
        return {"text/plain": "[kishu] " + as_text({"operation": "resume", **outcome_content(outcome)})}
