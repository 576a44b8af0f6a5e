"""Programs that random ones have come down to (`test_differential.py`): each was once a state that came back wrong.

What the lines mean is said in `programs.py`.
"""

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
}


@pytest.mark.parametrize("tracker", ["code", "all"])
@pytest.mark.parametrize("program", FOUND)
def test_found(program: str, tracker: TrackerKind) -> None:
    tally = play(FOUND[program], tracker)
    assert tally.compared
