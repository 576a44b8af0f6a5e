"""What is known of a library stands in its file: no other module of the package names one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import kishu_kernel

PACKAGE = Path(kishu_kernel.__file__).parent
LIBRARIES = PACKAGE / "objects" / "libraries"

MACHINERY = {"IPython", "ipykernel", "ipywidgets", "comm", "tornado", "traitlets", "zmq"}
"""What a Jupyter kernel is made of: our front end is built on them, and they are named there."""

NAMES = {path.stem for path in LIBRARIES.glob("*.py")} - {"__init__"} - MACHINERY

ARRAYS = "arrays of NumPy are what buffers are: their memory is read where it lies, which no table could tell"
EXCEPTIONS = {
    "objects/arrays.py": ({"numpy"}, ARRAYS),
    "objects/codec/buffers.py": ({"numpy"}, ARRAYS),
    "objects/codec/strings.py": ({"numpy"}, ARRAYS),
    "objects/rebuild/arrays.py": ({"numpy"}, ARRAYS),
    "process/memory.py": ({"numpy"}, ARRAYS),
    "store/format/palette.py": ({"numpy"}, "it is used where the session has it: items of arrays are many"),
    "history/effects.py": (
        {"sqlalchemy"},
        "packages that talk to the world are known by their names",
    ),
    "objects/rebuild/libraries.py": ({"torch"}, "names in payload streams: they are stored, and stay where they are"),
}


def named(path: Path) -> Iterator[str]:
    """Libraries that the code of a module imports, or spells in a text that is nothing else."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            spelled = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            spelled = [node.module or ""]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            spelled = [node.value]
        else:
            continue
        yield from NAMES & {each.partition(".")[0] for each in spelled}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_other_module_names_a_library(path: Path) -> None:
    if "libraries" in path.relative_to(PACKAGE).parts:
        return
    allowed, _ = EXCEPTIONS.get(path.relative_to(PACKAGE).as_posix(), (set(), ""))
    assert set(named(path)) == allowed
