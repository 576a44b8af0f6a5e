"""Ends kernels that nobody uses, when all that they did is on the disk.

Law: a kernel that is not durable is not ended, and the server's log says why. Off unless configured; kernels without
Kishu are left to the server's own culler.
Neighbour: `kernels` hibernates and ends one.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from typing import Any

from tornado.ioloop import PeriodicCallback
from traitlets import Bool, Float, Int
from traitlets.config import LoggingConfigurable

from kishu_kernel.errors import KishuError
from kishu_kernel.server.kernels import ServerKernels, why
from kishu_kernel.store.catalog.running_kernels import LiveKernel


class KishuCuller(LoggingConfigurable):
    """Its options; they stand in the server's configuration."""

    idle_timeout = Int(
        0,
        min=0,
        help="Seconds after which a kernel with Kishu that nobody uses is hibernated and ended. 0: never. The server's "
        "own cull_idle_timeout ends it, too, within the seconds that KernelManager.shutdown_wait_time gives it.",
    ).tag(config=True)
    interval = Int(60, min=1, help="Seconds between two looks at the kernels.").tag(config=True)
    connected = Bool(False, help="Also kernels of notebooks that are open in a page.").tag(config=True)
    hibernate_timeout = Float(
        60.0, min=0.0, help="Seconds that writing may take. A kernel that needs more is not ended this time."
    ).tag(config=True)

    def __init__(self, kernels: ServerKernels, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kernels = kernels
        self._told: dict[str, str] = {}
        """Kernels that were not ended, and what the log says of each."""
        self._periodic: PeriodicCallback | None = None

    def start(self) -> None:
        """Begins to look, if it is configured to. To be called on the server's event loop."""
        if self.idle_timeout:
            self._kernels.leave_out_questions()
            self._periodic = PeriodicCallback(self.sweep, self.interval * 1000)
            self._periodic.start()
            self.log.info("Kishu: kernels that are idle for %s s are hibernated, and ended", self.idle_timeout)

    async def sweep(self) -> None:
        """Ends those kernels of ours that are idle for long enough."""
        ours = await self._kernels.ours()
        self._told = {id: sentence for id, sentence in self._told.items() if id in ours}
        idle = [id for id in ours if await self._is_idle(id)]
        await asyncio.gather(*(self._end(id, ours[id]) for id in idle))

    async def _is_idle(self, kernel_id: str) -> bool:
        try:
            model = await self._kernels.model(kernel_id)
        except KishuError:
            return False
        # one that did not begin before the server listened is "starting" until it is used by a page
        if model["execution_state"] == "busy" or (model["connections"] and not self.connected):
            return False
        last = datetime.fromisoformat(model["last_activity"].replace("Z", "+00:00"))  # Python 3.10 knows no Z
        return datetime.now(timezone.utc) - last > timedelta(seconds=self.idle_timeout)

    async def _end(self, kernel_id: str, kernel: LiveKernel) -> None:
        called = kernel.notebook or kernel_id
        try:
            reply = await self._kernels.hibernate(kernel_id, self.hibernate_timeout, end=True)
        except KishuError as error:
            self._tell(kernel_id, f"the idle kernel of {called} is not ended: {error}")
        except Exception:  # of the server's own: the other kernels are ended all the same
            self.log.exception("Kishu: the idle kernel of %s could not be ended", called)
        else:
            if reply["ended"]:
                self.log.info("Kishu: the idle kernel of %s was hibernated, and ended", called)
            else:
                self._tell(
                    kernel_id,
                    f"the idle kernel of {called} is not ended: {why(reply['missing']) or 'it is used again'}",
                )

    def _tell(self, kernel_id: str, sentence: str) -> None:
        """Says something of a kernel in the log, once."""
        if self._told.get(kernel_id) != sentence:
            self._told[kernel_id] = sentence
            self.log.warning("Kishu: %s", sentence)
