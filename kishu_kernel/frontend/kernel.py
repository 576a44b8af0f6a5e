"""The kernel "Python 3 (Kishu)": ipykernel, with a checkpoint after every cell."""

from __future__ import annotations

import os
import threading
from functools import partial
from pathlib import Path
from typing import Any, cast

from ipykernel.ipkernel import IPythonKernel
from traitlets import Bool, Enum, Int, List, Unicode, default

from kishu_kernel.detect.trackers import PatchedNamespace, TrackerKind
from kishu_kernel.frontend.attachment import Attachment, Settings
from kishu_kernel.frontend.magics import KishuMagics
from kishu_kernel.frontend.messages import Requests
from kishu_kernel.frontend.opening import Whereabouts
from kishu_kernel.interrupts import answering
from kishu_kernel.keeping import KeepRules

_LOOKING = frozenset(
    {
        *("attach", "configurationDone", "debugInfo", "disconnect", "dumpCell", "exceptionInfo", "initialize"),
        *("inspectVariables", "modules", "richInspectVariables", "scopes", "setBreakpoints", "source", "stackTrace"),
        *("setExceptionBreakpoints", "threads", "variables"),
    }
)
"""Commands of the debugger that assign to nothing."""


class KishuKernel(IPythonKernel):
    """Everything that ipykernel does, and time travel."""

    enabled = Bool(help="Take checkpoints. Off, the kernel is plain ipykernel. [KISHU_ENABLED]").tag(config=True)
    store_dir = Unicode(
        help="Directory of the stores, one for each notebook. Empty: in Jupyter's data directory. [KISHU_STORE_DIR]"
    ).tag(config=True)
    in_memory = Bool(False, help="Keep the history in memory only; it ends with the kernel.").tag(config=True)
    notebook = Unicode(help="Path of the notebook, for frontends that do not tell it.").tag(config=True)
    tracker = Enum(
        ("code", "namespace", "all"),
        "code",
        help="How to learn what a cell may have touched: from its code; by the patched namespace of the "
        "Kishu paper, which slows cells down; or by taking everything for touched.",
    ).tag(config=True)
    output_limit = Int(1_000_000, help="Bytes of outputs kept with each checkpoint.").tag(config=True)
    store_limit = Int(
        None,
        allow_none=True,
        help="Bytes that the store of a notebook may occupy; old checkpoints become code only to stay below. "
        "Default: 20 GB, or a tenth of the free disk where that is less. 0: no limit.",
    ).tag(config=True)
    version_limit = Int(
        0, help="Bytes that one stored value may weigh; a heavier one is re-run instead. 0: no limit."
    ).tag(config=True)
    exclude = List(
        Unicode(), help="Patterns on names of variables that are not stored, like tmp_*: they are re-run instead."
    ).tag(config=True)
    exclude_types = List(
        Unicode(), help="Patterns on types that are not stored, like torch.Tensor: they are re-run instead."
    ).tag(config=True)
    network_store = Bool(
        False, help="Keep the store where it is, even on a network file system, where it can be damaged."
    ).tag(config=True)
    auto_resume = Bool(
        help="Begin where the last session of the notebook ended, unless cells must be re-run. [KISHU_AUTO_RESUME]"
    ).tag(config=True)

    msg_types = [*IPythonKernel.msg_types, "kishu_request"]  # noqa: RUF012 -- as in the base class
    control_msg_types = [*IPythonKernel.control_msg_types, "kishu_request"]  # noqa: RUF012

    @default("enabled")
    def _default_enabled(self) -> bool:
        return _switched("KISHU_ENABLED", "1")

    @default("auto_resume")
    def _default_auto_resume(self) -> bool:
        return _switched("KISHU_AUTO_RESUME", "0")

    @default("store_dir")
    def _default_store_dir(self) -> str:
        return os.environ.get("KISHU_STORE_DIR", "")

    @default("user_ns")
    def _default_user_ns(self) -> dict[str, Any] | None:
        # None: as in ipykernel, the shell takes the dict of the module `__main__`.
        return PatchedNamespace() if self.enabled and self.tracker == "namespace" else None

    def __init__(self, **kwargs: Any) -> None:
        if kwargs.get("user_ns") is None:  # ipykernel's application says None, which would hide the default
            kwargs.pop("user_ns", None)
        super().__init__(**kwargs)
        self.attachment: Attachment | None = None
        if not self.enabled:
            return
        settings = Settings(
            where=Whereabouts(
                Path(self.store_dir).expanduser() if self.store_dir else None, self.network_store, self.store_limit
            ),
            in_memory=self.in_memory,
            tracker=cast(TrackerKind, self.tracker),
            notebook=self.notebook or None,
            output_limit=self.output_limit,
            rules=KeepRules(tuple(self.exclude), tuple(self.exclude_types), self.version_limit or None),
            auto_resume=self.auto_resume,
        )
        self.attachment = Attachment(self.shell, settings)
        self.attachment.recorder.listen(self.session)
        self.requests = Requests(self.attachment)
        assert self.shell is not None
        self.shell.register_magics(KishuMagics(self.shell, self.requests))
        for name in ("comm_open", "comm_msg", "comm_close"):
            self.shell_handlers[name] = partial(self._handle_comm, self.shell_handlers[name])

    @property
    def kernel_info(self) -> dict[str, Any]:
        """As ipykernel's, with the feature `kishu`, so that a client knows before it sends."""
        info: dict[str, Any] = super().kernel_info
        if self.attachment is not None:
            info["supported_features"] = [*info.get("supported_features", []), "kishu"]
        return info

    async def do_execute(
        self,
        code: str,
        silent: bool,
        store_history: bool = True,
        user_expressions: dict[str, str] | None = None,
        allow_stdin: bool = False,
        *,
        cell_meta: dict[str, Any] | None = None,
        cell_id: str | None = None,
    ) -> dict[str, Any]:
        """Runs a cell; its checkpoint is taken before the reply leaves."""
        run = partial(
            super().do_execute,
            code,
            silent,
            store_history,
            user_expressions,
            allow_stdin,
            cell_meta=cell_meta,
            cell_id=cell_id,
        )
        if self.attachment is None:
            return dict(await run())
        return await self.attachment.around_cell(
            run,
            code=code,
            hidden=silent or not store_history,
            expressions=user_expressions or {},
            msg_id=self.get_parent().get("header", {}).get("msg_id", ""),
            main=self._on_main_thread(),
        )

    async def kishu_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        """Answers a request of the protocol, on the shell channel or the control channel, with one reply."""
        if not self.session:
            return
        with answering():
            if self.attachment is None:
                content = {
                    "status": "error",
                    "ename": "Disabled",
                    "evalue": "Kishu is switched off",
                    "traceback": [],
                }
            else:
                content = self.requests.answer(parent.get("content"), may_change=self._on_main_thread())
            self.session.send(stream, "kishu_reply", content, parent, ident)

    async def do_debug_request(self, msg: dict[str, Any]) -> Any:
        """A debugger can assign to variables."""
        if self.attachment is None or msg.get("command") in _LOOKING:
            return await super().do_debug_request(msg)
        self.attachment.session.before_unseen()
        try:
            return await super().do_debug_request(msg)
        finally:
            self.attachment.session.note_unseen()  # a cell may have ended meanwhile

    def do_shutdown(self, restart: bool) -> Any:
        """Ends the kernel; the history stays."""
        if self.attachment is not None:
            self.attachment.close()
        return super().do_shutdown(restart)

    def _handle_comm(self, handler: Any, *args: Any) -> Any:
        """A widget's callback may do anything."""
        if self.attachment is None:
            return handler(*args)
        self.attachment.session.before_unseen()
        try:
            return handler(*args)
        finally:
            self.attachment.session.note_unseen()  # on a subshell, a cell may have ended meanwhile

    def _on_main_thread(self) -> bool:
        """Else on a subshell, or on the control channel."""
        return threading.current_thread() is threading.main_thread()


def _switched(variable: str, default: str) -> bool:
    return os.environ.get(variable, default).lower() not in ("0", "false", "no", "off", "")
