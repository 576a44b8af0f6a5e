"""Frames are walked by both twins alike, and what is kept from one judgement to the next is what still is so."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from kishu_kernel.detect.fingerprint import Fingerprinter
from kishu_kernel.detect.walk import twins
from kishu_kernel.detect.walk.result import Fingerprint
from kishu_kernel.objects.reduction_table import ReductionTable

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")


def taken(**objects: Any) -> dict[str, Fingerprint]:
    of = Fingerprinter(ReductionTable({}))
    return {name: of.take(obj) for name, obj in objects.items()}


def frames() -> dict[str, Any]:
    moments = pd.date_range("2024-01-01", periods=6, name="day")
    frame = pd.DataFrame({"x": np.arange(6), "y": np.arange(6) / 7, "city": list("abcabc")}, index=moments)
    frame["kind"] = pd.Categorical(list("uvwuvw"), ordered=True)
    frame["whole"] = pd.array([1, None, 3, 4, 5, 6], dtype="Int64")
    return {
        "frame": frame,
        "part": frame[["x", "y"]].iloc[1:4],
        "column": frame["y"],
        "labels": frame.index,
        "pair": [frame["city"], frame.columns, frame.columns],
        "several": frame.set_index(["city", "kind"]),
        "array": frame["y"].to_numpy(),
        "none": frame.iloc[:0],
        "groups": frame.groupby("city"),
        "spans": pd.interval_range(0, 6),
        "objects": pd.Series([[1], [2], "three"]),
    }


@pytest.mark.skipif(twins.NATIVE is None, reason="there is no native twin here")
def test_both_twins_find_the_same_in_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = frames()
    native = taken(**objects)
    monkeypatch.setattr(twins, "NATIVE", None)
    pure = taken(**objects)
    for name in objects:
        assert native[name].digest == pure[name].digest, name
        assert native[name].ranges == pure[name].ranges, name
        assert len(native[name].labels) == len(pure[name].labels), name
        assert len(native[name].links) == len(pure[name].links), name


def test_what_a_frame_is_does_not_depend_on_what_was_walked_before_it(both_twins: str) -> None:
    objects = frames()
    together, backwards = taken(**objects), taken(**dict(reversed(objects.items())))
    for name, obj in objects.items():
        assert together[name].digest == backwards[name].digest == taken(**{name: obj})[name].digest, name


def test_labels_that_several_frames_hold_are_seen_to_change_in_each(both_twins: str) -> None:
    one = pd.DataFrame({"x": [1]})
    other = one + 1
    before = taken(one=one, other=other)
    one.columns.name = "renamed"
    after = taken(one=one, other=other)
    shared = one.columns is other.columns
    assert before["one"].digest != after["one"].digest
    assert (before["other"].digest != after["other"].digest) is shared


@pytest.fixture
def library() -> Iterator[types.ModuleType]:
    module = types.ModuleType("held_by_kishu_test")
    exec("class Thing:\n    def __init__(self, held):\n        self.held = held", vars(module))
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def test_what_a_library_holds_is_asked_again_when_it_has_changed(library: Any, both_twins: str) -> None:
    table = ReductionTable({})
    held = [1, 2]
    thing = library.Thing(held)

    def links_it() -> bool:
        return id(held) in Fingerprinter(table).take(thing).links

    assert links_it()
    library.default = held
    assert not links_it()
    del library.default
    assert links_it()
    library.Thing.default = held
    assert not links_it()
    library.Thing.default = None
    assert links_it()
