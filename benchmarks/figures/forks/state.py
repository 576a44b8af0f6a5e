"""The state that is forked, and the probes that tell what of it is there."""

from __future__ import annotations

import json

MB = 1_000_000
ROW = 80
"""Bytes of a row of the frame."""

IMPORTS = """
import random, threading
import numpy as np, pandas as pd
from sklearn.linear_model import LinearRegression
"""
DATA = 'df = pd.DataFrame(np.random.default_rng(0).random(({rows}, 10)), columns=list("abcdefghij"))'
MODEL = 'model = LinearRegression().fit(df[["a", "b"]][:1000], df["c"][:1000])'
VARIABLES = """
xs = [1]; ys = {"xs": xs}
whole = np.arange(1000.0); part = whole[:10]
drawn = random.random(), np.random.rand()
class Point:
    def __init__(self, x): self.x = x
point = Point(xs)
def total(): return sum(xs) + len(ys)
"""
GENERATOR = """
def squares():
    yield from (each * each for each in range(10))
steps = squares(); next(steps), next(steps)
"""
THREAD = """
lock, stop = threading.Lock(), threading.Event()
def hold():
    with lock:
        stop.wait()
holder = threading.Thread(target=hold, daemon=True)
holder.start()
"""


def cells(megabytes: int) -> list[str]:
    """The notebook whose state has a frame of so many MB."""
    return [IMPORTS, DATA.format(rows=megabytes * MB // ROW), MODEL, VARIABLES, GENERATOR, THREAD]


LOOK = "print(len(df), model.coef_.shape, ys['xs'] is xs)"
"""The cell that a kernel answers when it stands in the state."""

THINGS = {
    "the frame": "df",
    "the fitted model": "model",
    "a shared reference": "ys",
    "a view of an array": "part",
    "an instance of the notebook's class": "point",
    "a function that sees live variables": "total",
    "what was drawn at random": "drawn",
    "the random numbers to come": "",
    "a generator": "steps",
    "a thread and the lock that it holds": "holder",
}
"""What is probed -> a variable that is it."""

ANSWERS = "an answer to a client's cell"
UNUSUAL = {"a generator": "steps", "a thread and the lock that it holds": "holder, hold, lock, stop"}
"""What some ways cannot keep, nor anything else with it -> its variables."""

_SUM = "int(df.to_numpy()[::97].copy().view('u8').sum())"
_EXPECTED = f"""
import json
python, numpy = random.Random(), np.random.RandomState()
python.setstate(random.getstate()); numpy.set_state(np.random.get_state())
told = json.dumps([{_SUM}, model.coef_.tolist(), drawn, [python.random(), numpy.rand()]])
"""
EXPECTED = f"(lambda names: (exec({_EXPECTED!r}, names), names['told'])[1])(dict(get_ipython().user_ns))"
"""Tells what is otherwise in each session. Draws nothing, and is no cell: elastic-kernel fails after a silent one."""

_PROBE = f"""
def _probed(told):
    import json
    data, coefficients, was_drawn, to_come = told
    def in_view():
        part[3] = -1
        return whole[3] == -1 and part.tolist()[:3] == [0, 1, 2]
    def in_function():
        xs.append(41)
        return total() == 43 and point.x is xs
    def thread():
        alive = holder in threading.enumerate()
        stop.set()
        return alive and lock.acquire(timeout=2)
    looks = [
        lambda: {_SUM} == data,
        lambda: model.coef_.tolist() == coefficients and len(model.predict(df[["a", "b"]][:3])) == 3,
        lambda: ys["xs"] is xs,
        in_view,
        lambda: type(point) is Point and point.x is xs,
        in_function,
        lambda: list(drawn) == was_drawn,
        lambda: [random.random(), np.random.rand()] == to_come,
        lambda: next(steps) == 4,
        thread,
    ]
    def there(look):
        try:
            return bool(look())
        except Exception:
            return False
    return json.dumps([there(look) for look in looks])
_told = _probed(__import__("json").loads({{expected!r}}))
print(_told)
"""


def probe(expected: str) -> str:
    """The cell that prints, for each of `THINGS`, whether it is there as it was.

    Args:
        expected: what `EXPECTED` told in the session that is forked.
    """
    return _PROBE.format(expected=expected)


def unseen(code: str) -> str:
    """An expression that runs code in the notebook, and gives what `probe` has found."""
    return f"(exec({code!r}, (names := get_ipython().user_ns)), names.get('_told'))[1]"


def there(found: str, answers: bool = True) -> dict[str, bool]:
    """What `probe` has found, by the names of `THINGS`.

    Args:
        answers: a client can run cells in the kernel.
    """
    return dict(zip(THINGS, json.loads(found), strict=True)) | {ANSWERS: answers}
