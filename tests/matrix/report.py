"""Records to the page and the JSON of `benchmarks/results/`. Everything comes from the records."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.matrix.entry import CATEGORIES, STANDARD
from tests.matrix.verdicts import (
    EXACTLY,
    FAIL,
    FALSE_POSITIVE,
    NOT_RUN,
    PICKLE_ERROR,
    RESULTS,
    SUCCESS,
    Verdict,
    verdict,
)

Record = dict[str, Any]

PAPERS = {SUCCESS: 120, FALSE_POSITIVE: 14, PICKLE_ERROR: 12, FAIL: 0}
"""The paper's Table 5: of 146 classes."""

MEANING = {
    SUCCESS: "a change was reported, a cell that only names the variable was not, and the state came back as it was",
    FALSE_POSITIVE: "as success, but a cell that only names the variable counts as having changed it: it is opaque",
    PICKLE_ERROR: "it came back silently as something else",
    FAIL: "a change was missed, or something crashed",
    NOT_RUN: "the library could not be installed, or the cell that makes the object fails by itself",
}

HEAD = """# The library matrix

Classes of real libraries in a real kernel, after the paper's 7.2. Of each: a cell makes an object; a cell names it and
changes nothing; a cell changes it; undo; and another process brings the first state back. What came back is compared
with what was by a description that shares no code with the package (`tests/support/describer.py`), and by what users
see of it: predictions, rows, rendered JSON. *Loaded*: from the store. *Replayed*: its cells were run again. *Lost,
told*: refused with the reason, and nothing was changed.

`scripts/matrix` repeats it, group by group; the entries are in `tests/matrix/groups/`.
"""


def write(records: Sequence[Record], environment: dict[str, Any], place: Path) -> list[str]:
    """Writes `matrix.md` and `matrix.json`; the goals that are missed."""
    judged = [(record, verdict(record)) for record in records]
    goals = list(_goals([each for _, each in judged]))
    page = [HEAD, _about(environment), _summary(judged), _goals_table(goals)]
    page += [_category(name, [each for each in judged if each[0]["category"] == name]) for name in CATEGORIES]
    page.append(_versions(records))
    place.mkdir(parents=True, exist_ok=True)
    (place / "matrix.md").write_text("\n".join(page), encoding="utf-8")
    kept = [{**record, "verdict": vars(each)} for record, each in judged]
    told = {"environment": environment, "classes": [_brief(record) for record in kept]}
    (place / "matrix.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return [name for name, _, _, met in goals if not met]


def _brief(record: Record) -> Record:
    left_out = ("step", "touched", "changed", "created", "variables")
    return {key: value for key, value in record.items() if key not in left_out}


def _about(environment: dict[str, Any]) -> str:
    told = " · ".join(f"{name}: {value}" for name, value in environment.items() if not isinstance(value, dict))
    versions = environment.get("versions", {})
    return f"{told} · with {', '.join(f'{name} {value}' for name, value in versions.items())}\n"


def _summary(judged: Sequence[tuple[Record, Verdict]]) -> str:
    columns = {
        "all": [each for _, each in judged],
        "libraries": [each for record, each in judged if record["category"] != STANDARD],
        "standard library": [each for record, each in judged if record["category"] == STANDARD],
    }
    lines = [
        "## Summary\n",
        f"| result | meaning | {' | '.join(columns)} | the paper |",
        f"| --- | --- |{' ---: |' * (len(columns) + 1)}",
    ]
    for result in RESULTS:
        counts = [str(sum(each.result == result for each in verdicts)) for verdicts in columns.values()]
        lines.append(f"| {result} | {MEANING[result]} | {' | '.join(counts)} | {PAPERS.get(result, '')} |")
    run = {name: [each for each in verdicts if each.result != NOT_RUN] for name, verdicts in columns.items()}
    counts = [f"{sum(each.exactly for each in verdicts)} of {len(verdicts)}" for verdicts in run.values()]
    lines.append(f"| restored exactly | by undo and in another process, loaded or replayed | {' | '.join(counts)} | |")
    for title, way in (("by undo", "undone"), ("in another process", "fresh")):
        ways = [Counter(getattr(each, way) for each in verdicts) for verdicts in run.values()]
        told = ["; ".join(f"{count} {name}" for name, count in sorted(each.items())) for each in ways]
        lines.append(f"| | {title} | {' | '.join(told)} | |")
    return "\n".join(lines) + "\n"


def _goals(verdicts: Iterable[Verdict]) -> Iterable[tuple[str, str, str, bool]]:
    run = [each for each in verdicts if each.result != NOT_RUN]
    count = Counter(each.result for each in run)
    exactly = sum(each.exactly for each in run)
    share = exactly / len(run) if run else 0.0
    yield "classes", ">= 150", str(len(run)), len(run) >= 150
    yield "fail", "0", str(count[FAIL]), count[FAIL] == 0
    yield "restored or replayed exactly", ">= 98 %", f"{share:.1%}", share >= 0.98
    yield "false positives", "<= 5", str(count[FALSE_POSITIVE]), count[FALSE_POSITIVE] <= 5


def _goals_table(goals: Sequence[tuple[str, str, str, bool]]) -> str:
    lines = ["## Goals\n", "| goal | allowed | measured | met |", "| --- | --- | --- | --- |"]
    lines += [f"| {name} | {allowed} | {value} | {'yes' if met else '**no**'} |" for name, allowed, value, met in goals]
    return "\n".join(lines) + "\n"


def _category(name: str, judged: Sequence[tuple[Record, Verdict]]) -> str:
    if not judged:
        return ""
    lines = [
        f"## {name}\n",
        "| class | library | result | undo | another process | what else |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for record, each in judged:
        library = f"{record['library'] or 'Python'} {record.get('version', '')}".strip()
        result = each.result if each.result == SUCCESS else f"**{each.result}**"
        lines.append(
            f"| `{record['name']}` | {library} | {result} | {_marked(each.undone)} | {_marked(each.fresh)} "
            f"| {_cell(_note(record, each))} |"
        )
    return "\n".join(lines) + "\n"


def _note(record: Record, each: Verdict) -> str:
    if each.reason:
        return each.reason
    stored = record.get("stored")
    if isinstance(stored, list) and stored:
        return str(stored[0]["reason"])
    return ""


def _marked(way: str) -> str:
    return way if way in EXACTLY or way == "-" else f"**{way}**"


def _cell(text: str) -> str:
    text = " ".join(text.split()).replace("|", "\\|")
    return text if len(text) <= 160 else f"{text[:157]}..."


def _versions(records: Sequence[Record]) -> str:
    versions = sorted({(each["library"], each["version"]) for each in records if each["library"] and "version" in each})
    return "## Versions\n\n" + ", ".join(f"{library} {version}" for library, version in versions) + "\n"
