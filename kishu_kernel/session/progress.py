"""How far a checkout is that takes longer than a second: a value, and a reporter that shows it now and then.

Law: nothing is shown in the first second, unless it is known that the work takes longer, and never more often than five
times a second. Whatever goes wrong where it is shown, the work goes on. A leaf: knows nobody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Literal

from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.process.tracing import own_thread

QUIET = 1.0
"""Seconds in which nothing is shown."""
INTERVAL = 0.2
"""Seconds between two reports at least."""
TICK = 1.0
"""Seconds between two reports while a cell is re-run, from which no other progress comes."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a checkout is.

    Attributes:
        done_bytes: bytes that are loaded, inputs of re-runs included.
        total_bytes: bytes that are to be loaded in all.
        step: number of the cell that is being re-run, or was last, from 1; 0 before the first.
        steps: number of cells to re-run.
        seconds_left: an estimate; None if there is none yet. Cells count as long as they took when they first ran.
    """

    what: Literal["loading", "re-running"]
    done_bytes: int
    total_bytes: int
    step: int
    steps: int
    seconds_left: float | None


ShowProgress = Callable[[Progress], None]
"""Shows the progress to the user. Called from any thread. If it raises, it is not called again."""


class ProgressReporter:
    """Is told what was done, and shows how far the checkout is. Methods are safe from any thread, and never raise.

    Args:
        show: None: nothing is shown.
        clock: gives seconds since any moment.
    """

    def __init__(self, show: ShowProgress | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._show = show
        self._clock = clock
        self._lock = threading.Lock()
        self._started = clock()
        self._reported_at = float("-inf")
        self._done = 0
        self._total = 0
        self._cells: tuple[float, ...] = ()
        self._step = 0
        self._cell_started: float | None = None
        self._in_cells = 0.0

    def plan(self, left_bytes: int, cells: Sequence[float] = ()) -> None:
        """What is to be done from here on. Replaces an earlier plan.

        Args:
            left_bytes: bytes still to be loaded.
            cells: for each cell to re-run the seconds that it took.
        """
        with self._lock:
            self._total = self._done + left_bytes
            self._cells = tuple(cells)
            self._step = 0

    def add_loaded(self, count: int) -> None:
        """So many more bytes are loaded."""
        if self._show is None:
            return
        with self._lock:
            self._done += count
        self._report()

    @contextmanager
    def cell(self, number: int) -> Iterator[None]:
        """The block re-runs the cell with this number in the plan, from 0."""
        if self._show is None:
            yield
            return
        with self._lock:
            self._step = number + 1
            self._cell_started = self._clock()
        ended = threading.Event()
        try:
            self._report()
            own_thread(partial(self._tick, ended), "kishu-progress").start()
            yield
        finally:
            ended.set()
            with self._lock:
                self._in_cells += self._clock() - (self._cell_started or 0.0)
                self._cell_started = None

    def tick(self) -> None:
        """Time has passed."""
        self._report()

    def _tick(self, ended: threading.Event) -> None:
        while not ended.wait(TICK):
            self._report()

    def _report(self) -> None:
        with self._lock:
            show, now = self._show, self._clock()
            if show is None or now - self._reported_at < INTERVAL:
                return
            if now - self._started + self._left_of_cell(now) < QUIET:
                return
            self._reported_at = now
            progress = self._progress(now)
        try:
            show(progress)
        except Exception:  # nobody to tell: that is no reason to stop
            self._show = None

    def _progress(self, now: float) -> Progress:
        running = self._cell_started is not None
        done = min(self._done, self._total)
        step = self._step
        return Progress(
            "re-running" if running else "loading", done, self._total, step, len(self._cells), self._seconds_left(now)
        )

    def _seconds_left(self, now: float) -> float | None:
        cells = sum(self._cells[self._step :]) + self._left_of_cell(now)
        left = self._total - self._done
        if left <= 0:
            return cells
        loading = now - self._started - self._in_cells
        if self._cell_started is not None:
            loading -= now - self._cell_started
        return left * loading / self._done + cells if self._done and loading > 0 else None

    def _left_of_cell(self, now: float) -> float:
        if self._cell_started is None:
            return 0.0
        return max(0.0, self._cells[self._step - 1] - (now - self._cell_started))
