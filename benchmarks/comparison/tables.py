"""The tables of the page, as Markdown: a row of each system, a column of each workload; ours in bold.

Law: the ratio comes first, the absolute number stands beside it. What failed says so in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from benchmarks.comparison import formats
from benchmarks.comparison.goals import Case, Verdict, holds, worst
from benchmarks.comparison.records import Kind
from benchmarks.comparison.summary import MODELS, OURS, PLAIN, Setting, Study, Value

ENOUGH = 3
"""Rounds, of which a median says something; where there were fewer, the table says how many."""
NONE = "-"
Write = Callable[[Setting, str], str]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A table, with the first columns to the left and numbers to the right."""
    rule = ["---" if index < left else "---:" for index in range(len(head))]
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, rule, *rows])


def grid(study: Study, systems: Sequence[str], write: Write) -> str:
    """One table for the notebooks, and one for the other workloads; only what was run."""
    parts = []
    for settings in (study.notebooks, study.others):
        told = {(setting, name): write(setting, name) for setting in settings for name in systems}
        columns = [setting for setting in settings if any(told[setting, name] != NONE for name in systems)]
        there = [name for name in systems if any(told[setting, name] != NONE for setting in columns)]
        rows = [[title(study, name), *(told[setting, name] for setting in columns)] for name in there]
        if columns:
            parts.append(markdown(["", *map(study.label, columns)], rows))
    return "\n".join(parts)


def title(study: Study, name: str) -> str:
    return f"**{study.titles[name]}**" if name == OURS else study.titles[name]


def cell(study: Study, value: Value | None, write: Callable[[float], str]) -> str:
    """A value, with what is to be known of it: that it is wrong, or of few rounds."""
    if value is None:
        return NONE
    if value.amount is None:
        return f"*{value.mark}*"
    wrong = f" **{value.mark}**" if value.mark else ""
    few = f" (n={value.rounds})" if value.rounds < min(ENOUGH, study.rounds) else ""
    return write(value.amount) + wrong + few


def against_ours(study: Study, measure: str, shown: Callable[[float], str]) -> Write:
    """How many times ours, and the amount."""

    def write(setting: Setting, name: str) -> str:
        ours = study.value(setting, OURS, measure)
        if name == OURS:
            return cell(study, ours, lambda amount: f"**{shown(amount)}**")
        if ours is None or not ours.amount or ours.amount < 0:
            return cell(study, study.value(setting, name, measure), shown)
        unit = ours.amount
        value = study.value(setting, name, measure)
        return cell(study, value, lambda amount: f"{formats.times(amount / unit)} · {shown(amount)}")

    return write


def checkpoint(study: Study) -> str:
    """Visible delay as a share of the run time, and in seconds; what follows in the background."""

    def write(setting: Setting, name: str) -> str:
        run_time = study.run_time(setting)
        background = study.value(setting, name, "background")
        behind = background and background.amount
        later = f" + {formats.duration(behind)}" if behind else ""

        def shown(amount: float) -> str:
            share = formats.percent(amount / run_time) if run_time else ""
            return (f"**{share}**" if name == OURS else share) + f" · {formats.duration(amount)}{later}"

        return cell(study, study.value(setting, name, "visible"), shown)

    return grid(
        study, [*scattering(study), *study.restoring()], lambda *at: noise(study, *at) if at[1] == PLAIN else write(*at)
    )


def scattering(study: Study) -> list[str]:
    """Plain ipykernel, if it was run."""
    return [PLAIN] if PLAIN in study.systems else []


def noise(study: Study, setting: Setting, name: str) -> str:
    """The most by which a round of plain ipykernel was off its median."""
    outcome = study.outcome(setting, name)
    run_time = study.run_time(setting)
    if outcome is None or not run_time or len(outcome.whole) < 2:
        return NONE
    most = max(abs(outcome.of(session, "visible") or 0.0) for session in outcome.whole)
    return f"± {formats.percent(most / run_time)} · {formats.duration(most)}"


def tracking(study: Study, systems: Sequence[str]) -> str:
    """Times ours, seconds, and the share of the run time."""

    def write(setting: Setting, name: str) -> str:
        run_time = study.run_time(setting)

        def shown(amount: float) -> str:
            share = f" · {formats.percent(amount / run_time)}" if run_time else ""
            return formats.duration(amount) + share

        return against_ours(study, "tracking", shown)(setting, name)

    return grid(study, systems, write)


def slowdown(study: Study) -> str:
    def write(setting: Setting, name: str) -> str:
        def shown(amount: float) -> str:
            ratio = formats.slowdown(amount)
            return f"**{ratio}**" if name == OURS else ratio

        return cell(study, study.value(setting, name, "slowdown"), shown)

    def seconds(setting: Setting, name: str) -> str:
        return cell(study, study.value(setting, name, "run_time"), formats.duration)

    systems = [name for name in study.systems if name not in MODELS]
    return grid(study, systems, lambda *at: seconds(*at) if at[1] == PLAIN else write(*at))


def counts(study: Study, systems: Sequence[str]) -> str:
    """Variables and co-variables of the last state: of each notebook, by each system that knows them."""

    def write(setting: Setting, name: str) -> str:
        found = [study.value(setting, name, measure) for measure in ("variables", "covariables")]
        if found[0] and found[0].mark:
            return f"*{found[0].mark}*"
        told = [formats.count(each.amount) if each and each.amount is not None else NONE for each in found]
        return " → ".join(told) if told != [NONE, NONE] else NONE

    return grid(study, systems, write)


