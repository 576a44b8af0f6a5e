"""Random arrays and frames, changed at random: wherever one goes, bytes, sharing and the order in memory are as there.

What goes back to memory that lives yet must be told from what the store has by nobody.
"""

from __future__ import annotations

import random
from typing import Any

import numpy
import pandas
import pytest

from kishu_kernel.session.live_memory import LiveMemory
from tests.support.harness import Notebook
from tests.support.soak import each

PROGRAMS = 30
SIZE = 400_000

BEGINS = (
    "np.arange({0})",
    "np.zeros({0})",
    "np.arange({0}).reshape(-1, 4)",
    "np.asfortranarray(np.arange({0}.).reshape(-1, 4))",
    "np.arange({0}).reshape(10, 20, -1).transpose(2, 0, 1).copy(order='K')",
    "np.arange({0})[::-1]",
    "np.arange({0}).astype('M8[s]')",
    "np.zeros({0}, 'i4,f8')",
    "pd.DataFrame(np.arange({0}.).reshape(-1, 8), columns=list('abcdefgh'))",
    "pd.DataFrame({{c: np.arange({0} // 2) * 1.5 for c in 'abcd'}})",
    "pd.DataFrame({{'a': 1, 'b': np.arange({0}), 'c': pd.date_range('2020', periods={0}, freq='s')}})",
    "pd.Series(np.arange({0}.))",
    "{{'k': np.arange({0}), 'l': [np.zeros({0})]}}",
)
CHANGES = (
    *("x = [x]", "x = (x, 1)", "x = [x, x]", "x = {'w': x, 'v': x[10:]}", "x = x[5:]", "x = x[131072:]", "x = x.T"),
    *("x = x.reshape(2, -1)", "x = x.copy()", "x = x[::-1]", "x = x[::2]", "x = x.ravel()", "x = x.view('u1')"),
    *("x = x.astype('f4')", "x = np.concatenate([x, x])", "x.flags.writeable = False", "x.flat[3] = 9; x = [x]"),
    *("x['z'] = 1.0", "x['b'] = x['b'] * 2", "del x['a']", "x = x.drop(columns='c')", "x = x[['b', 'a']]"),
    *("x = x.rename(columns={'a': 'q'})", "x = x.sort_values('b', ascending=False)", "x = x.iloc[1000:]", "x = x['b']"),
    *("x = x.assign(n=x['a'] + 1)", "x = x.to_frame()", "x = x.to_numpy()", "x.iloc[2, 1] = 7; x['y'] = 2"),
    "x = list(x.values()) if isinstance(x, dict) else x.swapaxes(0, 1)",
)
"""Some fail on what there is: then nothing has changed, which is a state as well."""


def seen(obj: Any) -> Any:
    """What code can see of it: values, types, the order in memory, what may be written."""
    if isinstance(obj, numpy.ndarray):
        flags = obj.flags
        columns_first = flags.f_contiguous and not flags.c_contiguous
        return obj.dtype.str, obj.shape, columns_first, flags.writeable, values(obj)
    if isinstance(obj, pandas.DataFrame):
        arrays = [obj[each].to_numpy() for each in obj] if obj.shape[1] < 100 else [obj.to_numpy()]
        return list(obj.columns), set(obj.dtypes), list(map(values, arrays))
    if isinstance(obj, pandas.Series):
        return obj.name, str(obj.dtype), values(obj.to_numpy())
    if isinstance(obj, dict):
        return {key: seen(value) for key, value in obj.items()}
    return [type(obj), *map(seen, obj)] if isinstance(obj, list | tuple) else obj


def values(array: Any) -> int:
    return hash(tuple(array.ravel().tolist()) if array.dtype == object else array.tobytes())


def play(chance: random.Random) -> None:
    """A program of cells, and of travels with a write now and then: no other state may have changed for it."""
    notebook = Notebook()
    program = ["import numpy as np, pandas as pd", "x = " + chance.choice(BEGINS).format(SIZE)]
    program += ["y = x[3:]"] * (chance.random() < 0.3)
    for code in program:
        notebook.run(code)
    states = [(notebook.head, seen(notebook["x"]))]
    for code in chance.choices(CHANGES, k=chance.randint(1, 4)):
        notebook.run(code)
        program.append(code)
        states.append((notebook.head, seen(notebook["x"])))
    for target, was in chance.choices(states, k=6):
        notebook.session.checkout(target, replay="auto")
        program.append(f"# to {target}")
        assert seen(notebook["x"]) == was, "\n".join(program)
        if chance.random() < 0.3:
            notebook.run("(x.flat if isinstance(x, np.ndarray) else x.iloc[:, 0])[0] = 5")
            program.append("# written")


@pytest.mark.filterwarnings("ignore:::pandas", "ignore::pandas.errors.PerformanceWarning")
@each("block", range(8), 1)
def test_nobody_can_tell_where_it_came_from(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0
    payload = LiveMemory.payload

    def counted(self: LiveMemory, *, handing_over: bool) -> Any:
        nonlocal taken
        found = payload(self, handing_over=handing_over)
        taken += any(type(each).__module__ == LiveMemory.__module__ for each in found.blobs)
        return found

    monkeypatch.setattr(LiveMemory, "payload", counted)
    for number in range(PROGRAMS):
        play(random.Random(PROGRAMS * block + number))
    assert taken > 0
