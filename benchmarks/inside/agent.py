"""Works inside a measured kernel: tells when the user's code ran, what its variables are, and what the process uses.

Loaded into any ipykernel before the first cell. It answers a message of its own on the shell channel, which no hook
of IPython's sees: a system that watches cells must not take a question of the benchmark for one.

Law: standard library only; works on every version of Python, IPython and ipykernel that a system needs.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import time
from typing import Any

MESSAGE = "benchmark_request"
IPYTHONS = ("In", "Out", "open", "exit", "quit", "get_ipython")


class Agent:
    """Answers `benchmark_request` messages: the content names one of its methods."""

    def __init__(self, shell: Any, describer: str) -> None:
        self._shell = shell
        self._describer = describer
        self._cells: list[tuple[float, float]] = []
        self._watch(shell)
        shell.kernel.shell_handlers[MESSAGE] = self._handle

    def cells(self) -> list[tuple[float, float]]:
        """When each cell's code began and ended: `time.perf_counter()`, one clock for all processes of a machine.

        Told once: the next call begins anew.
        """
        cells, self._cells = self._cells, []
        return cells

    def describe(self) -> dict[str, str]:
        """The user's variables, as the describer of the tests tells them.

        Without those of IPython and its history of outputs, which not every system means to bring back.
        """
        name = "_kishu_benchmark_describer"
        if name not in sys.modules:
            spec = importlib.util.spec_from_file_location(name, self._describer)
            assert spec is not None
            assert spec.loader is not None
            sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[name])
        namespace = self._shell.user_ns
        own = {
            name: obj
            for name, obj in dict.items(namespace)
            if not name.startswith("_") and name not in self._shell.user_ns_hidden and name not in IPYTHONS
        }
        told: dict[str, str] = sys.modules[name].values_of(sys.modules[name].describe(own, namespace))
        return told

    def memory(self) -> int:
        """The most bytes that the process has had in memory."""
        with open("/proc/self/status", encoding="ascii") as status:
            [peak] = [line.split()[1] for line in status if line.startswith("VmHWM:")]
        return int(peak) * 1024

    def pid(self) -> int:
        """Of the kernel."""
        return os.getpid()

    def _watch(self, shell: Any) -> None:
        """Around what runs the cell's code, inside of all hooks."""
        kind = type(shell)
        original = kind.run_ast_nodes

        async def run_ast_nodes(self_: Any, *args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return await original(self_, *args, **kwargs)
            finally:
                self._cells.append((began, time.perf_counter()))

        kind.run_ast_nodes = run_ast_nodes

    async def _handle(self, stream: Any, ident: Any, parent: Any) -> None:
        content = parent["content"]
        try:
            answer = getattr(self, content["ask"])()
            if inspect.isawaitable(answer):
                answer = await answer
            reply = {"status": "ok", "answer": answer}
        except Exception as error:
            reply = {"status": "error", "ename": type(error).__name__, "evalue": str(error)}
        self._shell.kernel.session.send(stream, "benchmark_reply", reply, parent, ident=ident)
