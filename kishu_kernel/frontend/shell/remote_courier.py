"""The kernel's side of its courier: starts the process, says when it may work, and what came of it.

Law: no cell waits for it, but the first one of a notebook whose history is elsewhere, for a moment. It is no child of
the kernel's, so that a notebook which waits for its children does not meet it. What it cannot do is told by `status`,
`log` and `hibernate`, and in no cell's output.
Neighbours: `store.courier` is the process; `kernel.kernel_hooks` says when a pause begins, `shutdown` when all ends.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from kishu_kernel.errors import StoreError
from kishu_kernel.process.code_origins import started_in
from kishu_kernel.process.lines import Lines, line
from kishu_kernel.process.starting import connected

FAILURES_AT_MOST = 3
"""After so many processes that ended by themselves, none is started any more."""
LAST_SECONDS = 60.0
"""How long it may go on after its kernel has ended."""
END_SECONDS = 1.5
"""How long a kernel that a client ends waits for it: less than the client waits."""
FIRST_CELL_SECONDS = 1.0
"""How long the first cell waits for a history that is on its way, where nothing is resumed by itself."""
RESUME_SECONDS = 30.0
"""The same without a byte of it, where the last session is to be resumed."""
_LOOK = 0.05
_START_CODE = (
    "import os; os.fork() and os._exit(0); "  # first of all: the kernel waits for this
    "import sys; sys.path[:] = {path!r}; from kishu_kernel.store.courier.process import main; "
    "from kishu_kernel.session.garbage import needed_by; main(needed_by)"
)

Json = dict[str, Any]


class CourierStores(Protocol):
    """What is known of the notebook's store."""

    @property
    def in_memory(self) -> bool:
        """Whether the history is kept in memory only."""

    @property
    def written_place(self) -> Path | None:
        """The store on the disk, if it is open and a notebook's."""

    def place_to_fill(self) -> tuple[Path, str, str] | None:
        """The directory of all stores, the notebook and the session, where the notebook has no history here."""

    def signing_environment(self) -> dict[str, str]:
        """The variables that say to another process whose signatures count here. StoreError: no such policy."""


