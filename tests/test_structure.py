"""What holds for the package as a whole: few rooms, modules of a size that can be read, and no circles of imports.

import-linter holds the layers (`pyproject.toml`); it leaves aside what lies inside a layer.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "kishu_kernel"
MOST_ENTRIES = 13
"""At the top of the package: rooms and modules, beside `__init__`, `__main__` and what is no code."""
MOST_LINES = 450
"""In a module whose docstring does not say `Long because ...`."""

Imports = dict[str, set[str]]


def modules() -> dict[str, Path]:
    """Each module of the package, by its dotted name; a package by its own."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules of the package that a module imports, wherever it does: in functions, and for types only, too."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name in known)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            base = ".".join([*parents[: len(parents) - node.level + 1], node.module or ""] if node.level else [])
            base = base.rstrip(".") or node.module or ""
            for each in node.names:
                inner = f"{base}.{each.name}"
                if inner in known or base in known:
                    yield inner if inner in known else base


def circles(graph: Imports) -> list[list[str]]:
    """Groups of modules of which each leads to each other. Empty where there is no circle."""
    ways = {name: reached(name, graph) for name in graph}
    found = {frozenset({name, *(other for other in ways[name] if name in ways[other])}) for name in graph}
    return sorted(sorted(group) for group in found if len(group) > 1)


def reached(name: str, graph: Imports) -> set[str]:
    """All that a module imports, and what that imports, and so on."""
    seen: set[str] = set()
    waiting = [*graph[name]]
    while waiting:
        here = waiting.pop()
        if here not in seen:
            seen.add(here)
            waiting += graph[here]
    return seen


def test_no_two_modules_import_each_other() -> None:
    known = modules()
    graph = {name: set(imports(name, path, known)) - {name} for name, path in known.items()}
    assert sum(map(len, graph.values())) > len(graph)  # they were found
    assert circles(graph) == []


def test_a_circle_is_seen() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_the_top_level_is_small() -> None:
    entries = [path.name for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    kept = sorted(set(entries) - {"__init__.py", "__main__.py"})
    assert len(kept) <= MOST_ENTRIES, kept


def test_modules_can_be_read() -> None:
    long = {}
    for path in PACKAGE.rglob("*.py"):
        source = path.read_text("utf-8")
        lines = source.count("\n")
        if lines > MOST_LINES and "Long because " not in (ast.get_docstring(ast.parse(source)) or ""):
            long[str(path.relative_to(PACKAGE))] = lines
    assert not long
