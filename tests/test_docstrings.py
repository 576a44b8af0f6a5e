"""What docstrings name exists: a module or symbol of the package, or a name of somebody else's that is listed here."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "kishu_kernel"
QUOTED = re.compile(r"`([A-Za-z_]\w*(?:[./][A-Za-z_]\w*)*)(?:\(\))?`")
"""Words in backticks that may be names: `Reducer.reduce`, `objects/registry`, `take()`."""

FOREIGN = frozenset(
    {
        # of Python
        *("Py_buffer", "checkcache", "dict_items", "dict_keys", "dict_values", "sigwait"),
        # of libraries
        *("BlockManager", "SingleBlockManager", "_Qhull", "get_params", "legend", "state_dict"),
        # of Jupyter and IPython
        *("Out", "_1", "_2", "_3", "_7", "___", "execute_reply", "jupyter_client", "kernel.json", "shutdown_request"),
        "jupyter_server_mcp.tools",
        # in text: what users write, and examples
        *("Untitled.ipynb", "clf__C", "deterministic", "module.QualName", "null", "virtiofs"),
        # names that we publish, or that streams have kept: no modules
        *("kishu_kernel.libraries", "kishu_kernel.rebuild", "objects/libraries/NAME.py"),
    }
)


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """The docstrings of a module and all in it, those that follow an assignment included; with their lines."""
    for node in ast.walk(tree):
        for statement in getattr(node, "body", []) if not isinstance(node, (ast.Lambda, ast.IfExp)) else []:
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield statement.lineno, value.value


def symbols(tree: ast.AST) -> set[str]:
    """All identifiers in a module."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.arg, ast.keyword)) and node.arg:
            found.add(node.arg)
        elif isinstance(node, ast.alias):
            found.update((node.asname or node.name).split("."))
    return found


class Names:
    """Modules of the package, and their symbols."""

    def __init__(self) -> None:
        self.trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
        self.modules: dict[str, set[str]] = defaultdict(set)
        """Each ending of a module's path ("walk.state", "state") -> what the modules of that name hold."""
        self.symbols: set[str] = set()
        for path, tree in self.trees.items():
            held = symbols(tree)
            self.symbols |= held
            parts = path.relative_to(ROOT).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            for first in range(len(parts)):
                self.modules[".".join(parts[first:])] |= held

    def knows(self, word: str) -> bool:
        """It is a module, a symbol, a symbol of a module, or a file."""
        if "/" in word and any((place / word).exists() for place in (ROOT, PACKAGE, PACKAGE / "frontend/panel")):
            return True
        name = word.replace("/", ".")
        first, *rest = name.split(".")
        if not rest:
            return name in self.modules or name in self.symbols or hasattr(builtins, name) or keyword.iskeyword(name)
        if name in self.modules or first in sys.stdlib_module_names or first in _LIBRARIES:
            return True
        homes = [(self.modules[home], left) for home, left in _cuts(name) if home in self.modules]
        if homes:
            return any(set(left) <= held for held, left in homes)
        return {first, *rest} <= self.symbols | _DUNDERS


_LIBRARIES = frozenset({"cloudpickle", "dill", "jupyter_client", "numpy", "pandas", "torch"})
_DUNDERS = frozenset({"__flags__"})


def _cuts(name: str) -> list[tuple[str, list[str]]]:
    parts = name.split(".")
    return [(".".join(parts[:end]), parts[end:]) for end in range(1, len(parts))]


def test_what_docstrings_name_is_there() -> None:
    names = Names()
    stale = [
        f"{path.relative_to(ROOT)}:{line}: {word}"
        for path, tree in names.trees.items()
        for line, text in docstrings(tree)
        for word in QUOTED.findall(text)
        if word not in FOREIGN and not names.knows(word)
    ]
    assert not stale, "renamed? or, if it is somebody else's name, list it in FOREIGN"


def test_what_is_gone_is_not_known() -> None:
    names = Names()
    assert all(map(names.knows, ("walk.state", "Reducer.reduce", "objects/registry")))
    assert not any(map(names.knows, ("walk.gone", "session.frontend", "no_such_symbol")))


def test_no_foreign_name_is_listed_in_vain() -> None:
    names = Names()
    told = {word for tree in names.trees.values() for _, text in docstrings(tree) for word in QUOTED.findall(text)}
    assert not FOREIGN - told
    assert not {word for word in FOREIGN if names.knows(word)}
