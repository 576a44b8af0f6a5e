"""REST below `/kishu/`, for orchestrators.

- GET `/kishu/histories?limit=100`: the stores of the server's user, the last used first, and who has each open.
- GET `/kishu/kernels/ID`: what the server says of a kernel, and its `status`.
- POST `/kishu/kernels/ID/hibernate`, with `timeout` (10) and `end` (false): the reply to `hibernate`, and `ended`.
- POST `/kishu/kernels/ID/resume`, with what `resume` takes, and `timeout` (600): the reply to `resume`.

Law: who may ask is decided as for the server's own handlers, by the same rights: `contents` are read, kernels are read
and written, and to resume is to execute. An error is JSON: `ename`, `evalue`, `hint`, and `plan` where there is one.
Neighbour: `kernels` asks.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from kishu_kernel import errors
from kishu_kernel.client.connection import Json
from kishu_kernel.errors import KishuError, RequestError
from kishu_kernel.server.kernels import ServerKernels

MOST_BYTES = 1 << 16
"""In the body of a request."""
MOST_HISTORIES = 1000
"""In a reply."""
HIBERNATING = 10.0
RESUMING = 600.0
LONGEST = 3600.0
"""Seconds that a request may ask for."""

_STATUS: tuple[tuple[type[KishuError], int], ...] = (
    (errors.NoKernelError, 404),
    (errors.NoReplyError, 504),
    (errors.ReplyError, 502),
    (errors.KernelError, 409),
    (RequestError, 400),
    (errors.CheckoutError, 409),
)
"""What an error is in HTTP, the first that fits; others are 500."""


class KishuHandler(APIHandler):
    """What all of them have in common."""

    auth_resource = "kernels"

    def initialize(self, kernels: ServerKernels) -> None:
        """Takes what was given to `add_handlers`."""
        self.kernels = kernels

    def parameters(self) -> Json:
        """Returns what the body of the request says. Raises `RequestError`."""
        if len(self.request.body) > MOST_BYTES:
            raise RequestError(f"the body of this request has more than {MOST_BYTES} bytes")
        try:
            value = json.loads(self.request.body or b"{}")
        except (ValueError, RecursionError):
            raise RequestError("the body of this request is not JSON") from None
        if not isinstance(value, dict):
            raise RequestError("the body of this request is to be a JSON object")
        return value

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """An error of ours as JSON with all that it says; others as the server writes them."""
        error = kwargs.get("exc_info", (None, None))[1]
        if not isinstance(error, KishuError):
            super().write_error(status_code, **kwargs)
            return
        self.set_status(next((status for kind, status in _STATUS if isinstance(error, kind)), 500))
        self.finish(json.dumps(error_content(error)))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """An error of ours is an answer, and no failure of the server's."""
        if not isinstance(value, KishuError):
            super().log_exception(typ, value, tb)


class Histories(KishuHandler):
    """The stores of the server's user."""

    auth_resource = "contents"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Lists them; none is opened."""
        text = self.get_query_argument("limit", "100")
        if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= MOST_HISTORIES:
            raise RequestError(f"'limit' is to be a number from 1 to {MOST_HISTORIES}")
        found = await self.kernels.on_thread(_histories)
        live: dict[str, list[str]] = {}
        for id, kernel in (await self.kernels.ours()).items():
            if kernel.store is not None:
                live.setdefault(os.path.realpath(kernel.store), []).append(id)
        listed = found[: int(text)]
        for each in listed:
            each["kernels"] = live.get(os.path.realpath(each["store"]), [])
        self.finish(json.dumps({"histories": listed, "truncated": len(found) > len(listed)}))


class Kernel(KishuHandler):
    """One kernel."""

    @web.authenticated
    @authorized
    async def get(self, kernel_id: str) -> None:
        """Tells its status; it is answered while a cell runs."""
        model = await self.kernels.model(kernel_id)
        status = await self.kernels.ask(kernel_id, lambda client: client.status())
        self.finish(json.dumps({"kernel": model, "status": status}))


class Hibernate(KishuHandler):
    """A kernel is made durable, and ended where that is asked for and everything is written."""

    @web.authenticated
    @authorized
    async def post(self, kernel_id: str) -> None:
        """Answers when that is done."""
        asked = self.parameters()
        timeout, end = seconds(asked, HIBERNATING), asked.pop("end", False)
        if asked or not isinstance(end, bool):
            raise RequestError("hibernate takes 'timeout', a number of seconds, and 'end', true or false")
        self.finish(json.dumps(await self.kernels.hibernate(kernel_id, timeout, end)))


class Resume(KishuHandler):
    """A kernel goes on where the last session of its notebook ended."""

    @web.authenticated
    @authorized(action="execute")  # type: ignore[untyped-decorator]
    async def post(self, kernel_id: str) -> None:
        """Answers when it is there."""
        asked = self.parameters()
        timeout = seconds(asked, RESUMING)
        if "operation" in asked:
            raise RequestError("resume takes no 'operation'")
        reply = await self.kernels.change(kernel_id, lambda client: client.request("resume", **asked), timeout)
        self.finish(json.dumps(reply))


def seconds(asked: Json, default: float) -> float:
    """Takes `timeout` out of what is asked for. Raises `RequestError`."""
    value = asked.pop("timeout", default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= LONGEST:
        raise RequestError(f"'timeout' is to be a number of seconds from 0 to {LONGEST:.0f}")
    return float(value)


def error_content(error: KishuError) -> Mapping[str, Any]:
    """Returns an error as it is written; `message` is what frontends of Jupyter show."""
    plan = getattr(error, "plan", None)
    name = error.ename if isinstance(error, errors.ReplyError) else type(error).__name__
    content = {"status": "error", "ename": name, "evalue": str(error), "hint": error.hint, "message": str(error)}
    return {**content, "plan": plan} if plan else content


def _histories() -> list[Json]:
    from kishu_kernel.store.catalog.assignment import list_stores
    from kishu_kernel.store.catalog.filesystems import base_for
    from kishu_kernel.store.catalog.paths import default_base

    told = os.environ.get("KISHU_STORE_DIR")  # as the kernels, which have the server's environment
    base, _ = base_for(Path(told).expanduser() if told else default_base())
    return [
        {
            "store": str(each.path),
            "notebook": each.notebook,
            "exists": each.exists,
            "bytes": each.bytes,
            "used": datetime.fromtimestamp(each.used, timezone.utc).isoformat(),
        }
        for each in list_stores(base)
    ]


def add_handlers(application: web.Application, kernels: ServerKernels) -> None:
    """Adds them to those of a server."""
    here = url_path_join(application.settings["base_url"], "kishu")
    one = r"/(\w+-\w+-\w+-\w+-\w+)"
    told = {"kernels": kernels}
    application.add_handlers(
        ".*$",
        [
            (url_path_join(here, "histories"), Histories, told),
            (url_path_join(here, "kernels") + one, Kernel, told),
            (url_path_join(here, "kernels") + one + "/hibernate", Hibernate, told),
            (url_path_join(here, "kernels") + one + "/resume", Resume, told),
        ],
    )
