"""`%kishu panel`: the timeline as a widget in the notebook, for every frontend that shows widgets.

The widget is a line to the browser and nothing else: requests of the protocol come in, replies go out, and a word
whenever the history has grown. Law: nothing is changed from the thread on which a message arrives (`main_shell`);
looking is answered there, at once. The widget stands outside of the notebook's state: no variable holds it, none of
the user's hooks is called for its messages.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kishu_kernel.errors import RequestError
from kishu_kernel.frontend.protocol.operations import OPERATIONS
from kishu_kernel.frontend.protocol.requests import Requests
from kishu_kernel.frontend.shell.main_shell_queue import MainShellQueue
from kishu_kernel.process.interrupts import answering
from kishu_kernel.session.progress import Progress

if TYPE_CHECKING:
    import anywidget

_own: set[str] = set()
"""Ids of the comms of all panels."""
_shown: dict[int, tuple[anywidget.AnyWidget, Callable[[], None]]] = {}
"""The panel of each `Requests`, by its id, and what closes it: shown again, it is the same one."""


def is_own(comm_id: object) -> bool:
    """A message on this comm is one of a panel: it touches nothing of the user's."""
    return isinstance(comm_id, str) and comm_id in _own


def panel(requests: Requests, shell: Any) -> anywidget.AnyWidget:
    """The panel of a session, ready to be displayed. There is one, however often it is displayed.

    Raises:
        RequestError: this is no notebook, or anywidget is not installed.
    """
    shown, close = _shown.get(id(requests), (None, None))
    if shown is None or shown.comm is None:
        if close is not None:  # the user's code has closed the widget, and nobody told us
            close()
        shown, _ = _shown[id(requests)] = _made(requests, shell)
    return shown


def _made(requests: Requests, shell: Any) -> tuple[anywidget.AnyWidget, Callable[[], None]]:
    widget: anywidget.AnyWidget = _widget_class()()
    comms = [each.comm for each in (widget, widget.layout) if each.comm is not None]
    if not comms:
        raise RequestError("the panel needs a notebook: this frontend shows no widgets")
    line = Line(requests, MainShellQueue(getattr(shell, "kernel", None)), widget.send)
    _own.update(comm.comm_id for comm in comms)

    def close(*_: Any) -> None:
        line.close()
        _shown.pop(id(requests), None)
        with suppress(Exception):
            widget.close()
            widget.layout.close()
        _own.difference_update(comm.comm_id for comm in comms)

    for comm in comms:
        # ipykernel would answer on the shell that spoke last, which may be busy with a cell.
        comm._reply_subshell_for = None
    # As the base class does it, but for IPython's hooks: they are for code that runs.
    widget.comm.handle_msg = widget._handle_msg
    widget.comm.on_close(close)
    widget.on_msg(lambda _widget, content, _buffers: line.heard(content))
    return widget, close


class Line:
    """What is said between one panel and the session, whatever carries it.

    Args:
        send: says something to all views of the panel; from any thread.
    """

    def __init__(self, requests: Requests, main: MainShellQueue, send: Callable[[dict[str, Any]], None]) -> None:
        self._requests = requests
        self._main = main
        self._send = send
        self._unsubscribe = requests.host.subscribe(self._changed)

    def heard(self, content: Any) -> None:
        """Something came from the browser, on any thread: a request, with a mark that its reply will bear."""
        if not isinstance(content, dict) or content.get("kind") != "request":
            return
        mark, request = content.get("mark"), content.get("content")
        if _changes(request):
            self._main.post(lambda: self._perform(mark, request))
        else:
            self._reply(mark, self._requests.answer(request, may_change=False))

    def close(self) -> None:
        """Nobody listens any more."""
        self._unsubscribe()

    def _perform(self, mark: Any, request: Any) -> None:
        """Between cells, on the main thread."""
        with answering(), self._requests.host.progress.elsewhere(self._progress):
            self._reply(mark, self._requests.answer(request))

    def _reply(self, mark: Any, content: dict[str, Any]) -> None:
        self._send({"kind": "reply", "mark": mark, "content": content})

    def _progress(self, progress: Progress | None) -> None:
        self._send({"kind": "progress", "told": None if progress is None else asdict(progress)})

    def _changed(self, anew: bool) -> None:
        self._send({"kind": "changed", "told": anew})


def _changes(request: Any) -> bool:
    """It can only be answered between cells."""
    if not isinstance(request, dict) or not isinstance(name := request.get("operation"), str):
        return False
    operation = OPERATIONS.get(name)
    return operation is not None and (operation.changes or bool(request.get("values")))


@lru_cache(maxsize=1)
def _widget_class() -> Any:
    try:
        import anywidget
    except ImportError as error:
        raise RequestError(
            "the panel needs the package anywidget: `%pip install anywidget`, then restart the kernel"
        ) from error
    from importlib import resources

    static = resources.files("kishu_kernel.frontend") / "static"
    module, view, style = (
        (static / name).read_text(encoding="utf-8") for name in ("timeline.js", "widget.js", "timeline.css")
    )

    class KishuPanel(anywidget.AnyWidget):
        _esm = module + view
        _css = style

    return KishuPanel


__all__ = ["Line", "is_own", "panel"]
