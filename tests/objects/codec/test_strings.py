"""Long arrays of strings leave the stream as text, and come back as they were, object by object."""

from __future__ import annotations

import builtins
import ctypes
import math
import random
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kishu_kernel.detect.fingerprint import Fingerprinter
from kishu_kernel.detect.sequence_cache import CachedSequence, CheckoutReuse, PayloadReuse, array_lookup
from kishu_kernel.errors import LoadError
from kishu_kernel.model import Checkpoint, CheckpointId, Payload, SessionId, Version
from kishu_kernel.model.dataclass import replace
from kishu_kernel.objects.codec import written_texts
from kishu_kernel.objects.codec.encoding import encode
from kishu_kernel.objects.codec.pickling import decode
from kishu_kernel.objects.codec.strings import BLOCK, LONG, MOST_KINDS, SEPARATORS
from kishu_kernel.objects.rebuild import texts
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.store import MemoryStore

ID = CheckpointId("0123456789abcdef")
TABLE = ReductionTable({"__name__": "__main__", "__builtins__": builtins})


def payload_of(sequences: Iterable[CachedSequence] = (), **variables: Any) -> Payload:
    payload = encode(tuple(sorted(variables)), variables, TABLE, (), array_lookup(sequences))
    assert isinstance(payload, Payload), payload
    return payload


def stored(payload: Payload) -> Any:
    store = MemoryStore()
    checkpoint = Checkpoint(ID, None, SessionId("s"), 0.0, 1, "", "ok", None, 0.0, (), (), (), (), (), (), ())
    store.commit(checkpoint, [payload], {})
    return store.load(Version(payload.names, ID))


def back(**variables: Any) -> Mapping[str, Any]:
    return decode(stored(payload_of(**variables)), TABLE.namespace)


def first_places(array: Any) -> list[int]:
    """For each place, the first one that holds the same object."""
    first: dict[int, int] = {}
    return [first.setdefault(id(each), place) for place, each in enumerate(array.tolist())]


def is_text(payload: Payload) -> bool:
    return b"load_strings" in payload.stream


def assert_same(found: Any, expected: Any) -> None:
    assert type(found) is np.ndarray
    assert (found.dtype, found.shape, found.strides) == (expected.dtype, expected.shape, expected.strides)
    assert found.flags.writeable == expected.flags.writeable
    assert found.base is None
    assert found.flags.owndata
    for one, other in zip(found.ravel(order="A").tolist(), expected.ravel(order="A").tolist(), strict=True):
        assert type(one) is type(other)
        assert one == other if type(one) is str else one is other


def of(items: list[Any]) -> Any:
    array = np.empty(len(items), object)
    array[:] = items
    return array


def distinct(count: int = LONG) -> list[Any]:
    return [f"text {number}" for number in range(count)]


def holding(marker: Any, items: list[Any]) -> list[Any]:
    return [marker if number % 7 == 3 else each for number, each in enumerate(items)]


