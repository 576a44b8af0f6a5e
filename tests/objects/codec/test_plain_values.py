"""The quick way for small plain values gives the stream that the usual way gives."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kishu_kernel.model import Payload
from kishu_kernel.objects.codec import encoding, pickling, plain_values
from kishu_kernel.objects.codec.encoding import encode
from kishu_kernel.objects.codec.plain_values import LONGEST, plain_stream
from kishu_kernel.objects.reduction_table import ReductionTable

atoms = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=8)
plain = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(atoms, inner, max_size=3)
        | st.frozensets(atoms, max_size=3)
        | st.sets(atoms, max_size=3)
    ),
    max_leaves=20,
)


@pytest.fixture(autouse=True, params=["native", "python"], scope="module")
def twin(request: pytest.FixtureRequest) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "python":
            patch.setattr(plain_values, "WALKER", None)
        yield request.param


def usual_stream(variables: dict[str, Any]) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "plain_stream", lambda *_: None)
        patch.setattr(pickling, "native_stream", lambda *_: None)
        found = encode(tuple(sorted(variables)), variables, ReductionTable(variables))
    assert isinstance(found, Payload)
    return found.stream


@given(one=plain, other=plain)
def test_the_streams_are_the_same(one: Any, other: Any) -> None:
    variables = {"a": [one, other, one], "b": one, "c": (other,)}
    assert plain_stream(variables) == usual_stream(variables)


def test_a_list_that_holds_itself() -> None:
    loop: list[Any] = [b"x"]
    loop.append(loop)
    assert plain_stream({"loop": loop}) == usual_stream({"loop": loop})


class Own:
    """Of nobody's library."""


class OwnList(list[int]):
    """Looks like a list."""


@pytest.mark.parametrize("other", [Own(), OwnList(), Own, len, 1j, range(3), ...], ids=lambda it: type(it).__name__)
def test_all_else_goes_the_usual_way(other: Any) -> None:
    assert plain_stream({"x": other}) is None
    assert plain_stream({"x": [0, {"deep": (other,)}]}) is None


def test_what_is_long_or_deep_goes_the_usual_way(twin: str) -> None:
    for long in (["a" * LONGEST], [str(number) for number in range(LONGEST)]):
        found = plain_stream({"x": long})
        assert found is None if twin == "python" else found == usual_stream({"x": long})
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert plain_stream({"x": deep}) is None


def test_where_memory_runs_out_the_usual_way_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(plain_values, "WALKER", plain_values.WALKER and SimpleNamespace(pickle=out_of_memory))
    monkeypatch.setattr(plain_values._PlainPickler, "dump", out_of_memory, raising=False)
    found = encode(("x",), {"x": [1, "a"]}, ReductionTable({}))
    assert isinstance(found, Payload)
    assert found.stream == usual_stream({"x": [1, "a"]})
