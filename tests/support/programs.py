"""Programs: cells and travels as lines of text, run against a model that knows what every state was.

A line is a cell, or one of these (a number n means 1 where it is left out):

    %undo n             %redo n             %start: undo all
    %checkout n         the n-th last checkpoint; `%checkout n never` re-runs nothing, `%checkout n lost` leaves behind
                        what cannot be had
    %take n m           the m-th variable of the n-th last checkpoint; `%take n m copy` under a name of its own
    %branch name        %tag name           of where the session stands
    %goto n             the n-th of the branches and tags there are
    %restart            a new session with a namespace of its own, over the same store
    %resume             where the last session stood
    %fork n             a new session, as after %restart, that begins in the n-th last checkpoint, on a branch of its
                        own
    %hidden code        runs, and takes no checkpoint

What a state was is told by the describer, which shares no code with the package. `play` raises `AssertionError` where
the session and the model differ; what happened until then is in its text.
"""

from __future__ import annotations

import abc
import contextlib
import gc
import re
import sys
import types
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kishu_kernel.detect.access_trackers import TrackerKind
from kishu_kernel.detect.fingerprint import Fingerprinter
from kishu_kernel.errors import CheckoutError, KishuError, RequestError
from kishu_kernel.model import Checkpoint, CheckpointId, Outcome, Plan
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.session.timeline import BRANCH, TAG
from kishu_kernel.store.lmdb_store import LmdbStore
from tests.support.describer import Description, describe_apart, differences, is_class, renamed, values_of
from tests.support.harness import FailingStore, Notebook, as_in_another_process
from tests.support.settings_told import Settings, remembered, settings

TOUCH_NOTHING = ("1 + 1", "pass", "'text'", "2 ** 3\nNone")
"""Cells after which no variable may be told to have changed."""

DOUBT = "not the same as before"
"""Said of what was re-run. Here it need not be so: to describe an object in C may give it the `__dict__` it had not."""

TRACEBACKS = "comes back without tracebacks"
"""Said of exceptions that were raised."""

ANEW = "comes from its cell, run anew"
"""Said of copies that only a re-run gives back: they have the classes that the re-run made."""

Target = CheckpointId | None


