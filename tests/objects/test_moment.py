"""What is known of a type is forgotten when code has changed it, or what it derives from."""

from __future__ import annotations

import copyreg
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from kishu_kernel.detect.fingerprint import Fingerprinter
from kishu_kernel.objects.lasting_answers import LastingAnswers
from kishu_kernel.objects.moment import Unchanged
from kishu_kernel.objects.reducers import entry_of
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.process.native import type_version

CLASSES = "class A: pass\nclass B(A): pass\nb = B()"


@pytest.fixture
def notebook() -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(CLASSES, namespace)
    return namespace


@pytest.mark.parametrize(
    ("change", "back"),
    [
        ("B.__getstate__ = lambda self: {}", "del B.__getstate__"),
        ("A.__getstate__ = lambda self: {}", "del A.__getstate__"),
        (
            "class C:\n    def __getstate__(self): return {}\nclass D(C): pass\nB.__bases__ = (D,)",
            "B.__bases__ = (A,)",
        ),
    ],
)
def test_a_class_of_the_notebook_that_was_changed_is_looked_at_again(
    notebook: dict[str, Any], change: str, back: str
) -> None:
    table = ReductionTable(notebook)
    assert [entry_of(table, notebook["B"]) for _ in range(3)] == [None] * 3
    exec(change, notebook)
    assert entry_of(table, notebook["B"]) is not None
    exec(back, notebook)
    assert entry_of(table, notebook["B"]) is None


LIBRARY = "class A: pass\nclass B(A): pass\ndef emptied(each): return B, ()"


def test_so_is_one_of_a_library(notebook: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    library = types.ModuleType("lib")
    exec(LIBRARY, vars(library))
    monkeypatch.setitem(sys.modules, "lib", library)
    table, obj = ReductionTable(notebook), library.B()

    def digest_with(value: int) -> bytes:
        obj.value = value
        return Fingerprinter(table).take(obj).digest

    assert digest_with(1) != digest_with(2)
    library.A.__reduce__ = library.emptied  # which leaves out what instances have
    assert digest_with(1) != digest_with(2)
    del library.A.__reduce__
    assert digest_with(1) != digest_with(2)


def register(kind: type) -> None:
    copyreg.pickle(kind, lambda obj: (kind, ()))


@pytest.mark.parametrize("change", [register, lambda kind: setattr(kind, "said", 1)])
def test_nothing_is_known_of_a_type_after_a_change(notebook: dict[str, Any], change: Callable[[type], None]) -> None:
    kind, known = notebook["B"], Unchanged()
    known.put(kind, "found")
    assert known.get(kind) == ("found" if type_version(kind) else None)
    try:
        change(kind)
        assert known.get(kind) is None
    finally:
        copyreg.dispatch_table.pop(kind, None)


def test_a_moment_ends_with_the_block(notebook: dict[str, Any]) -> None:
    table = ReductionTable(notebook)
    with LastingAnswers(table).at_one_moment():
        assert table.moment is not None
    assert table.moment is None
