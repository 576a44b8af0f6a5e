"""The three ways to learn what a cell may have touched, behind one small protocol.

`code` reads the cell's source and costs the cell nothing; `namespace` is the paper's patched namespace (section 4.3);
`all` takes every variable for touched, for the benchmarks to compare with.

Each run has a watch of its own, since cells of subshells run at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, Protocol

from kishu_kernel.detect.access import cell_access
from kishu_kernel.model import Access

TrackerKind = Literal["code", "namespace", "all"]

Watch = Callable[[], Access]
"""Ends the watch over a run, and returns what the cell may have touched. Called once, right after the cell."""


class Tracker(Protocol):
    """Watches the runs of cells."""

    def watch(self, source: str) -> Watch:
        """Begins to watch a run.

        Args:
            source: the transformed source of the cell that is about to run.

        Returns:
            The function that ends the watch, however the cell ended.
        """
        ...


def make_tracker(kind: TrackerKind, namespace: dict[str, Any]) -> Tracker:
    """The tracker of this kind.

    Args:
        namespace: the user namespace; for the kind `namespace` it must be a `PatchedNamespace`.

    Raises:
        TypeError: it is not.
    """
    if kind == "code":
        return CodeTracker()
    if kind == "all":
        return CheckAllTracker()
    if not isinstance(namespace, PatchedNamespace):
        raise TypeError("The tracker 'namespace' needs a PatchedNamespace as the user namespace.")
    return NamespaceTracker(namespace)


class CodeTracker:
    """Reads the code of the cell. What the functions that it calls may touch is added by the detector."""

    def watch(self, source: str) -> Watch:
        """Reads the source now; nothing of ours happens during the run."""
        access = cell_access(source)
        return lambda: access


class CheckAllTracker:
    """Every cell may have touched, and read, every variable."""

    def watch(self, source: str) -> Watch:
        """Watches nothing."""
        return lambda: Access(dynamic=True)


class NamespaceTracker:
    """The names that a cell really got, set and deleted, as the patched namespace saw them."""

    def __init__(self, namespace: PatchedNamespace) -> None:
        self._namespace = namespace

    def watch(self, source: str) -> Watch:
        """Records from now on, whatever the source says."""
        record = _Record()
        self._namespace._open.append(record)

        def end() -> Access:
            self._namespace._open.remove(record)
            return record.access()

        return end


class _Record:
    """What one run was seen to touch."""

    __slots__ = ("bound", "inputs", "whole")

    def __init__(self) -> None:
        self.bound: set[str] = set()
        self.inputs: set[str] = set()
        self.whole = False

    def access(self) -> Access:
        return Access(frozenset(self.bound | self.inputs), frozenset(self.inputs), self.whole)


class PatchedNamespace(dict[str, Any]):
    """The paper's patched namespace: it records which names are got, set and deleted.

    Between cells it records nothing. While several cells run at the same time, what one touches is recorded for all of
    them: the namespace cannot tell who asks, and too much is safe.

    What it costs: Python calls for each access; loops in a cell and over the globals of functions run many times
    slower. Libraries that want a real dict get a subclass.

    What it misses: names read in the body of a class, and `global x; x = ...` (or `del x`) in a function. For these
    the interpreter goes straight to the C dict, as does C code that takes any dict for a plain one. Such a rebinding is
    found when bindings are compared; a change of an object that was reached only so is not.
    """

    __slots__ = ("_open",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._open: list[_Record] = []

    def _got(self, name: str) -> None:
        for record in self._open:
            if name not in record.bound:
                record.inputs.add(name)

    def _set(self, name: str) -> None:
        for record in self._open:
            record.bound.add(name)

    def _got_whole(self) -> None:
        for record in self._open:
            record.whole = True

    def __getitem__(self, name: str) -> Any:
        self._got(name)
        return super().__getitem__(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self._set(name)
        super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        self._got(name)
        super().__delitem__(name)

    def __contains__(self, name: object) -> bool:
        if isinstance(name, str):
            self._got(name)
        return super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        # Only names; but without this method `dict(namespace)` copies the values behind our back.
        return super().__iter__()

    def get(self, name: str, default: Any = None) -> Any:
        """Records a read."""
        self._got(name)
        return super().get(name, default)

    def pop(self, name: str, *default: Any) -> Any:
        """Records a read: who deletes a name has seen its value."""
        self._got(name)
        return super().pop(name, *default)

    def popitem(self) -> tuple[str, Any]:
        """Records a read of everything: the caller does not say which name."""
        self._got_whole()
        return super().popitem()

    def setdefault(self, name: str, default: Any = None) -> Any:
        """Records a read and a write."""
        self._got(name)
        self._set(name)
        return super().setdefault(name, default)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Records a write of each name."""
        new: Mapping[str, Any] = dict(*args, **kwargs)
        for name in new:
            self._set(name)
        super().update(new)

    def __ior__(self, other: Any) -> PatchedNamespace:  # type: ignore[override, misc]
        self.update(other)
        return self

    def clear(self) -> None:
        """Records a read of everything."""
        self._got_whole()
        super().clear()

    def copy(self) -> dict[str, Any]:
        """Records a read of everything."""
        self._got_whole()
        return super().copy()

    def items(self) -> Any:
        """Records a read of everything."""
        self._got_whole()
        return super().items()

    def values(self) -> Any:
        """Records a read of everything."""
        self._got_whole()
        return super().values()
