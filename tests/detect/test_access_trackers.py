"""The trackers behind their protocol. Cells run as in IPython: by `exec` in the namespace."""

from __future__ import annotations

from typing import Any

import pytest

from kishu_kernel.detect.access_trackers import (
    CheckAllTracker,
    CodeTracker,
    NamespaceTracker,
    PatchedNamespace,
    Tracker,
    TrackerKind,
    make_tracker,
)
from kishu_kernel.model import Access


def run(tracker: Tracker, namespace: dict[str, Any], cell: str) -> Access:
    end = tracker.watch(cell)
    try:
        exec(compile(cell, "<cell>", "exec"), namespace)
    finally:
        found = end()
    own = {"__builtins__", "__name__", "print", "len", "range"}
    return Access(found.names - own, found.inputs - own, found.dynamic)


@pytest.fixture
def patched() -> PatchedNamespace:
    return PatchedNamespace(__name__="__main__", x=[1], y=[2], z=[3])


@pytest.mark.parametrize("kind", ["code", "namespace", "all"])
def test_every_tracker_sees_what_a_cell_touches(kind: TrackerKind, patched: PatchedNamespace) -> None:
    found = run(make_tracker(kind, patched), patched, "x.append(y)\nw = 1")
    assert found.dynamic or {"x", "y", "w"} <= found.names
    assert found.dynamic or {"x", "y"} <= found.inputs


@pytest.mark.parametrize("kind", ["code", "namespace", "all"])
def test_a_cell_that_raises_is_watched_too(kind: TrackerKind, patched: PatchedNamespace) -> None:
    tracker = make_tracker(kind, patched)
    end = tracker.watch("x.append(1)\n1 / 0")
    with pytest.raises(ZeroDivisionError):
        exec("x.append(1)\n1 / 0", patched)
    found = end()
    assert found.dynamic or "x" in found.inputs


def test_make_tracker() -> None:
    assert isinstance(make_tracker("code", {}), CodeTracker)
    assert isinstance(make_tracker("all", {}), CheckAllTracker)
    assert isinstance(make_tracker("namespace", PatchedNamespace()), NamespaceTracker)
    with pytest.raises(TypeError, match="PatchedNamespace"):
        make_tracker("namespace", {})


def test_code_tracker_leaves_the_namespace_alone() -> None:
    namespace: dict[str, Any] = {"x": 1}
    end = make_tracker("code", namespace).watch("y = x")
    assert namespace == {"x": 1}
    assert end() == Access(frozenset("xy"), frozenset("x"), rebinds=frozenset("y"))


@pytest.mark.parametrize(
    ("cell", "names", "inputs", "dynamic"),
    [
        ("pass", "", "", False),
        ("x", "x", "x", False),
        ("x = 1", "x", "", False),
        ("x = 1\nx", "x", "", False),
        ("x\nx = 1", "x", "x", False),
        ("del x", "x", "x", False),
        ("x = 1\ndel x", "x", "", False),
        ("def f():\n    return y\nf()", "f y", "y", False),
        ("def f():\n    return y", "f", "", False),
        ("if False:\n    x", "", "", False),
        ("[y for _ in x]", "x y", "x y", False),
        ("exec('x.append(1)')", "x exec", "x exec", False),
        ("globals()['y']", "y globals", "y globals", False),
        ("globals().get('y')", "y globals", "y globals", False),
        ("globals().pop('y')", "y globals", "y globals", False),
        ("globals().setdefault('y', 1)", "y globals", "y globals", False),
        ("globals().update(y=1)", "y globals", "globals", False),
        ("g = globals()\ng |= {'y': 1}", "y g globals", "globals", False),
        ("'y' in globals()", "y globals", "y globals", False),
        ("list(globals().items())", "list globals", "list globals", True),
        ("list(globals().values())", "list globals", "list globals", True),
        ("globals().copy()", "x y z globals", "x y z globals", True),
    ],
)
def test_patched_namespace(cell: str, names: str, inputs: str, dynamic: bool, patched: PatchedNamespace) -> None:
    found = run(NamespaceTracker(patched), patched, cell)
    assert found.names == set(names.split())
    assert found.inputs == set(inputs.split())
    assert found.dynamic == dynamic


def test_a_plain_copy_of_the_patched_namespace_is_seen(patched: PatchedNamespace) -> None:
    assert {"x", "y", "z"} <= run(NamespaceTracker(patched), patched, "dict(globals())").inputs


def test_what_the_patched_namespace_misses(patched: PatchedNamespace) -> None:
    """As its docstring says. Should an interpreter mend this, the docstring is to change."""
    found = run(NamespaceTracker(patched), patched, "class A:\n    q = x")
    assert found.names == {"A"}
    found = run(NamespaceTracker(patched), patched, "def f():\n    global x\n    x = 1\nf()")
    assert found.names == {"f"}
    assert patched["x"] == 1


def test_patched_namespace_is_a_dict(patched: PatchedNamespace) -> None:
    assert patched.pop("none", 5) == 5
    assert patched.get("none") is None
    with pytest.raises(KeyError):
        patched.pop("none")
    with pytest.raises(KeyError):
        del patched["none"]
    assert list(patched) == ["__name__", "x", "y", "z"]
    assert patched.popitem() == ("z", [3])
    patched.update([("z", 4)], w=5)
    assert (patched["z"], patched["w"]) == (4, 5)
    patched.clear()
    assert not patched


def test_watches_overlap_without_ending_each_other(patched: PatchedNamespace) -> None:
    tracker = NamespaceTracker(patched)
    first = tracker.watch("")
    exec("x", patched)
    second = tracker.watch("")
    exec("y", patched)
    of_first = first()
    exec("z", patched)
    of_second = second()
    exec("w = 1", patched)
    assert {"x", "y"} <= of_first.names
    assert "z" not in of_first.names
    assert {"y", "z"} <= of_second.names
    assert not {"x", "w"} & of_second.names


def test_nothing_is_recorded_between_cells(patched: PatchedNamespace) -> None:
    run(NamespaceTracker(patched), patched, "x")
    exec("y", patched)
    assert run(NamespaceTracker(patched), patched, "z").names == {"z"}
