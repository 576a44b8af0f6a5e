"""The outputs of a cell, collected from what its kernel publishes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kishu_kernel.client.connection import Json


class Outputs:
    """Collects the outputs of a cell as a frontend would show them.

    Attributes:
        all: outputs as nbformat has them.
    """

    def __init__(self) -> None:
        self.all: list[Json] = []
        self._shown: dict[str, list[Json]] = {}
        self._outdated = False

    def take(self, kind: str, content: Mapping[str, Any]) -> None:
        """Takes a message that the kernel published for the cell: its type and its content."""
        if kind == "clear_output":
            self._outdated = bool(content.get("wait"))
            if not self._outdated:
                self._clear()
        elif kind == "update_display_data":
            for output in self._shown.get(_display_id(content), ()):
                output.update(data=content["data"], metadata=content["metadata"])
        elif kind in ("stream", "display_data", "execute_result", "error"):
            if self._outdated:
                self._clear()
            self._add(kind, content)

    def _add(self, kind: str, content: Mapping[str, Any]) -> None:
        last = self.all[-1] if self.all else {}
        if kind == "stream" and last.get("name") == content["name"]:
            last["text"] += content["text"]
            return
        output = {"output_type": kind, **{key: value for key, value in content.items() if key != "transient"}}
        self.all.append(output)
        if kind in ("display_data", "execute_result") and _display_id(content):
            self._shown.setdefault(_display_id(content), []).append(output)

    def _clear(self) -> None:
        self.all.clear()
        self._outdated = False


def _display_id(content: Mapping[str, Any]) -> str:
    return str((content.get("transient") or {}).get("display_id") or "")
