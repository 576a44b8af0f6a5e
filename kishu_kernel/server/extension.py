"""What Jupyter Server loads: it adds our handlers and the culler, and hears when the server stops.

Law: a server that stops, whoever asks (a hub, a signal, an idle culler), waits until its kernels are durable, for a
bounded time: with it may end a container, and then nothing outlives it that could write on.
Neighbours: `kernels` asks them, `culler` ends idle ones, `elsewhere` tells those of a gateway whose notebook they have.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Float

from kishu_kernel.server.culler import KishuCuller
from kishu_kernel.server.elsewhere import tell_notebooks
from kishu_kernel.server.handlers import add_handlers
from kishu_kernel.server.kernels import ServerKernels


class KishuServer(ExtensionApp):
    """The extension; its options stand in the server's configuration."""

    name = "kishu"
    stop_timeout = Float(
        30.0,
        min=0.0,
        help="Seconds that kernels with Kishu have to write when the server stops. Whoever stops it has to wait "
        "so long, and some seconds more.",
    ).tag(config=True)
    _settled: asyncio.Task[None] | None = None

    def initialize_handlers(self) -> None:
        """Adds what the server is to have of us."""
        server: Any = self.serverapp
        self._kernels = ServerKernels(server.kernel_manager)
        add_handlers(server.web_app, self._kernels)
        culler = KishuCuller(self._kernels, parent=server)
        server.io_loop.add_callback(culler.start)
        _stop_on_interrupt(server)
        if server.gateway_config.gateway_enabled:
            tell_notebooks(server.session_manager)

    async def stop_extension(self) -> None:
        """Called before the server shuts its kernels down; again, where it is told twice to stop."""
        self._settled = self._settled or asyncio.ensure_future(self._settle())
        await self._settled

    async def _settle(self) -> None:
        try:
            missing = await self._kernels.settle(self.stop_timeout)
        except Exception:  # a server to which this is raised shuts no kernel down, and never stops
            self.log.exception("Kishu: the server stops, and has not waited for its kernels")
            return
        for called, why in missing.items():
            self.log.warning("Kishu: the server stops, and of %s not everything is stored: %s", called, why)


def _stop_on_interrupt(server: Any) -> None:
    """A server without a terminal ends at once by SIGINT, which hubs send first, and leaves its kernels alone."""
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):
        signal.signal(signal.SIGINT, lambda *_: server.stop(from_signal=True))
