"""A DataFrame of 5M rows, ten columns of floats and two of strings: one distinct in each row, one of ten values.

The strings have the dtype that pandas gives to lists of str here: `object` in pandas 2; in pandas 3 `str`, which is
held by pyarrow where that is installed, else in arrays of Python objects. Where pyarrow is installed, frames of both
kinds are measured.

The undo is measured with free memory at hand, and after a pause. Virtual machines (balloons that report free pages)
give back to their host what was freed some seconds ago, and pay dearly to have it again: on such a one NumPy alone
needs 2 s to fill a new GB, and else 0.06 s.
"""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Mapping

from benchmarks.figures.store.systems import Dill, Old, Ours, Plain, beside, column, ours_and_plain
from benchmarks.harness import BenchmarkError, Figure, Result, added

ROWS = 5_000_000
LOOKS = 8
ROUNDS = 3
COLUMN = ROWS * 8
PAUSE = 4
"""Seconds until a host has taken back what was freed."""
MB = 1_000_000

SESSION = f"""
import numpy as np
import pandas as pd
df = pd.DataFrame(np.random.default_rng(0).random(({ROWS}, 10)), columns=list("abcdefghij"))
df["distinct"] = pd.Series([f"string {{i}}" for i in range({ROWS})]DTYPE)
kinds = np.array(["kind " + letter for letter in "abcdefghij"], object)
df["few"] = pd.Series(list(kinds[np.random.default_rng(1).integers(0, 10, {ROWS})])DTYPE)
"""
READ = "print(df.head())"
ADDS = [f'df["added{turn}"] = df["a"] * {turn + 2}' for turn in range(ROUNDS)]
DROP = 'df.drop(columns=["{name}"], inplace=True)'
DTYPE = "import pandas as pd; t = pd.Series(['a']DTYPE).dtype; print(t, getattr(t, 'storage', ''))"
CONTENT = """
print([(name, int(np.ascontiguousarray(df[name]).view("u8").sum())) for name in df if df[name].dtype == "f8"])
for name in ("distinct", "few"):
    print(name, df[name].iloc[[0, 7, 1_234_567, -1]].tolist(), int(df[name].map(len).sum()))
"""
AT_HAND = f"print(int(np.ones({ROWS} * 20).sum()))"
"""Takes more memory than the frame needs, and frees it."""
FILL = f"np.ones({ROWS} * 12); None"
"""Takes the memory that the frame needs: for each string a reference."""


def measure() -> Result:
    """The default dtype of strings, beside the other systems; then Python objects, if they are not the default."""
    figures, details = _measure("", compared=True)
    if importlib.util.find_spec("pyarrow"):
        more, behind = _measure(", dtype=pd.StringDtype('python')", compared=False)
        figures, details = figures + more, {**details, **behind}
    return Result(figures, details)


