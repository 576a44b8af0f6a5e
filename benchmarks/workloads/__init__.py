"""What is run: notebooks of our own with synthetic data, one percent script each, the same cells for all systems.

A script's docstring has a title in its first line. Each line `# %%` begins a cell; words after it are tags:

- `parameters`: the first cell; what it assigns can be replaced (`SCALE` shrinks the data).
- `undo`: the state before this cell is restored from the state after it.
- `fork`: the state before this cell is where the notebook branches: from here on it is run twice.
- `deterministic`: what it leaves follows from its variables alone (the paper's Det-replay).
- `long`: it is meant to take more than a second.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

NOTEBOOKS = {
    "cluster": "Cluster",
    "tps": "TPS",
    "text_mining": "Sklearn",
    "hw_lm": "HW-LM",
    "store_sales": "StoreSales",
    "quantum": "Qiskit",
    "image_classification": "TorchGPU",
    "distributed": "Ray",
}
"""Those like the paper's eight, and their names in its Table 2."""

OTHERS = (
    *("shared_list", "long_session", "many_variables", "large_frame"),
    *("strings", "objects", "module_loop", "function_loop"),
)
"""Those that press one point."""

TAGS = frozenset({"parameters", "undo", "fork", "deterministic", "long"})


@dataclass(frozen=True)
class Cell:
    """A cell of a workload."""

    code: str
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Workload:
    """A notebook, ready to be run.

    Attributes:
        name: of its script.
        title: the first line of the script's docstring.
    """

    name: str
    title: str
    cells: tuple[Cell, ...]

    @property
    def fork(self) -> int | None:
        """The index of the cell before which it branches."""
        return next((index for index, cell in enumerate(self.cells) if "fork" in cell.tags), None)

    @property
    def undos(self) -> list[int]:
        """The indices of the cells that are undone."""
        return [index for index, cell in enumerate(self.cells) if "undo" in cell.tags]


def load(name: str, parameters: Mapping[str, object]) -> Workload:
    """A workload with these values of its parameters.

    Raises:
        ValueError: the script is not as it should be, or has no such parameter.
    """
    text = (HERE / f"{name}.py").read_text(encoding="utf-8")
    head, *parts = re.split(r"(?m)^# %%(.*)\n", text)
    title = (ast.get_docstring(ast.parse(head)) or "").split("\n")[0]
    cells = []
    for words, code in zip(parts[::2], parts[1::2], strict=True):
        tags = frozenset(words.split())
        if not tags <= TAGS:
            raise ValueError(f"{name}: no such tag: {', '.join(sorted(tags - TAGS))}")
        cells.append(Cell(code.strip(), tags))
    if not cells or "parameters" not in cells[0].tags:
        raise ValueError(f"{name}: the first cell is not tagged `parameters`")
    cells[0] = Cell(_replaced(name, cells[0].code, parameters), cells[0].tags)
    if name == "long_session":
        values = {**_values(cells[0].code), "SCALE": parameters.get("SCALE", 1.0)}
        cells += long_session(max(20, int(values["CELLS"] * values["SCALE"])))
    return Workload(name, title, tuple(cells))


def _replaced(name: str, code: str, parameters: Mapping[str, object]) -> str:
    for parameter, value in parameters.items():
        code, found = re.subn(rf"(?m)^{parameter} = .*$", f"{parameter} = {value!r}", code)
        if not found:
            raise ValueError(f"{name}: no parameter {parameter}")
    return code


def _values(code: str) -> dict[str, Any]:
    """What a parameters cell assigns."""
    return {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in ast.parse(code).body
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
    }


KINDS = (
    "n{i} = {i}",
    "rows.append({i})",
    "text{i} = f'cell {i}, ' + str(len(rows))",
    "counts['cell {i}'] = {i} * 2",
    "def f{i}(x, by={i}):\n    return math.sqrt(x) * by",
    "print(sum(rows), len(counts))",
    "values{i} = [random.random() for _ in range(20)]",
    "array = np.arange({i}, {i} + 50) * 0.5",
    "small = pd.DataFrame({{'a': range({i}, {i} + 10), 'b': list('abcdefghij')}})",
    "len(rows) + {i}",
    "frame['b'] = frame['b'] + {i}",
    "frame.head()",
)
"""Of the cells of a long session."""


def long_session(count: int) -> list[Cell]:
    """So many small cells."""
    last = count - 1
    return [Cell(KINDS[i % len(KINDS)].format(i=i), frozenset({"undo"} if i == last else ())) for i in range(count)]
