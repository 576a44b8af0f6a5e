"""The process that opens damaged stores: `python -m tests.attack._victim WORK SEED BEGIN END`.

Says in JSON what it does.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kishu_kernel.errors import KishuError
from kishu_kernel.history.graph import state_at
from kishu_kernel.model import CheckpointId
from kishu_kernel.session.timeline import StoredHistory
from kishu_kernel.store.disk import integrity
from kishu_kernel.store.lmdb_store import LmdbStore
from kishu_kernel.store.maintenance.fsck import check
from tests.attack._states import words_of
from tests.attack.damage import damaged
from tests.support.harness import Notebook

STATES = 6
"""That are checked out of each copy, of all that there are."""


class Wrong(Exception):
    """Harm, in a sentence."""


class Victim:
    """One copy, and what becomes of it."""

    def __init__(self, store: Path, states: dict[str, dict[str, str]], draw: random.Random, say: Callable[..., None]):
        self.store = store
        self.states = states
        self.targets = draw.sample(sorted(states), min(STATES, len(states)))
        self.say = say
        self.told: set[str] = set()

    def suffer(self) -> str:
        """All that is done to a store; how it ended."""
        opened = self.as_a_kernel("")
        self.say(doing="fsck")
        try:
            problems = check(self.store).problems
        except KishuError:
            self.told.add("checked")
        else:
            if problems:
                self.told.add("checked")
        before = bool(self.told)
        self.say(doing="fsck --repair")
        try:
            check(self.store, repair=True)
        except KishuError:
            return "refused, and not to be repaired"
        self.as_a_kernel(" after the repair")
        if not before:
            return "exact, nothing to tell"
        return "told, and repaired" if opened else "refused, and repaired"

    def as_a_kernel(self, when: str) -> bool:
        """What kernels and commands do with a store; whether it could be opened."""
        self.say(doing=f"open{when}")
        try:
            store = LmdbStore(self.store)
        except KishuError:
            self.told.add("open")
            return False
        try:
            self.use(store, when)
        finally:
            store.close()
        return True

    def use(self, store: LmdbStore, when: str) -> None:
        self.tell(f"log{when}", lambda: self.log(store))
        self.tell(f"outputs{when}", lambda: [store.checkpoint(CheckpointId(id)).outputs for id in self.states])
        notebook = Notebook(store=store, session=f"after{when}")
        sys.modules["__main__"] = notebook.module
        for id in self.targets:
            self.tell(f"checkout{when}", lambda id=id: self.checkout(notebook, id, when))
        self.tell(f"cell{when}", lambda: notebook.run("fresh = [1, 2, 3]"))
        self.tell(f"gc{when}", lambda: store.collect([], reason="a test"))
        with contextlib.suppress(KishuError):
            notebook.session.close()

    def tell(self, doing: str, act: Callable[[], object]) -> None:
        self.say(doing=doing)
        try:
            act()
        except (KishuError, KeyError) as error:
            self.told.add(doing if str(error) else f"{doing}, without a word")

    def log(self, store: LmdbStore) -> None:
        found = {each.id for each in store.checkpoints()}
        if store.damaged() or not found.issuperset(self.states):
            self.told.add("log")
        history = StoredHistory.from_store(store)
        for id in found & set(self.states):
            state_at(history.lookup, id)

    def checkout(self, notebook: Notebook, id: str, when: str) -> None:
        notebook.session.checkout(id)
        found = words_of(dict(notebook.live))
        for name, word in self.states[id].items():
            if name not in found:
                raise Wrong(f"{name} is missing in {id}{when}, and nobody said so")
            if found[name] != word:
                raise Wrong(f"{name} is another one in {id}{when}: {found[name]}, not {word}")


def main(work: Path, seed: int, begin: int, end: int) -> None:
    """Copies in a row."""
    data, old = (work / "data").read_bytes(), (work / "old").read_bytes()
    states = json.loads((work / "states").read_text())
    answers = sys.stdout
    integrity._PAUSE = 0.0  # nobody else writes here
    for number in range(begin, end):
        kind, changed = damaged(data, old, seed * 1_000_000 + number)

        def say(number: int = number, kind: str = kind, **said: Any) -> None:
            answers.write(json.dumps({"copy": number, "kind": kind, **said}) + "\n")

        place = work / f"copy-{number}"
        place.mkdir(0o700)
        (place / "data.mdb").write_bytes(changed)
        main_module = sys.modules["__main__"]
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                told = Victim(place, states, random.Random(number), say).suffer()
            say(told=told)
        except Wrong as error:
            say(wrong=str(error))
        finally:
            sys.modules["__main__"] = main_module
            shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
