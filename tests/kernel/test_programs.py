"""Random programs on real kernels: a restart is another process, and IPython does what it does.

Few, since each takes kernels of its own; `test_differential.py` runs thousands in this process. One that fails here is
not made shorter: play it there first (`programs.play`).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np  # noqa: F401 -- for its usual settings
import pandas as pd  # noqa: F401 -- as NumPy
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.support import describer, forked_describer, settings_told
from tests.support.made_programs import programs
from tests.support.programs import ANEW, DOUBT, Model, Target, without_gaps
from tests.support.soak import often
from tests.support.themes import ARRAYS, CLASSES, CONTAINERS, FRAMES, FUNCTIONS, OPAQUE
from tests.support.themes_around import (
    CLASSES_IN_USE,
    FILES,
    LIBRARY_OBJECTS,
    MODULES,
    OWN_DICT,
    REGISTRATIONS,
    SETTINGS,
    SHELL,
    VIEWS,
)

from .driver import Kernel, environment_of

PROGRAMS = int(os.environ.get("KISHU_PROGRAMS", "2000")) // 200
SEED = int(os.environ.get("KISHU_SEED", "0"))
AFTERWARDS = (
    *("%restart", "%resume", "%checkout 9", "%take 3 5", "%redo", "%checkout 20", "%start", "%checkout"),
    *("%fork 7", "%take 2 4", "%take 9 2 copy", "on_its_way = [1]", "%undo 2", "%checkout 3"),
)
THEMES = (
    *(CONTAINERS, ARRAYS, FRAMES, CLASSES, FUNCTIONS, OPAQUE, SETTINGS, CLASSES_IN_USE),
    *(VIEWS, OWN_DICT, LIBRARY_OBJECTS, REGISTRATIONS, SHELL, MODULES),
)
LEFT_OUT = "Not brought back"
"""Begins what a kernel says that began in a state of which it has not all."""
MOVING = re.compile(r"_{1,3}|Out")
"""What is bound to the last results, whichever these are."""

ASKED_HERE = 5
"""Of so many looks at a state one asks the kernel itself, too."""

USUAL = settings_told.settings({})
"""What a library is set to that a kernel has not imported."""

Seen = dict[str, Any]

Begin = Callable[[str | None], Kernel]
"""Starts a kernel; in this state, STORE@TARGET, of a store."""


@dataclass
class RealPlayer:
    """Runs the lines of `programs` on a kernel; its model knows the whole description of each state.

    A forked child of the kernel tells it, so that no state is what it is because somebody looked.
    """

    begin: Begin
    model: Model = field(default_factory=Model)
    states: dict[Target, Seen] = field(default_factory=dict)
    tags: dict[str, Target] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    looks: int = 0
    asked: int = 0
    compared: int = 0
    refused: int = 0
    taken: int = 0
    forks: int = 0
    start_at: Target = None
    """The state in which its kernel begins, each time."""

    def __post_init__(self) -> None:
        self.kernel = self.begin(None)
        self.states[None] = self.look()

    def look(self) -> Seen:
        seen = self.seen(forked_describer.IN_KERNEL)
        self.looks += 1
        if self.looks % ASKED_HERE == 0:
            self.same(seen, self.seen(forked_describer.SEEN_HERE), "the kernel sees what its child does not see")
            self.same(seen, self.seen(forked_describer.IN_KERNEL), "to look has changed something")
            self.asked += 1
        return seen

    def seen(self, expression: str) -> Seen:
        return json.loads(self.kernel.value(expression))  # type: ignore[no-any-return]

    def same(self, was: Seen, now: Seen, sentence: str) -> None:
        wrong = describer.differences(*(without_gaps(each["variables"]) for each in (was, only_modules_of(was, now))))
        wrong += described_settings(was["settings"], now["settings"])
        self.check(not wrong, "\n".join([sentence, *wrong]))

    def run(self, line: str) -> None:
        self.told.append(line)
        word, _, rest = line.partition(" ")
        if not line.startswith("%"):
            ran = self.kernel.run(line)
            self.told[-1] += f"        # {ran.reply.get('ename')}" if ran.status != "ok" else ""
            self.add(self.kernel.done("status")["head"], self.look())
        elif word == "%restart":
            self.restart()
        elif word == "%fork":
            self.fork(int(rest or 1))
        elif word == "%take":
            self.take(*rest.split())
        elif word in ("%branch", "%tag"):
            if self.model.head is not None:
                self.kernel.done(word[1:], name=rest, target=self.model.head)
                self.tags.update({rest: self.model.head} if word == "%tag" else {})
        else:
            self.travel(word, rest.split())

    def add(self, id: Any, state: describer.Description) -> None:
        self.check(id not in self.states, "a cell took no checkpoint")
        self.model.parents[id] = self.model.head
        self.model.made.append(id)
        self.model.heads[-1] = id
        self.states[id] = state
        self.model.note_bare(id, state["variables"])

    def restart(self) -> None:
        self.await_written()
        self.kernel.restart(kill=len(self.model.heads) % 2 == 1)
        self.begun()

    def await_written(self) -> None:
        while self.kernel.done("status")["pending"]:
            pass

    def fork(self, number: int) -> None:
        """Another kernel begins in a state, and goes on from there; this one ends when that stands."""
        if not self.model.made:
            return
        target = self.model.made[-1 - (number - 1) % len(self.model.made)]
        self.await_written()
        store = self.kernel.done("status")["store"]["path"]
        former, self.kernel = self.kernel, self.begin(f"{store}@{target}")
        former.close()
        self.start_at = target
        self.forks += 1
        self.begun()

    def begun(self) -> None:
        """A new kernel is there: it stands where it is to begin, without what it tells that it has not."""
        self.model.restart()
        if self.start_at is not None:
            self.model.move(self.start_at)
        status = self.kernel.done("status")
        self.check(status["head"] == self.start_at, "it begins elsewhere")
        if any(each.startswith(LEFT_OUT) for each in status["warnings"]):
            self.told.append(f"    # {status['warnings']}")
        else:
            self.same(self.states[self.start_at], self.look(), "a new kernel is not in its state")

    def take(self, number: str, place: str, *how: str) -> None:
        """One variable as it was elsewhere, and the rest stays; what it is then is a state like others."""
        target = self.model.made[-1 - (int(number) - 1) % len(self.model.made)] if self.model.made else None
        there = [] if target is None else self.kernel.done("show", target=target)["variables"]
        names = sorted(each["name"] for each in there if re.fullmatch(r"(?!_\d)\w+", each["name"]))
        if not names:
            return
        name = names[int(place) % len(names)]
        copies = {name: f"{name}_copy{len(self.model.made)}"} if how else {}
        self.told[-1] += f"        # {name} of {target}"
        before = self.look()
        reply = self.kernel.request("take", names=[name], target=target, replay="auto", **{"as": copies})
        if reply["status"] != "ok":
            self.told.append(f"    # refused: {reply['evalue']}")
            self.same(before, self.look(), "a refused take changed something")
            return
        now, new = self.look(), copies.get(name, name)
        if reply["applied"]:
            (made,) = (each for each in self.kernel.done("log", all=True)["checkpoints"] if each["id"] == reply["head"])
            if made["parent"] != self.model.head:  # the state that this kernel began in, without what it could not have
                self.add(made["parent"], before)
            self.add(reply["head"], now)
        then = without_gaps(self.states[target]["alone"][name])
        wrong = describer.differences(then, describer.renamed(without_gaps(now["alone"].get(new, {})), new, name))
        if any(note.startswith(f"{new} {ANEW}") for note in reply["plan"]["notes"]):
            wrong = [each for each in wrong if not each.startswith(f"{name}.__class__")]
        self.check(not wrong, "\n".join([f"{name} is not what it was", *wrong]))
        came = {new, *reply["along"]}
        if came.isdisjoint(before["classes"].keys() | now["classes"].keys()):  # else others are told otherwise
            then, here = before["alone"], now["alone"]
            others = {each for each in then.keys() | here.keys() if then.get(each) != here.get(each)} - came
            others = {each for each in others if not MOVING.fullmatch(each)}
            self.check(not others, f"others have changed: {', '.join(sorted(others))}")
        self.taken += 1

    def travel(self, word: str, words: list[str]) -> None:
        operation, expected = self.meant(word, words)
        before = self.look()
        reply = self.kernel.request(**operation)
        if reply["status"] != "ok":
            self.told.append(f"    # refused: {reply['evalue']}")
            self.check(not expected or bool(reply["evalue"]), "it does not say why")
            self.same(before, self.look(), "a refused checkout changed something")
            self.refused += bool(expected)
            return
        self.check([reply["head"]] == expected, "it leads elsewhere")
        self.model.move(reply["head"])
        self.told += [f"    # re-run: {step['code']!r}" for step in reply["plan"]["replay"]]
        self.same(self.states[reply["head"]], self.look(), "this is not the state that it was")
        self.compared += 1

    def meant(self, word: str, words: list[str]) -> tuple[dict[str, Any], list[Target]]:
        model, number = self.model, int(words[0]) if words else 1
        if word == "%undo":
            return {"operation": "undo", "steps": number}, model.undone(number)
        if word == "%start":
            steps = len(model.ancestry(model.head)) - 1
            return {"operation": "undo", "steps": steps}, [None] if steps else []
        if word == "%redo":
            return {"operation": "redo", "steps": number}, model.redone(number)
        if word == "%resume":
            return {"operation": "resume"}, model.resumed()
        if word == "%goto" and self.tags:
            name = sorted(self.tags)[number % len(self.tags)]
            return {"operation": "checkout", "target": name}, [self.tags[name]]
        if word == "%goto" or not model.made:
            return {"operation": "checkout", "target": "nowhere"}, []
        target = model.made[-1 - (number - 1) % len(model.made)]
        replay = "never" if "never" in words else "auto"
        return {"operation": "checkout", "target": target, "replay": replay}, [target]

    def check(self, holds: bool, sentence: str) -> None:
        if not holds:
            raise AssertionError("\n".join(["", *self.told, "", sentence]))


def lay_files_beside(home: Path) -> None:
    """The modules of the programs' own."""
    for name, text in FILES.items():
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text(text)


