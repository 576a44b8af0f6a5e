"""Real notebooks in a real kernel: they notice nothing of us, and every state that they passed comes back."""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient

from tests.kernel.driver import Content, Kernel, environment_of
from tests.notebooks import outside
from tests.support import describer
from tests.support.soak import each

HERE = Path(__file__).parent
NOTEBOOKS = sorted(HERE.glob("*.ipynb"))
KISHU = (sys.executable, "-m", "kishu_kernel")
PLAIN = (sys.executable, "-m", "ipykernel_launcher")

NEEDED = {"simpy_bank": "simpy", "sympy_calculus": "sympy", "z3_roster": "z3"}
"""What only one notebook is about: it is skipped where that is not installed."""

AFTERWARDS = {"background_jobs": 0.15}
"""Seconds in which what a cell has started comes to its end: only then is the state one that can be told."""

REOPENED = re.compile(r"\w+\.(mode: str 'w'  =>  str 'a'|stream: .*  =>  NoneType None)", re.DOTALL)
"""A handler that was closed opens its file when there is something to write, and to append: it empties no log."""

NOT_YET: dict[str, str] = {}
"""Notebooks with states that come back otherwise, untold: why. To be struck out as it is mended."""

State = tuple[str, describer.Description]
"""A state's id, and what it was."""

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
    # not the one with channels of asyncio: now and then those hear of a reply only 5 s later, of any kernel's
    manager = KernelManager(kernel_spec_manager=OneSpec(command))
    client = NotebookClient(
        notebook,
        km=manager,
        timeout=120,
        coalesce_streams=True,  # in how many messages a text comes is a matter of time
        resources={"metadata": {"path": str(home)}},
    )

    async def run() -> None:
        await client.async_execute(cleanup_kc=True, env=environment_of(home, {}))

    asyncio.run(run())
    return notebook


def shown(notebook: Any) -> list[Any]:
    """What a person sees: counts and outputs, without addresses and ids of widgets, which are each process's own."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    text = json.dumps([[cell.execution_count, cell.outputs] for cell in cells])
    text = re.sub(r"0x[0-9a-f]{6,}", "0x...", text)
    return json.loads(re.sub(r"\b[0-9a-f]{32}\b", "...", text))  # type: ignore[no-any-return]


@every_notebook
def test_outputs_are_those_of_plain_ipykernel(path: Path, tmp_path: Path) -> None:
    pytest.importorskip(NEEDED.get(path.stem, "IPython"))
    ours = shown(executed(path, KISHU, tmp_path / "kishu"))
    plain = shown(executed(path, PLAIN, tmp_path / "plain"))
    assert [count for count, _ in ours] == list(range(1, len(ours) + 1))
    assert sum(bool(outputs) for _, outputs in ours) > len(ours) // 2
    for one, other in zip(ours, plain, strict=True):
        assert one == other


@every_notebook
@each("part", (4, 1), 1)
def test_every_state_comes_back_or_is_told(
    path: Path, part: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    pytest.importorskip(NEEDED.get(path.stem, "IPython"))
    if path.stem in NOT_YET:
        request.applymarker(pytest.mark.xfail(reason=NOT_YET[path.stem], strict=False))
    cells = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    environment = {"PYTHONPATH": library(tmp_path), "JPY_SESSION_NAME": str(tmp_path / path.name)}
    with Kernel(tmp_path, environment=environment) as kernel:
        states: list[State] = []
        for code in cells:
            kernel.ok(code)
            if path.stem in AFTERWARDS:  # what went on after the cell is in a state of its own
                time.sleep(AFTERWARDS[path.stem])
                kernel.done("commit", message="afterwards")
            states.append((kernel.done("status")["head"], description(kernel, path)))
        assert len({head for head, _ in states}) == len(cells)
        choose = random.Random(path.stem)
        for head, then in [*choose.sample(states, len(states) // part), states[-1]]:
            reply = kernel.done("checkout", target=head, allow_lost=True)
            assert (reply["head"], reply["applied"]) == (head, True)
            assert untold(then, description(kernel, path), reply["plan"]) == []
        while kernel.done("status")["pending"]:
            pass
        kernel.restart(kill=True)
        for head, then in [states[-1], *choose.sample(states, len(states) // part)]:
            reply = kernel.done("checkout", target=head, allow_lost=True)
            assert untold(then, description(kernel, path), reply["plan"]) == []


def library(home: Path) -> str:
    """Where the kernel finds the package, and who tells of its states."""
    places = [Path(each.__file__ or "").parent for each in (describer, outside)]
    return ":".join([environment_of(home, {})["PYTHONPATH"], *map(str, places)])


def description(kernel: Kernel, path: Path) -> describer.Description:
    """Taken inside, hidden; no variable comes of it."""
    variables = json.loads(kernel.value(describer.IN_KERNEL))
    return {**variables, **json.loads(kernel.value(outside.IN_KERNEL.format(path.stem)))}


def untold(was: describer.Description, now: describer.Description, plan: Content) -> list[str]:
    """The differences that are of nothing that the plan named as lost."""
    lost = {name for each in plan["lost"] for name in each["names"]}
    if any(re.fullmatch(r"_\d+", name) for name in lost):
        lost |= {"_", "__", "___"}  # results that are lost, by their other names
    edited = {name for note in plan["notes"] for name in re.findall(r"(\w+)\.py\b", note)}
    found = [line for line in describer.differences(was, now) if not edited & code_of(line)]
    return [line for line in found if not lost & about(line) and not REOPENED.fullmatch(line)]


def code_of(line: str) -> set[str]:
    """The module whose function a difference is about, if it is about one."""
    return set(re.findall(r": function (\w+)\.", line))


def about(line: str) -> set[str]:
    """The variables that a difference is told of, and that it says are the same object."""
    path, _, told = re.sub(r"^(memory of|layout of|outside:) ", "", line).partition(": ")
    return set(re.findall(r"(?:^|and |-> )(\w+)", f"{path}\n{told}", re.MULTILINE))
