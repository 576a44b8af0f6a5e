"""Classes that are stored apart: which live one is taken, and when none is."""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from kishu_kernel.detect.fingerprint import Fingerprinter
from kishu_kernel.model import Payload
from kishu_kernel.objects.codec.bound_classes import BoundClasses
from kishu_kernel.objects.codec.class_streams import LARGE, ClassStreams
from kishu_kernel.objects.codec.encoding import encode
from kishu_kernel.objects.codec.pickling import decode
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.process.native import untouched

H = "class H:\n    def __init__(self, n): self.n = n\nh = H(3)"


@dataclass(frozen=True)
class Copy:
    """A payload as a store gives it back."""

    names: tuple[str, ...]
    stream: bytes
    blobs: tuple[Any, ...] = ()
    made_by: Mapping[str, str] = field(default_factory=dict)


class Session:
    """A namespace in which cells run, and what of it is stored."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        module = types.ModuleType("__main__")
        monkeypatch.setitem(sys.modules, "__main__", module)
        self.live = vars(module)
        self.table = ReductionTable(self.live)

    def run(self, code: str) -> None:
        exec(code, self.live)

    def stored(self, *names: str) -> Copy:
        encoded = encode(names, self.live, self.table)
        assert isinstance(encoded, Payload)
        return Copy(encoded.names, encoded.stream)

    def loaded(self, copy: Copy) -> dict[str, Any]:
        """For the user."""
        return decode(copy, self.live, live=self.table)


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    return Session(monkeypatch)


def test_the_live_class_is_taken(session: Session) -> None:
    session.run(H)
    found = session.loaded(session.stored("H", "h"))
    assert found["H"] is session.live["H"] is type(found["h"])
    assert found["h"] is not session.live["h"]


def test_a_copy_for_nobody_has_a_class_of_its_own(session: Session) -> None:
    session.run(H)
    found = decode(session.stored("H", "h"), session.live)
    assert found["H"] is type(found["h"]) is not session.live["H"]


def test_a_class_that_changed_is_made_anew_and_known_again(session: Session) -> None:
    session.run(f"{H}\nH.x = 1")
    before = session.stored("H", "h")
    first = session.live["H"]
    session.run("H.x = 2")
    after = session.stored("H", "h")
    anew = session.loaded(before)["H"]
    assert anew is not first
    assert anew.x == 1
    assert session.loaded(before)["H"] is anew
    assert session.loaded(after)["H"] is first


def test_a_class_that_is_gone_is_made_anew(session: Session) -> None:
    session.run(H)
    stored = session.stored("H", "h")
    session.run("del H, h")
    gc.collect()
    found = session.loaded(stored)
    assert type(found["h"]) is found["H"]
    assert found["h"].n == 3


def test_a_loaded_class_has_the_same_token(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its texts are other objects by now, and its stream is not the stored one byte by byte."""
    session.run("text = 'a' * 9\nclass H:\n    xs = [text, 'a' * 9, text]\nh = H()\nclass K(H): pass\nk = K()")
    stored = session.stored("H", "K", "h", "k")
    other = Session(monkeypatch)
    found = other.loaded(stored)
    again = other.loaded(stored)
    assert all(again[name] is found[name] for name in ("H", "K"))
    assert again["h"] is not found["h"]


def test_a_base_is_that_of_the_live_class(session: Session) -> None:
    session.run(f"{H}\nclass K(H): pass\nk = K(1)")
    stored = session.stored("H", "K", "h", "k")
    session.run("H.x = 1")
    found = session.loaded(stored)
    assert found["K"].__mro__[1] is found["H"] is type(found["h"]) is not session.live["H"]
    assert found["K"] is type(found["k"]) is not session.live["K"]


SHARED = {
    "a list": "H.xs = xs = [1]",
    "a method": "xs = H.__init__",
    "a cell": (
        "def make():\n    xs = []\n    class H:\n        def get(self): return xs\n    return H, lambda: xs\n"
        "H, xs = make(); h = H()"
    ),
    "an instance": "H.one = xs = h",
    "what is in an instance": "H.xs = xs = [1]; h.xs = xs",
}  # fmt: skip


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("name", SHARED)
def test_what_a_class_shares_stays_shared(session: Session, name: str, large: bool) -> None:
    session.run(f"{H}\n{SHARED[name]}\nys = {list(range(LARGE)) if large else []}")
    found = session.loaded(session.stored("H", "h", "xs", "ys"))
    assert found["H"] is type(found["h"]) is not session.live["H"]
    check = {
        "a list": lambda: found["H"].xs is found["xs"],
        "a method": lambda: found["H"].__init__ is found["xs"],
        "a cell": lambda: found["h"].get() is found["xs"](),
        "an instance": lambda: found["H"].one is found["h"] is found["xs"],
        "what is in an instance": lambda: found["H"].xs is found["h"].xs is found["xs"],
    }
    assert check[name]()


def test_a_large_payload_is_gone_through_only_in_doubt(session: Session) -> None:
    session.run(H)
    streams = ClassStreams(session.table)
    assert streams.stream_of(session.live["H"]) is not None

    def never() -> dict[int, Any]:
        raise AssertionError

    assert streams.shared_with(never, LARGE + 1) == set()
    session.run("held = H.__init__")
    with pytest.raises(AssertionError):
        streams.shared_with(never, LARGE + 1)


def test_what_a_class_caches_is_not_taken_for_unchanged(session: Session) -> None:
    session.run(
        "import functools\nclass H:\n    @staticmethod\n    @functools.lru_cache\n    def f(): return []\nh = H()"
    )
    found = session.loaded(session.stored("H", "h"))
    assert found["H"] is not session.live["H"]


def test_what_stands_in_a_class_is_left_as_it_is(session: Session) -> None:
    session.run("class Part:\n    def __init__(self): self.n = [1]\nclass H:\n    part = Part()")
    first = ClassStreams(session.table).stream_of(session.live["H"])
    untouched_before = untouched(session.live["H"].part)
    assert vars(session.live["H"].part) == {"n": [1]}  # which makes it a `__dict__`
    again = ClassStreams(session.table).stream_of(session.live["H"])
    assert first is not None
    assert again is not None
    assert first.data == again.data
    assert untouched_before or not untouched(Untouched())


def test_members_of_an_enum_are_left_as_they_are(session: Session) -> None:
    """Where they are asked for their `__dict__`, each access to their values takes twice as long from there on."""
    session.run("import enum\nclass Way(enum.Enum):\n    NORTH = 'n'\nway = [Way.NORTH]")
    live, member = session.live, session.live["way"][0]
    untouched_before = untouched(member)
    Fingerprinter(session.table, bound=BoundClasses(session.table, live).token_of).take(live["way"])
    Fingerprinter(session.table).take(live["Way"])
    assert ClassStreams(session.table).stream_of(live["Way"]) is not None
    assert session.loaded(session.stored("Way", "way"))["way"] == [member]
    assert untouched(member) == untouched_before


class Untouched:
    """Its instances have their attributes in themselves, where that is seen."""

    def __init__(self) -> None:
        self.n = 1
