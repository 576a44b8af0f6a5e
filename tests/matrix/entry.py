"""What is tried of a class: a few cells, as somebody would write them in a notebook."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

TOUCH = "type(x)"
"""Names the variable and asks nothing of it."""

STANDARD = "Standard library"
ANALYSIS = "Data analysis"
VISUALIZATION = "Data visualization"
LEARNING = "Machine learning"
DEEP = "Deep learning"
LANGUAGE = "NLP"
VISION = "Computer vision"
DISTRIBUTED = "Distributed computing"
PIPELINES = "Data pipelining"
QUANTUM = "Quantum computing"

CATEGORIES = (
    *(ANALYSIS, VISUALIZATION, LEARNING, DEEP, LANGUAGE, VISION, DISTRIBUTED, PIPELINES),  # the paper's Table 3
    *(QUANTUM, STANDARD),
)


@dataclass(frozen=True)
class Entry:
    """One class, and what is done to an object of it.

    Attributes:
        name: of the class, as people write it; told apart by it within its group.
        category: one of `CATEGORIES`.
        library: the distribution that it comes from; entries of one library share a kernel. Empty: Python itself.
        create: a cell that makes `x`, imports included.
        change: a cell that changes `x`, or what it leads to.
        look: an expression for what users see of `x`. It changes nothing.
        before: a cell that is run first, as notebooks begin: a session with what does the work.
        needs: the modules without which it cannot be tried, if not named as the library.
        touch: a cell that names `x` and changes nothing.
        variables: whose descriptions are compared.
        described: whether the describer can tell such an object; else `look` says all.
        seconds: that its cells may take.
    """

    name: str
    category: str
    library: str
    create: str
    change: str
    look: str = ""
    before: str = ""
    needs: tuple[str, ...] = ()
    touch: str = TOUCH
    variables: tuple[str, ...] = ("x",)
    described: bool = True
    seconds: float = 60

    @property
    def modules(self) -> tuple[str, ...]:
        """What must be there to import."""
        return self.needs or ((self.library,) if self.library else ())

    def missing(self) -> str | None:
        """The first module that this interpreter does not have."""
        return next((name for name in self.modules if importlib.util.find_spec(name) is None), None)


def entries_of(group: str) -> tuple[Entry, ...]:
    """The entries of a group."""
    found: tuple[Entry, ...] = importlib.import_module(f"tests.matrix.groups.{group}").ENTRIES
    return found


def library(category: str, name: str, *needs: str) -> Callable[..., Entry]:
    """Makes the entries of one library: name, create, change, look."""

    def entry(kind: str, create: str, change: str, look: str = "", **further: Any) -> Entry:
        return Entry(kind, category, name, create, change, look, **{"needs": needs, **further})

    return entry
