"""The kernel "Python 3 (Kishu)": ipykernel, with a checkpoint after every cell."""

from __future__ import annotations

from functools import partial
from typing import Any

from ipykernel.ipkernel import IPythonKernel
from traitlets import default

from kishu_kernel.detect.access_trackers import PatchedNamespace
from kishu_kernel.frontend.attachment import Attachment
from kishu_kernel.frontend.host import Host, answer_disabled
from kishu_kernel.frontend.options import KishuOptions


class KishuKernel(KishuOptions, IPythonKernel):
    """Everything that ipykernel does, and time travel.

    Attributes:
        host: None where checkpoints are switched off.
    """

    msg_types = [*IPythonKernel.msg_types, "kishu_request"]  # noqa: RUF012 -- as in the base class
    control_msg_types = [*IPythonKernel.control_msg_types, "kishu_request"]  # noqa: RUF012

    @default("user_ns")
    def _default_user_ns(self) -> dict[str, Any] | None:
        # None: as in ipykernel, the shell takes the dict of the module `__main__`.
        return PatchedNamespace() if self.enabled and self.tracker == "namespace" else None

    def __init__(self, **kwargs: Any) -> None:
        if kwargs.get("user_ns") is None:  # ipykernel's application says None, which would hide the default
            kwargs.pop("user_ns", None)
        super().__init__(**kwargs)
        self.host: Host | None = None
        if self.enabled:
            self.host = Host(self, self.settings())
            self.shell_handlers.update(self.host.comm_handlers(self.shell_handlers))

    @property
    def attachment(self) -> Attachment | None:
        """The shell and its session."""
        return None if self.host is None else self.host.attachment

    @property
    def kernel_info(self) -> dict[str, Any]:
        """As in `Host.info`."""
        info: dict[str, Any] = super().kernel_info
        return info if self.host is None else self.host.info(info)

    async def execute_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """As in `Host.reply_first`."""
        handle = partial(super().execute_request, stream, ident, parent)
        await (handle() if self.host is None else self.host.reply_first(handle, stream))

    async def do_execute(
        self,
        code: str,
        silent: bool,
        store_history: bool = True,
        user_expressions: dict[str, str] | None = None,
        allow_stdin: bool = False,
        **how: Any,  # what else this version of ipykernel knows of a cell
    ) -> dict[str, Any]:
        """As in `Host.execute`."""
        run = partial(super().do_execute, code, silent, store_history, user_expressions, allow_stdin, **how)
        if self.host is None:
            return dict(await run())
        return await self.host.execute(run, code, hidden=silent or not store_history, expressions=user_expressions)

    async def shell_channel_thread_main(self, msg: Any) -> None:
        """As in `Host.hurry`: on the thread that hears of shell messages first, if this ipykernel has one."""
        if self.host is not None:
            self.host.hurry()
        await super().shell_channel_thread_main(msg)

    async def kishu_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """As in `Host.answer`."""
        if not self.session:
            return
        if self.host is None:
            await answer_disabled(self.session, stream, ident, parent)
        else:
            await self.host.answer(stream, ident, parent)

    async def do_debug_request(self, msg: dict[str, Any]) -> Any:
        """As in `Host.debug`."""
        if self.host is None:
            return await super().do_debug_request(msg)
        return await self.host.debug(super().do_debug_request, msg)

    def do_shutdown(self, restart: bool) -> Any:
        """Ends the kernel; the history stays."""
        if self.host is not None:
            self.host.close()
        return super().do_shutdown(restart)
