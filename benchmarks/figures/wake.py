"""Waking: from the launch of a new kernel to its answer in the state that the last one was left in.

The state was made durable, and its kernel is gone. Ours comes back by itself (`auto_resume`), elastic-kernel too, and a
plain kernel by a cell that has dill load what it dumped. The time ends with the answer to one cell, which has to be the
same of all; the unit is a bare start of ours, up to the answer to a first cell. `--large` adds 5 GB of arrays
to what was measured last, and what it takes to bring back one of them alone; without elastic-kernel, for which the disk
would have to hold them a third time.
"""

from __future__ import annotations

import ast
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.environments import python
from benchmarks.harness import (
    KISHU,
    PLAIN,
    BenchmarkError,
    Figure,
    Kernel,
    Launch,
    Result,
    environment,
    launched,
    ratio,
    result_path,
    rounded,
    scratch,
)

ROUNDS = 7
LARGE_ROUNDS = 3
TARGET = 2.0
"""Bare starts of ours, for 200 MB."""
ENVIRONMENT = "elastic-kernel"
WAITING = 300.0
"""Seconds that a state may need until it is durable, or loaded."""

ARRAYS = "import numpy as np", "xs = [np.random.default_rng(n).random({each}) for n in range(5)]; part = xs[0][:1000]"
FRAME = (
    "import numpy as np, pandas as pd; drawn = np.random.default_rng(0)",
    "df = pd.DataFrame(drawn.random((1_600_000, 14)), columns=list('abcdefghijklmn'))\n"
    "df['day'] = pd.date_range('2020', periods=len(df), freq='min')\n"
    "df['city'] = drawn.choice(['Oslo', 'Bergen', 'Lima'], len(df)); total = df.groupby('city')['a'].sum()",
)


@dataclass(frozen=True)
class Slept:
    """A state that was left.

    Attributes:
        cells: the notebook that made it.
        look: an expression that tells what it is by.
        one: the only variable that this needs, if that alone is to be brought back, too.
    """

    cells: Sequence[str]
    look: str
    rounds: int = ROUNDS
    one: str = ""


STATES = {
    "nothing but a name": Slept(("name = 'x'",), "name"),
    "200 MB of arrays": Slept((ARRAYS[0], ARRAYS[1].format(each="5_000_000")), "float(xs[4].sum()), len(part)"),
    "a frame of 200 MB, a column of strings": Slept(
        FRAME, "float(df['b'].sum()), df.shape, float(total.sum()), str(df['city'].iloc[-1])"
    ),
}
LARGE = {
    "five arrays of 1 GB": Slept(
        (ARRAYS[0], "a, b, c, d, e = (np.random.default_rng(n).random(125_000_000) for n in range(5))"),
        "float(e.sum())",
        LARGE_ROUNDS,
        "e",
    ),
}

Record = dict[str, Any]


class Way:
    """New kernels of one system, which come back to a state that was kept for them.

    Args:
        launch: starts one of them.
        load: the cell that brings the state back, where it does not come by itself.
    """

    def __init__(self, launch: Launch, place: Path, load: str | None = None) -> None:
        self.launch = launch
        self._place = place
        self._load = load

    def keep(self, kernel: Kernel) -> None:
        """Makes the state durable."""
        kernel.run(f"__import__('dill').dump_session({str(self._place / 'session.pkl')!r})")

    def answered(self, kernel: Kernel, look: str) -> None:
        """Returns when a kernel has answered in the state."""
        cells = [*([] if self._load is None else [self._load]), look]
        if failed := kernel.queue(cells, WAITING).failed:
            raise BenchmarkError(f"cells failed: {failed}")

    def woken(self, look: str) -> tuple[Record, str]:
        """What a new kernel took until it had answered, and what it says of its state."""
        began = time.perf_counter()
        with launched(self.launch, self._place) as kernel:
            self.answered(kernel, look)
            record = {"seconds": time.perf_counter() - began, "processor": _processor_time(kernel)}
            kernel.wait()  # its first messages may have had no listener yet
            answer = kernel.value(look)
            self.settle(kernel)
            return record, answer

    def settle(self, kernel: Kernel) -> None:
        """After it was measured: nothing is left half done for the next one."""


class Ours(Way):
    """They resume before their first cell."""

    def keep(self, kernel: Kernel) -> None:
        """As in `Way`."""
        if not kernel.kishu("hibernate", timeout=WAITING)[0]["durable"]:
            raise BenchmarkError("the state is not durable")

    def settle(self, kernel: Kernel) -> None:
        """As in `Way`."""
        self.keep(kernel)


class Elastic(Way):
    """They restore when they start. Asked by expressions: after some notebooks they answer no cell any more."""

    def keep(self, kernel: Kernel) -> None:
        """As in `Way`."""
        saved = ast.literal_eval(kernel.value("get_ipython().kernel._save_checkpoint()"))
        if not saved["ok"]:
            raise BenchmarkError(f"it saves nothing: {saved.get('error') or saved.get('reason')}")

    def answered(self, kernel: Kernel, look: str) -> None:
        """As in `Way`."""
        kernel.wait()
        kernel.value(look)


