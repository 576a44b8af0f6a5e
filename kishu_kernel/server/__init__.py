"""An extension of Jupyter Server: what its kernels keep, asked over HTTP, and a culler that loses nothing.

- `extension`: what the server loads, and what is done when it stops.
- `kernels`: the kernels of one server, and how they are asked.
- `elsewhere`: tells kernels of a gateway whose notebook they have.
- `handlers`: REST below `/kishu/`, for orchestrators.
- `culler`: kernels that nobody uses are hibernated, and then ended.

Law: it runs in the server's process, and does nothing unless it is asked or configured, or the server stops, or has its
kernels from a gateway. No kernel knows of it.
Neighbour: `kishu_kernel.client` asks a kernel. Nothing imports this room, and without jupyter_server nobody loads it.
"""

from __future__ import annotations

from typing import Any

__all__: list[str] = []


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from kishu_kernel.server.extension import KishuServer

    return [{"module": "kishu_kernel.server", "app": KishuServer}]
