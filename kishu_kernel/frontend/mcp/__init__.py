"""Tools for language models: what a notebook's history can do, by the Model Context Protocol.

`TOOLS` is what `jupyter-server-mcp` finds by the entry point `jupyter_server_mcp.tools`; `server` serves the same over
stdio, as `jupyter kishu mcp`.
Law: a tool is a plain function that a model calls: its docstring is all that the model knows of it, and its answer is
small. It runs no cell with side effects again, and loses nothing, unless it is told that it may. Only `server`,
and a picture, need the SDK.
Neighbours: `looking` and `changing` have the tools, `kernels` knows which kernel is meant, `answers` makes replies
short.
"""

_LOOKING = ("status", "log", "show", "picture", "diff", "variables")
_CHANGING = (
    "run",
    "undo",
    "redo",
    "checkout",
    "resume",
    "take",
    "tag",
    "fork",
    "end_fork",
    "explore",
    "promote",
    "interrupt",
)

TOOLS = [
    *(f"kishu_kernel.frontend.mcp.looking:kishu_{name}" for name in _LOOKING),
    *(f"kishu_kernel.frontend.mcp.changing:kishu_{name}" for name in _CHANGING),
]
"""Each as `module:function`."""

__all__ = ["TOOLS"]
