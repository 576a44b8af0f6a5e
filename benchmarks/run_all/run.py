"""All cases, the systems in turn; each Run All is a file, so that a run goes on where it was stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks import environments
from benchmarks.harness import KISHU, PLAIN, BenchmarkError, Launch
from benchmarks.run_all.cases import Case, cases, own, runs
from benchmarks.run_all.drive import QUIET, Spent, run_all

ROUNDS = 3
ELASTIC = Launch(
    "elastic-kernel 0.2.3",
    ("elastic_kernel.kernel",),
    variables={"PYTHONPATH": "", "JPY_SESSION_NAME": "./notebook.ipynb"},
)
SYSTEMS: Mapping[str, tuple[Launch, str]] = {
    "plain": (PLAIN, environments.OURS),
    "kishu": (KISHU, environments.OURS),
    "elastic-kernel": (ELASTIC, "elastic-kernel"),
}
"""Each with the environment that it runs in."""
BOTH = ("plain", "kishu")
"""Those that run in one and the same interpreter."""
QUICK_QUIET = 0.5


@dataclass(frozen=True)
class Record:
    """One Run All of one system. `spent` is None where there was none, and `error` says why."""

    case: str
    kind: str
    system: str
    round: int
    spent: Spent | None
    error: str | None = None


def go_on(
    place: Path,
    *,
    quick: bool = False,
    scale: float = 1.0,
    rounds: int | None = None,
    only: Sequence[str] = (),
    only_systems: Sequence[str] = (),
    notebooks: Path | None = None,
) -> None:
    """Run what is not recorded yet; who goes first changes from round to round.

    Args:
        notebooks: a directory of them, which are run instead.
    """
    place.mkdir(parents=True, exist_ok=True)
    names = [name for name in (BOTH if quick or notebooks else SYSTEMS) if not only_systems or name in only_systems]
    launches = _launches(names)
    for case in own(notebooks) if notebooks else cases(scale=scale, quick=quick, only=only):
        if not runs(case):
            print(f"Run All of {case.name}: left out, for this interpreter does not have what it imports", flush=True)
            continue
        for turn in range(rounds or (1 if quick else ROUNDS)):
            order = names if turn % 2 else names[::-1]
            for name in order:
                path = place / f"{case.name},{name},{turn}.json"
                if not path.exists():
                    record = _run(case, name, launches[name], turn, QUICK_QUIET if quick else QUIET)
                    write(path, record)


def _launches(names: Sequence[str]) -> dict[str, Launch | BenchmarkError]:
    """With their interpreters; or why there is none."""
    found: dict[str, Launch | BenchmarkError] = {}
    for name in names:
        launch, environment = SYSTEMS[name]
        try:
            found[name] = replace(launch, python=environments.python(environment))
        except BenchmarkError as error:
            found[name] = error
    return found


def _run(case: Case, name: str, launch: Launch | BenchmarkError, turn: int, quiet: float) -> Record:
    print(f"Run All of {case.name}, {name}, round {turn + 1} ... ", end="", flush=True)
    spent, error = None, str(launch)[:300]
    if not isinstance(launch, BenchmarkError):
        try:
            spent, error = run_all(launch, case, quiet=quiet), ""
        except (BenchmarkError, OSError) as raised:
            error = " ".join(str(raised).split())[:300]
    print(error or f"{spent and spent.process:.2f} s of the processor", flush=True)
    return Record(case.name, case.kind, name, turn, spent, error or None)


def write(path: Path, record: Record) -> None:
    """Keep a record; it is there whole, or not at all."""
    half = path.with_suffix(".half")
    half.write_text(json.dumps(asdict(record)), encoding="utf-8")
    half.replace(path)


def read_all(place: Path) -> Iterator[Record]:
    """All that are kept there."""
    for path in sorted(place.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        spent = content.pop("spent")
        yield Record(spent=Spent(**spent) if spent else None, **content)
