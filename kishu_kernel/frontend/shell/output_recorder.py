"""Records what a cell displays, as nbformat v4 outputs, while it goes to the frontend unchanged."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any

from kishu_kernel.objects.classes import module_name

Output = dict[str, Any]

_FIELDS = {
    "stream": ("name", "text"),
    "display_data": ("data", "metadata"),
    "execute_result": ("data", "metadata", "execution_count"),
    "error": ("ename", "evalue", "traceback"),
}


_OMITTED = "[more outputs were not kept by Kishu]\n"


class _CellOutputs:
    """The outputs of one cell, up to a limit. Each message costs O(its own size)."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._clear()

    def _clear(self) -> None:
        self._outputs: list[Output] = []
        self._pieces: list[str] = []
        """The text of the last output, where it is a stream."""
        self._by_display_id: dict[str, Output] = {}
        self._room = self._limit
        self._noted = False
        self._clear_next = False

    def add(self, kind: str, content: Mapping[str, Any]) -> None:
        """Takes a message of the cell: its type and its content."""
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
            self._note_omitted()
            return
        self._room -= size
        self._append(output)
        display = (content.get("transient") or {}).get("display_id")
        if display is not None:
            self._by_display_id[str(display)] = output

    def taken(self) -> list[Output]:
        """Returns all of them."""
        self._join()
        return self._outputs

    def _write(self, name: str, text: str) -> None:
        if not self._room:
            self._note_omitted()
            return
        last = self._outputs[-1] if self._outputs else {}
        if last.get("name") != name:
            self._append({"output_type": "stream", "name": name, "text": ""})
        self._pieces.append(text[: self._room])
        too_long = len(text) > self._room
        self._room = max(0, self._room - len(text))
        if too_long:
            self._note_omitted()

    def _update(self, content: Mapping[str, Any]) -> None:
        """Updates a display that was shown before."""
        output = self._by_display_id.get(str((content.get("transient") or {}).get("display_id")))
        if output is None:
            return
        fresh = {"data": content.get("data"), "metadata": content.get("metadata") or {}}
        more = len(str(fresh)) - len(str({name: output[name] for name in fresh}))
        if more > self._room:
            self._note_omitted()
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

    def _note_omitted(self) -> None:
        if not self._noted:
            self._noted = True
            self._append({"output_type": "stream", "name": "stderr", "text": _OMITTED})


class OutputRecorder:
    """Records the messages that a Jupyter session sends: only there streams, displays and errors all pass.

    Args:
        limit: bytes of outputs kept for one cell; a note says that more was left out.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._cells: dict[str, _CellOutputs] = {}

    def listen(self, session: Any) -> Callable[[], None]:
        """Listens to everything that this `jupyter_client.Session` sends from now on. Returns what ends that."""
        plain = session.send
        wrapped = session.send = self._wrapped(plain)

        def stop() -> None:
            if session.send is wrapped:  # else somebody has wrapped it again, and calls us: without cells we do nothing
                session.send = plain

        return stop

    def begin(self, msg_id: str) -> None:
        """Begins to record a cell: messages whose parent has this id are its outputs."""
        with self._lock:
            self._cells[msg_id] = _CellOutputs(self._limit)

    def take(self, msg_id: str) -> list[Output]:
        """Returns the outputs since `begin`, and ends the recording."""
        with self._lock:
            cell = self._cells.pop(msg_id, None)
            return [] if cell is None else cell.taken()

    def _wrapped(self, send: Callable[..., Any]) -> Callable[..., Any]:
        def send_and_note(stream: Any, message: Any, *args: Any, **kwargs: Any) -> Any:
            if self._cells:
                with contextlib.suppress(Exception):  # the message must go out, whatever it is
                    self._note(message, args, kwargs)
            return send(stream, message, *args, **kwargs)

        return send_and_note

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


def flush_own(*streams: Any) -> None:
    """Flushes the kernel's own streams. One that the user has put there is not touched: it may do anything."""
    for stream in streams:
        if module_name(type(stream)).startswith("ipykernel.") and _holds_text(stream):
            stream.flush()


def _holds_text(stream: Any) -> bool:
    """Whether what was written to a stream of ipykernel's may not have been sent yet. To flush it takes two threads."""
    buffers = getattr(stream, "_buffers", None)
    return True if buffers is None else bool(buffers)