def _measure(dtype: str, *, compared: bool) -> tuple[list[Figure], dict[str, object]]:
    session = SESSION.replace("DTYPE", dtype)
    with ours_and_plain() as (ours, plain):
        both = (ours, plain)
        kind = "/".join(plain.run(DTYPE.replace("DTYPE", dtype)).stdout.split())
        making = [each.run(session).idle for each in both]
        first, *reads = (_in_turns(both, turn, READ) for turn in range(LOOKS + 1))
        read_bytes = ours.checkpoint()["payload_bytes"]
        adds = [_in_turns(both, turn, code) for turn, code in enumerate(ADDS)]
        add_bytes = ours.written()
        drops, drop_bytes, undos = _drops(ours, plain, "bcd")
        late_undos = _drops(ours, plain, "efg", PAUSE)[2]
        fills = [_after_pause(plain, FILL) for _ in range(ROUNDS)]
    seconds = {"make": making[1], "read": _plain(reads), "add": _plain(adds), "drop": _plain(drops)}
    others = beside(lambda subject: _once(subject, session, seconds)) if compared else {}
    name = f"DataFrame 5M x 10 floats + 2 of strings ({kind})"
    figures = [
        Figure(f"{name}: print(df.head()) adds until idle", _added(reads), "s", 0.15, column(others, "read")),
        Figure(f"{name}: payload bytes of that", read_bytes, "bytes", 0, column(others, "read bytes")),
        Figure(f"{name}: the first look after it was made adds", first[0] - first[1], "s"),
        Figure(
            f"{name}: add a column: bytes / the column's", add_bytes / COLUMN, "x", 1.1, column(others, "add bytes")
        ),
        Figure(f"{name}: add a column: adds until idle", _added(adds), "s", None, column(others, "add")),
        Figure(f"{name}: drop a column: bytes", max(drop_bytes) / MB, "MB", 1, column(others, "drop bytes")),
        Figure(f"{name}: drop a column: adds until idle", _added(drops), "s", None, column(others, "drop")),
        Figure(f"{name}: undo of the drop", statistics.median(undos), "s", 0.3, column(others, "undo")),
        Figure(f"{name}: undo of the drop, after {PAUSE} s", statistics.median(late_undos), "s"),
        Figure(f"{name}: after {PAUSE} s, NumPy alone fills as many bytes in", statistics.median(fills), "s"),
        Figure(f"{name}: its first checkpoint adds", making[0] - making[1], "s", None, column(others, "make")),
    ]
    details = {
        "make, kishu and ipykernel": making,
        "read, kishu and ipykernel": [first, *reads],
        "add, kishu and ipykernel": adds,
        "drop, kishu and ipykernel": drops,
        "drop, bytes": drop_bytes,
        "undo": undos,
        "undo after a pause": late_undos,
        "filled by NumPy after a pause": fills,
        "others": others,
    }
    return figures, {kind: details}


def _in_turns(both: tuple[Ours, Plain], turn: int, code: str) -> tuple[float, float]:
    """Seconds of one cell in both; who goes first changes."""
    if turn % 2:
        ours = both[0].run(code).idle
        return ours, both[1].run(code).idle
    plain = both[1].run(code).idle
    return both[0].run(code).idle, plain


def _after_pause(plain: Plain, code: str) -> float:
    time.sleep(PAUSE)
    return plain.run(code).idle


def _added(pairs: list[tuple[float, float]]) -> float:
    ours, plain = zip(*pairs, strict=True)
    return added(ours, plain)


def _plain(pairs: list[tuple[float, float]]) -> float:
    return statistics.median(plain for _, plain in pairs)


def _drops(
    ours: Ours, plain: Plain, columns: str, pause: float = 0
) -> tuple[list[tuple[float, float]], list[int], list[float]]:
    """Drop one of the columns after the other, and undo that; in ipykernel they stay dropped."""
    seconds, written, undos = [], [], []
    before = ours.look(CONTENT)
    for turn, name in enumerate(columns):
        if not pause:
            ours.run(AT_HAND)
        seconds.append(_in_turns((ours, plain), turn, DROP.format(name=name)))
        written.append(ours.written())
        time.sleep(pause)
        undos.append(ours.undo())
        if ours.look(CONTENT) != before:
            raise BenchmarkError("undo did not bring the frame back")
    return seconds, written, undos


def _once(subject: Dill | Old, session: str, plain: Mapping[str, float]) -> dict[str, float]:
    found = {}

    def add(what: str, code: str) -> None:
        found[what] = subject.run(code).idle - plain[what]
        found[f"{what} bytes"] = subject.written()

    add("make", session)
    add("read", READ)
    add("add", ADDS[0])
    before = subject.look(CONTENT)
    add("drop", DROP.format(name="b"))
    found["undo"] = subject.undo()
    if subject.look(CONTENT) != before:
        raise BenchmarkError("undo did not bring the frame back")
    return {**found, "add bytes": found["add bytes"] / COLUMN, "drop bytes": found["drop bytes"] / MB}
