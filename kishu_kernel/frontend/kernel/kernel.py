"""The kernel "Python 3 (Kishu)": ipykernel, with a checkpoint after every cell."""

from __future__ import annotations

import signal
import sys
from functools import partial
from typing import Any

from ipykernel.ipkernel import IPythonKernel
from traitlets import default

from kishu_kernel.detect.access_trackers import PatchedNamespace
from kishu_kernel.frontend.kernel.idle_flushes import spare_idle_flushes
from kishu_kernel.frontend.kernel.kernel_hooks import KernelHooks, answer_disabled
from kishu_kernel.frontend.kernel.options import KishuOptions
from kishu_kernel.frontend.shell.tracked_shell import TrackedShell
from kishu_kernel.process.interrupts import are_kept, keep_for_cell, keep_no_more
from kishu_kernel.process.python_gc import making_what_stays


class KishuKernel(KishuOptions, IPythonKernel):
    """ipykernel's kernel, with a checkpoint after every cell, and answers to `kishu_request`.

    Attributes:
        kishu_hooks: do the work; None where Kishu is switched off.
    """

    msg_types = [*IPythonKernel.msg_types, "kishu_request"]  # noqa: RUF012 -- as in the base class
    control_msg_types = [*IPythonKernel.control_msg_types, "kishu_request"]  # noqa: RUF012

    @default("user_ns")
    def _default_user_ns(self) -> dict[str, Any] | None:
        # None, as in ipykernel: the shell takes the dict of the module `__main__`.
        return PatchedNamespace() if self.enabled and self.tracker == "namespace" else None

    def __init__(self, **kwargs: Any) -> None:
        if kwargs.get("user_ns") is None:  # ipykernel's application says None, which would hide the default
            kwargs.pop("user_ns", None)
        with making_what_stays():
            super().__init__(**kwargs)
            self.kishu_hooks: KernelHooks | None = None
            self._between_cells: Any = signal.SIG_IGN
            # Made once, while nobody has drawn: IPython draws the tip in it from `random`, and a cell may be running
            # when another frontend asks for it.
            self._banner = super().banner
            if self.enabled:
                self.kishu_hooks = KernelHooks(self, self.settings())
                self.shell_handlers.update(self.kishu_hooks.comm_handlers(self.shell_handlers))

    def start(self) -> None:
        """As in the base class, and begins the session."""
        super().start()
        if self.kishu_hooks is not None:
            spare_idle_flushes(sys.stdout, sys.stderr)
            self.kishu_hooks.begin()

    @property
    def tracked_shell(self) -> TrackedShell | None:
        """The shell and its session; None where Kishu is switched off."""
        return None if self.kishu_hooks is None else self.kishu_hooks.tracked_shell

    @property
    def banner(self) -> Any:  # type: ignore[override]
        """As in the base class, and the same each time."""
        return self._banner

    @property
    def kernel_info(self) -> dict[str, Any]:
        """As in `KernelHooks.info`."""
        info: dict[str, Any] = super().kernel_info
        return info if self.kishu_hooks is None else self.kishu_hooks.info(info)

    def set_parent(self, ident: Any, parent: dict[str, Any], channel: str = "shell") -> None:
        """As in the base class. What is heard of a cell after this may have somebody interrupt it: that is kept."""
        super().set_parent(ident, parent, channel)
        if channel != "shell" or self.kishu_hooks is None:
            return
        if parent.get("header", {}).get("msg_type") != "execute_request":
            keep_no_more(self._between_cells)  # an error before it had the cell that was asked for cancelled
        elif (before := keep_for_cell()) is not None:
            self._between_cells = before

    def pre_handler_hook(self) -> None:
        """As in the base class, where the request is no cell: a cell lets interrupts in when it begins."""
        if are_kept():
            self.saved_sigint_handler = self._between_cells
        else:
            super().pre_handler_hook()

    async def execute_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """As in `KernelHooks.reply_first`."""
        handle = partial(super().execute_request, stream, ident, parent)
        await (handle() if self.kishu_hooks is None else self.kishu_hooks.reply_first(handle, stream))

    async def do_execute(
        self,
        code: str,
        silent: bool,
        store_history: bool = True,
        user_expressions: dict[str, str] | None = None,
        allow_stdin: bool = False,
        **how: Any,  # what else this version of ipykernel knows of a cell
    ) -> dict[str, Any]:
        """As in `KernelHooks.execute`."""
        run = partial(super().do_execute, code, silent, store_history, user_expressions, allow_stdin, **how)
        if self.kishu_hooks is None:
            return dict(await run())
        return await self.kishu_hooks.execute(
            run, code, hidden=silent or not store_history, expressions=user_expressions, attended=allow_stdin
        )

    async def shell_channel_thread_main(self, msg: Any) -> None:
        """As in `KernelHooks.hurry`. Runs on the thread that receives shell messages, if this ipykernel has one."""
        if self.kishu_hooks is not None:
            self.kishu_hooks.hurry()
        await super().shell_channel_thread_main(msg)

    async def kishu_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """As in `KernelHooks.answer`."""
        if not self.session:
            return
        if self.kishu_hooks is None:
            await answer_disabled(self.session, stream, ident, parent)
        else:
            await self.kishu_hooks.answer(stream, ident, parent)

    async def do_debug_request(self, msg: dict[str, Any]) -> Any:
        """As in `KernelHooks.debug`."""
        if self.kishu_hooks is None:
            return await super().do_debug_request(msg)
        return await self.kishu_hooks.debug(super().do_debug_request, msg)

    def do_shutdown(self, restart: bool) -> Any:
        """Ends the kernel, as `KernelHooks.close`."""
        if self.kishu_hooks is not None:
            self.kishu_hooks.close(restart)
        return super().do_shutdown(restart)
