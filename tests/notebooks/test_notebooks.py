"""Real notebooks in a real kernel: they notice nothing of us, and every state that they passed comes back."""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient

from tests.kernel.driver import Kernel, environment_of
from tests.support import describer

HERE = Path(__file__).parent
NOTEBOOKS = sorted(HERE.glob("*.ipynb"))
KISHU = (sys.executable, "-m", "kishu_kernel")
PLAIN = (sys.executable, "-m", "ipykernel_launcher")

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


class OneSpec(KernelSpecManager):
    """Knows one kernel, by whatever name."""

    def __init__(self, command: tuple[str, ...]) -> None:
        super().__init__()
        self._argv = [*command, "-f", "{connection_file}"]

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(argv=self._argv, display_name=kernel_name, language="python")


def executed(path: Path, command: tuple[str, ...], home: Path) -> Any:
    """The notebook as nbclient leaves it."""
    home.mkdir()
    notebook = nbformat.read(path, 4)
    manager = AsyncKernelManager(kernel_spec_manager=OneSpec(command))
    client = NotebookClient(notebook, km=manager, timeout=120, resources={"metadata": {"path": str(home)}})

    async def run() -> None:
        await client.async_execute(cleanup_kc=True, env=environment_of(home, {}))

    asyncio.run(run())
    return notebook


def shown(notebook: Any) -> list[Any]:
    """What a person sees: counts and outputs. Addresses are what no two processes have in common."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    text = json.dumps([[cell.execution_count, cell.outputs] for cell in cells])
    return json.loads(re.sub(r"0x[0-9a-f]{6,}", "0x...", text))  # type: ignore[no-any-return]


@every_notebook
def test_outputs_are_those_of_plain_ipykernel(path: Path, tmp_path: Path) -> None:
    ours = shown(executed(path, KISHU, tmp_path / "kishu"))
    plain = shown(executed(path, PLAIN, tmp_path / "plain"))
    assert [count for count, _ in ours] == list(range(1, len(ours) + 1))
    assert sum(bool(outputs) for _, outputs in ours) > len(ours) // 2
    for one, other in zip(ours, plain, strict=True):
        assert one == other


@every_notebook
def test_every_state_comes_back(path: Path, tmp_path: Path) -> None:
    cells = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    library = environment_of(tmp_path, {})["PYTHONPATH"] + ":" + str(Path(describer.__file__).parent)
    with Kernel(tmp_path, environment={"PYTHONPATH": library}) as kernel:
        states: list[tuple[str, describer.Description]] = []
        for code in cells:
            kernel.ok(code)
            states.append((kernel.done("status")["head"], description(kernel)))
        assert len({head for head, _ in states}) == len(cells)
        choose = random.Random(path.stem)
        visits = [*choose.sample(states, len(states)), *choose.choices(states, k=len(states) // 2), states[-1]]
        for head, then in visits:
            reply = kernel.done("checkout", target=head)
            assert (reply["head"], reply["applied"], reply["plan"]["lost"]) == (head, True, [])
            assert describer.differences(then, description(kernel)) == []
        assert kernel.done("status")["warnings"] == []


def description(kernel: Kernel) -> describer.Description:
    """Taken inside, hidden; no variable comes of it."""
    return json.loads(kernel.value(describer.IN_KERNEL))  # type: ignore[no-any-return]
