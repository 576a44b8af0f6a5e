"""`%load_ext kishu_kernel`: time travel in a plain ipykernel, or in IPython in a terminal. No kernelspec is needed.

Law: what is put into a kernel is put into the instance and never into its class, and can be taken out again.
Neighbours: `kishu_hooks`, which does the work in a kernel; `kernel`, which is ours from the start.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from kishu_kernel.frontend.kernel.kernel_hooks import KernelHooks, answer_disabled, on_main_thread, parent_of
from kishu_kernel.frontend.kernel.options import KishuOptions
from kishu_kernel.frontend.magic.magics import KishuMagics
from kishu_kernel.frontend.shell.settings import Settings
from kishu_kernel.frontend.shell.tracked_shell import CellEnd, TrackedShell

_LOADED = "Every cell gets a checkpoint from now on: %kishu undo takes the last one back, %kishu log lists them."


class _Options(KishuOptions):
    @classmethod
    def section_names(cls) -> list[str]:
        """Config files have one section for both kernels."""
        return [*super().section_names(), "KishuKernel"]


def load(shell: Any) -> None:
    """As `load_ipython_extension`. Says in one sentence why it does nothing, where it does nothing."""
    if shell in _guests:
        return _say("Kishu is loaded already.")
    kernel = getattr(shell, "kernel", None)
    if getattr(kernel, "kishu_hooks", None) is not None:
        return _say("%load_ext kishu_kernel is not needed here: this kernel is Kishu's own.")
    options = _Options(parent=shell)
    if not options.enabled:
        return _say("Kishu is switched off here (KISHU_ENABLED).")
    settings = options.settings()
    if settings.tracker == "namespace":
        settings = replace(settings, tracker="code")
        _say("The tracker 'namespace' needs a namespace of its own; it is the cells' code that is looked at instead.")
    guest = _InTerminal(shell, settings) if kernel is None else _InKernel(shell, settings)
    _guests[shell] = guest
    if guest.joined():
        _say(_LOADED)


def unload(shell: Any) -> None:
    """As `unload_ipython_extension`."""
    guest = _guests.pop(shell, None)
    if guest is not None:
        guest.leave()
        _say("No more checkpoints are taken. The history stays.")
    elif getattr(getattr(shell, "kernel", None), "kishu_hooks", None) is not None:
        _say("This kernel is Kishu's own and goes on taking checkpoints; KISHU_ENABLED=0 starts it without.")


def _say(sentence: str) -> None:
    print(f"[kishu] {sentence}")


class _Guest:
    """What both places have in common: the cell that loads us is running already."""

    def __init__(self, shell: Any, tracked_shell: TrackedShell) -> None:
        self._shell = shell
        self._tracked = tracked_shell
        self._changes = _Changes()
        self._loading: tuple[str, CellEnd] | None = None
        self._here = True

    def joined(self) -> bool:
        """If a cell that takes part in the history is loading us, its checkpoint is the first. Else false."""
        running = self._running()
        if running is None:
            self._tracked.session.note_unseen()
            return False
        code, msg_id = running
        self._loading = code, self._tracked.join(code, msg_id, on_main_thread())
        self._shell.events.register("post_run_cell", self._cell_ended)
        return True

    def leave(self) -> None:
        """Takes out what was put in."""
        self._here = False
        self._changes.undo()
        _withdraw_magic(self._shell)
        self._leave()
        self._cease_loading({"status": "ok"})

    def _running(self) -> tuple[str, str] | None:
        """The code of the cell that is running, and the id of its message; None if it is hidden, or there is none."""
        raise NotImplementedError

    def _leave(self) -> None:
        raise NotImplementedError

    def _cell_ended(self, result: Any) -> None:
        """The hook of IPython's. Cells can run cells: it is called for each of them."""
        if self._loading is not None and _same(result.info.raw_cell, self._loading[0]):
            self._cease_loading(_reply(result))

    def _cease_loading(self, reply: Mapping[str, Any]) -> None:
        if self._loading is None:
            return
        _, end = self._loading
        self._loading = None
        with suppress(ValueError):
            self._shell.events.unregister("post_run_cell", self._cell_ended)
        end(reply)


