"""What a courier does, and when: it pushes when nobody has run a cell for a while, and brings a history at start.

It is told by lines of JSON::

    {"fetch": {"base", "notebook", "session", "url"}}    bring the notebook's history, which is not here
    {"owner": PID}                            the kernel
    {"go": STORE, "url": URL}                 no cell runs, and there may be something to push
    {"wait": true}                            a cell begins
    {"finish": NUMBER, "go", "url"}           push now, and say `finished`
    {"end": SECONDS, "finish", "go", "url"}   the kernel ends: push what is left, no longer than that, and end

and says `{"state": ...}` (pushing, pushed, failed) where that changes, `{"fetched": ...}`, `{"finished": NUMBER,
...}`.

Law: a failed try changes nothing and is repeated, later each time. A kernel that is killed says nothing: then the last
try begins at once.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from kishu_kernel.errors import KishuError, RemoteError
from kishu_kernel.model import SessionId
from kishu_kernel.process.lines import Lines, line
from kishu_kernel.store.courier.gate import GatedObjects
from kishu_kernel.store.disk import environment_pool
from kishu_kernel.store.remote.holdings import KnownHoldings, read_holdings
from kishu_kernel.store.remote.lacking import Needed, unpushed
from kishu_kernel.store.remote.link import remote_of
from kishu_kernel.store.remote.objects import Objects, connect
from kishu_kernel.store.remote.pull import pull
from kishu_kernel.store.remote.push import push
from kishu_kernel.store.remote.recipients import opened

QUIET = 2.0
"""Seconds without a cell after which a push begins."""
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 600.0
"""Seconds from a failed try to the next one: they double."""
LAST_SECONDS = 60.0
"""How long it goes on after its kernel was killed."""
HELD_SECONDS = 20.0
"""How long a push that a cell has stopped keeps others from pushing the same store: less than they wait."""
SHOWN = 100
"""States that are named, at most, where they could not be pushed."""
_LOOK = 5.0
"""Seconds between two looks at whether the kernel lives: what it has forked may keep its socket open."""

Json = dict[str, Any]


class _StoppedError(RemoteError):
    """A cell has been running for long: the push begins again after it, with what it has sent."""


class _EndedError(RemoteError):
    """The time after the kernel's end is over."""


