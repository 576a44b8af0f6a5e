"""Serves the tools over stdio, by the official SDK of the Model Context Protocol: `jupyter kishu mcp`.

Law: the only module that needs the SDK, which the extra `mcp` installs; it is imported when a server is made.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kishu_kernel import __version__
from kishu_kernel.errors import KishuError, RequestError
from kishu_kernel.frontend.mcp import TOOLS
from kishu_kernel.frontend.mcp.kernels import KERNELS

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

INSTRUCTIONS = """\
Works in the Jupyter kernels of notebooks that keep a history: after every cell all variables are stored as a state.
Any cell can be taken back (kishu_undo), any state gone to (kishu_checkout, which shows its plan first), single
variables brought back (kishu_take), and several ways tried from one state at the same time (kishu_fork). Going to a
state changes variables only: never files, other systems or the notebook's document. Begin with kishu_status. After a
cell that went wrong, undo it instead of repairing its effects."""


def serve(kernel: str | None = None) -> None:
    """Serves until stdin ends.

    Args:
        kernel: the kernel that is meant where a tool names none.

    Raises:
        RequestError: the SDK is not installed.
    """
    KERNELS.default = kernel
    made().run("stdio")


def made() -> MCPServer[Any]:
    """Returns the server, with all tools. Raises as `serve`."""
    try:
        from mcp.server.mcpserver import MCPServer
    except ImportError as error:
        raise RequestError(
            "this needs version 2 of the official MCP SDK, and it is not installed here: "
            "pip install 'kishu-kernel[mcp]'"
        ) from error
    server: MCPServer[Any] = MCPServer(
        "kishu", title="Kishu", version=__version__, instructions=INSTRUCTIONS, log_level="WARNING"
    )
    for each in TOOLS:
        module, _, name = each.partition(":")
        _add(server, getattr(import_module(module), name), only_looks=module.endswith("looking"))
    return server


def _add(server: MCPServer[Any], tool: Callable[..., Any], only_looks: bool) -> None:
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp_types import ToolAnnotations

    @functools.wraps(tool)
    def called(**arguments: Any) -> Any:
        try:
            return tool(**arguments)
        except KishuError as error:  # the text of others is kept from the model
            raise ToolError(str(error)) from error

    hints = ToolAnnotations(read_only_hint=only_looks)
    server.add_tool(called, description=inspect.getdoc(tool), annotations=hints)
