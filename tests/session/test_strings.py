"""Strings in arrays and frames travel through a session: missing ones and all, whatever became of the live ones.

What a state was is told by a copy taken then, element by element, of objects that no cell can reach.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pandas as pd
import pytest

from kishu_kernel.detect.walk import sequences
from tests.support.harness import FailingStore, Notebook
from tests.support.soak import seeds

MANY = 5000
LOOK = "x; None"
KNOWN_AGAIN = int(pd.__version__.partition(".")[0]) >= 3
"""Where writes to a frame can show in another one, what was loaded counts as changed when it is first looked at."""

MAKE = {
    "array": f"""
import numpy as np
x = np.array([f"text {{i}}" for i in range({MANY})], object)
few = np.array(["a", "b", None], object)[np.arange({MANY}) % 3]
""",
    "frame": f"""
import numpy as np, pandas as pd
x = pd.DataFrame({{"n": np.arange({MANY}.0), "m": 1.0, "s": [f"text {{i}}" for i in range({MANY})]}})
x["few"] = pd.Series(["a", "b", None] * {MANY})[:{MANY}]
""",
    "frame of objects": f"""
import numpy as np, pandas as pd
x = pd.DataFrame({{"s": [f"text {{i}}" for i in range({MANY})], "few": "a"}}, dtype=object)
x["n"] = 1.5
""",
    "Series": f"""
