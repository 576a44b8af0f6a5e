"""Records of a real session's store are damaged, one or two, and repaired; then a real kernel goes to every state.

Every state is exact, or what is not is told: nothing is silently missing, other than it was, or too many.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from pathlib import Path
from typing import Any

from kishu_kernel.store.disk import environment_pool
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.signing import KEY_FILE, key_path
from kishu_kernel.store.maintenance.fsck import check
from tests.attack.tally import Tally, Times
from tests.kernel.driver import Kernel

TIMES = Times(quick=30, whole=1500)
"""States that are gone to."""

OURS = "('In', 'Out', 'exit', 'quit', 'get_ipython', 'open')"
NAMES = f"[n for n in globals() if n[0] != '_' and n not in {OURS}]"
VALUES = f"{{n: globals()[n] for n in {NAMES} if type(globals()[n]) in (int, str, list, tuple, dict, bool, float)}}"
DRAWN = "__import__('random').getstate()[1][:3]"

CELLS = (
    "import random; random.seed(1); a = [1]; b = a; kept = 'first'",
    "c = {'of': [1, 2]}; d = (1, 2)",
    "a.append(len(c)); lines = (each for each in [1, 2]); total = next(lines)",
    "e = list(a); del d; drawn = random.random()",
    "c['more'] = a; e = [7]",
    "kept = 'second'; b = 'apart'",
    "f = [len(e), *e]; e.append(0)",
    "del c; g = {'f': f}; a = 5; later = (each for each in f)",
)
FORK = 4
"""After so many cells the session goes back two, and runs the rest on a branch of its own."""


@dataclass(frozen=True)
class Truth:
    """What was so at one checkpoint."""

    names: frozenset[str]
    values: Mapping[str, Any]
    drawn: tuple[int, ...]


@dataclass(frozen=True)
class Made:
    """A store, and what was true in it at each checkpoint."""

    path: Path
    home: Path
    truths: Mapping[str, Truth]


def attack(times: int, seed: int, work: Path) -> Tally:
    """Damages every record, each in another way, and then pairs of them, until enough states were gone to."""
    made = make(work)
    whole = work / "whole"
    shutil.copytree(made.path, whole)
    tally = Tally()
    ways = _damages(list(made.truths), random.Random(seed))
    while tally.tried < times:
        broken, how = next(ways)
        shutil.rmtree(made.path)
        shutil.copytree(whole, made.path)
        damage(made.path, broken, how)
        check(made.path, repair=True)
        with opened(made.home) as kernel:
            for id in list(made.truths)[: times - tally.tried]:
                found = visited(kernel, id, made.truths[id])
                label = f"{how} {', '.join(broken)}, then {id}"
                (tally.wrong if found.startswith("!") else tally.well)(
                    f"{label}: {found}" if found[0] == "!" else found
                )
    return tally


def opened(home: Path) -> Kernel:
    """A kernel on the one notebook there."""
    return Kernel(home, environment={"JPY_SESSION_NAME": str(home / "book.ipynb"), KEY_FILE: str(key_path())})


def make(home: Path) -> Made:
    """A session of real cells on two branches."""
    truths = {}
    with opened(home) as kernel:
        for number, cell in enumerate(CELLS):
            if number == FORK:
                kernel.done("undo", steps=2)
            kernel.ok(cell)
            id = kernel.done("status")["head"]
            truths[id] = told(kernel)
        kernel.close(gracefully=True)
    [path] = (home / "stores").iterdir()
    return Made(path, home, truths)


def told(kernel: Kernel) -> Truth:
    """What is so now."""
    return Truth(frozenset(kernel.value(NAMES)), kernel.value(VALUES), tuple(kernel.value(DRAWN)))


def visited(kernel: Kernel, id: str, truth: Truth) -> str:
    """What came of going to a state; it begins with `!` where that did harm."""
    planned = kernel.request("checkout", target=id)
    reply = planned if planned["status"] == "ok" else kernel.request("checkout", target=id, allow_lost=True)
    if reply["status"] != "ok":
        return "refused" if reply["ename"] != "KeyError" else f"! {reply['evalue']}"
    now = told(kernel)
    lost = {name for each in reply["plan"]["lost"] for name in each["names"]}
    unnamed = any(not each["names"] for each in reply["plan"]["lost"])
    wrong = [name for name, value in now.values.items() if name not in lost and truth.values.get(name) != value]
    missing = truth.names - now.names - lost
    if wrong or now.names - truth.names:
        return f"! {wrong} are other than they were, {sorted(now.names - truth.names)} were not there"
    if missing and not unnamed:
        return f"! {sorted(missing)} are silently missing"
    if now.drawn != truth.drawn and not any("random" in name for name in lost):
        return "! random numbers are silently others"
    if planned["status"] == "ok":
        return "exact"
    return "told, without all names" if missing else "told by name"


def _damages(ids: Sequence[str], chance: random.Random) -> Iterator[tuple[tuple[str, ...], str]]:
    pairs = list(combinations(ids, 2))
    chance.shuffle(pairs)
    singles = [(id,) for id in ids]
    chance.shuffle(singles)
    hows = ["flipped", "gone", "gone with its payloads", "cut", "only its payloads"]
    for number, broken in enumerate(chain(singles, pairs * 50)):
        yield broken, hows[number % len(hows)]


def damage(path: Path, broken: Sequence[str], how: str) -> None:
    """The records of these checkpoints are no records any more."""
    with environment_pool.opened(path) as store:

        def work(txn: Any) -> None:
            for id in broken:
                key = bytes.fromhex(id)
                value = txn.get(key, db=store.tables["checkpoints"])
                if how.startswith("only"):
                    pass
                elif how.startswith("gone"):
                    txn.delete(key, db=store.tables["checkpoints"])
                else:
                    put = value[: len(value) // 2] if how == "cut" else b"\xff" + value[1:]
                    txn.put(key, put, db=store.tables["checkpoints"])
                if how.endswith("payloads"):
                    with txn.cursor(db=store.tables["versions"]) as cursor:
                        doomed = [bytes(each) for each, _ in cursor if schema.version_checkpoint(bytes(each)) == id]
                    for each in doomed:
                        txn.delete(each, db=store.tables["versions"])

        store.write(work)