def only_modules_of(was: Seen, now: Seen) -> Seen:
    """Without modules that were not imported then: an import is not undone, and nobody has it yet."""
    new = {re.split(r"[./]", name)[0] for name in FILES} - {path.partition(".")[0] for path in was["variables"]}
    kept = {path: told for path, told in now["variables"].items() if path.partition(".")[0] not in new}
    return {**now, "variables": kept}


def described_settings(then: describer.Description, now: describer.Description) -> list[str]:
    """As `Player.settings_are`: a library that was not imported then is set to anything, now it can be as usual."""
    wrong = describer.differences(then, {name: now.get(name, USUAL.get(name, "unset")) for name in then})
    gone = [name for name in now.keys() - then.keys() if name.startswith("logger")]
    return wrong + [f"{name}: {now[name]}, and there it was not set" for name in gone]


def beginning(kernels: ExitStack, home: Path) -> Begin:
    """Starts kernels on the notebook of a program."""
    library = environment_of(home, {})["PYTHONPATH"] + os.pathsep + str(Path(describer.__file__).parent)
    usual = {"PYTHONPATH": library, "JPY_SESSION_NAME": str(home / "book.ipynb")}
    return lambda where: kernels.enter_context(Kernel(home, environment={**usual, "KISHU_START_AT": where}))