TEXTS: dict[str, Any] = {
    "distinct": of(distinct()),
    "few": of(["a", "b", "c", ""] * LONG),
    "one": of(["a"] * LONG),
    "empty ones": of([""] * LONG),
    "empty ones, each another object": of(["".join([]) for _ in range(LONG)]),
    "several blocks": of(distinct(2 * BLOCK + 1)),
    "few, more and more of them": of([f"kind {number // LONG}" for number in range(300 * LONG)]),
    "as many kinds as there are numbers for": of([f"k {i}" for i in range(MOST_KINDS)] * 8),
    "more kinds": of([f"k {i}" for i in range(MOST_KINDS + 1)] * 8),
    "few, equal ones in several objects": of([["a", "".join(["x", "y"])][i % 2] for i in range(LONG)]),
    "of all lengths": of(["ü" * (number % 50) for number in range(LONG)]),
    "surrogates": of([f"\ud800{number}\udfff" for number in range(LONG)]),
    "planes": of([f"{number}\U0001f600\u1234" for number in range(LONG)]),
    "a separator inside": of([f"a\0b{number}" for number in range(LONG)]),
    "most separators inside": of([f"{SEPARATORS[:-1]}{number}" for number in range(LONG)]),
    "short, with nan": of(["a", np.nan, "b"]),
    "nothing but one nan": of([np.nan]),
    "None": of(holding(None, distinct())),
    "nan": of(holding(np.nan, distinct())),
    "NA": of(holding(pd.NA, distinct())),
    "None first": of([None, *distinct()]),
    "few with nan": of(holding(np.nan, ["a", "b"] * LONG)),
    "few with None": of(holding(None, ["a", "b"] * LONG)),
    "few with NA": of(holding(pd.NA, ["a", "b"] * LONG)),
    "nothing but nan": of([np.nan] * LONG),
    "nothing but None": of([None] * LONG),
    "all kinds of missing values": of([None, pd.NA, *distinct(2 * BLOCK), None, np.nan]),
    "all kinds, few": of(["a", None, np.nan, pd.NA, None] * LONG),
    "nan in a later block": of([*distinct(2 * BLOCK), np.nan]),
    "two dimensions": of(distinct(3 * LONG)).reshape(3, LONG).copy(),
    "two dimensions, the other order": np.asfortranarray(of(distinct(3 * LONG)).reshape(LONG, 3)),
    "few and distinct rows": np.array([distinct(), ["a", "b"] * (LONG // 2)], object),
    "short rows": of(distinct(3 * LONG)).reshape(-1, 3).copy(),
    "every other": of(distinct(2 * LONG))[::2],
    "turned": of(holding(np.nan, distinct()))[::-1],
    "a part of each row": of(distinct(4 * LONG)).reshape(LONG, 4)[:, 1:3],
    "three dimensions": of(distinct(4 * LONG)).reshape(2, LONG, 2).copy(),
}


@pytest.mark.parametrize("array", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("writeable", [True, False])
def test_text_comes_back_as_it_was(array: Any, writeable: bool) -> None:
    array = array.view()
    array.flags.writeable = writeable
    payload = payload_of(x=array)
    assert is_text(payload)
    assert len(payload.stream) < 2500
    expected = array.copy(order="A")  # with gaps between them, they come back without
    expected.flags.writeable = writeable
    assert_same(decode(stored(payload), TABLE.namespace)["x"], expected)


class Text(str):
    __slots__ = ()


OTHERS: dict[str, Any] = {
    "all separators inside": of([f"{SEPARATORS}{number}" for number in range(LONG)]),
    "a subclass": of([*distinct(), Text("x")]),
    "NumPy's": of([*distinct(), np.str_("x")]),
    "bytes": of([*distinct(), b"x"]),
    "numbers": of(list(range(LONG))),
    "a float": of([*distinct(), 1.5]),
    "a list": of([*distinct(), ["x"]]),
    "few, with lists": of([*["a", ["x"]] * LONG]),
    "True": of([*["a", True, 1] * LONG]),
}


@pytest.mark.parametrize("array", OTHERS.values(), ids=OTHERS)
def test_what_is_more_than_text_stays_in_the_stream(array: Any) -> None:
    payload = payload_of(x=array)
    assert not is_text(payload)
    found = decode(stored(payload), TABLE.namespace)["x"]
    assert [type(each) for each in found.tolist()] == [type(each) for each in array.tolist()]
    assert repr(found.tolist()) == repr(array.tolist())


@pytest.mark.parametrize("other", [float("nan"), -math.nan])
def test_another_nan_stays_another_one(other: float) -> None:
    """pandas asks whether a missing value is the one nan of NumPy."""
    for items in ([*distinct(), np.nan, other], ["a", other] * LONG):
        assert not is_text(payload_of(x=of(items)))
        found = back(x=of(items))["x"]
        assert all(each is not np.nan for each in found.tolist() if type(each) is float and each is not items[-2])


words = st.text(st.characters(codec=None) | st.sampled_from(SEPARATORS), max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(words, min_size=1, max_size=300),
    st.lists(st.sampled_from([None, np.nan, pd.NA, ""]), max_size=3),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_any_strings_come_back(kinds: list[str], markers: list[Any], same_objects: bool, seed: int) -> None:
    places = np.random.default_rng(seed).integers(0, len(kinds) + len(markers), LONG + seed % 97)
    array = of([*kinds, *markers]).take(places)
    if not same_objects:
        array = of([each[:1] + each[1:] if type(each) is str else each for each in array.tolist()])
    assert_same(back(x=array)["x"], array)


# -- sharing -------------------------------------------------------------------------------------------


def test_views_of_text_come_back_as_views() -> None:
    whole = of(distinct(2 * LONG))
    found = back(whole=whole, tail=whole[LONG // 2 :], every=whole[::2], turned=whole.reshape(2, -1).T)
    assert found["whole"].base is None
    for name, expected in {"tail": whole[LONG // 2 :], "every": whole[::2], "turned": whole.reshape(2, -1).T}.items():
        assert found[name].tolist() == expected.tolist()
        assert np.shares_memory(found[name], found["whole"])
    found["whole"][-1] = "written"
    assert found["tail"][-1] == "written"


def test_views_without_the_array_come_back_over_one_memory() -> None:
    whole = of(distinct(3 * LONG))
    found = back(head=whole[: 2 * LONG], tail=whole[LONG:])
    assert found["head"].tolist() == whole[: 2 * LONG].tolist()
    found["head"][-1] = "written"
    assert found["tail"][LONG - 1] == "written"


def test_one_array_under_two_names_is_one() -> None:
    array = of(distinct())
    found = back(x=array, y=[array])
    assert found["x"] is found["y"][0]


# -- what unchanged text costs ---------------------------------------------------------------------------


def pieces(payload: Payload) -> set[bytes]:
    return {bytes(buffer.data) for buffer in payload.buffers}


def test_text_is_cut_alike_whatever_stands_around_it() -> None:
    array = of(distinct(2 * BLOCK))
    assert pieces(payload_of(x=array)) <= pieces(payload_of(x=[1, "a", array, of(["a", "b"] * LONG)]))


def test_a_longer_string_moves_its_block_only() -> None:
    array = of(distinct(5 * BLOCK))
    before = pieces(payload_of(x=array))
    array[BLOCK + 3] = "a longer string"
    assert len(pieces(payload_of(x=array)) - before) == 1


def test_text_is_written_alike_in_other_objects() -> None:
    few = of(["b", "a", "c"] * LONG)
    others = of(["".join([each]) for each in "bac"]).take(np.tile([0, 1, 2], LONG))
    assert pieces(payload_of(x=few)) == pieces(payload_of(x=others))


def test_a_row_that_goes_takes_nothing_with_it() -> None:
    rows = np.array([distinct(BLOCK), ["a", "b"] * (BLOCK // 2), distinct(BLOCK)[::-1]], object)
    assert pieces(payload_of(x=rows[1:].copy())) <= pieces(payload_of(x=rows))


# -- strings that the session holds ----------------------------------------------------------------------


def sequences_of(array: Any) -> tuple[CachedSequence, ...]:
    return Fingerprinter(TABLE).take(array).sequences


def loaded(payload: Payload, known: Iterable[CachedSequence]) -> tuple[Any, tuple[CachedSequence, ...]]:
    reuse = CheckoutReuse(known)
    found = decode(stored(payload), TABLE.namespace, PayloadReuse(reuse, "here"))["x"]
    return found, reuse.loaded_in("here")


def same_objects(one: Any, other: Any) -> bool:
    pairs = zip(one.ravel(order="A").tolist(), other.ravel(order="A").tolist(), strict=True)
    return all(one is other for one, other in pairs)


@pytest.mark.parametrize("name", ["distinct", "few", "nan", "None", "two dimensions, the other order", "surrogates"])
def test_known_strings_are_used_again(name: str) -> None:
    array = TEXTS[name]
    known = sequences_of(array)
    payload = payload_of(known, x=array)
    found, met = loaded(payload, known)
    assert_same(found, array)
    assert same_objects(found, array)
    assert met == known
    found.flat[0] = "written"
    again, _ = loaded(payload, known)
    assert_same(again, array)  # what is known is nobody's array


@pytest.mark.parametrize("name", ["distinct", "few", "nan", "None"])
def test_what_was_loaded_is_known(name: str) -> None:
    """The next look at it reads no strings, and neither does the next load."""
    array = TEXTS[name]
    payload = payload_of(sequences_of(array), x=array)
    found, met = loaded(payload, ())
    assert [each.content for each in met] == [each.content for each in sequences_of(array)]
    again = Fingerprinter(TABLE, met).take(found)
    assert again.sequences == met
    assert again.digest == Fingerprinter(TABLE).take(array).digest
    assert same_objects(loaded(payload, met)[0], found)


def test_other_content_is_not_used() -> None:
    array = TEXTS["distinct"]
    payload = payload_of(sequences_of(array), x=array)
    other = array.copy()
    other[5] = "other"
    found, _ = loaded(payload, sequences_of(other))
    assert_same(found, array)


def test_another_nan_is_not_taken_for_the_one() -> None:
    array = TEXTS["nan"]
    payload = payload_of(sequences_of(array), x=array)
    other = array.copy()
    other[3] = float("nan")
    assert sequences_of(other)[0].content == sequences_of(array)[0].content
    found, _ = loaded(payload, sequences_of(other))
    assert_same(found, array)


def test_without_knowing_the_content_nothing_is_used() -> None:
    array = TEXTS["distinct"]
    found, met = loaded(payload_of(x=array), sequences_of(array))
    assert_same(found, array)
    assert met == ()


def test_a_list_of_the_same_strings_is_no_hindrance() -> None:
    array = TEXTS["distinct"]
    known = sequences_of(array.tolist())
    found, met = loaded(payload_of(known, x=array), known)
    assert_same(found, array)
    assert len(met) == 1


def test_without_room_what_was_loaded_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    array = TEXTS["distinct"]
    payload = payload_of(sequences_of(array), x=array)
    monkeypatch.setattr("kishu_kernel.detect.sequence_cache.MOST_BYTES", 1000)
    found, met = loaded(payload, ())
    assert_same(found, array)
    assert met == ()


# -- texts that come often -------------------------------------------------------------------------------


def test_equal_texts_of_a_column_come_back_as_one_object_where_there_are_few() -> None:
    def column(kinds: int) -> Any:
        return np.array([f"town {number % kinds}" for number in range(2 * BLOCK)], object)

    few, many = back(x=column(500))["x"], back(x=column(2000))["x"]
    assert few.tolist() == column(500).tolist()
    assert many.tolist() == column(2000).tolist()
    assert len(set(map(id, few[:BLOCK]))) == 500
    assert len(set(map(id, many))) == many.size


def test_a_column_of_few_different_texts_is_numbers_whichever_objects_they_are() -> None:
    column = np.array([f"town {number % 300}" for number in range(2 * BLOCK)], object)
    column[7], column[8], column[9] = None, np.nan, "\udc80 \0 ä"
    payload = payload_of(x=column)
    assert sum(buffer.data.nbytes for buffer in payload.buffers) < 2 * column.size + 5000
    assert_same(back(x=column)["x"], column)
    column[BLOCK:] = [f"street {number}" for number in range(BLOCK)]
    assert sum(buffer.data.nbytes for buffer in payload_of(x=column).buffers) > 7 * column.size
    assert_same(back(x=column)["x"], column)


def in_python(act: Any, *arguments: Any) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "WALKER", None)
        patch.setattr(written_texts, "WALKER", None)
        return act(*arguments)


@pytest.mark.skipif(texts.WALKER is None, reason="there is no native module")
@given(
    kinds=st.lists(st.text(st.characters(exclude_characters="\0"), max_size=90), min_size=1, max_size=30),
    count=st.integers(1, 2 * texts.SAMPLE),
    seed=st.integers(0, 1 << 32),
)
def test_both_twins_take_texts_apart_and_put_them_together_alike(kinds: list[str], count: int, seed: int) -> None:
    draw = random.Random(seed)
    wanted = [draw.choice(kinds) for _ in range(count)]
    if draw.random() < 0.5:  # more of them than are known
        wanted = [f"{each}{draw.randrange(count)}" if draw.random() < 0.2 else each for each in wanted]
    data = "\0".join(wanted).encode("utf-8", "surrogatepass")
    native, other = np.empty(count, object), np.empty(count, object)
    texts.fill_texts(native, data, "\0")
    in_python(texts.fill_texts, other, data, "\0")
    assert native.tolist() == other.tolist() == wanted
    assert first_places(native) == first_places(other)

    for separator in ("\0", " "):
        joined = written_texts.join_texts(wanted, separator)
        assert joined == in_python(written_texts.join_texts, wanted, separator)
        assert joined == data or separator == " "
    others: list[Any] = [None, np.nan, pd.NA, 1, 1.0, True]
    mixed = np.array([draw.choice(others) if draw.random() < 0.1 else each for each in wanted], object)
    for array, most in ((native, 1024), (mixed, 1024), (mixed, 20)):
        found, expected = (
            each and (bytes(each[0]), list(map(id, each[1])))
            for each in (
                written_texts.number_texts(array, most),
                in_python(written_texts.number_texts, array, most),
            )
        )
        assert found == expected


# -- damage ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("harm", [lambda data: data[:-1] + b"\0", lambda data: data.replace(b"\0", b"x", 1)])
def test_text_that_does_not_fit_is_not_loaded(harm: Any) -> None:
    payload = payload_of(x=TEXTS["distinct"])
    [buffer] = payload.buffers
    data = memoryview(bytearray(harm(bytes(buffer.data))))
    harmed = Payload(payload.names, payload.codec, payload.stream, (type(buffer)(data, direct=True),))
    with pytest.raises(LoadError, match="there are 204"):
        decode(stored(harmed), TABLE.namespace)


def test_a_number_that_stands_for_no_string_is_told() -> None:
    payload = payload_of(x=np.array(["a", "b"] * BLOCK, object))
    [buffer] = payload.buffers
    harmed = replace(payload, buffers=(replace(buffer, data=memoryview(bytearray(bytes(buffer.data)[:-1] + b"\2"))),))
    with pytest.raises(LoadError, match="stands for no string"):
        decode(stored(harmed), TABLE.namespace)


@pytest.mark.parametrize("size", [3, LONG, 2 * BLOCK])
@pytest.mark.parametrize("step", [1, 2, 7])
def test_places_that_c_code_left_empty_are_none(size: int, step: int) -> None:
    """NumPy reads them as None. To look at such a place without asking ended the process."""
    array = np.array([f"text {place % 5}" for place in range(size)], object)
    for place in range(0, size, step):
        array[place] = None
    wanted = array.tolist()
    for place in range(0, size, step):
        ctypes.c_void_p.from_address(
            array.ctypes.data + array.itemsize * place
        ).value = 0  # the reference to None stays
    assert back(x=array)["x"].tolist() == wanted
