"""Run the matrix: `python -m tests.matrix [group ...] [--only TEXT] [--fresh] [--report]`.

Each group has an environment of its own and a file of records; a group that is recorded, by these very entries, is not
run again unless `--fresh` says so. One that cannot be installed is told in the rows of its classes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import RESULTS, BenchmarkError, environment
from tests.matrix import report
from tests.matrix.driving import drive
from tests.matrix.entry import Entry, entries_of
from tests.matrix.environments import GROUPS, python, requirements
from tests.matrix.verdicts import verdict

RUNS = RESULTS.parent / ".runs" / "matrix"
"""Where records are kept until the report is made of them: not committed."""

Record = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status is 1 where a goal is missed."""
    options = _parser().parse_args(arguments)
    groups = options.group or list(GROUPS)
    if unknown := set(groups) - set(GROUPS):
        _parser().error(f"no such group: {', '.join(sorted(unknown))}")
    if not options.report:
        for group in groups:
            _go_on(group, options.only, fresh=options.fresh)
    if options.only:
        return 0
    recorded = [json.loads(path.read_text(encoding="utf-8")) for group in GROUPS if (path := _file(group)).exists()]
    records = [record for each in recorded for record in each["records"]]
    missed = report.write(records, environment(), RESULTS)
    print(f"{len(records)} classes; {RESULTS / 'matrix.md'}; goals missed: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


def _go_on(group: str, only: str, *, fresh: bool) -> None:
    """Runs a group, unless it is recorded."""
    entries = [each for each in entries_of(group) if only in each.name or only == each.library]
    wanted = hashlib.sha256(repr((entries, requirements(group))).encode()).hexdigest()
    path = _file(group)
    if not only and not fresh and path.exists() and json.loads(path.read_text(encoding="utf-8"))["of"] == wanted:
        print(f"{group}: recorded", flush=True)
        return
    began = time.monotonic()
    records = _records(entries, group)
    if not only:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"of": wanted, "records": records}), encoding="utf-8")
    print(f"{group}: {len(records)} classes in {time.monotonic() - began:.0f} s", flush=True)


def _records(entries: Sequence[Entry], group: str) -> list[Record]:
    try:
        interpreter = python(group)
    except BenchmarkError as error:
        return [_not_run(each, str(error)) for each in entries]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        return list(drive(entries, Path(home), interpreter, _told))


def _not_run(entry: Entry, reason: str) -> Record:
    return {"name": entry.name, "category": entry.category, "library": entry.library, "not_run": reason}


def _told(record: Record) -> None:
    each = verdict(record)
    way = f"{each.undone} / {each.fresh}"
    print(f"  {record['name']:44} {each.result:15} {way:22} {each.reason[:120]}".rstrip(), flush=True)


def _file(group: str) -> Path:
    return RUNS / f"{group}.json"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/matrix", description=__doc__)
    parser.add_argument("group", nargs="*", metavar="group", help=f"run these only: {', '.join(GROUPS)}")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="classes of this library, or with this in their name"
    )
    parser.add_argument("--fresh", action="store_true", help="run again what is recorded")
    parser.add_argument("--report", action="store_true", help="only make the page of what is recorded")
    return parser


if __name__ == "__main__":
    sys.exit(main())
