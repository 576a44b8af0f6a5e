"""Which kernel a tool means, the connection to it, and what is told of one that was replaced.

Law: each call has a connection of its own, so that tools may be called at the same time. Of errors a model is told all
that it needs to go on: the name, the sentence, what to do instead, and the plan.
Neighbour: `kishu_kernel.client` connects, and starts forks.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from threading import Lock

from kishu_kernel.client import Client, Fork, connect
from kishu_kernel.client.connection import Json
from kishu_kernel.errors import KishuError, NoKernelError, NotAcceptedError, RequestError
from kishu_kernel.frontend.mcp.answers import plan_answer
from kishu_kernel.frontend.pages.confirmation import with_options
from kishu_kernel.store.catalog import running_kernels
from kishu_kernel.store.catalog.running_kernels import LiveKernel

PATIENCE = 120.0
"""Seconds that a tool waits for a running cell."""

_OPTIONS = (
    ("Ask with allow_lost to", "Call again with allow_lost=true to"),
    ('Ask with replay "auto" to', "Call again with allow_side_effects=true to"),
    ('with replay "harmless" and allow_lost to', "with allow_lost=true to"),
    ("`%kishu log --all`", "kishu_log with everywhere=true"),
)
"""What sentences of error replies say of the request, and the parameters of tools that stand for it."""
_PLAN_IS_BELOW = "Nothing has changed; this is what would be done:"
_MOST_KERNELS = 20


class Kernels:
    """The kernels that the tools of this process are about.

    Attributes:
        default: the kernel that is meant where none is named; None: the only one that runs.
    """

    def __init__(self) -> None:
        self.default: str | None = None
        self._sessions: dict[str, str] = {}
        self._forks: dict[str, Fork] = {}
        self._lock = Lock()

    def answer(self, kernel: str | None, ask: Callable[[Client], Json]) -> Json:
        """Connects to a kernel, and returns what is asked of it.

        Args:
            kernel: the path of its notebook, or its connection file; None: the default.

        Raises:
            KishuError: its text is all that a model is to be told.
        """
        try:
            where = kernel or self.default or self._only()
            with connect(where, timeout=PATIENCE) as client:
                notice = self._replaced(client.connection_file)
                answer = {**({"notice": notice} if notice else {}), **ask(client)}
                if os.path.basename(client.connection_file or "").startswith(running_kernels.FORK):
                    client.hibernate()  # what it did can be seen by the others then
                return answer
        except KishuError as error:
            raise KishuError(told(error)) from error

    def running(self) -> list[LiveKernel]:
        """Returns the kernels that run, without forks."""
        return [each for each in running_kernels.live_kernels() if not each.is_fork]

    def keep(self, forks: list[Fork]) -> None:
        """Keeps forks until they are ended by `end`, or with this process."""
        self._forks |= {short_name(fork.connection_file): fork for fork in forks}

    def end(self, kernel: str) -> str:
        """Ends a fork, and returns its branch.

        Raises:
            KishuError: as of `answer`.
        """
        fork = self._forks.pop(short_name(kernel), None)
        if fork is None:
            there = f"there are {', '.join(self._forks)}" if self._forks else "there are none"
            raise KishuError(told(RequestError(f"{kernel} is no fork that was made here: {there}")))
        fork.end()
        return fork.own_branch

    def _only(self) -> str:
        running = self.running()
        if not running:
            raise NoKernelError("no kernel with Kishu is running")
        if len(running) > 1:
            names = ", ".join(name_of(each) for each in running[:_MOST_KERNELS])
            raise RequestError(f"{len(running)} kernels are running: name one of them in `kernel`: {names}")
        return running[0].connection_file

    def _replaced(self, file: str | None) -> str | None:
        """Returns a sentence where the kernel of a notebook is another one than at the last call, which has ended."""
        live = running_kernels.live_kernels()
        kernel = next((each for each in live if each.connection_file == file), None)
        if kernel is None:
            return None
        with self._lock:
            before = self._sessions.get(name_of(kernel))
            self._sessions[name_of(kernel)] = kernel.session
        if before is None or before in {each.session for each in live}:
            return None
        return (
            f"The kernel of {name_of(kernel)} was restarted since your last call, and begins without variables: "
            "kishu_resume brings back those of the last session."
        )


def told(error: KishuError) -> str:
    """Returns all that a model is to be told of an error."""
    sentence = with_options(str(error), _OPTIONS)
    if not isinstance(error, NotAcceptedError) or not error.plan:
        return f"{type(error).__name__}: {sentence}. {error.hint}"
    return f"{type(error).__name__}: {sentence}. {_PLAN_IS_BELOW} {json.dumps(plan_answer(error.plan))}"


def name_of(kernel: LiveKernel) -> str:
    """Returns what a model calls a kernel: the path of its notebook, or its connection file."""
    return kernel.notebook or short_name(kernel.connection_file)


def short_name(file: str | None) -> str:
    """Returns the name of a connection file; without the directory where it is in Jupyter's."""
    directory, name = os.path.split(file or "")
    return name if directory in ("", str(running_kernels.runtime_directory())) else str(file)


KERNELS = Kernels()
"""Those of all tools of this process."""
