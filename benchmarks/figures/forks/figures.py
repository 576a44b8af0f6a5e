"""The table of a run."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.figures.forks.state import MB
from benchmarks.figures.forks.turns import OS_FORK, ROUNDS, SPARE, WAYS, Record, run
from benchmarks.figures.forks.ways import UNITS
from benchmarks.harness import Figure, Result, ratio

TARGETS = {1: 1.5, 8: 3.0}
"""Times a bare kernel's start, for a state of 200 MB."""


def measure(rounds: Mapping[int, Mapping[int, int]] = ROUNDS, ways: Sequence[str] = WAYS) -> Result:
    """A whole run, or the rest of one that was stopped."""
    turns = run(rounds, ways)
    records = turns.records()
    result = Result(figures(records, turns.losses()), {"turns": records, "os.fork": turns.losses()})
    turns.forget()
    return result


def figures(records: Sequence[Record], losses: Record) -> list[Figure]:
    """Figures of ours with a spare process, the other ways beside; those with targets, then all.

    Args:
        losses: of `os.fork`.
    """
    groups: dict[tuple[int, int], list[Record]] = {}
    for record in sorted(records, key=lambda each: (each["size"], each["number"], each["round"])):
        groups.setdefault((record["size"], record["number"]), []).append(record)
    found = [
        Figure(f"{_called(*group)} / a bare kernel's start", times, "x", TARGETS[group[1]])
        for group, taken in groups.items()
        if group[0] == 200 and group[1] in TARGETS and (times := _in_starts(taken))
    ]
    for group, taken in groups.items():
        found.append(_figure(f"{_called(*group)}: until all have answered in it", taken, "seconds", "s"))
    for group, taken in groups.items():
        if group[1] in (1, 8):
            found.append(_figure(f"{_called(*group)}: memory, shared pages once", taken, "pss", "MB", 1 / MB))
            found.append(_figure(f"{_called(*group)}: processor time", taken, "processor", "s"))
    return [*found, *_starts(records), _exactness(records, losses)]


def _starts(records: Sequence[Record]) -> list[Figure]:
    """The units of this run."""
    return [
        Figure(f"a bare start of {name} in that run", statistics.median(each["units"][name] for each in records), "s")
        for name in UNITS
    ]


def _called(size: int, number: int) -> str:
    return f"{number} kernel{'s' if number > 1 else ''} in a state of {size:,} MB"


def _in_starts(taken: Sequence[Record]) -> float | None:
    pairs = [
        (each["ways"][SPARE]["seconds"], each["units"]["kishu"]) for each in taken if "error" not in each["ways"][SPARE]
    ]
    return ratio(*zip(*pairs, strict=True)) if pairs else None


def _figure(name: str, taken: Sequence[Record], what: str, unit: str, scale: float = 1) -> Figure:
    def told(way: str) -> float | str:
        values = [each["ways"][way][what] * scale for each in taken if what in each["ways"][way]]
        return statistics.median(values) if values else str(taken[0]["ways"][way]["error"])

    return Figure(name, told(SPARE), unit, None, {way: told(way) for way in taken[0]["ways"] if way != SPARE})


def _exactness(records: Sequence[Record], losses: Record) -> Figure:
    """How much of the state is there in each kernel of each turn, and what is not."""

    def told(way: str) -> str:
        taken = [each["ways"][way] for each in records if "there" in each["ways"][way]]
        if not taken:
            return str(records[0]["ways"][way]["error"])
        things = list(taken[0]["there"])
        wrong = [thing for thing in things if not all(each["there"][thing] for each in taken)]
        said = [f"{thing} ({'told' if thing in taken[0]['told'] else 'not told'})" for thing in wrong]
        said += _lost(losses) if way == OS_FORK else []
        return f"{len(things) - len(wrong)} of {len(things)}" + (f"; lost: {', '.join(said)}" if said else "")

    return Figure(
        "what of the state is there",
        told(SPARE),
        "",
        None,
        {way: told(way) for way in records[0]["ways"] if way != SPARE},
    )


def _lost(losses: Record) -> list[str]:
    found = [f"all but {losses['threads of the child']} of {losses['threads']} threads"]
    if losses["a lock is released in the kernel"] and not losses["a lock is released in the child"]:
        found.append("locks that another thread holds, for ever")
    if not losses["a message of the child arrives"]:
        found.append("the sockets of ZeroMQ: no client reaches it")
    return found
