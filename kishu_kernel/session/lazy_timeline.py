"""The session's timeline, opened when it is first needed; and its writer, as far as there is one.

A frontend may say late which notebook this is, and a kernel in which nothing ran makes no store.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from kishu_kernel.model import CheckpointId

if TYPE_CHECKING:  # imported when it is opened
    from kishu_kernel.session.timeline import Timeline


class LazyTimeline:
    """Opens the timeline on first use. Safe from any thread.

    Args:
        open_timeline: makes the timeline.
        on_written: is told, on the writer's thread, of each checkpoint that is on the disk.

    Attributes:
        opened: the timeline; None as long as nobody needed it.
    """

    def __init__(
        self, open_timeline: Callable[[], Timeline], on_written: Callable[[CheckpointId], None] = lambda _: None
    ) -> None:
        self._open = open_timeline
        self._lock = threading.RLock()
        self.on_written = on_written
        self.opened: Timeline | None = None

    def get(self) -> Timeline:
        """The timeline, opened now if it was not.

        Raises:
            StoreError: its store cannot be opened.
        """
        if self.opened is None:
            with self._lock:
                self.opened = self.opened or self._open()
                self.opened.on_written = self.on_written
        return self.opened

    def close_if_unused(self) -> bool:
        """Closes the store if nothing was appended; the next `get` opens one anew. False if something was."""
        with self._lock:
            if self.opened is not None and not self.opened.used:
                unused, self.opened = self.opened, None  # first of all: nobody begins to read what is being closed
                unused.store.close()
            return self.opened is None

    def close(self) -> None:
        """Writes what was taken, and closes the store. The history stays readable."""
        if self.opened is not None:
            self.opened.store.close()

    def abandon(self) -> None:
        """Closes the store without writing what waits: it is to be removed."""
        if self.opened is not None:
            self.opened.store.abandon()
            self.opened.store.close()

    # -- the writer ------------------------------------------------------------------------------

    def flush(self, timeout: float | None = None) -> None:
        """Waits, at most so many seconds, until what was taken is written or known to be lost."""
        if self.opened is not None:
            self.opened.store.flush(timeout)

    def flush_within(self, seconds: float | None) -> frozenset[CheckpointId]:
        """As `flush`. Returns the checkpoints that are not completely written."""
        self.flush(seconds)
        return self.unwritten()

    def write_within(self, seconds: float) -> dict[CheckpointId, str]:
        """As `flush_within`. Returns the checkpoints that are not completely written, each with the reason."""
        self.flush(seconds)
        return {} if self.opened is None else self.opened.store.reasons()

    def unwritten(self) -> frozenset[CheckpointId]:
        """The checkpoints that were taken and are not completely written."""
        return frozenset() if self.opened is None else self.opened.store.unwritten()

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait to be written."""
        return 0 if self.opened is None else self.opened.store.waiting_bytes

    def hasten_writing(self) -> None:
        """The process ends: from now on the most valuable is written first."""
        if self.opened is not None:
            self.opened.store.prepare_to_end()

    def hand_over(self, key: Path | None, patience: float, seconds: float) -> bool:
        """Gives what waits to be written to a process that outlives this one.

        Args:
            key: file of the key that marks what is written. None: no other process can mark it, so nothing is given.
            patience: seconds to wait for the records of the checkpoints.
            seconds: that the other process has.

        Returns:
            Whether nothing waits any more.
        """
        if self.opened is None:
            return True
        from kishu_kernel.store.write_behind.handover import hand_over

        store, path = self.opened.store, self.opened.store.statistics().path
        if path is None or key is None:
            return not store.pending
        return store.hand_over(lambda jobs: hand_over(jobs, Path(path), key, seconds), patience)

    def notices(self) -> list[str]:
        """Sentences for the user about what was done in the background, each once."""
        found = []
        while self.opened is not None and self.opened.notices:
            found.append(self.opened.notices.popleft())
        return found
