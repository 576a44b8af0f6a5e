"""What a stream may refer to where copies are made in the user's process."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from kishu_kernel.model import NotStored
from kishu_kernel.objects.codec.encoding import encode
from kishu_kernel.objects.codec.load_guard import LoadGuard, NotHarmlessError
from kishu_kernel.objects.codec.pickling import decode
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.session.checker.messages import CopiedBlob, CopiedPayload

HARMLESS = {
    "plain values": "import datetime, decimal, uuid, pathlib, re, collections\n"
    "x = [datetime.date(2000, 1, 1), decimal.Decimal(1), uuid.UUID(int=1), pathlib.Path('a'), re.compile('a'),\n"
    "     collections.OrderedDict(a=1), collections.deque([1]), ValueError('a'), range(3), {1, 2}]",
    "numpy and pandas": "import numpy as np, pandas as pd\nx = [np.arange(5000), pd.DataFrame({'a': ['b', None]}),\n"
    "     np.float64(1), pd.Timestamp('2000-01-01', tz='UTC'), np.random.default_rng(1)]",
    "a function": "def f(a, b=2, *, c: int = 3): return lambda: (a, f)\nx = [f, f(1)]",
    "a class": "class C:\n    a = 1\n    def m(self): return super().__repr__()\n"
    "    @property\n    def p(self): return 1\nx = C()",
    "with slots": "class C:\n    __slots__ = ('a',)\nx = C(); x.a = 1",
    "a data class": "import dataclasses\n@dataclasses.dataclass\nclass C:\n    a: int = 1\nx = C()",
    "an enum": "import enum\nclass E(enum.Enum):\n    a = 1\nx = E.a",
    "enums of numbers and texts": "import enum\nclass F(enum.IntFlag):\n    a = 1\n    b = 2\n"
    "class S(str, enum.Enum):\n    a = 'b'\nx = [F.a | F.b, S.a]",
    "a derived class": "class B: pass\nclass C(B): pass\nx = [C(), B()]",
    "an abstract class": "import abc\nclass B(abc.ABC):\n    @abc.abstractmethod\n    def m(self): ...\n"
    "class C(B):\n    def m(self): return 1\nx = C()",
    "a list of its own": "class L(list): pass\nx = L([1]); x.own = 1",
    "its own way, which is not gone": "class C:\n    def __init__(self): self.a = 1\n"
    "    def __getstate__(self): return 3\n"
    "    def __setstate__(self, state): raise ValueError\nx = C()",
    "an error of its own": "class E(Exception): pass\nx = E('a')",
    "a named tuple": "import collections\nN = collections.namedtuple('N', 'a b')\nx = N(1, 2)",
    "a logger": "import logging\nx = logging.getLogger('a')",
    "a lock": "import threading\nx = threading.Lock()",
    "a partial": "import functools\ndef f(a): return a\nx = functools.partial(f, 1)",
}

STRANGE = {
    "a list with a way of its own": "class L(list):\n    def append(self, it): raise ValueError\nx = L([1])",
    "a dict that is made anew": "class D(dict):\n    def __reduce__(self): return D, ()\n"
    "    def __init__(self): pass\nx = D()",
    "who hears of attributes": "class C:\n    def __setattr__(self, name, value):\n"
    "        object.__setattr__(self, name, value)\nx = C()",
    "who counts by a way of its own": "class C:\n    def __hash__(self): return 1\nx = {C(): 1}",
    "an enum that makes its members": "import enum\nclass E(int, enum.Enum):\n    a = 1\n"
    "    def __new__(cls, value):\n        made = int.__new__(cls, value)\n        made._value_ = value\n"
    "        return made\nx = E.a",
    "of a metaclass": "class M(type): pass\nclass C(metaclass=M): pass\nx = C()",
    "of a library that is not known": "import shlex\nx = shlex.shlex('a')",
}

ARMED = {
    "a destructor": "class C:\n    def __del__(self): pass\nx = C()",
    "an inherited one": "class B:\n    def __del__(self): pass\nclass C(B): pass\nx = C()",
    "in a list": "class L(list):\n    def __del__(self): pass\nx = L()",
    "of a class only": "class C:\n    def __del__(self): pass\nx = C",
    "of a library": "import asyncio.base_events as b\nclass L(b.BaseEventLoop): pass\nx = L",
}


def loaded(source: str, **how: Any) -> dict[str, Any]:
    main = sys.modules["__main__"]
    namespace = vars(main)
    before = dict(namespace)
    try:
        exec(source, namespace)
        made = encode(("x",), namespace, ReductionTable(namespace))
        assert not isinstance(made, NotStored), made
        blobs = tuple(CopiedBlob(bytearray(each.data), each.direct) for each in made.buffers)
        return decode(CopiedPayload(made.names, bytes(made.stream), blobs, {}), namespace, admission=LoadGuard(**how))
    finally:
        namespace.clear()
        namespace.update(before)


@pytest.mark.parametrize("case", HARMLESS)
def test_what_is_loaded_in_the_users_process(case: str) -> None:
    assert loaded(HARMLESS[case], only_harmless=True).keys() == {"x"}


@pytest.mark.parametrize("case", STRANGE)
def test_what_is_not(case: str) -> None:
    with pytest.raises(NotHarmlessError) as caught:
        loaded(STRANGE[case], only_harmless=True)
    assert not caught.value.destructor
    assert loaded(STRANGE[case], no_destructors=True).keys() == {"x"}


@pytest.mark.parametrize("case", ARMED)
def test_what_is_not_even_tried(case: str) -> None:
    with pytest.raises(NotHarmlessError):
        loaded(ARMED[case], only_harmless=True)
    with pytest.raises(NotHarmlessError) as caught:
        loaded(ARMED[case], no_destructors=True)
    assert caught.value.destructor


def test_what_is_not_imported_is_not_imported() -> None:
    """Whoever only looks imports nothing."""
    stream = b"\x80\x05\x8c\x08colorsys\x8c\x0argb_to_hsv\x93."
    sys.modules.pop("colorsys", None)
    with pytest.raises(NotHarmlessError):
        decode(CopiedPayload(("x",), stream, (), {}), {}, admission=LoadGuard(only_harmless=True))
    assert "colorsys" not in sys.modules
