"""Run the benchmarks: `python -m benchmarks run | report | figures`.

`run` repeats the paper's evaluation with all systems, measures Run All, and makes the report; it goes on where it was
stopped.
`run --notebooks DIR` measures Run All of notebooks of one's own, each in a copy of DIR, in this
interpreter: it has to have what they import.
`report` makes the report again of what was recorded last. `figures` measures what this kernel promises.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import environments, workloads
from benchmarks.harness import RESULTS, environment

if TYPE_CHECKING:
    from benchmarks.run_all.summary import Case

RUN_ALL = "run-all"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status is 1 where a goal is missed."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["figures"]:
        from benchmarks.figures.run import main as figures

        return figures(given[1:])
    options = _parser().parse_args(given)
    from benchmarks.comparison.run import RUNS, go_on

    place = RUNS / ("quick" if options.quick else "full")
    if options.command == "run" and options.notebooks:
        return _run_own(RUNS / "own" / "-".join(options.notebooks.resolve().parts[1:]), options)
    if options.command == "run":
        from benchmarks.comparison.schedule import tasks

        if options.quick or options.here:
            environments.use_this_interpreter()
        if options.measure != RUN_ALL:
            todo = list(
                tasks(
                    quick=options.quick,
                    scale=options.scale,
                    rounds=options.rounds,
                    only_workloads=options.workload,
                    only_systems=options.system,
                )
            )
            go_on(place, todo, fresh=options.fresh)
        if options.measure != "sessions":
            _run_all(place, options)
    if options.measure == RUN_ALL:
        return _report_run_all(place, quick=options.quick)
    return _report(place, quick=options.quick) | _report_run_all(place, quick=options.quick)


def _run_own(place: Path, options: argparse.Namespace) -> int:
    """Run All of notebooks of one's own, here, where what they import is; others' notebooks are on no page of ours."""
    from benchmarks.run_all import page, run, summary

    environments.use_this_interpreter()
    _run_all(place, options)
    cases = summary.study(run.read_all(place / RUN_ALL))
    written = page.write_alone(cases, place / "results", environment())
    print(f"\n{page.kinds(cases)}\nEach notebook: {written}")
    return _status(cases)


def _run_all(place: Path, options: argparse.Namespace) -> None:
    from benchmarks.comparison.schedule import QUICK_SCALE
    from benchmarks.run_all import run

    place /= RUN_ALL
    if options.fresh:
        shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True, exist_ok=True)
    (place / "environment.txt").write_text(json.dumps(environment()), encoding="utf-8")
    run.go_on(
        place,
        quick=options.quick,
        scale=options.scale if options.scale is not None else QUICK_SCALE if options.quick else 1.0,
        rounds=options.rounds,
        only=options.workload,
        only_systems=options.system,
        notebooks=options.notebooks,
    )


def _report_run_all(place: Path, *, quick: bool) -> int:
    """The section of the page; the exit status."""
    from benchmarks.run_all import page, run, summary

    records = place / RUN_ALL
    if not (records / "environment.txt").exists():
        return 0
    cases = summary.study(run.read_all(records))
    told = json.loads((records / "environment.txt").read_text(encoding="utf-8"))
    page.write(cases, place / "results" if quick else RESULTS, told)
    return _status(cases)


def _status(cases: Sequence[Case]) -> int:
    """1 where ours failed, or other cells raised than under plain ipykernel."""
    from benchmarks.run_all import summary

    return int(any(case.mark(summary.OURS) for case in cases))


def _report(place: Path, *, quick: bool) -> int:
    from benchmarks.comparison import report
    from benchmarks.systems.registry import SYSTEMS

    told = json.loads((place / "environment.txt").read_text(encoding="utf-8"))
    return report.write(place, place / "results" if quick else RESULTS, told, SYSTEMS)


def _directory(text: str) -> Path:
    """One that has notebooks."""
    if not any(Path(text).rglob("*.ipynb")):
        raise argparse.ArgumentTypeError(f"there is no notebook below {text}")
    return Path(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run all systems side by side, and make the report")
    report = commands.add_parser("report", help="make the report of what was recorded last")
    commands.add_parser("figures", help="measure what this kernel promises; see figures --help")
    from benchmarks.run_all.cases import LINE_CASES, REAL
    from benchmarks.systems.registry import SYSTEMS

    names = (
        *workloads.NOTEBOOKS,
        *workloads.OTHERS,
        *(path.stem for path in sorted(REAL.glob("*.ipynb"))),
        *LINE_CASES,
    )
    run.add_argument("--workload", action="append", default=[], choices=names, metavar="W", help="only this one")
    run.add_argument("--system", action="append", default=[], choices=list(SYSTEMS), metavar="S", help="only this one")
    run.add_argument(
        "--notebooks",
        type=_directory,
        metavar="DIR",
        help="only Run All of these, in this interpreter",
    )
    run.add_argument("--here", action="store_true", help="ours and plain ipykernel run in this interpreter")
    run.add_argument("--scale", type=float, help="size of the data; 1 is that of the paper's notebooks")
    run.add_argument("--rounds", type=int, help="how often each session is run")
    run.add_argument("--fresh", action="store_true", help="forget what an earlier run recorded")
    for command in (run, report):
        command.add_argument("--measure", choices=("sessions", RUN_ALL), help="only this; else both")
        command.add_argument("--quick", action="store_true", help="small, a few systems, no environments: a smoke test")
    return parser


if __name__ == "__main__":
    sys.exit(main())
