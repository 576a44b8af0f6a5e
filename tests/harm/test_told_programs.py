"""Random small sessions, random damage to their records, a repair: every state that is gone to is exact or told.

In this process, so that there can be many; `tests/attack/records.py` does it with real kernels.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

from kishu_kernel.errors import UnknownTargetError
from kishu_kernel.store.lmdb_store import LmdbStore
from kishu_kernel.store.maintenance.fsck import check
from tests.attack.records import damage
from tests.support.harness import Notebook
from tests.support.soak import seeds

NAMES = "abcde"
WAYS = (
    "{0} = [{2}]",
    "{0} = {2}",
    "{0} = {1} if '{1}' in globals() else {2}",
    "{0} = [{1}, {2}] if '{1}' in globals() else {2}",
    "getattr(globals().get('{0}'), 'append', print)({2})",
    "globals().pop('{0}', None)",
    "try: del {0}\nexcept NameError: pass",
    "{0} = (each for each in [{2}])",
    "def f{2}(): return {0}",
    "pass",
)
HOWS = ("flipped", "gone", "gone with its payloads", "cut")


def shown(notebook: Notebook) -> dict[str, str]:
    """What of each variable can be compared."""
    return {name: re.sub(" at 0x[0-9a-f]+", "", repr(value)) for name, value in notebook.variables.items()}


def played(path: Path, chance: random.Random) -> dict[str, dict[str, str]]:
    """A session of cells and undos; what was there at each checkpoint."""
    notebook = Notebook(store=LmdbStore(path), session="made")
    truths = {}
    for number in range(chance.randrange(5, 12)):
        if number > 3 and chance.random() < 0.25:
            notebook.session.undo(chance.randrange(1, 3))
        notebook.ok(chance.choice(WAYS).format(chance.choice(NAMES), chance.choice(NAMES), number))
        assert notebook.head
        truths[notebook.head] = shown(notebook)
    notebook.session.close()
    return truths


def wrong(notebook: Notebook, id: str, truth: dict[str, str]) -> str | None:
    """What is neither as it was nor told."""
    try:
        plan = notebook.session.checkout(id, allow_lost=True).plan
    except UnknownTargetError:  # nothing is left of it
        return None
    lost = {name for each in plan.lost for name in each.version.names}
    now = shown(notebook)
    unnamed = any(not each.version.names for each in plan.lost)
    if other := [name for name in now if truth.get(name) != now[name]]:
        return f"{other} are other than they were"
    if (missing := truth.keys() - now.keys() - lost) and not unnamed:
        return f"{missing} are silently missing"
    return None


@seeds(8, 25)
def test_every_state_is_exact_or_told(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    truths = played(tmp_path / "store", chance)
    broken = chance.sample(sorted(truths), chance.choice([1, 1, 2, 3]))
    how = chance.choice(HOWS)
    damage(tmp_path / "store", broken, how)
    assert check(tmp_path / "store", repair=True).clean
    for id, truth in truths.items():
        notebook = Notebook(store=LmdbStore(tmp_path / "store"), session=f"at-{id}")
        assert wrong(notebook, id, truth) is None, (how, broken, id)
        here = shown(notebook)
        notebook.ok("later = 1")  # the session goes on: what it has from here on is known
        at = notebook.head
        notebook.session.undo(allow_lost=True)
        back = notebook.session.checkout(str(at))
        assert not [each for each in back.plan.lost if not each.version.names]
        assert shown(notebook) == {**here, "later": "1"}
        notebook.session.close()
