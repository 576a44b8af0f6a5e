"""Run the benchmarks: `python -m benchmarks run | report | figures`.

`run` repeats the paper's evaluation with all systems, and makes the report; it goes on where it was stopped.
`report` makes the report again of what was recorded last. `figures` measures what this kernel promises.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import environments, workloads
from benchmarks.harness import RESULTS


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status is 1 where a goal is missed."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["figures"]:
        from benchmarks.figures.run import main as figures

        return figures(given[1:])
    options = _parser().parse_args(given)
    from benchmarks.comparison.run import RUNS, go_on

    place = RUNS / ("quick" if options.quick else "full")
    if options.command == "run":
        from benchmarks.comparison.schedule import tasks

        if options.quick:
            environments.use_this_interpreter()
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
    return _report(place, quick=options.quick)


def _report(place: Path, *, quick: bool) -> int:
    from benchmarks.comparison import report
    from benchmarks.systems.registry import SYSTEMS

    environment = json.loads((place / "environment.txt").read_text(encoding="utf-8"))
    return report.write(place, place / "results" if quick else RESULTS, environment, SYSTEMS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run all systems side by side, and make the report")
    report = commands.add_parser("report", help="make the report of what was recorded last")
    commands.add_parser("figures", help="measure what this kernel promises; see figures --help")
    from benchmarks.systems.registry import SYSTEMS

    names = (*workloads.NOTEBOOKS, *workloads.OTHERS)
    run.add_argument("--workload", action="append", default=[], choices=names, metavar="W", help="only this one")
    run.add_argument("--system", action="append", default=[], choices=list(SYSTEMS), metavar="S", help="only this one")
    run.add_argument("--scale", type=float, help="size of the data; 1 is that of the paper's notebooks")
    run.add_argument("--rounds", type=int, help="how often each session is run")
    run.add_argument("--fresh", action="store_true", help="forget what an earlier run recorded")
    for command in (run, report):
        command.add_argument("--quick", action="store_true", help="small, a few systems, no environments: a smoke test")
    return parser


if __name__ == "__main__":
    sys.exit(main())