class Courier:
    """The courier of one kernel.

    Args:
        kernel: the socket that it is told by.
        connecting: makes a remote of an address.
        needed: as of `push`.
    """

    def __init__(
        self,
        kernel: socket.socket,
        connecting: Callable[[str], Objects] = connect,
        needed: Needed | None = None,
    ) -> None:
        self._kernel = kernel
        self._connecting = connecting
        self._needed = needed
        self._changed = threading.Condition()
        self._owner: int | None = None
        self._store: Path | None = None
        self._url = ""
        self._fetching: Json | None = None
        self._calm_since: float | None = None
        self._is_new = False
        """There may be something to push."""
        self._asked: int | None = None
        """The number of the last request to push now that is not answered."""
        self._end_at: float | None = None
        self._failures = 0
        self._again_at = 0.0
        self._known = KnownHoldings()
        self._known_of: tuple[Path, str] | None = None

    def serve(self) -> None:
        """Work until the kernel has ended."""
        threading.Thread(target=self._listen, daemon=True).start()
        while (work := self._next()) is not None:
            work()
        self._kernel.close()

    # -- being told

    def _listen(self) -> None:
        lines = Lines()
        data = b"-"
        while data:
            try:
                data = self._kernel.recv(1 << 16)
            except OSError:
                data = b""
            with self._changed:
                for message in lines.take(data):
                    self._hear(message)
                if not data and self._end_at is None:
                    self._end_at, self._is_new = time.monotonic() + LAST_SECONDS, True
                self._changed.notify_all()

    def _hear(self, message: Json) -> None:
        if "owner" in message:
            self._owner = message["owner"]
        if "go" in message:
            self._store, self._url = Path(message["go"]), message["url"]
            self._is_new, self._calm_since = True, time.monotonic()
        if "wait" in message:
            self._calm_since = None
        if "fetch" in message:
            self._fetching = message["fetch"]
        if "finish" in message:
            self._asked = message["finish"]
        if "end" in message:
            self._end_at = time.monotonic() + message["end"]

    def _next(self) -> Callable[[], None] | None:
        """Wait for the next thing to do. None: there is none any more."""
        with self._changed:
            while True:
                now = time.monotonic()
                if self._fetching is not None:
                    return self._fetch
                if self._asked is not None and self._store is not None:
                    return self._push
                if self._end_at is not None:
                    last = self._is_new and self._store is not None and now < self._end_at and not self._failures
                    return self._push if last else None
                due = self._due()
                if due is not None and due <= now:
                    return self._push
                self._changed.wait(_LOOK if due is None else min(_LOOK, due - now))
                self._look_for_owner()

    def _look_for_owner(self) -> None:
        if self._end_at is None and self._owner is not None and not psutil.pid_exists(self._owner):
            self._end_at, self._is_new = time.monotonic() + LAST_SECONDS, True

    def _due(self) -> float | None:
        if not self._is_new or self._calm_since is None or self._store is None:
            return None
        return max(self._calm_since + QUIET, self._again_at)

    def _enter(self) -> None:
        """The gate of the remote: passed while no cell runs, or somebody waits for the push."""
        with self._changed:
            may = self._changed.wait_for(
                lambda: self._calm_since is not None or self._asked is not None or self._end_at is not None,
                HELD_SECONDS,
            )
            if not may:
                raise _StoppedError("a cell is running")
            if self._end_at is not None and time.monotonic() > self._end_at:
                raise _EndedError("the kernel has ended, and the time for what was left is over")

    # -- doing

    def _push(self) -> None:
        with self._changed:
            self._is_new, asked = False, self._asked
            store, url = self._store, self._url
        assert store is not None
        self._tell({"state": {"doing": "pushing"}})
        error = None
        try:
            link = remote_of(store)
            remote = GatedObjects(self._connecting(link.url if link else url), self._enter)
            if (store, remote.url) != self._known_of:
                self._known, self._known_of = KnownHoldings(), (store, remote.url)
            push(store, remote, known=self._known, lanes=1, needed=self._needed)
        except _StoppedError:
            with self._changed:
                self._is_new = True
            return
        except (KishuError, OSError) as failure:
            error = str(failure)
        with self._changed:
            self._failures = 0 if error is None else self._failures + 1
            self._is_new |= error is not None
            self._again_at = time.monotonic() + self._pause() if error is not None else 0.0
            if self._asked == asked:
                self._asked = None
        pushed = {"doing": "pushed", "error": None, "pushed": time.time()}
        self._tell({"state": pushed if error is None else {"doing": "failed", "error": error}})
        if asked is not None:
            self._tell({"finished": asked, "error": error, "missing": [] if error is None else self._missing(store)})

    def _pause(self) -> float:
        """Several kernels whose network comes back do not try at the same moment."""
        return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (self._failures - 1)) * random.uniform(0.8, 1.2)

    def _missing(self, store: Path) -> list[str]:
        with suppress(KishuError, OSError):
            return [str(id) for id in unpushed(store, self._known.last)[:SHOWN]]
        return []

    def _fetch(self) -> None:
        """Bring a notebook's history, if there is one. A cell that runs meanwhile begins a line of its own."""
        from kishu_kernel.store.catalog.assignment import claim_store

        with self._changed:
            wanted, self._fetching = self._fetching, None
        assert wanted is not None
        told: Json = {"checkpoints": 0, "error": None}
        try:
            remote = opened(self._connecting(wanted["url"]), None)
            if read_holdings(remote, None).head is not None:
                place = claim_store(Path(wanted["base"]), wanted["notebook"], SessionId(wanted["session"]))
                environment_pool.release(environment_pool.acquire(place.path))
                told["checkpoints"] = pull(place.path, remote, self._tell_bytes).checkpoints
        except (KishuError, OSError) as failure:
            told["error"] = str(failure)
        self._tell({"fetched": told})

    def _tell_bytes(self, done: int, total: int) -> None:
        self._tell({"fetching": [done, total]})

    def _tell(self, message: Json) -> None:
        with suppress(OSError):  # the kernel has ended
            self._kernel.sendall(line(message))
