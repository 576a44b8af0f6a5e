"""Keeps what a cell displayed, as nbformat v4 outputs, while it goes to the frontend unchanged."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any

Output = dict[str, Any]

_FIELDS = {
    "stream": ("name", "text"),
    "display_data": ("data", "metadata"),
    "execute_result": ("data", "metadata", "execution_count"),
    "error": ("ename", "evalue", "traceback"),
}


class OutputRecorder:
    """Listens on the way out of a Jupyter session; no other place sees streams, displays and errors alike.

    Args:
        limit: bytes of outputs kept for one cell; what exceeds it is left out, and said.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._cells: dict[str, list[Output]] = {}
        self._clear_next: set[str] = set()

    def listen(self, session: Any) -> Callable[[], None]:
        """Hears everything that this `jupyter_client.Session` sends from now on. Returns what ends that."""
        plain = session.send
        heard = session.send = self._heard(plain)

        def stop() -> None:
            if session.send is heard:  # else somebody else listens by now, before us: we hear, and note nothing
                session.send = plain

        return stop

    def begin(self, msg_id: str) -> None:
        """A cell starts whose messages have this parent."""
        with self._lock:
            self._cells[msg_id] = []

    def take(self, msg_id: str) -> list[Output]:
        """The outputs since `begin`."""
        with self._lock:
            self._clear_next.discard(msg_id)
            return self._limited(self._cells.pop(msg_id, []))

    def _heard(self, send: Callable[..., Any]) -> Callable[..., Any]:
        def sending(stream: Any, message: Any, *args: Any, **kwargs: Any) -> Any:
            if self._cells:
                with contextlib.suppress(Exception):  # the message must go out, whatever it is
                    self._note(message, args, kwargs)
            return send(stream, message, *args, **kwargs)

        return sending

    def _note(self, message: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if isinstance(message, str):
            kind = message
            content = (args[0] if args else kwargs.get("content")) or {}
            parent = args[1] if len(args) > 1 else kwargs.get("parent")
            header = (parent or {}).get("header", parent or {})
        else:
            kind = message["header"]["msg_type"]
            content, header = message["content"], message["parent_header"]
        cell = header.get("msg_id")
        if cell not in self._cells or not (kind in _FIELDS or kind == "clear_output"):
            return
        with self._lock:
            self._add(cell, kind, content)

    def _add(self, cell: str, kind: str, content: Mapping[str, Any]) -> None:
        outputs = self._cells[cell]
        if kind == "clear_output":
            if content.get("wait"):
                self._clear_next.add(cell)
            else:
                outputs.clear()
            return
        if cell in self._clear_next:
            self._clear_next.discard(cell)
            outputs.clear()
        if kind == "stream" and outputs and outputs[-1].get("name") == content["name"]:
            outputs[-1]["text"] += content["text"]
            return
        output: Output = {"output_type": kind}
        output.update((name, content.get(name)) for name in _FIELDS[kind])
        if "metadata" in output:
            output["metadata"] = output["metadata"] or {}
        outputs.append(output)

    def _limited(self, outputs: list[Output]) -> list[Output]:
        room = self._limit
        kept = []
        for output in outputs:
            room -= len(str(output))
            if room < 0:
                text = "[more outputs were not kept by Kishu]\n"
                kept.append({"output_type": "stream", "name": "stderr", "text": text})
                break
            kept.append(output)
        return kept