@pytest.mark.timeout(900)
@often(2, PROGRAMS)
def test_every_state_comes_back_in_real_kernels(tmp_path: Path, times: int) -> None:
    players: list[RealPlayer] = []

    @seed(SEED)
    @settings(
        max_examples=times,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(programs(THEMES, longest=60))
    def judge(program: list[str]) -> None:
        home = tmp_path / f"home-{len(players)}"
        home.mkdir()
        lay_files_beside(home)
        with ExitStack() as kernels:
            player = RealPlayer(beginning(kernels, home))
            players.append(player)
            for line in [*program, *AFTERWARDS]:
                player.run(line)
            warnings = player.kernel.done("status")["warnings"]
            assert all(DOUBT in each or each.startswith(LEFT_OUT) for each in warnings), warnings

    judge()
    assert sum(player.compared for player in players) > 5 * times
    assert sum(player.refused for player in players) < 3 * times
    assert sum(player.asked for player in players) > 5 * times
    assert sum(player.taken for player in players) >= times
    assert sum(player.forks for player in players) >= times
    assert sum(len(player.model.heads) - 1 for player in players) >= times


def test_parts_of_a_package_are_attributes_of_it_again(tmp_path: Path) -> None:
    """A program that random ones have come down to."""
    lay_files_beside(tmp_path)
    with ExitStack() as kernels:
        player = RealPlayer(beginning(kernels, tmp_path))
        for line in ("import pack", "pack.sub.add(2)", "%start", "%redo", "%redo", "%undo", "%start", "%checkout"):
            player.run(line)
        player.kernel.ok("pack.sub.add(3)")