@dataclass
class Tally:
    """What was compared, so that no test of programs becomes vacuous."""

    programs: int = 0
    cells: int = 0
    raised: int = 0
    compared: int = 0
    refused: int = 0
    kept: int = 0
    loaded: int = 0
    replayed: int = 0
    with_replay: int = 0
    restarts: int = 0
    forks: int = 0
    left_behind: int = 0
    taken: int = 0
    untouched: int = 0
    stayed: int = 0
    needless: int = 0
    """Variables that were told to have changed though their description did not. No mistake: doubt means changed."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(**{name: count + getattr(other, name) for name, count in vars(self).items()})


class CarriedStore(FailingStore):
    """A store in memory that the next session goes on with."""

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class State:
    """What a state was: all variables together, sharing included, and each alone; what the process was set to.

    Attributes:
        classes: those of the notebook that share nothing with other variables.
        called: the classes that variables are bound to -> what they call themselves.
    """

    whole: Description
    alone: dict[str, Description]
    settings: Settings
    classes: dict[str, weakref.ref[type]]
    called: dict[str, str]


@dataclass
class Model:
    """Where a session stands in its history, told by somebody who only counts.

    Attributes:
        made: all checkpoints, in their order.
        left: below a checkpoint the child that the session left last.
        heads: where each session stands.
        bare: states with nothing in them but results of cells.
    """

    states: dict[Target, State] = field(default_factory=dict)
    parents: dict[CheckpointId, Target] = field(default_factory=dict)
    made: list[CheckpointId] = field(default_factory=list)
    left: dict[Target, CheckpointId] = field(default_factory=dict)
    heads: list[Target] = field(default_factory=lambda: [None])
    bare: set[Target] = field(default_factory=lambda: {None})

    @property
    def head(self) -> Target:
        return self.heads[-1]

    def add(self, id: CheckpointId, state: State) -> None:
        self.states[id] = state
        self.note_bare(id, state.whole)
        self.parents[id] = self.head
        self.made.append(id)
        self.heads[-1] = id

    def move(self, to: Target) -> None:
        there = self.ancestry(to)
        for id in self.ancestry(self.head):
            if id is None or id in there:
                break
            self.left[self.parents[id]] = id
        self.heads[-1] = to

    def restart(self) -> None:
        self.heads.append(None)
        self.left = {}

    def ancestry(self, of: Target) -> list[Target]:
        """It and its ancestors; the last is None, the empty state."""
        found = [of]
        while found[-1] is not None:
            found.append(self.parents[found[-1]])
        return found

    def undone(self, steps: int) -> list[Target]:
        """Where as many steps lead, in a list; empty if there are not so many."""
        return self.ancestry(self.head)[steps : steps + 1]

    def redone(self, steps: int) -> list[Target]:
        at = self.head
        for _ in range(steps):
            if at not in self.left:
                return []
            at = self.left[at]
        return [at]

    def note_bare(self, id: CheckpointId, told: Description) -> None:
        """Remembers whether somebody who resumes would have something of this state."""
        names = {found[0] for found in map(re.compile(r"\w+").match, values_of(told)) if found}
        if all(re.fullmatch(r"Out|_{1,3}|_\d+", name) for name in names):
            self.bare.add(id)

    def resumed(self) -> list[Target]:
        stood = [head for head in self.heads[:-1] if head is not None]
        earlier = [head for head in stood if head not in self.bare] or stood
        return [max(earlier, key=self.made.index)] if earlier else []


class Player:
    """Runs one program in a real session.

    Args:
        disk: where its store lies; in memory where not told.
    """

    def __init__(self, program: Sequence[str], tracker: TrackerKind, disk: Path | None) -> None:
        self.weak = any("weakref" in line for line in program)
        self.tracker = tracker
        self.disk = disk
        self.store = CarriedStore()
        self.model = Model()
        self.told: list[str] = []
        self.tally = Tally(programs=1)
        self.hidden = False  # something ran since the last checkpoint
        self.set_again = remembered()
        self.begin()
        self.now = self.model.states[None] = self.look()

    def begin(self) -> None:
        store = self.store if self.disk is None else LmdbStore(self.disk, sync=False)
        self.notebook = Notebook(self.tracker, store, f"session-{len(self.model.heads)}")
        sys.modules["__main__"] = self.notebook.module

    def look(self) -> State:
        self.collect()
        live, variables = self.notebook.live, self.notebook.variables
        frames = {f"frame of {name}": _frame(obj) for name, obj in variables.items() if _frame(obj)}
        shown = {name: live.get(name) for name in ("_", "__", "___")}
        out = dict(sorted(live["Out"].items()))  # in this order it is brought back; each session counts from one again
        together = {**variables, **shown, "Out": out, **frames}
        whole, *each = describe_apart([together, *({name: obj} for name, obj in variables.items())], live)
        whole = without_gaps(whole)
        alone = dict(zip(variables, map(without_gaps, each), strict=True))
        told = settings(variables)
        classes = {name: weakref.ref(obj) for name, obj in variables.items() if _is_plain_class(obj)}
        called = {name: type.__dict__["__qualname__"].__get__(obj) for name, obj in variables.items() if is_class(obj)}
        del variables, frames, shown, together
        self.collect()  # a describer holds what it has described, and weak references tell
        return State(whole, alone, told, classes, called)

    def collect(self) -> None:
        """Cycles that nobody holds go now, and at no other time: that they are gone can be seen."""
        gc.collect(2 if self.weak else 0)

    def run(self, line: str) -> None:
        self.told.append(line)
        word, _, rest = line.partition(" ")
        if not line.startswith("%"):
            self.cell(line)
        elif word == "%hidden":
            with contextlib.suppress(Exception):
                self.notebook.hidden(rest)
            self.hidden = True
        elif word == "%restart":
            self.restart()
        elif word == "%fork":
            self.fork(int(rest or 1))
        elif word == "%take":
            self.take(*rest.split())
        elif word in ("%branch", "%tag"):
            if self.model.head is not None:
                self.notebook.session.timeline.set_name(BRANCH if word == "%branch" else TAG, rest, self.model.head)
        else:
            self.travel(word, rest)

    def cell(self, code: str, again: bool = False) -> None:
        before = self.now
        checkpoint = self.notebook.run(code)
        assert checkpoint is not None, self.notebook.warnings
        self.check(checkpoint.incomplete is None, f"incomplete: {checkpoint.incomplete}")
        self.check(checkpoint.parent == self.model.head, "its parent is not where the session stood")
        state = self.now = self.look()
        self.model.add(checkpoint.id, state)
        self.everything_is_found()
        self.tally.cells += 1
        self.tally.raised += checkpoint.status != "ok"
        self.told[-1] += f"        # {checkpoint.error}" if checkpoint.error else ""
        self.delta_is_complete(checkpoint, before, state)
        if code in TOUCH_NOTHING and not self.hidden:
            self.nothing_is_reported(checkpoint, again)
        self.hidden = False

    def everything_is_found(self) -> None:
        """No program deletes a branch: something leads to each checkpoint, however often its line was left."""
        timeline = self.notebook.session.timeline
        self.check(timeline.names(BRANCH).get(str(timeline.branch)) == timeline.head, "its branch is elsewhere")
        lost = set(self.model.made)
        for id in timeline.store.refs().values():
            at: Target = id
            while at in lost:
                lost.discard(at)
                at = self.model.parents[at]
        self.check(not lost, f"nothing leads to {', '.join(sorted(lost))}")

    def delta_is_complete(self, checkpoint: Checkpoint, before: State, after: State) -> None:
        """Law 1: what changed is in the delta."""
        names = before.alone.keys() | after.alone.keys()
        changed = {name for name in names if before.alone.get(name) != after.alone.get(name)}
        reported = {*checkpoint.created, *checkpoint.modified, *checkpoint.deleted}
        # A cycle that only weak references lead to goes when it is collected, which is after the checkpoint.
        gone = {name for name in changed if "weak reference, dead" in after.alone.get(name, {}).values()}
        kept_beside = {name for name in changed if _differs_by_settings(before.alone.get(name), after.alone.get(name))}
        renamed = {name for name in changed if _differs_by_names_of_classes(name, before, after)}
        missed = changed - reported - gone - kept_beside - renamed
        self.check(not missed, f"missed: {', '.join(sorted(missed))}")
        self.check(set(checkpoint.created) == after.alone.keys() - before.alone.keys(), "others were created")
        self.check(set(checkpoint.deleted) == before.alone.keys() - after.alone.keys(), "others were deleted")
        shared = _without_moving(before.whole) != _without_moving(after.whole)
        self.check(
            not shared or bool(reported or gone or kept_beside), "what is shared has changed, and nothing is reported"
        )
        self.tally.needless += len(reported - changed)

    def nothing_is_reported(self, checkpoint: Checkpoint, again: bool) -> None:
        """With `all`, everything is accessed; then what is opaque counts as changed."""
        own = f"_{self.notebook.count}"  # of an earlier session there may have been one
        reported = {*checkpoint.modified, *checkpoint.deleted} - {own}
        if self.tracker == "all":
            if not again:  # to describe an object in C may give it the `__dict__` that it had not
                self.cell(checkpoint.code, again=True)
                return
            prints = Fingerprinter(ReductionTable(self.notebook.live))
            reported = {name for name in reported if not prints.take(self.notebook[name]).opaque}
        self.check(not reported, f"reported though nothing was touched: {', '.join(sorted(reported))}")
        self.tally.untouched += 1

    def restart(self) -> None:
        self.notebook.session.close()
        self.set_again()
        self.model.restart()
        self.notebook.live.clear()
        as_in_another_process()
        gc.collect()  # in another process none of it would be there
        self.begin()
        self.now = self.model.states[None]
        self.hidden = False
        self.tally.restarts += 1

    def fork(self, number: int) -> None:
        """What others have done by then can be taken, and gone to, from here, and the other way round."""
        if not self.model.made:
            return
        target = self.model.made[-1 - (number - 1) % len(self.model.made)]
        self.restart()
        before = self.now
        outcome = self.notebook.session.begin_at(target, f"fork-{len(self.model.heads)}")
        self.model.move(outcome.head)
        self.arrived(outcome, [target], before)
        self.tally.forks += 1

    def travel(self, word: str, rest: str) -> None:
        go, expected = self.meant(word, rest.split())
        before, head = self.look(), self.model.head
        try:
            outcome = go()
        except (RequestError, CheckoutError) as error:
            self.refused(error, expected, before)
            return
        if outcome.previous != head:
            self.check(self.hidden, "a checkpoint was taken of nothing")
            assert outcome.previous is not None
            self.model.add(outcome.previous, before)
        self.hidden = False
        self.model.move(outcome.head)
        self.arrived(outcome, expected, before)

    def take(self, number: str, place: str, *how: str) -> None:
        """One variable as it was elsewhere, and the rest stays; what it is then is a state like others."""
        target = self.model.made[-1 - (int(number) - 1) % len(self.model.made)] if self.model.made else None
        names = sorted(name for name in self.model.states[target].alone if not re.fullmatch(r"_\d+", name))
        if target is None or not names:
            return
        then, before, head = self.model.states[target], self.look(), self.model.head
        name = names[int(place) % len(names)]
        copies = {name: f"{name}_copy{len(self.model.made)}"} if how else {}
        self.told[-1] += f"        # {name} of {target}"
        try:
            taking = self.notebook.session.take([name], target, copies, replay="auto")
        except CheckoutError as error:
            self.refused(error, [target], before)
            return
        outcome = taking.outcome
        state = self.look()
        if outcome.applied or not self.hidden:  # else what ran hidden is still to be told by the next cell
            self.now = state
        for step in outcome.plan.replay:
            self.told.append(f"    # re-run: {step.code!r}")
        if outcome.applied:
            if outcome.previous != head:
                self.check(self.hidden, "a checkpoint was taken of nothing")
                assert outcome.previous is not None
                self.model.add(outcome.previous, before)
            self.hidden = False
            assert outcome.head is not None
            self.model.add(outcome.head, state)
        self.check(self.notebook.head == self.model.head, "the head stands elsewhere")
        new = copies.get(name, name)
        wrong = differences(then.alone[name], renamed(state.alone.get(new, {}), new, name))
        if any(note.startswith(f"{new} {ANEW}") for note in outcome.plan.notes):  # told
            wrong = [each for each in wrong if not each.startswith(f"{name}.__class__")]
        self.check(not wrong, f"{name} is not what it was", wrong)
        came = {new, *taking.along}
        if came & (before.called.keys() | state.called.keys()):  # of what refers to it, it is told otherwise
            self.tally.taken += 1
            return
        rest = state.alone.keys() | before.alone.keys()
        others = {each for each in rest - came if before.alone.get(each) != state.alone.get(each)}
        others -= {each for each in others if _differs_by_names_of_classes(each, before, state)}
        self.check(not others, f"others have changed: {', '.join(sorted(others))}")
        self.tally.taken += 1

    def meant(self, word: str, words: Sequence[str]) -> tuple[Callable[[], Outcome], list[Target]]:
        """What to call, and the state to which it must lead, in a list; empty if it cannot lead anywhere."""
        session, model = self.notebook.session, self.model
        number = int(words[0]) if words else 1
        if word == "%undo":
            return lambda: session.undo(number), model.undone(number)
        if word == "%start":
            steps = len(model.ancestry(model.head)) - 1
            return (lambda: session.undo(steps)), [None]
        if word == "%redo":
            return lambda: session.redo(number), model.redone(number)
        if word == "%resume":
            return session.resume, model.resumed()
        if word == "%goto":
            names = {**session.timeline.names(TAG), **session.timeline.names(BRANCH)}
            if not names:
                return lambda: session.checkout("nowhere"), []
            name = sorted(names)[number % len(names)]
            self.told[-1] += f"        # {name}"
            return lambda: session.checkout(name), [names[name]]
        assert word == "%checkout", word
        if not model.made:
            return lambda: session.checkout("HEAD"), []
        target = model.made[-1 - (number - 1) % len(model.made)]
        how: dict[str, Any] = {"replay": "never" if "never" in words else "auto", "allow_lost": "lost" in words}
        return lambda: session.checkout(target, **how), [target]

    def refused(self, error: KishuError, expected: list[Target], before: State) -> None:
        """It says why, and nothing has changed."""
        self.told.append(f"    # refused: {error}")
        self.check(bool(str(error)), "it does not say why")
        self.check(isinstance(error, RequestError) == (not expected), "refused for the wrong reason")
        after = self.look()
        wrong = differences(before.whole, after.whole) + differences(before.settings, after.settings)
        self.check(not wrong, "a refused checkout changed something", wrong)
        self.check(self.notebook.head == self.model.head, "a refused checkout moved the head")
        self.tally.refused += bool(expected)

    def arrived(self, outcome: Outcome, expected: list[Target], before: State) -> None:
        self.check([outcome.head] == expected, "it leads elsewhere")
        self.check(self.notebook.head == outcome.head, "the head stands elsewhere")
        plan = outcome.plan
        now = self.now = self.look()
        then = self.model.states[outcome.head]
        for step in plan.replay:
            self.told.append(f"    # re-run: {step.code!r}")
        if plan.lost:
            self.left_behind({name for lost in plan.lost for name in lost.version.names}, then, now)
        else:
            wrong = differences(then.whole, now.whole)
            self.check(not wrong, "this is not the state that it was", wrong)
        self.classes_stay(before, then, now, plan)
        self.settings_are(then, now, {lost.version.names[0] for lost in plan.lost if lost.version.names})
        self.tally.compared += 1
        self.tally.kept += len(plan.keep)
        self.tally.loaded += len(plan.load)
        self.tally.replayed += len(plan.replay)
        self.tally.with_replay += bool(plan.replay)

    def classes_stay(self, before: State, then: State, now: State, plan: Plan) -> None:
        """A class that is here, and was there the same, stays: registries and caches of libraries may know it.

        Not one that is re-run together with an instance that cannot be stored: they are one co-variable (page 037).
        """
        together = {name for step in plan.replay for each in step.gives if len(each.names) > 1 for name in each.names}
        for name in (then.classes.keys() & before.classes.keys() & now.classes.keys()) - together:
            kind = then.classes[name]()
            if kind is None or before.classes[name]() is not kind or before.alone[name] != then.alone[name]:
                continue
            self.check(now.classes[name]() is kind, f"the class {name} was made anew")
            self.tally.stayed += 1

    def settings_are(self, then: State, now: State, lost: set[str]) -> None:
        """As they were where the state was; a library that was not imported there is set to anything."""
        wrong = differences(then.settings, {name: now.settings.get(name, "unset") for name in then.settings})
        gone = [name for name in now.settings.keys() - then.settings.keys() if name.startswith("logger")]
        wrong += [f"{name}: {now.settings[name]}, and there it was not set" for name in gone]
        self.check(not wrong or bool(lost), "the process is not set as it was", wrong)

    def left_behind(self, lost: set[str], then: State, now: State) -> None:
        """All is as it was, but for what was told to be lost."""
        self.told.append(f"    # without {', '.join(sorted(lost))}")
        self.check(now.alone == {name: told for name, told in then.alone.items() if name not in lost}, "not the rest")
        self.tally.left_behind += 1

    def check(self, holds: bool, sentence: str, wrong: Sequence[str] = ()) -> None:
        if not holds:
            raise AssertionError("\n".join(["", *self.told, "", sentence, *wrong, *self.notebook.warnings]))


def play(program: Sequence[str], tracker: TrackerKind = "code", disk: Path | None = None) -> Tally:
    """Runs a program. Raises `AssertionError` where a state is not what it was, or a delta not what changed."""
    main = sys.modules["__main__"]
    gc.disable()
    gc.freeze()  # what there is already is not looked at each time
    try:
        player = Player(program, tracker, disk)
        try:
            for line in program:
                player.run(line)
            told = (DOUBT, TRACEBACKS, ANEW)
            player.check(all(any(each in line for each in told) for line in player.notebook.warnings), "it warns")
        finally:
            player.notebook.session.close()
            player.set_again()
    finally:
        sys.modules["__main__"] = main
        gc.unfreeze()
        gc.enable()
    return player.tally


def _frame(obj: object) -> dict[str, Any]:
    """What a generator has come to, which the describer leaves out."""
    if type(obj) is not types.GeneratorType or obj.gi_frame is None:
        return {}
    return {"at": obj.gi_frame.f_lasti, **obj.gi_frame.f_locals}


def _is_plain_class(obj: Any) -> bool:
    """Whether it is a class of the notebook, and what it holds is of nobody else."""
    if not isinstance(obj, type) or obj.__module__ != "__main__" or type(obj) not in (type, abc.ABCMeta):
        return False
    plain = (str, int, type(None), types.GetSetDescriptorType, types.MemberDescriptorType, _ABC_DATA)
    return all(
        type(each) in plain or (type(each) is types.FunctionType and not each.__closure__ and not each.__dict__)
        for name, each in vars(obj).items()
        if name not in ("__annotations__", "__abstractmethods__")
    ) and all(base.__module__ != "__main__" or _is_plain_class(base) for base in obj.__bases__)


_ABC_DATA = type(vars(abc.ABC)["_abc_impl"])


def _differs_by_names_of_classes(name: str, before: State, after: State) -> bool:
    """Only in what a class calls itself, which is a variable of its own."""
    told = "\n".join(f"{path}: {what}" for path, what in before.alone.get(name, {}).items())
    now = "\n".join(f"{path}: {what}" for path, what in after.alone.get(name, {}).items())
    for each in before.called.keys() & after.called.keys() - {name}:
        told = re.sub(rf"\b{re.escape(before.called[each])}\b", after.called[each], told)
    return told == now


def _differs_by_settings(was: Description | None, now: Description | None) -> bool:
    """Only by formatters and filters of handlers, which are kept with the loggers, as what the process is set to."""
    paths = [line.partition(":")[0] for line in differences(was or {}, now or {})]
    return bool(was and now) and all(re.search(r"\.(formatter|filters)\b", path) for path in paths)


def without_gaps(description: Description) -> Description:
    """An array that leaves gaps in its memory comes back without them, unless another lies in them."""
    layouts = {path: told for path, told in description.items() if path.startswith("layout of")}
    read_only = {path: "read-only" for path, told in layouts.items() if told.endswith("read-only")}
    return {path: told for path, told in description.items() if path not in layouts} | read_only


def _without_moving(description: Description) -> Description:
    """Without what IPython rebinds after each cell."""
    return {path: told for path, told in description.items() if not path.startswith(("_", "Out"))}