import pandas as pd
x = pd.Series([None, *(f"text {{i}}" for i in range({MANY}))])
""",
}

CHANGES = {
    "array": [
        "x[3] = 'other'",
        "x[10:20] = x[0]",
        "x[:] = x[::-1].copy()",
        "x = np.append(x, 'more')",
        "few[7] = 'd'",
        "few[:] = few[0]",
        "x[5] = None",
        "del x",
        "y = x[100:]; y[0] = 'through a view'",
    ],
    "frame": [
        "x.loc[3, 's'] = 'other'",
        "x.loc[3, 'few'] = 'new'",
        "x['s'] = x['s'].str.upper()",
        "del x['m']",
        "x['added'] = x['n'] * 2",
        "x.loc[7, 's'] = None",
        "del x['s']",
        "x = x.sort_values('few')",
        "x = x.iloc[::2]",
        "del x",
    ],
    "frame of objects": [
        "x.loc[3, 's'] = 'other'",
        "x.loc[3, 'few'] = ['no string']",
        "x = x.drop(columns='few')",
        "x.index = x['s']",
        "x = x.T",
    ],
    "Series": [
        "x[3] = 'other'",
        "x = x.astype('category')",
        "x.iloc[:] = 'one'",
        "x = x[1:]",
    ],
}

CASES = [pytest.param(kind, change, id=f"{kind}: {change}") for kind in CHANGES for change in CHANGES[kind]]


def elements(array: Any) -> list[Any]:
    """Values with their types; the one nan by what it is, others by what they say."""
    values = np.asarray(array).ravel().tolist()
    return [(type(v), "the nan" if v is np.nan else repr(v) if type(v) is float else v) for v in values]


def content(obj: Any) -> Any:
    if isinstance(obj, np.ndarray):
        return (obj.dtype, obj.shape, obj.flags.writeable, elements(obj))
    if isinstance(obj, pd.DataFrame):
        return [content(obj.index), [(name, content(obj.iloc[:, at])) for at, name in enumerate(obj.columns)]]
    if isinstance(obj, pd.Series):
        return [
            content(obj.index),
            str(obj.dtype),
            elements(obj.array if obj.dtype.kind == "f" else np.asarray(obj.array, object)),
        ]
    if isinstance(obj, pd.Index):
        return [str(obj.dtype), elements(np.asarray(obj, object))]
    return obj


def state(notebook: Notebook) -> dict[str, Any]:
    return {name: content(obj) for name, obj in notebook.variables.items() if type(obj) is not type(np)}


@pytest.mark.parametrize(("kind", "change"), CASES)
def test_there_and_back(kind: str, change: str) -> None:
    """Undo, redo, undo, with and without a look in between; then the same change again to what came back."""
    notebook = Notebook()
    here = notebook.ok(MAKE[kind])
    before = state(notebook)
    there = notebook.ok(change)
    after = state(notebook)
    for look in ("pass", LOOK):
        for target, expected in ((here, before), (there, after), (here, before)):
            notebook.session.checkout(target.id)
            assert state(notebook) == expected
            looked = notebook.run(look)  # which raises where there is no x
            assert looked is not None
            assert not looked.modified or (kind != "array" and not KNOWN_AGAIN)
            assert state(notebook) == expected
    again = notebook.ok(change)
    assert state(notebook) == after
    assert (again.created, again.modified, again.deleted) == (there.created, there.modified, there.deleted)


@pytest.mark.parametrize("kind", MAKE)
def test_what_came_back_is_the_sessions_own(kind: str) -> None:
    """Strings may be shared with other states; the arrays that hold them are not."""
    notebook = Notebook()
    first = notebook.ok(MAKE[kind])
    before = state(notebook)
    write = {
        "array": "x[:] = 'written'; few[:] = 'written'",
        "Series": "x.iloc[:] = 'written'",
    }.get(kind, "x.loc[:, 's'] = 'written'")
    for _ in range(3):
        notebook.ok(write)
        assert state(notebook) != before
        notebook.session.checkout(first.id)
        assert state(notebook) == before


@pytest.mark.parametrize("kind", MAKE)
def test_a_new_session_has_no_strings_to_use(kind: str) -> None:
    store = FailingStore()
    notebook = Notebook(store=store)
    made = notebook.ok(MAKE[kind])
    before = state(notebook)
    later = Notebook(store=store)
    later.session.checkout(made.id)
    assert state(later) == before
    assert not later.ok(LOOK).modified or (kind != "array" and not KNOWN_AGAIN)
    later.ok(CHANGES[kind][0])
    later.session.undo()
    assert state(later) == before


@pytest.mark.parametrize("kind", MAKE)
def test_without_memory_for_what_is_familiar(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kishu_kernel.detect.sequence_cache.MOST_BYTES", 1000)
    notebook = Notebook()
    notebook.ok(MAKE[kind])
    before = state(notebook)
    for change in CHANGES[kind][:3]:
        notebook.ok(change)
        notebook.session.undo()
        assert state(notebook) == before


def test_a_familiar_that_was_forgotten() -> None:
    """Other strings came to lie where the old ones lay."""
    notebook = Notebook()
    made = notebook.ok(MAKE["array"])
    before = state(notebook)
    notebook.ok("del x, few")
    notebook.ok(f"z = [f'other {{i}}' for i in range({2 * MANY})]")
    notebook.session.checkout(made.id)
    assert state(notebook) == before


def test_after_an_undo_no_string_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    drop = "x = x.drop(columns='n')"
    notebook = Notebook()
    notebook.ok(MAKE["frame of objects"])
    strings = set(map(id, notebook["x"]["s"].tolist()))
    notebook.ok(drop)
    notebook.session.undo()
    assert set(map(id, notebook["x"]["s"].tolist())) == strings
    read: list[int] = []
    write_plain = sequences.write_plain

    def noting(walk: Any, items: Any) -> bool:
        read.append(len(items))
        return write_plain(walk, items)

    monkeypatch.setattr(sequences, "write_plain", noting)
    notebook.ok("x.shape")
    notebook.ok(drop)
    notebook.session.undo()
    notebook.session.redo()
    notebook.session.undo()
    notebook.ok("x.shape")
    assert max(read, default=0) < MANY


def test_a_dropped_column_costs_no_strings() -> None:
    notebook = Notebook()
    notebook.ok(MAKE["frame"])
    notebook.ok("del x['m']")
    checkpoint = notebook.session.timeline.lookup(notebook.head)  # type: ignore[arg-type]
    numbers = 8 * MANY  # of the column that stays: in so short a frame it goes with the other one
    assert checkpoint.written_bytes < numbers + 5000 < numbers + 10 * MANY < checkpoint.payload_bytes


def test_a_frame_of_strings_is_stored_once_under_two_names() -> None:
    notebook = Notebook()
    notebook.ok(MAKE["frame"])
    notebook.ok("y = x.copy()")
    checkpoint = notebook.session.timeline.lookup(notebook.head)  # type: ignore[arg-type]
    assert checkpoint.written_bytes < 5000


CELLS = (
    *(change for change in CHANGES["frame"] if not change.startswith("del x")),
    "x['copy'] = x['s']",
    "x = pd.concat([x, x.head(5)], ignore_index=True)",
    "x.iloc[0, 1] = 'first'",
    "x['few'] = x['few'].astype(object)",
    "x['s'] = x['s'].to_numpy(object)[::-1]",
    "y = x['s'].to_numpy(object)",
    "y[:9] = y[9]",
    "y = y[::2]",
    "y.sort()",
    "z = x",
    "z = x.copy()",
    "z.iloc[-1, -1] = None",
    "del z",
    "y.flags.writeable = False",
)


@seeds(4, 12)
def test_random_cells_and_travels(seed: int) -> None:
    chance = random.Random(seed)
    notebook = Notebook()
    states = {notebook.ok(MAKE["frame"]).id: state(notebook)}
    told = [f"seed {seed}"]
    for _ in range(40):
        if chance.random() < 0.5:
            told.append(chance.choice(CELLS))
            checkpoint = notebook.run(told[-1])  # many raise
            assert checkpoint is not None
            states[checkpoint.id] = state(notebook)
        else:
            target = chance.choice(list(states))
            told.append(f"checkout {list(states).index(target)}")
            notebook.session.checkout(target)
            assert state(notebook) == states[target], "\n".join(told)
