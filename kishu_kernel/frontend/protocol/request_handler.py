"""The `kishu_request` protocol, version 1: the content of a request goes in, the content of its reply comes out.

A request is checked as a whole before anything is done: an unknown operation, an unknown key, a missing or mistyped
parameter gives an error reply, and nothing has changed. No string of a request is ever evaluated.
Neighbours: `parameters` checks, `operations` lists the operations.
"""

from __future__ import annotations

from typing import Any

from kishu_kernel.errors import AmbiguousTargetError, KishuError, NotAcceptedError, RequestError, StoreError
from kishu_kernel.frontend.protocol.content import PROTOCOL, Json, plan_content, sendable
from kishu_kernel.frontend.protocol.live_operations import LiveOperations
from kishu_kernel.frontend.protocol.operations import OPERATIONS
from kishu_kernel.frontend.protocol.parameters import Operation, checked
from kishu_kernel.frontend.protocol.reading import Reader
from kishu_kernel.frontend.protocol.session_host import SessionHost

_MAX_TEXT = 1000
"""Characters of an error's sentence, at most."""
_ASK_AGAIN = "Nothing was done: ask again; if it happens again, see the kernel's log."
"""The hint of an error that is none of ours."""


class RequestHandler:
    """Answers requests about one session. Those that only look are answered on any thread, also while a cell runs."""

    def __init__(self, host: SessionHost) -> None:
        self._host = host
        self._session = host.session
        self._operations = LiveOperations(host)

    @property
    def reader(self) -> Reader:
        """The operations that only look at the history."""
        return self._operations.reader

    @property
    def host(self) -> SessionHost:
        """The shell that has the session."""
        return self._host

    def answer(self, content: Any, *, may_change: bool = True) -> Json:
        """Answers a request. Never raises: what goes wrong is an error reply.

        Args:
            content: of the request, as it came; nothing in it is trusted.
            may_change: false where a cell may be running: then what changes the session, or loads values, is refused.

        Returns:
            The content of the reply, which can be sent as JSON.
        """
        reply: Json = sendable(self._answer(content, may_change))
        if may_change:
            self._host.progress.end()
        return reply

    def _answer(self, content: Any, may_change: bool) -> Json:
        try:
            name, operation, arguments = checked(content, OPERATIONS)
            if operation.changes and self._session.rerunning:
                raise RequestError(f"a cell that is re-run for a checkout cannot {name}")
            if operation.changes and not may_change:
                raise RequestError(f"{name} changes the session, between cells: send it on the shell channel")
            if arguments.get("values") and not may_change:
                raise RequestError(f"{name} with values loads them, between cells: send it on the shell channel")
            if may_change:  # a cell may be running otherwise: nothing is waited for
                self._session.flush(operation.patience)
            reply: Json = {"status": "ok", "protocol": PROTOCOL, "operation": name}
            if not operation.changes:
                return {**reply, **self._looked_at(operation, arguments)}
            with self._host.user_warnings.gathered() as warnings:
                return {**reply, **operation.answer(self._operations, **arguments), "warnings": warnings}
        except AmbiguousTargetError as error:
            return {**_error(error), "candidates": list(error.candidates)}
        except NotAcceptedError as error:
            return {**_error(error), "plan": plan_content(error.plan)}
        except KeyboardInterrupt:
            return _error(KeyboardInterrupt("interrupted: the session is as it was"))
        except Exception as error:  # one reply, whatever happens
            return _error(error)

    def _looked_at(self, operation: Operation, arguments: Json) -> Json:
        """What there is to see; in the store that the session takes meanwhile, where it does, before its first cell."""
        while True:
            seen = self._session.writer.opened
            try:
                return operation.answer(self._operations, **arguments)
            except StoreError:
                if self._session.writer.opened is seen:
                    raise


def _error(error: BaseException) -> Json:
    name = type(error).__name__
    text = str(error)
    if not isinstance(error, (KishuError, KeyboardInterrupt)):
        text = f"unexpected {name}: {text}"
    if len(text) > _MAX_TEXT:  # it quotes what the request said
        text = f"{text[: _MAX_TEXT - 200]} ... {text[-200:]}"
    hint = error.hint if isinstance(error, KishuError) else _ASK_AGAIN
    return {"status": "error", "ename": name, "evalue": text, "traceback": [f"{name}: {text}"], "hint": hint}