class RemoteCourier:
    """The courier of one session. Safe from any thread.

    Args:
        remote: as in `c.KishuKernel.remote`; empty for none.
        stores: what is known of the notebook's store.
        notebook: returns its path, if the frontend has told it by now.
        recipients: as in `c.KishuKernel.remote_recipients`.
    """

    def __init__(
        self, remote: str, stores: CourierStores, notebook: Callable[[], str | None], recipients: Sequence[str] = ()
    ) -> None:
        self._remote = remote
        self._recipients = ",".join(each.strip() or "an empty text" for each in recipients)  # which is refused, told
        self._stores = stores
        self._notebook = notebook
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._connection: socket.socket | None = None
        self._lines = Lines()
        self._failures = 0
        self._running = self._new = False
        self._fetch: Json | None = None
        """What came of bringing the history; empty while it is on its way, None where nobody has asked."""
        self._heard_at = 0.0
        self._state: Json = {"doing": None, "error": None, "pushed": None}
        self._finished: Json = {}
        self._number = 0

    # -- at the beginning

    def begin(self) -> None:
        """Has the notebook's history brought, if it has none here. Cheap where there is nothing to do."""
        if not self._can_work() or self._fetch is not None:
            return
        wanted = self._stores.place_to_fill()
        if wanted is None:
            return
        base, notebook, session = wanted
        place = {"base": str(base), "notebook": notebook, "session": session, "url": self._url_of(notebook)}
        with self._lock:
            self._fetch = {} if self._say({"fetch": place}) else {"checkpoints": 0, "error": "it could not be started"}
            self._heard_at = time.monotonic()

    def await_history(self, resume: bool) -> str | None:
        """Waits for a history that is on its way, before the first cell.

        Returns:
            Why it could not be brought, in a sentence. None: it is here, or there is none, or it takes longer.
        """
        began = time.monotonic()
        while self._fetch is not None and not self._fetch:
            with self._lock:
                self._hear()
                waited = time.monotonic() - (max(self._heard_at, began) if resume else began)
            if waited > (RESUME_SECONDS if resume else FIRST_CELL_SECONDS):
                return None
            self._wait()
        error = (self._fetch or {}).get("error")
        return None if error is None else f"This notebook's history was not brought from its remote: {error}."

    @property
    def has_brought(self) -> bool:
        """Whether a history has come."""
        return bool((self._fetch or {}).get("checkpoints"))

    # -- while cells run, and between them

    def pause(self) -> None:
        """A cell begins."""
        if self._remote and not self._running:
            self._running = True
            if self._connection is not None:
                with self._lock:
                    self._say({"wait": True}, start=False)

    def note_written(self) -> None:
        """Something was written to the store."""
        self._new = bool(self._remote)
        if self._new and not self._running and self._connection is not None:
            self.keep()

    def keep(self) -> None:
        """In a pause: has what is new pushed after a while. Cheap where nothing is."""
        was_running, self._running = self._running, False
        if not (self._new or (was_running and self._connection is not None)):
            return
        message = self._errand()
        if message is not None:
            with self._lock:
                self._new = not self._say(message)
                self._hear()

    # -- asked

    def status(self) -> Json | None:
        """Where the history is pushed to, and how that stands. None where nothing is pushed by itself."""
        if not self._remote:
            return None
        with self._lock:
            self._hear()
        notebook = self._notebook()
        url = self._url_of(notebook) if notebook else self._remote
        return {"url": url, **self._state, **({"error": self._why_not()} if self._why_not() else {})}

    def push_within(self, seconds: float, last: bool = False) -> Json | None:
        """Has everything pushed that is in the store. None where nothing is pushed by itself.

        Args:
            seconds: how long it waits for that.
            last: the courier ends afterwards.

        Returns:
            `pushed`, `error`, and `missing`: the states that are not there.
        """
        if not self._remote:
            return None
        errand = self._errand()
        if errand is None:
            return {"pushed": False, "error": self._why_not() or "this session has no store yet", "missing": []}
        with self._lock:
            self._number += 1
            number = self._number
            ends = {"end": LAST_SECONDS} if last else {}  # in one message: who heard of the end alone would end
            told = self._say({**errand, "finish": number, **ends})
        deadline = time.monotonic() + seconds
        while told and self._finished.get("finished", 0) < number and time.monotonic() < deadline:
            self._wait(max(0.0, min(_LOOK, deadline - time.monotonic())))
            with self._lock:
                self._hear()
                told = self._connection is not None
        if self._finished.get("finished", 0) < number:  # a later push has all that an earlier one was to bring
            error = "it takes longer than it was given, and goes on" if told else "its process has ended"
            return {"pushed": False, "error": error, "missing": []}
        error = self._finished["error"]
        return {"pushed": error is None, "error": error, "missing": self._finished["missing"]}

    def end(self, seconds: float) -> None:
        """The session has ended, and its store is written: what is left is pushed, by a process that outlives it.

        Args:
            seconds: how long that is waited for.
        """
        if os.getpid() != self._owner:
            return
        if self._new or self._connection is not None:
            self.push_within(seconds, last=True)
        with self._lock:
            self._let_go()

    # -- the process

    def _can_work(self) -> bool:
        return bool(self._remote) and not self._why_not()

    def _why_not(self) -> str | None:
        if os.name != "posix" or not sys.executable:
            return "on this system nothing is pushed by itself: use `jupyter kishu push`"
        if self._stores.in_memory:
            return "this history is kept in memory only"
        if not self._notebook():
            return "it is not known which notebook this is, so that its history has no place there"
        if self._failures >= FAILURES_AT_MOST:
            return "the process that pushes has ended several times: use `jupyter kishu push`"
        return None

    def _errand(self) -> Json | None:
        store, notebook = self._stores.written_place, self._notebook()
        if not self._can_work() or store is None or not notebook:
            return None
        return {"go": str(store), "url": self._url_of(notebook)}

    def _url_of(self, notebook: str) -> str:
        from kishu_kernel.store.courier.places import place_of

        return place_of(self._remote, notebook)

    def _say(self, message: Json, start: bool = True) -> bool:
        try:
            if self._connection is None:
                if not start or self._failures >= FAILURES_AT_MOST:
                    return False
                self._start()
            assert self._connection is not None
            self._connection.sendall(line(message), socket.MSG_DONTWAIT)  # no cell waits for it
        except (OSError, subprocess.SubprocessError, StoreError):
            self._failures += 1
            self._let_go()
            return False
        return True

    def _start(self) -> None:
        path = [each for each in sys.path if each]
        recipients = {"KISHU_REMOTE_RECIPIENTS": self._recipients}
        environment = {**os.environ, **self._stores.signing_environment(), **recipients}
        ours = connected([sys.executable, "-I", "-c", _START_CODE.format(path=path)], started_in(), environment)
        ours.sendall(line({"owner": self._owner}))
        self._connection, self._lines = ours, Lines()

    def _hear(self) -> None:
        if self._connection is None:
            return
        messages, gone = self._lines.arrived(self._connection)
        if messages:
            self._heard_at = time.monotonic()
        for message in messages:
            self._note(message)
        if gone:
            self._failures += 1
            self._let_go()

    def _note(self, message: Json) -> None:
        if "state" in message:
            self._state.update(message["state"])
        if "fetched" in message:
            self._fetch = message["fetched"]
        if "finished" in message:
            self._finished = message

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if self._fetch is not None and not self._fetch:
            self._fetch = {"checkpoints": 0, "error": "the process that brings it has ended"}
        if connection is not None:
            connection.close()

    def _wait(self, seconds: float = _LOOK) -> None:
        connection = self._connection
        if connection is not None:
            with suppress(OSError, ValueError):  # it was closed meanwhile
                waiting = select.poll()  # there can be too many open files for `select`
                waiting.register(connection, select.POLLIN)
                waiting.poll(seconds * 1000)
