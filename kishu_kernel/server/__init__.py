"""An extension of Jupyter Server: what its kernels keep, asked over HTTP, and a culler that loses nothing.

- `kernels`: the kernels of one server, and how they are asked.
- `handlers`: REST below `/kishu/`, for orchestrators.
- `culler`: kernels that nobody uses are hibernated, and then ended.

Law: it runs in the server's process, and does nothing unless it is asked or configured. No kernel knows of it.
Neighbour: `kishu_kernel.client` asks a kernel. Nothing imports this room, and without jupyter_server nobody loads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

__all__: list[str] = []


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "kishu_kernel.server"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    from kishu_kernel.server.culler import KishuCuller
    from kishu_kernel.server.handlers import add_handlers
    from kishu_kernel.server.kernels import ServerKernels

    kernels = ServerKernels(server.kernel_manager)
    add_handlers(server.web_app, kernels)
    culler = KishuCuller(kernels, parent=server)
    server.io_loop.add_callback(culler.start)
