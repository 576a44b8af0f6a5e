"""`%load_ext kishu_kernel`: time travel in a plain ipykernel, or in IPython in a terminal. No kernelspec is needed.

Law: what is patched is the kernel or shell at hand, never its class, and it can be undone.
Neighbours: `kernel_hooks` does the work in a kernel; `kernel` is our own, which needs no loading.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from kishu_kernel.frontend.kernel.kernel_hooks import KernelHooks, answer_disabled, on_main_thread, parent_message_id
from kishu_kernel.frontend.kernel.options import KishuOptions
from kishu_kernel.frontend.magic.magics import KishuMagics
from kishu_kernel.frontend.shell.settings import Settings
from kishu_kernel.frontend.shell.tracked_shell import CellEnd, TrackedShell
from kishu_kernel.model.dataclass import replace

_FIRST_STEPS = "From now on you can go back to the state after any cell: try %kishu undo and %kishu log."


class _Options(KishuOptions):
    @classmethod
    def section_names(cls) -> list[str]:
        """Config files have one section for both kernels."""
        return [*super().section_names(), "KishuKernel"]


def load(shell: Any) -> None:
    """As `load_ipython_extension`. Where it does nothing, it prints one sentence that says why."""
    if shell in _loaded:
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
        _say("The tracker 'namespace' works only in Kishu's own kernel; the tracker 'code' is used instead.")
    loaded = _TerminalExtension(shell, settings) if kernel is None else _KernelExtension(shell, settings)
    _loaded[shell] = loaded
    if loaded.join_running_cell():
        _say(_FIRST_STEPS)


def unload(shell: Any) -> None:
    """As `unload_ipython_extension`."""
    loaded = _loaded.pop(shell, None)
    if loaded is not None:
        loaded.unload()
        _say("No more states are stored. The history stays.")
    elif getattr(getattr(shell, "kernel", None), "kishu_hooks", None) is not None:
        _say("This is Kishu's own kernel, and goes on storing states; with KISHU_ENABLED=0 it starts without Kishu.")


def _say(sentence: str) -> None:
    print(f"[kishu] {sentence}")


class _Extension:
    """What a kernel and a terminal have in common: the cell that loads us is running already."""

    def __init__(self, shell: Any, tracked_shell: TrackedShell) -> None:
        self._shell = shell
        self._tracked = tracked_shell
        self._patches = _Patches()
        self._loading_cell: tuple[str, CellEnd] | None = None
        self._active = True

    def join_running_cell(self) -> bool:
        """Gives the cell that is loading us the first checkpoint. False where it is hidden, or there is none."""
        running = self._running_cell()
        if running is None:
            self._tracked.session.note_unwatched_code()
            return False
        code, msg_id = running
        self._loading_cell = code, self._tracked.watch_running_cell(code, msg_id, on_main_thread())
        self._shell.events.register("post_run_cell", self._on_cell_end)
        return True

    def unload(self) -> None:
        """Undoes the patches, and ends the session."""
        self._active = False
        self._patches.undo()
        _remove_magic(self._shell)
        self._detach()
        self._end_loading_cell({"status": "ok"})

    def _running_cell(self) -> tuple[str, str] | None:
        """Returns the code of the cell that runs, and the id of its message; None if it is hidden, or there is none."""
        raise NotImplementedError

    def _detach(self) -> None:
        raise NotImplementedError

    def _on_cell_end(self, result: Any) -> None:
        """IPython calls it after each cell, and after cells that a cell runs."""
        if self._loading_cell is not None and _is_same_cell(result.info.raw_cell, self._loading_cell[0]):
            self._end_loading_cell(_reply(result))

    def _end_loading_cell(self, reply: Mapping[str, Any]) -> None:
        if self._loading_cell is None:
            return
        _, end = self._loading_cell
        self._loading_cell = None
        with suppress(ValueError):
            self._shell.events.unregister("post_run_cell", self._on_cell_end)
        end(reply)


class _KernelExtension(_Extension):
    """Patches an ipykernel that knows nothing of Kishu."""

    def __init__(self, shell: Any, settings: Settings) -> None:
        self._kernel = kernel = shell.kernel
        self._kishu_hooks = kishu_hooks = KernelHooks(kernel, settings, late=True)
        super().__init__(shell, kishu_hooks.tracked_shell)
        self._execute = kernel.do_execute
        self._debug = kernel.do_debug_request
        self._shut_down = kernel.do_shutdown
        self._handle = kernel.shell_handlers["execute_request"]
        patch = self._patches
        patch.attribute(kernel, "do_execute", self._do_execute)
        patch.attribute(kernel, "do_debug_request", self._do_debug_request)
        patch.attribute(kernel, "do_shutdown", self._do_shutdown)
        patch.item(kernel.shell_handlers, "execute_request", self._execute_request)
        for name, handler in kishu_hooks.comm_handlers(kernel.shell_handlers).items():
            patch.item(kernel.shell_handlers, name, handler)
        for handlers in (kernel.shell_handlers, kernel.control_handlers):
            patch.item(handlers, "kernel_info_request", self._kernel_info_request)
            handlers["kishu_request"] = self._kishu_request  # stays after unloading: clients get a reply

    def _running_cell(self) -> tuple[str, str] | None:
        parent = self._kernel.get_parent()
        if parent.get("header", {}).get("msg_type") != "execute_request":
            return None
        content = parent["content"]
        silent = content.get("silent", False)
        if silent or not content.get("store_history", not silent):
            return None
        return content["code"], parent_message_id(self._kernel)

    def _detach(self) -> None:
        self._kishu_hooks.detach()

    async def _execute_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        async def handle() -> None:
            handled = self._handle(stream, ident, parent)
            if inspect.isawaitable(handled):
                await handled

        await (self._kishu_hooks.reply_first(handle, stream) if self._active else handle())

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

        if not self._active:
            return await run()
        if on_main_thread():
            self._end_loading_cell({"status": "ok"})  # IPython did not call us when it ended
        return await self._kishu_hooks.execute(
            run, code, hidden=silent or not store_history, expressions=user_expressions, attended=allow_stdin
        )

    async def _do_debug_request(self, msg: dict[str, Any]) -> Any:
        return await (self._kishu_hooks.debug(self._debug, msg) if self._active else self._debug(msg))

    def _do_shutdown(self, restart: bool) -> Any:
        if self._active:
            self._kishu_hooks.close(restart)
        return self._shut_down(restart)

    async def _kishu_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        if self._active:
            await self._kishu_hooks.answer(stream, ident, parent)
        else:
            await answer_disabled(self._kernel.session, stream, ident, parent)

    async def _kernel_info_request(self, stream: Any, ident: Any, parent: dict[str, Any]) -> None:
        info = self._kishu_hooks.info(self._kernel.kernel_info) if self._active else self._kernel.kernel_info
        self._kernel.session.send(stream, "kernel_info_reply", {"status": "ok", **info}, parent, ident)


class _TerminalExtension(_Extension):
    """Patches IPython without a kernel: cells are calls of `run_cell`. What they print is not recorded."""

    def __init__(self, shell: Any, settings: Settings) -> None:
        super().__init__(shell, TrackedShell(shell, settings, late=True))
        self._tracked.fate.attended = True
        self._run_plain = shell.run_cell
        self._depth = 0
        shell.register_magics(KishuMagics(shell, lambda: self._tracked.requests))
        self._patches.attribute(shell, "run_cell", self._run_cell)

    def _running_cell(self) -> tuple[str, str] | None:
        cell = self._shell.history_manager.input_hist_raw[-1]
        return (cell, "") if cell and self._shell.display_trap._nested_level else None

    def _detach(self) -> None:
        self._tracked.detach()

    def _run_cell(self, raw_cell: str, store_history: bool = False, silent: bool = False, **how: Any) -> Any:
        """Runs a cell. One that a cell or a checkout runs is part of that."""
        if not self._active or self._depth:
            return self._run_plain(raw_cell, store_history, silent, **how)
        self._end_loading_cell({"status": "ok"})
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
        except StopIteration:  # nothing in it waits, so it has ended
            pass
        finally:
            self._depth -= 1
        return results[0]


def _reply(result: Any) -> dict[str, Any]:
    """Returns what a kernel would reply."""
    error = result.error_before_exec or result.error_in_exec
    return {"status": "ok"} if error is None else {"status": "error", "ename": type(error).__name__}


def _is_same_cell(one: str | None, other: str) -> bool:
    return one is not None and one.rstrip("\n") == other.rstrip("\n")


def _remove_magic(shell: Any) -> None:
    for magics in shell.magics_manager.magics.values():
        ours = [name for name, magic in magics.items() if isinstance(getattr(magic, "__self__", None), KishuMagics)]
        for name in ours:
            del magics[name]
    matchers = getattr(shell.Completer, "custom_matchers", [])
    matchers[:] = [each for each in matchers if getattr(each, "matcher_identifier", None) != "kishu"]


class _Patches:
    """Changes to objects that are not ours, which can be undone."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def attribute(self, obj: Any, name: str, value: Any) -> None:
        """Sets an attribute of an instance. Undone unless somebody else has set it since."""
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
        """Sets an item of a dictionary that has one under this key, in the same way."""
        before = mapping[key]
        mapping[key] = value

        def undo() -> None:
            if mapping.get(key) is value:
                mapping[key] = before

        self._undo.append(undo)

    def undo(self) -> None:
        """Undoes all changes, the last one first."""
        while self._undo:
            self._undo.pop()()


_loaded: WeakKeyDictionary[Any, _Extension] = WeakKeyDictionary()
"""What is loaded, by shell."""
