"""Runs a cell again for a checkout: in the shell, with its output captured, and without asking the user for input."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import getpass
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from IPython.core.displaypub import CapturingDisplayPublisher

from kishu_kernel.process.muting import muted

if TYPE_CHECKING:
    from kishu_kernel.session.rerun import Rerun


class ShellRunner:
    """Implements `session.CellRunner` on an IPython shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def __call__(self, code: str) -> Rerun:
        """Runs a cell. Returns what it displayed last, and its exception if it raised one; an interrupt is raised."""
        from kishu_kernel.session.rerun import Rerun

        shown: list[Any] = []
        with self._captured(shown):
            result = self._run(code)
        error = result.error_before_exec or result.error_in_exec
        if isinstance(error, KeyboardInterrupt):
            raise error
        return Rerun(error, tuple(shown[-1:]))

    def _run(self, code: str) -> Any:
        shell = self._shell
        arguments = {"store_history": False, "silent": False}
        transformed = _transformed(shell, code)
        if not shell.should_run_async(code, transformed_cell=transformed):
            return shell.run_cell(code, **arguments)
        # The kernel's own loop is running already: a top-level await gets one of its own.
        results: list[Any] = []

        def run() -> None:
            coroutine = shell.run_cell_async(code, transformed_cell=transformed, **arguments)
            results.append(asyncio.run(coroutine))

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return results[0]

    @contextlib.contextmanager
    def _captured(self, shown: list[Any]) -> Iterator[None]:
        shell = self._shell
        publisher, hook, input_functions = (
            shell.display_pub,
            shell.display_trap.hook,
            (builtins.input, getpass.getpass),
        )
        active = shell.display_trap._nested_level > 0  # inside a cell: the trap is set already
        shell.display_pub = CapturingDisplayPublisher()
        shell._showtraceback = _nothing
        builtins.input = getpass.getpass = _refuse_input
        try:
            with (
                muted(new_threads=True),
                _display_hook(shell, lambda value: None if value is None else shown.append(value), active),
            ):
                yield
        finally:
            shell.display_pub = publisher
            shell.display_trap.hook = hook
            del shell._showtraceback
            builtins.input, getpass.getpass = input_functions


@contextlib.contextmanager
def _display_hook(shell: Any, hook: Any, active: bool) -> Iterator[None]:
    import sys

    before = sys.displayhook
    shell.display_trap.hook = hook
    if active:
        sys.displayhook = hook
    try:
        yield
    finally:
        sys.displayhook = before


def _transformed(shell: Any, code: str) -> str:
    try:
        return str(shell.transform_cell(code))
    except Exception:  # the run will say so
        return code


def _nothing(*_: Any) -> None:
    pass


def _refuse_input(*_: Any, **__: Any) -> str:
    raise EOFError("a cell that asks for input cannot be re-run")
