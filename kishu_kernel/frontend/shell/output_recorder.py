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


_LEFT_OUT = "[more outputs were not kept by Kishu]\n"


class _Cell:
    """The outputs of one cell, as far as they fit. O(1) for each message but for its own size."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._clear()

    def _clear(self) -> None:
        self._outputs: list[Output] = []
        self._pieces: list[str] = []
        """The text of the last output, where it is a stream."""
        self._shown: dict[str, Output] = {}
        self._room = self._limit
        self._told = False
        self._clear_next = False

    def add(self, kind: str, content: Mapping[str, Any]) -> None:
        """A message came."""
        if kind == "clear_output":
            if content.get("wait"):
                self._clear_next = True
            else:
                self._clear()
            return
        if kind == "update_display_data":
            self._update(content)
            return
        if self._clear_next:
            self._clear()
        if kind == "stream":
            self._write(content["name"], content["text"])
            return
        output: Output = {"output_type": kind}
        output.update((name, content.get(name)) for name in _FIELDS[kind])
        if "metadata" in output:
            output["metadata"] = output["metadata"] or {}
        size = len(str(output))
        if size > self._room and kind != "error":  # why a cell failed is always kept
            self._leave_out()
            return
        self._room -= size
        self._append(output)
        display = (content.get("transient") or {}).get("display_id")
        if display is not None:
            self._shown[str(display)] = output

    def taken(self) -> list[Output]:
        """All of them."""
        self._join()
        return self._outputs

    def _write(self, name: str, text: str) -> None:
        if not self._room:
            self._leave_out()
            return
        last = self._outputs[-1] if self._outputs else {}
        if last.get("name") != name:
            self._append({"output_type": "stream", "name": name, "text": ""})
        self._pieces.append(text[: self._room])
        left_out = len(text) > self._room
        self._room = max(0, self._room - len(text))
        if left_out:
            self._leave_out()

    def _update(self, content: Mapping[str, Any]) -> None:
        """A display is shown anew where it stands."""
        output = self._shown.get(str((content.get("transient") or {}).get("display_id")))
        if output is None:
            return
        fresh = {"data": content.get("data"), "metadata": content.get("metadata") or {}}
        more = len(str(fresh)) - len(str({name: output[name] for name in fresh}))
        if more > self._room:
            self._leave_out()
        else:
            self._room -= more
            output.update(fresh)

    def _append(self, output: Output) -> None:
        self._join()
        self._outputs.append(output)

    def _join(self) -> None:
        if self._pieces:
            self._outputs[-1]["text"] = "".join([self._outputs[-1]["text"], *self._pieces])
            self._pieces = []

    def _leave_out(self) -> None:
        if not self._told:
            self._told = True
            self._append({"output_type": "stream", "name": "stderr", "text": _LEFT_OUT})


class OutputRecorder:
    """Listens on the way out of a Jupyter session; no other place sees streams, displays and errors alike.

    Args:
        limit: bytes of outputs kept for one cell; what exceeds it is left out, and said.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._cells: dict[str, _Cell] = {}

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
            self._cells[msg_id] = _Cell(self._limit)

    def take(self, msg_id: str) -> list[Output]:
        """The outputs since `begin`."""
        with self._lock:
            cell = self._cells.pop(msg_id, None)
            return [] if cell is None else cell.taken()

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
        cell = self._cells.get(header.get("msg_id"))
        if cell is not None and (kind in _FIELDS or kind in ("clear_output", "update_display_data")):
            with self._lock:
                cell.add(kind, content)