OURS, DILL, ELASTIC = "kishu", "dill.load_session", "elastic-kernel 0.2.3"
ONE = "kishu, that variable alone"


def measure(states: Mapping[str, Slept] = STATES, systems: Sequence[str] = (OURS, DILL, ELASTIC)) -> Result:
    """All states, of all systems in turns."""
    if ELASTIC in systems:
        python(ENVIRONMENT)  # made before the clock runs
    figures, details = [], {}
    for name, state in states.items():
        with scratch() as place:
            ways = _slept(state, place, systems)
            records = [_turn(state, place, ways, turn) for turn in range(state.rounds)]
            if state.one:  # at the end, since the last session would be one of these then
                alone = Way(_ours(place), place, f"%kishu take {state.one}@main")
                for record in records:
                    record["ways"][ONE] = alone.woken(state.look)[0]
        details[name] = records
        figures += _figures(name, records)
    return Result(figures, details)


def _slept(state: Slept, place: Path, systems: Sequence[str]) -> dict[str, Way | str]:
    """The ways back to a state that was made once by each; a text says why one has none."""
    books = {name: _book(place, name) for name in ("kishu", "elastic")}
    for book in books.values():  # elastic-kernel's file is named after this one's inode
        book.parent.mkdir()
        book.write_text("{}", encoding="utf-8")
    ways: dict[str, Way | str] = {
        OURS: Ours(_ours(place, "--KishuKernel.auto_resume=True"), place),
        DILL: Way(PLAIN, place, f"__import__('dill').load_session({str(place / 'session.pkl')!r})"),
    }
    if ELASTIC in systems:
        variables = {"PYTHONPATH": "", "JPY_SESSION_NAME": str(books["elastic"])}
        ways[ELASTIC] = Elastic(Launch(ELASTIC, ("elastic_kernel.kernel",), python(ENVIRONMENT), variables), place)
    for name, way in ways.items():
        try:
            with launched(way.launch, place) as kernel:
                kernel.wait()
                for cell in state.cells:
                    kernel.run(cell)
                way.keep(kernel)
        except BenchmarkError as error:
            ways[name] = " ".join(str(error).split())[:200].replace("|", "/")
    return ways


def _book(place: Path, name: str) -> Path:
    return place / name / "book.ipynb"


def _ours(place: Path, *options: str) -> Launch:
    variables = {"JPY_SESSION_NAME": str(_book(place, "kishu"))}
    return Launch(OURS, (*KISHU.arguments, *options), variables=variables)


def _turn(state: Slept, place: Path, ways: Mapping[str, Way | str], turn: int) -> Record:
    """Each way once, and a bare start of ours and of ipykernel's."""
    units = {launch.name: _bare(place, launch) for launch in (KISHU, PLAIN)}
    found: Record = {}
    answers = {}
    order = list(ways) if turn % 2 else list(ways)[::-1]
    for name in order:
        way = ways[name]
        if isinstance(way, str):
            found[name] = {"error": way}
        else:
            found[name], answers[name] = way.woken(state.look)
    if len(set(answers.values())) > 1:
        raise BenchmarkError(f"states differ: {answers}")
    return {"units": units, "ways": {name: found[name] for name in ways}}


def _bare(place: Path, launch: Launch) -> Record:
    with launched(launch, place) as kernel:
        seconds = kernel.first_replies()[1]
        return {"seconds": seconds, "processor": _processor_time(kernel)}


def _processor_time(kernel: Kernel) -> float:
    times = psutil.Process(kernel.pid).cpu_times()
    return times.user + times.system


def _figures(name: str, records: Sequence[Record]) -> list[Figure]:
    def amount(way: str, what: str) -> float | str:
        if "error" in (first := records[0]["ways"][way]):
            return str(first["error"])
        return statistics.median(record["ways"][way][what] for record in records)

    def starts(what: str) -> float:
        pairs = [(record["ways"][OURS][what], record["units"]["kishu"][what]) for record in records]
        return ratio(*zip(*pairs, strict=True))

    others = [way for way in records[0]["ways"] if way != OURS]
    target = TARGET if "200 MB" in name else None
    return [
        Figure(f"wake: {name}: until a cell has answered / a bare kernel's start", starts("seconds"), "x", target),
        Figure(f"wake: {name}: processor time / a bare kernel's start", starts("processor"), "x"),
        *(
            Figure(f"wake: {name}: {label}", amount(OURS, what), "s", None, {way: amount(way, what) for way in others})
            for what, label in {"seconds": "until a cell has answered", "processor": "processor time"}.items()
        ),
    ]


def _add(found: Result) -> None:
    """Add figures to those that were kept last, with what they were measured on."""
    path = result_path("wake")
    kept = json.loads(path.read_text(encoding="utf-8"))
    names = {figure.name for figure in found.figures}
    new = [rounded(asdict(figure)) | {"ok": figure.ok} for figure in found.figures]
    kept["figures"] = [figure for figure in kept["figures"] if figure["name"] not in names] + new
    for name, records in found.details.items():
        kept["details"][name] = {"environment": environment(), "records": rounded(records)}
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if "--large" in sys.argv:
        _add(measure(LARGE, (OURS, DILL)))
    else:
        from benchmarks.figures.run import main

        raise SystemExit(main(["wake"]))
