"""Runs a cell again for a checkout: in the shell as it is, unheard by frontends, and without asking for input."""

from __future__ import annotations

import asyncio
import builtins
import getpass
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from kishu_kernel.process.muting import muted

if TYPE_CHECKING:
    from kishu_kernel.frontend.shell.withheld_messages import WithheldMessages
    from kishu_kernel.session.rerun import Rerun

_ABSENT = object()


class ShellRunner:
    """Implements `session.CellRunner` on an IPython shell."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def __call__(self, code: str, number: int | None) -> Rerun:
        """Runs a cell. Returns its exception if it raised one; an interrupt is raised."""
        from kishu_kernel.frontend.shell.withheld_messages import WithheldMessages
        from kishu_kernel.session.rerun import Rerun

        withheld = WithheldMessages(_sessions(self._shell))
        transformed = _transformed(self._shell, code)
        try:
            with self._unheard(withheld), _as_the_cell(self._shell, number, code, transformed):
                result = self._run(code, transformed)
            error = result.error_before_exec or result.error_in_exec
            if isinstance(error, KeyboardInterrupt):
                raise error
        except BaseException:
            withheld.settle(())
            raise
        return Rerun(error, withheld.settle)

    def _run(self, code: str, transformed: str) -> Any:
        shell = self._shell
        arguments = {"store_history": False, "silent": False}
        if not shell.should_run_async(code, transformed_cell=transformed):
            return shell.run_cell(code, **arguments)
        # The kernel's own loop is running already: a top-level await gets one of its own.
        results: list[Any] = []
        of_kernel = sys.get_asyncgen_hooks()  # what is begun belongs to its loop: this one closes its own at its end

        async def cell() -> Any:
            sys.set_asyncgen_hooks(*of_kernel)
            return await shell.run_cell_async(code, transformed_cell=transformed, **arguments)

        def run() -> None:
            results.append(asyncio.run(cell()))

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return results[0]

    @contextmanager
    def _unheard(self, withheld: WithheldMessages) -> Iterator[None]:
        shell = self._shell
        with ExitStack() as changed:
            changed.enter_context(_payloads_apart(shell))
            for owner in (shell.display_pub, shell.displayhook):
                changed.enter_context(_hooks_kept(owner))
            changed.enter_context(_replaced(shell, "_showtraceback", _nothing))
            changed.enter_context(_replaced(builtins, "input", _refuse_input))
            changed.enter_context(_replaced(getpass, "getpass", _refuse_input))
            for name in ("raw_input", "getpass"):
                if hasattr(kernel := getattr(shell, "kernel", None), name):
                    changed.enter_context(_replaced(kernel, name, _refuse_input))
            changed.enter_context(muted(new_threads=True))
            changed.enter_context(withheld.withholding())
            yield


@contextmanager
def _as_the_cell(shell: Any, number: int | None, code: str, transformed: str) -> Iterator[None]:
    """Within this context the shell counts as it did when the cell ran; what it notes of the cell is forgotten."""
    hook, history = shell.displayhook, shell.history_manager
    with ExitStack() as changed:
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            changed.enter_context(_restored(sys, name))
        changed.enter_context(_restored(sys, "displayhook"))
        for name in ("_", "__", "___", "exec_result", "_is_active", "msg"):
            changed.enter_context(_restored(hook, name))
        for name in ("outputs", "exceptions"):
            changed.enter_context(
                _replaced(history, name, defaultdict(list)) if hasattr(history, name) else ExitStack()
            )
        changed.enter_context(_contents_restored(history.output_hist_reprs))
        changed.enter_context(_contents_restored(shell.user_ns_hidden))
        changed.enter_context(_ending_with(history.input_hist_parsed, transformed))
        changed.enter_context(_ending_with(history.input_hist_raw, code))
        changed.enter_context(_restored(shell, "execution_count"))
        if number is not None:
            shell.execution_count += number - hook.prompt_count
        yield


@contextmanager
def _ending_with(inputs: list[str], own: str) -> Iterator[None]:
    """The display hook looks there whether the cell ends with a semicolon."""
    inputs.append(own)
    try:
        yield
    finally:
        if inputs and inputs[-1] == own:
            inputs.pop()


@contextmanager
def _payloads_apart(shell: Any) -> Iterator[None]:
    """What the cell hands to the frontend with its reply (a page, the next input) is not part of another reply."""
    payloads = shell.payload_manager
    before = list(payloads.read_payload())
    try:
        yield
    finally:
        payloads.clear_payload()
        for each in before:
            payloads.write_payload(each, single=False)


@contextmanager
def _hooks_kept(owner: Any) -> Iterator[None]:
    """What code registers with a publisher hears no more displays than those of the re-run."""
    hooks = getattr(owner, "_hooks", None)
    before = list(hooks) if type(hooks) is list else []
    try:
        yield
    finally:
        if type(hooks) is list:
            hooks[:] = before


@contextmanager
def _restored(owner: Any, name: str) -> Iterator[None]:
    before = getattr(owner, name, _ABSENT)
    try:
        yield
    finally:
        if before is not _ABSENT:
            setattr(owner, name, before)
        elif hasattr(owner, name):
            delattr(owner, name)


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """An attribute of its own is put back, one of its class is not covered any more."""
    own, before = name in vars(owner), getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if own or name not in vars(owner):  # a trait is kept elsewhere
            setattr(owner, name, before)
        else:
            delattr(owner, name)


@contextmanager
def _contents_restored(contents: dict[Any, Any]) -> Iterator[None]:
    before = dict(contents)
    try:
        yield
    finally:
        contents.clear()
        contents.update(before)


def _sessions(shell: Any) -> list[Any]:
    """The Jupyter sessions through which the shell and its kernel send; none outside of Jupyter."""
    owners = (getattr(shell, "kernel", None), shell.display_pub, shell.displayhook)
    found = [getattr(owner, "session", None) for owner in owners]
    return list({id(each): each for each in found if each is not None}.values())


def _transformed(shell: Any, code: str) -> str:
    try:
        return str(shell.transform_cell(code))
    except Exception:  # the run will say so
        return code


def _nothing(*_: Any) -> None:
    pass


def _refuse_input(*_: Any, **__: Any) -> str:
    from kishu_kernel.frontend.shell.withheld_messages import ASKED

    raise EOFError(ASKED)
