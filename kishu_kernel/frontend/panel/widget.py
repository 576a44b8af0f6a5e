"""`%kishu panel`: the timeline as a widget in the notebook, for every frontend that shows widgets.

The widget only carries messages: requests of the protocol come in; replies go out, and a notice whenever the history
has changed, with what a cell added, and the state after it where a view shows that. Nothing is sent while no view of it
is on a screen.
Law: nothing is changed on the thread on which a message arrives: requests that change something are queued
(`main_shell_queue`), others are answered at once. The widget is no part of the notebook's state: no variable holds it,
and none of the user's hooks is called for its messages.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kishu_kernel.errors import RequestError
from kishu_kernel.frontend.panel.javascript import join
from kishu_kernel.frontend.panel.main_shell_queue import MainShellQueue
from kishu_kernel.frontend.protocol.operations import OPERATIONS
from kishu_kernel.frontend.protocol.request_handler import RequestHandler
from kishu_kernel.process.interrupts import until_replied
from kishu_kernel.process.tracing import untraced
from kishu_kernel.session.progress import Progress

if TYPE_CHECKING:
    import anywidget

_NEWS = 20
"""States that a notice tells of, at most; where there are more, the views ask."""

_comm_ids: set[str] = set()
"""Ids of the comms of all panels."""
_shown: dict[int, tuple[anywidget.AnyWidget, Callable[[], None]]] = {}
"""The panel of each `RequestHandler`, by its id, and what closes it: displayed again, it is the same one."""


def is_own(comm_id: object) -> bool:
    """Whether a comm is one of a panel: its messages touch nothing of the user's."""
    return isinstance(comm_id, str) and comm_id in _comm_ids


def panel(requests: RequestHandler, shell: Any) -> anywidget.AnyWidget:
    """Returns the panel of a session, ready to be displayed. There is one, however often it is displayed.

    Raises:
        RequestError: this is no notebook, or anywidget is not installed.
    """
    shown, close = _shown.get(id(requests), (None, None))
    if shown is None or shown.comm is None:
        if close is not None:  # the user's code has closed the widget, without a message to us
            close()
        shown, _ = _shown[id(requests)] = _new_panel(requests, shell)
    return shown


def _new_panel(requests: RequestHandler, shell: Any) -> tuple[anywidget.AnyWidget, Callable[[], None]]:
    widget: anywidget.AnyWidget = _widget_class()()
    comms = [each.comm for each in (widget, widget.layout) if each.comm is not None]
    if not comms:
        raise RequestError("the panel needs a notebook: this frontend shows no widgets")
    connection = PanelConnection(requests, MainShellQueue(getattr(shell, "kernel", None)), widget.send)
    _comm_ids.update(comm.comm_id for comm in comms)

    def close(*_: Any) -> None:
        connection.close()
        _shown.pop(id(requests), None)
        with suppress(Exception):
            widget.close()
            widget.layout.close()
        _comm_ids.difference_update(comm.comm_id for comm in comms)

    for comm in comms:
        # ipykernel would answer on the shell that spoke last, which may be busy with a cell.
        comm._reply_subshell_for = None
    # As the base class does it, but for IPython's hooks: they are for code that runs.
    widget.comm.handle_msg = widget._handle_msg
    widget.comm.on_close(close)
    widget.on_msg(lambda _widget, content, _buffers: connection.receive(content))
    return widget, close


class PanelConnection:
    """Connects one panel with a session, whatever carries the messages.

    Args:
        requests: answers requests.
        main: does what changes something.
        send: sends a message to all views of the panel; may be called on any thread.
    """

    def __init__(self, requests: RequestHandler, main: MainShellQueue, send: Callable[[dict[str, Any]], None]) -> None:
        self._requests = requests
        self._main = main
        self._send = send
        self._views: dict[str, bool] = {}
        """Whether each view is on a screen, as far as it has said so."""
        self._following: set[str] = set()
        """Views that show the variables of HEAD, wherever it goes."""
        self._unsubscribe = requests.host.subscribe(self._changed)

    @untraced()
    def receive(self, content: Any) -> None:
        """Takes a message from the browser: a request, with a mark that its reply repeats. Called on any thread."""
        if not isinstance(content, dict):
            return
        if content.get("kind") == "seen" and isinstance(view := content.get("view"), str):
            self._views[view] = content.get("told") is True
            (self._following.add if content.get("follows") is True else self._following.discard)(view)
        if content.get("kind") != "request":
            return
        mark, request = content.get("mark"), content.get("content")
        if _waits_for_its_turn(request):
            self._main.post(lambda: self._perform(mark, request))
        else:
            self._reply(mark, self._requests.answer(request, may_change=False))

    def close(self) -> None:
        """Ends the subscription to changes of the history."""
        self._unsubscribe()

    @untraced()
    def _perform(self, mark: Any, request: Any) -> None:
        """Answers a request between cells, on the main thread."""
        with until_replied(), self._requests.host.progress.elsewhere(self._progress):
            self._reply(mark, self._requests.answer(request))

    def _reply(self, mark: Any, content: dict[str, Any]) -> None:
        self._send({"kind": "reply", "mark": mark, "content": content})

    def _progress(self, progress: Progress | None) -> None:
        self._send({"kind": "progress", "told": None if progress is None else asdict(progress)})

    def _changed(self, older_too: bool) -> None:
        if self._views and not any(list(self._views.values())):
            return
        self._send({"kind": "changed", "told": older_too, "log": None if older_too else self._news()})

    def _news(self) -> dict[str, Any] | None:
        """The log since the state before HEAD, so that nobody has to ask; None where that is not what changed.

        With `state`, the reply to `show`, where a view shows that.
        """
        timeline = self._requests.host.session.timeline
        head = timeline.head
        since = timeline.lookup(head).parent if head is not None and head == timeline.latest else None
        if since is None:
            return None
        request = {"operation": "log", "all": True, "limit": _NEWS, "since": "HEAD~1"}
        reply = self._requests.answer(request, may_change=False)
        if reply["status"] != "ok":
            return None
        news = {**reply, "since": since}
        if any(self._views[view] for view in list(self._following)):
            news["state"] = self._requests.answer({"operation": "show", "target": "HEAD"}, may_change=False)
        return news


def _waits_for_its_turn(request: Any) -> bool:
    """Whether a request can only be answered between cells."""
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
            "the panel needs the package anywidget: run `%pip install anywidget`, then restart the kernel"
        ) from error
    from importlib import resources

    static = resources.files("kishu_kernel.frontend.panel") / "static"

    def read(path: str) -> str:
        return (static / path).read_text(encoding="utf-8")

    class KishuPanel(anywidget.AnyWidget):
        _esm = join("timeline.js", read) + read("widget.js")
        _css = read("timeline.css")

    return KishuPanel


__all__ = ["PanelConnection", "is_own", "panel"]