def sweep(study: Study, settings: Sequence[Setting], systems: Sequence[str]) -> str:
    """What a cell that changes one array stores and takes, and its undo."""

    def write(setting: Setting, name: str) -> str:
        if (outcome := study.outcome(setting, name)) is None:
            return NONE
        if outcome.failure and not outcome.restored:
            return f"*{outcome.failure}*"
        parts = (("change_stored", formats.size), ("change_checkpoint", formats.duration), ("undo", formats.duration))
        text = " · ".join(cell(study, study.value(setting, name, measure), shown) for measure, shown in parts)
        return f"**{text}**" if name == OURS and "*" not in text else text

    rows = [[title(study, name), *(write(setting, name) for setting in settings)] for name in systems]
    rows = [row for row in rows if any(each != NONE for each in row[1:])]
    return markdown(["", *(f"{setting['SHARE']} %" for setting in settings)], rows)


def long_session(study: Study, setting: Setting, systems: Sequence[str]) -> str:
    """How it begins, and how it is at the end."""
    rows = []
    for name in systems:
        if (outcome := study.outcome(setting, name)) is None:
            continue
        delays = [each for each in outcome.delays_of_cells() if each is not None]
        first, last = (sorted(part)[len(part) // 2] if part else None for part in (delays[:100], delays[-100:]))
        rows.append(
            [
                title(study, name),
                cell(study, study.value(setting, name, "stored"), formats.size),
                formats.duration(first) if first is not None else NONE,
                formats.duration(last) if last is not None and not outcome.failure else NONE,
                cell(study, study.value(setting, name, "undo"), formats.duration),
            ]
        )
    return markdown(["", "stored", "delay, median of the first 100", "of the last 100", "undo"], rows)


def tally(study: Study) -> dict[str, dict[str, int]]:
    """By system, how many states came back right, wrong, refused (told), or were never reached."""
    found: dict[str, dict[str, int]] = {}
    for name in study.restoring():
        numbers = dict.fromkeys(("right", "wrong", "told", "missing"), 0)
        for setting in study.settings:
            if (outcome := study.outcome(setting, name)) is None:
                continue
            for state in _asked(study, setting):
                verdict = outcome.restored[state].verdict if state in outcome.restored else "missing"
                numbers[verdict] += 1
        found[name] = numbers
    return found


def _asked(study: Study, setting: Setting) -> list[tuple[Kind, int]]:
    """All states that any system was asked for."""
    outcomes = [study.outcome(setting, name) for name in study.restoring()]
    return sorted({state for outcome in outcomes if outcome for state in outcome.restored})


def correctness(study: Study, numbers: Mapping[str, Mapping[str, int]]) -> str:
    rows = []
    for name, each in numbers.items():
        wrong = f"**{each['wrong']}**" if each["wrong"] else "0"
        rows.append([title(study, name), str(each["right"]), wrong, str(each["told"]), str(each["missing"])])
    return markdown(
        ["", "right", "wrong", "refused, and said so", "not reached: it had failed, or its time was up"], rows
    )


def wrongs(study: Study) -> str:
    """Each state that came back wrong, or was refused; and which variables."""
    rows = []
    for name in study.restoring():
        for setting in study.settings:
            outcome = study.outcome(setting, name)
            for state in outcome.restored.values() if outcome else ():
                place = f"{study.label(setting)}, {state.kind} cell {state.cell + 1}"
                if state.verdict == "wrong":
                    shown = [formats.said(variable, 60) for variable in state.wrong]
                    difference = formats.said(state.differences[0], 120) if state.differences else ""
                    rows.append([title(study, name), place, formats.listed(shown), difference])
                elif state.verdict == "told":
                    rows.append([title(study, name), place, "*refused*", formats.said(state.errors[0], 120)])
    return markdown(["", "state", "variables", "the first difference, or what it said"], rows, left=4) if rows else ""


def goals(verdicts: Sequence[Verdict]) -> str:
    rows = []
    for verdict in verdicts:
        allowed = f"≤ {verdict.goal.shown(verdict.goal.allowed)}" if verdict.goal.allowed else "0"
        beside = _measured(verdict, verdict.beside) if verdict.goal.scope is None else ""
        rows.append([verdict.goal.name, allowed, _measured(verdict, verdict.cases), _met(verdict.met), beside])
    head = ["goal", "allowed", "measured: the worst case, and where", "met", "beyond the notebooks"]
    return markdown(head, rows, left=5)


def unjudged(verdicts: Sequence[Verdict]) -> str:
    """Which cases could not be judged, and why; a list."""
    lines = []
    for verdict in verdicts:
        reasons: dict[str, list[str]] = {}
        for case in verdict.unjudged:
            reasons.setdefault(case.why, []).append(case.where)
        told = "; ".join(f"{formats.said(why)} ({formats.listed(places, 20)})" for why, places in reasons.items())
        if told:
            lines.append(f"- {verdict.goal.name}: {told}\n")
    return "".join(lines)


def _measured(verdict: Verdict, cases: Sequence[Case]) -> str:
    case = worst(cases)
    judged = [each for each in cases if each.value is not None]
    if case is None or case.value is None:
        return "not judged"
    if verdict.goal.shown is formats.count:
        places = [f"{each.where}: {formats.count(each.value or 0)}" for each in judged if each.value]
        total = formats.count(sum(each.value or 0 for each in judged))
        return total + (f" ({formats.listed(places)})" if places else f" in {len(judged)} workloads")
    why = f", {case.why}" if case.why else ""
    missed = sum(not holds(verdict.goal, [each]) for each in judged)
    held = f"; {missed} of {len(judged)} miss it" if missed > 1 else ""
    return f"{verdict.goal.shown(case.value)} ({case.where}{why}{held})"


def _met(met: bool | None) -> str:
    return {True: "yes", False: "**no**", None: "?"}[met]
