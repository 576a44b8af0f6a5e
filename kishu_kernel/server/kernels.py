"""The kernels of one server, and how they are asked.

Law: the server's event loop waits for no kernel: each question is asked on a thread, of which there are a few. Kernels
without Kishu are sent nothing on our own account.
Neighbour: `kishu_kernel.client` sends the questions; `store.catalog.running_kernels` knows which kernels are ours.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import partial
from typing import Any, TypeVar

from jupyter_core.utils import ensure_async

from kishu_kernel.client import Client, connect
from kishu_kernel.client.connection import Json
from kishu_kernel.errors import KernelError, NoKernelError
from kishu_kernel.store.catalog import running_kernels
from kishu_kernel.store.catalog.running_kernels import LiveKernel

Result = TypeVar("Result")

MOST_AT_ONCE = 16
"""Questions that are asked at the same time; others wait."""

ANSWERING = 2.0
"""Seconds that an answer may take beyond what it was given."""

QUESTION = "kishu_request"
"""The type of our messages."""


class ServerKernels:
    """The kernels of one server.

    Args:
        manager: the server's, which starts and ends them.
    """

    def __init__(self, manager: Any) -> None:
        self.manager = manager
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, "kishu-server")

    def leave_out_questions(self) -> None:
        """What only looks is no use of a kernel any more, else none that is looked at would ever be idle.

        Not for the server's own culler: it would end a kernel on its way to another state, which `hibernate` tells us.
        """
        untracked = getattr(self.manager, "untracked_message_types", None)
        if untracked is not None and QUESTION not in untracked:
            self.manager.untracked_message_types = [*untracked, QUESTION]

    async def on_thread(self, work: Callable[[], Result]) -> Result:
        """Does something that takes a while, and returns its result."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def change(self, kernel_id: str, question: Callable[[Client], Json], timeout: float) -> Json:
        """As `ask`, of what changes the session: that is use of the kernel.

        Args:
            timeout: seconds to wait for its turn between cells, and for the reply.
        """
        try:
            return await self.ask(kernel_id, question, timeout)
        finally:
            if kernel_id in self.manager:
                self.manager.get_kernel(kernel_id).last_activity = datetime.now(timezone.utc)

    async def ask(self, kernel_id: str, question: Callable[[Client], Json], timeout: float | None = None) -> Json:
        """Returns what a kernel answers.

        Args:
            timeout: as of `change`.

        Raises:
            KishuError: as of `client.connect`, and as the question does.
        """
        manager = self._manager_of(kernel_id)
        return await self.on_thread(partial(_asked, manager, kernel_id, question, timeout))

    async def hibernate(self, kernel_id: str, timeout: float, end: bool = False) -> Json:
        """Makes a kernel's session durable, and returns its reply, with `ended`.

        Args:
            timeout: seconds that writing may take.
            end: ends the kernel, if everything is written.

        Raises:
            KishuError: as `ask`.
        """
        reply = await self.ask(kernel_id, lambda client: client.hibernate(timeout))
        ended = end and reply["durable"] and not self.is_busy(kernel_id)  # somebody may have run a cell meanwhile
        if ended:
            await ensure_async(self.manager.shutdown_kernel(kernel_id))
        return {**reply, "ended": ended}

    async def settle(self, timeout: float) -> dict[str, str]:
        """Makes the sessions of all kernels of ours durable, at once: they are to be shut down.

        Args:
            timeout: seconds that it may take.

        Returns:
            What is not, by the notebook's path or the kernel's id: the reason.
        """

        async def reason(kernel_id: str) -> str | None:
            try:
                return why((await self.hibernate(kernel_id, timeout))["missing"])
            except Exception as error:  # of the server's own, too: the other kernels are waited for
                return str(error) or type(error).__name__

        ours = await self.ours()
        asked = {id: asyncio.ensure_future(reason(id)) for id in ours}
        if asked:
            await asyncio.wait(asked.values(), timeout=timeout + ANSWERING)
        told = {id: each.result() if each.done() else "it does not answer" for id, each in asked.items()}
        return {ours[id].notebook or id: text for id, text in told.items() if text}

    async def ours(self) -> dict[str, LiveKernel]:
        """Returns what is known of those kernels that keep a history, by their ids here."""
        files = {id: str(self.manager.get_kernel(id).connection_file) for id in self.manager.list_kernel_ids()}
        live = await self.on_thread(running_kernels.live_kernels)
        known = {os.path.realpath(each.connection_file): each for each in live}
        found = {id: known.get(os.path.realpath(file)) for id, file in files.items()}
        return {id: kernel for id, kernel in found.items() if kernel is not None}

    async def model(self, kernel_id: str) -> Json:
        """Returns what the server says of a kernel, as of `/api/kernels`. Raises `NoKernelError`."""
        self._manager_of(kernel_id)
        model: Json = await ensure_async(self.manager.kernel_model(kernel_id))
        return {**model, "last_activity": str(model["last_activity"])}

    def is_busy(self, kernel_id: str) -> bool:
        """Whether a cell runs, as far as the server has heard. True for a kernel that is gone."""
        if kernel_id not in self.manager:
            return True
        return getattr(self.manager.get_kernel(kernel_id), "execution_state", None) == "busy"

    def _manager_of(self, kernel_id: str) -> Any:
        """Returns the manager of one kernel. Raises `KernelError`."""
        if kernel_id not in self.manager:
            raise NoKernelError(f"this server has no kernel {kernel_id}")
        manager = self.manager.get_kernel(kernel_id)
        if not manager.get_connection_info(session=False).get("control_port"):
            raise KernelError(
                f"kernel {kernel_id} has no address here: it starts, or another server runs it, by a gateway, and is "
                "to be asked"
            )
        return manager


def why(missing: Iterable[Json]) -> str:
    """Says, as a clause, why a session is not durable; empty if it is."""
    return "; ".join(dict.fromkeys(each["reason"] for each in missing))


def _asked(manager: Any, kernel_id: str, question: Callable[[Client], Json], timeout: float | None) -> Json:
    with connect(manager, timeout=timeout, called=f"id {kernel_id}") as client:
        return question(client)