class _InKernel(_Guest):
    """In an ipykernel that knows nothing of us."""

    def __init__(self, shell: Any, settings: Settings) -> None:
        self._kernel = kernel = shell.kernel
        self._kishu_hooks = kishu_hooks = KernelHooks(kernel, settings, late=True)
        super().__init__(shell, kishu_hooks.tracked_shell)
        self._execute = kernel.do_execute
        self._debug = kernel.do_debug_request
        self._shut_down = kernel.do_shutdown
        self._handle = kernel.shell_handlers["execute_request"]
        put = self._changes
        put.attribute(kernel, "do_execute", self._do_execute)
        put.attribute(kernel, "do_debug_request", self._do_debug_request)
        put.attribute(kernel, "do_shutdown", self._do_shutdown)
        put.item(kernel.shell_handlers, "execute_request", self._execute_request)
        for name, handler in kishu_hooks.comm_handlers(kernel.shell_handlers).items():
            put.item(kernel.shell_handlers, name, handler)
        for handlers in (kernel.shell_handlers, kernel.control_handlers):
            put.item(handlers, "kernel_info_request", self._kernel_info_request)
            handlers["kishu_request"] = self._kishu_request  # stays, lest a client waits for a reply

    def _running(self) -> tuple[str, str] | None:
        parent = self._kernel.get_parent()
        if parent.get("header", {}).get("msg_type") != "execute_request":
            return None
        content = parent["content"]
        silent = content.get("silent", False)
        if silent or not content.get("store_history", not silent):
            return None
        return content["code"], parent_of(self._kernel)

    def _leave(self) -> None:
        self._kishu_hooks.leave()

    async def _execute_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        async def handle() -> None:
            handled = self._handle(stream, ident, parent)
            if inspect.isawaitable(handled):
                await handled

        await (self._kishu_hooks.reply_first(handle, stream) if self._here else handle())

    async def _do_execute(
        self,
        code: str,
        silent: bool,
        store_history: bool = True,
        user_expressions: dict[str, str] | None = None,
        allow_stdin: bool = False,
        **how: Any,
    ) -> Any:
        async def run() -> Any:
            reply = self._execute(code, silent, store_history, user_expressions, allow_stdin, **how)
            return await reply if inspect.isawaitable(reply) else reply

        if not self._here:
            return await run()
        if on_main_thread():
            self._cease_loading({"status": "ok"})  # IPython did not say that it ended
        return await self._kishu_hooks.execute(
            run, code, hidden=silent or not store_history, expressions=user_expressions
        )

    async def _do_debug_request(self, msg: dict[str, Any]) -> Any:
        return await (self._kishu_hooks.debug(self._debug, msg) if self._here else self._debug(msg))

    def _do_shutdown(self, restart: bool) -> Any:
        if self._here:
            self._kishu_hooks.close()
        return self._shut_down(restart)

    async def _kishu_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        if self._here:
            await self._kishu_hooks.answer(stream, ident, parent)
        else:
            await answer_disabled(self._kernel.session, stream, ident, parent)

    async def _kernel_info_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        info = self._kishu_hooks.info(self._kernel.kernel_info) if self._here else self._kernel.kernel_info
        self._kernel.session.send(stream, "kernel_info_reply", {"status": "ok", **info}, parent, ident)


class _InTerminal(_Guest):
    """In IPython without a kernel: cells are calls of `run_cell`. What they print is not kept."""

    def __init__(self, shell: Any, settings: Settings) -> None:
        super().__init__(shell, TrackedShell(shell, settings, late=True))
        self._run_plain = shell.run_cell
        self._depth = 0
        shell.register_magics(KishuMagics(shell, self._tracked))
        self._changes.attribute(shell, "run_cell", self._run_cell)

    def _running(self) -> tuple[str, str] | None:
        cell = self._shell.history_manager.input_hist_raw[-1]
        return (cell, "") if cell and self._shell.display_trap._nested_level else None

    def _leave(self) -> None:
        self._tracked.leave()

    def _run_cell(self, raw_cell: str, store_history: bool = False, silent: bool = False, **how: Any) -> Any:
        """A cell. One that a cell runs, or a checkout, is part of that."""
        if not self._here or self._depth:
            return self._run_plain(raw_cell, store_history, silent, **how)
        self._cease_loading({"status": "ok"})
        results: list[Any] = []

        async def run() -> dict[str, Any]:
            results.append(self._run_plain(raw_cell, store_history, silent, **how))
            return _reply(results[0])

        hidden = silent or not store_history
        around = self._tracked.around_cell(
            run, code=raw_cell, hidden=hidden, expressions={}, msg_id="", main=on_main_thread()
        )
        self._depth += 1
        try:
            around.send(None)
        except StopIteration:  # it waits for nothing, so that it ends at once
            pass
        finally:
            self._depth -= 1
        return results[0]


def _reply(result: Any) -> dict[str, Any]:
    """What a kernel would reply."""
    error = result.error_before_exec or result.error_in_exec
    return {"status": "ok"} if error is None else {"status": "error", "ename": type(error).__name__}


def _same(one: str | None, other: str) -> bool:
    return one is not None and one.rstrip("\n") == other.rstrip("\n")


def _withdraw_magic(shell: Any) -> None:
    for magics in shell.magics_manager.magics.values():
        ours = [name for name, magic in magics.items() if isinstance(getattr(magic, "__self__", None), KishuMagics)]
        for name in ours:
            del magics[name]
    matchers = getattr(shell.Completer, "custom_matchers", [])
    matchers[:] = [each for each in matchers if getattr(each, "matcher_identifier", None) != "kishu"]


class _Changes:
    """What was put into objects that are not ours."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def attribute(self, obj: Any, name: str, value: Any) -> None:
        """Puts it into the instance. Taken out unless somebody else has put something there since."""
        state = vars(obj)
        before = state.get(name)
        setattr(obj, name, value)

        def undo() -> None:
            if state.get(name) is value:
                if before is None:
                    delattr(obj, name)
                else:
                    setattr(obj, name, before)

        self._undo.append(undo)

    def item(self, mapping: MutableMapping[str, Any], key: str, value: Any) -> None:
        """The same for a dictionary that has something there."""
        before = mapping[key]
        mapping[key] = value

        def undo() -> None:
            if mapping.get(key) is value:
                mapping[key] = before

        self._undo.append(undo)

    def undo(self) -> None:
        """The last first."""
        while self._undo:
            self._undo.pop()()


_guests: WeakKeyDictionary[Any, _Guest] = WeakKeyDictionary()
