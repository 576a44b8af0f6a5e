"""A list of ten arrays of 64 MiB, one element of one of them changed (the paper's Fig 17, its worst case)."""

from __future__ import annotations

import statistics

from benchmarks.figures.store.systems import Dill, Old, Ours, Plain, beside, column, ours_and_plain
from benchmarks.harness import BenchmarkError, Figure, Result, added

ROUNDS = 7
MB = 1_000_000

SESSION = """
import numpy as np
arrays = [np.random.default_rng(i).random(1 << 23) for i in range(10)]
"""
CHANGE = "arrays[{array}][{place}] = -1.0"
CONTENT = 'print([hash(each[:: 1 << 10].tobytes()) for each in arrays], "{array}", repr(arrays[{array}][{place}]))'


def _place(turn: int) -> dict[str, int]:
    return {"array": turn % 10, "place": 1_000_003 * (turn + 1) % (1 << 23)}


def measure() -> Result:
    """Change and undo, in turns with plain ipykernel; then once in the other systems."""
    with ours_and_plain() as (ours, plain):
        ours.run(SESSION)
        plain.run(SESSION)
        turns = [_turn(ours, plain, turn) for turn in range(ROUNDS + 1)][1:]  # the first warms up
    delays, written, undos, plain_seconds = (list(each) for each in zip(*turns, strict=True))
    delay = added(delays, plain_seconds)
    others = beside(lambda subject: _once(subject, statistics.median(plain_seconds)))
    name = "ten 64 MiB arrays in a list, one element changed"
    return Result(
        [
            Figure(f"{name}: bytes written", max(written) / MB, "MB", 2, column(others, "written")),
            Figure(f"{name}: adds until idle", delay, "s", 0.05, column(others, "delay")),
            Figure(f"{name}: undo", statistics.median(undos), "s", 0.4, column(others, "undo")),
        ],
        {"kishu": delays, "ipykernel": plain_seconds, "written": written, "undo": undos, "others": others},
    )


def _turn(ours: Ours, plain: Plain, turn: int) -> tuple[float, int, float, float]:
    place = _place(turn)
    before = ours.look(CONTENT.format(**place))
    seconds = {}
    order: tuple[Ours | Plain, ...] = (ours, plain) if turn % 2 else (plain, ours)
    for subject in order:
        seconds[subject] = subject.run(CHANGE.format(**place)).idle
    written = ours.written()
    undo = ours.undo()
    if ours.look(CONTENT.format(**place)) != before or "-1.0" in before:
        raise BenchmarkError("undo did not bring the element back")
    return seconds[ours], written, undo, seconds[plain]


def _once(subject: Dill | Old, plain: float) -> dict[str, float]:
    place = _place(0)
    subject.run(SESSION)
    before = subject.look(CONTENT.format(**place))
    seconds = subject.run(CHANGE.format(**place)).idle
    written = subject.written()
    undo = subject.undo()
    if subject.look(CONTENT.format(**place)) != before:
        raise BenchmarkError("undo did not bring the element back")
    return {"delay": seconds - plain, "written": written / MB, "undo": undo}
