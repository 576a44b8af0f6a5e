"""A few jobs done by several threads at once, with nothing left running at the end."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from kishu_kernel.process.audit_hook import allowed_in_process, allowed_on_this_thread
from kishu_kernel.process.tracing import own_thread

Job = TypeVar("Job")


def run_in_parallel(work: Callable[[Job], None], jobs: Sequence[Job], extra_threads: int) -> None:
    """Call `work` with each job, in any order, on this thread and some extra ones.

    When this returns or raises, no job is being done any more. May be called where side effects are forbidden: the
    threads are our own doing, and not that of what is loaded.

    Raises:
        Exception: the first one that `work` raised; the jobs that are left are not done.
        KeyboardInterrupt: this thread was interrupted; likewise.
    """
    workers = _Workers(work, jobs)
    try:
        for number in range(min(extra_threads, len(jobs) - 1)):
            thread = own_thread(workers.help, f"kishu-load-{number}")
            with allowed_on_this_thread(), allowed_in_process():
                thread.start()
        workers.work()
    finally:
        workers.finish()
    error, workers.error = workers.error, None
    try:
        if error is not None:
            raise error
    finally:
        del error  # this frame is in its traceback


class _Workers:
    def __init__(self, do: Callable[[Job], None], jobs: Sequence[Job]) -> None:
        self.error: Exception | None = None
        self._do = do
        self._todo = deque(jobs)
        self._quiet = threading.Condition()
        self._busy = 0
        self._over = False

    def help(self) -> None:
        """What an extra thread does, on which no interrupt arrives. One that starts too late does nothing."""
        with self._quiet:
            if self._over:
                return
            self._busy += 1
        self.work()
        with self._quiet:
            self._busy -= 1
            self._quiet.notify_all()

    def work(self) -> None:
        """Do jobs as long as there are any, and none has failed."""
        try:
            while self._todo and not self._over:
                try:
                    job = self._todo.popleft()
                except IndexError:  # another one was faster
                    break
                self._do(job)
        except Exception as error:
            self.error = self.error or error
            self._over = True

    def finish(self) -> None:
        """Wait for the extra threads, each of which finishes its job. An interrupt is raised after that."""
        interrupt: KeyboardInterrupt | None = None
        while True:
            try:
                with self._quiet:
                    self._over = True
                    self._quiet.wait_for(lambda: not self._busy)
                break
            except KeyboardInterrupt as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt
