"""Programs that random ones have come down to (`test_differential.py`): each was once a state that came back wrong.

What the lines mean is said in `programs.py`.
"""

# ruff: noqa: E501 -- cells, whole

from __future__ import annotations

import pytest

from kishu_kernel.detect.access_trackers import TrackerKind
from tests.support.programs import play

FOUND: dict[str, list[str]] = {
    "an iterator over a dictionary goes on following it": [
        "a = {'k': 1, 'l': 2}; b = iter(a); next(b); c = reversed(a.values()); next(c); d = iter({}); next(d, 0)",
        "a = b = c = d = 0",
        "%undo",
        "next(b)",
        "%undo",
        "a['new'] = 3",
        "%checkout 2",
        "%undo",
    ],
    "an iterator over a dictionary that has grown since": [
        "a = {'k': 1, 'l': 2}; b = iter(a)",
        "a['new'] = 3",
        "a = b = 0",
        "%checkout 2 lost",
    ],
    "a frame whose attributes are another object's": [
        "class Plain: pass\nr = Plain(); r.n = 1; d = vars(r)",
        "import pandas as pd; p = pd.DataFrame({'n': [0, 2]})",
        "p.__dict__ = d",
        "%undo",
        "%checkout 3",
    ],
    "attributes that a frame gives, and a result has": [
        "import pandas as pd; p = pd.DataFrame({'n': [0, 2]}); p.attrs['k'] = [1]\np, p.attrs",
        "r = p.attrs",
        "p.attrs['k'].append(2)",
        "%undo",
        "r['l'] = 1",
    ],
    "an iterator over a set is none over a list": ["a = {1, 2}", "b = iter(a)", "b = 0", "%undo"],
    "fields of two classes share what dataclasses holds": [
        "import dataclasses\n@dataclasses.dataclass\nclass P:\n    n: int = 0\nr = P()",
        "@dataclasses.dataclass\nclass P:\n    n: int = 1",
        "@dataclasses.dataclass\nclass P:\n    n: int = 2",
        "%undo",
    ],
    "classes in a class keep their full names": [
        "import enum\nclass P:\n    class Inner:\n        n = 0\n    class Colour(enum.Enum):\n        RED = 1\n"
        "a = P.Inner(); b = P.Colour.RED",
        "P = a = b = 1",
        "%undo",
    ],
    "a weak set goes on forgetting": [
        "import weakref\nclass Held: pass\nheld = Held(); weak = weakref.ref(held)",
        "a = weakref.WeakSet([held])",
        "b = weakref.WeakValueDictionary(k=held); c = weakref.WeakKeyDictionary({held: 1})",
        "held = weak = a = b = c = 0",
        "%undo",
        "del held",
        "%undo",
    ],
    "a weak reference to what is gone": [
        "import weakref\nclass Held: pass\nheld = Held(); weak = weakref.ref(held)",
        "del held",
        "weak = 0",
        "%undo",
        "%undo",
    ],
    "an array that is a block of pandas is still an array with views": [
        "import numpy as np, pandas as pd\nx = np.arange(12.); y = x[2:8]; z = x.reshape(3, 4)",
        "s = pd.Series(x, copy=False)",
        "x = y = z = s = 0",
        "%undo",
        "x[3] = 7",
        "%undo",
    ],
    "what is set on a library is taken back, and set again": [
        "import builtins, fractions, string\ndef f(): return 1\nh = [f]",
        "string.kishu1 = f; builtins.kishu2 = f; setattr(fractions.Fraction, 'kishu3', f)",
        "string.kishu1 = h",
        "%undo",
        "%undo",
        "%redo 2",
        "%checkout 2",
    ],
    "what a library was told of goes along with a class that is made anew": [
        "import copyreg, sqlite3\nclass H: pass\ndef f(it): return 'text'",
        "copyreg.pickle(H, f); sqlite3.register_adapter(H, f)",
        "d = [H, f]; H.n = 1; f.note = [2]",
        "%undo",
        "%redo",
        "%undo 2",
        "%restart",
        "%checkout 2",
    ],
    "attributes are a dictionary that another one holds": [
        "class B(dict): pass\nclass C: pass\np = B(k=[1]); p.__dict__ = p; q = C(); q.n = 1; d = vars(q); r = C()",
        "p.x = 2; q.m = 3; d['o'] = [4]",
        "r.__dict__ = p",
        "p = q = d = r = 0",
        "%undo",
        "d['more'] = p.x",
        "%undo 2",
        "%restart",
        "%checkout 3",
    ],
    "what somebody adds to a library's object is of the object": [
        "import pandas as pd, random, io\na = [1]; o = pd.Series([1]); p = random.Random(1); q = io.StringIO('abc')",
        "object.__setattr__(o, 'note', a); p.note = a; q.note = {'k': a}",
        "a.append(2)",
        "o = p = q = a = 0",
        "%undo 2",
        "%restart",
        "%checkout 2",
    ],
    "the attributes of a handler keep their order": [
        "import logging\nclass Keeps(logging.Handler): pass\nother = Keeps()",
        "other.n = 5",
        "%restart",
        "%checkout 1",
    ],
    "a super object leads to its own": [
        "class C:\n    def write(self, to): self.n = to\nclass D(C): pass\nq = D(); e = super(D, q); q.me = e; a = [super(D), super(D, D)]",
        "q.n = 1",
        "e.write([2])",
        "q = e = a = 0",
        "%undo",
        "q.n.append(3)",
        "%undo 2",
        "%restart",
        "%checkout 3",
    ],
    "a class whose cell runs again is another class to its instances": [
        "class H:\n    n = 0\nclass K(H): pass\nh = H(); k = [K()]",
        "class H:\n    n = 0",
        "g = H()",
        "%undo",
        "%undo",
        "%redo 2",
        "%restart",
        "%checkout 3",
        "%checkout 2",
    ],
    "an array over its own memory": [
        "import numpy as np\nfrom numpy.lib.stride_tricks import as_strided, sliding_window_view as window\n"
        "x = np.arange(9.); y = window(x, 3, writeable=True); z = as_strided(np.zeros(3), (2, 2), (8, 8))",
        "y[0, 2] = 7; z[0, 1] = 8",
        "x = y = z = 0",
        "%undo",
        "x[3] = 1; z[1, 0] = 2",
        "%undo 2",
        "%restart",
        "%checkout 2",
    ],
    "a name that something hidden binds, and cells that use it": [
        "a = [1]",
        "%hidden lent = [2]",
        "a.append(3)",
        "a = [lent]",
        "%hidden lent.append(4)",
        "lent.append(5)",
        "%undo",
        "%hidden del lent",
        "%hidden lent = a",
        "%undo 2",
        "lent.append(6)",
        "%redo 2",
        "del lent",
        "%undo",
        "%restart",
        "%checkout 4",
        "%checkout 2",
    ],
    "a class that two names are bound to": [
        "a = [1]",
        "import numbers\nclass H:\n    n = 0\n    def __init__(self, n=0): self.n = n",
        "numbers.Number.register(H)",
        "%checkout 2",
        "%checkout 1",
        "1 + 1",
    ],
}


@pytest.mark.parametrize("tracker", ["code", "all"])
@pytest.mark.parametrize("program", FOUND)
def test_found(program: str, tracker: TrackerKind) -> None:
    tally = play(FOUND[program], tracker)
    assert tally.compared
