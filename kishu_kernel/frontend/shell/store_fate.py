"""What becomes of a session's store when it ends, and of stores that others have left.

A kernel without a notebook (nbclient, papermill, nbconvert, voila) has a store of its own, which nobody will find. By
default it goes at the orderly end of a run in which no cell failed. Law: nothing goes that somebody would go back to.
It stays where a person was there (one could be asked for input, or the history was used), where anything has a name,
where another session is in it, or another process has it open, and where the end is none of an orderly run's (a
restart, a signal, a kill).
Neighbours: `shutdown` asks at the end; `session.upkeep` says which of the other stores may go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from kishu_kernel.errors import StoreError
from kishu_kernel.frontend.shell.settings import Keep
from kishu_kernel.frontend.shell.store_opener import StoreOpener
from kishu_kernel.model.amounts import counted, size
from kishu_kernel.session.session import Session


class StoreFate:
    """What becomes of the store of one session.

    Args:
        keep: what a person has chosen for kernels without a notebook.

    Attributes:
        attended: a person is there, or uses the history.
    """

    def __init__(self, keep: Keep, session: Session, opener: StoreOpener) -> None:
        self._keep = keep
        self._session = session
        self._opener = opener
        self._failed = False
        self._looked = False
        self.attended = False

    def note_cell(self, reply: Mapping[str, Any]) -> None:
        """A cell has ended with this reply."""
        self._failed |= reply.get("status") != "ok"

    def drop(self) -> bool:
        """Removes the store if nobody will go back to it, and what waits to be written with it. No cell may run.

        Returns:
            Whether it did. Then the session has ended.
        """
        if not self._is_needless() or not self._opener.keep_others_out():  # nothing is given up that stays
            return False
        self._session.writer.abandon()
        self._session.close()
        self._opener.remove()
        return True

    @property
    def may_go(self) -> bool:
        """Whether the store goes, as far as can be told without a look into it."""
        if self._keep == "always" or self._session.writer.opened is None or not self._opener.is_of_no_notebook:
            return False
        return self._keep == "never" or not (self._failed or self.attended)

    def _is_needless(self) -> bool:
        timeline = self._session.writer.opened
        if timeline is None or not self.may_go:
            return False
        from kishu_kernel.session.upkeep import has_name, is_of_one_session

        return is_of_one_session(timeline.store) and not has_name(timeline.store)

    def tidy(self, warn: Callable[[str], None], should_stop: Callable[[], bool]) -> None:
        """Removes, once a day, what others have left and nobody will go back to. `status` says what went."""
        if self._looked or self._opener.place is None:
            return
        self._looked = True
        from kishu_kernel.session.upkeep import tidy

        gone: list[int] = []
        try:  # a message that comes ends this with an interrupt: what has gone by then is told
            with suppress(StoreError, OSError):
                for removed in tidy(self._opener.place.path.parent, self._opener.upkeep, should_stop):
                    gone.append(removed)
        finally:
            if gone:
                kernels = counted(len(gone), "kernel")
                warn(
                    f"What {kernels} without a notebook had left was removed, since nobody used it: {size(sum(gone))}."
                )


def written_by_papermill(names: Mapping[str, Any]) -> str | None:
    """The notebook that papermill writes, where it tells the notebook so (`--inject-paths`, `--inject-output-path`)."""
    told = names.get("PAPERMILL_OUTPUT_PATH")
    return told if type(told) is str and told.endswith(".ipynb") and "://" not in told else None
