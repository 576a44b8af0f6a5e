"""Rows of a store exchanged by somebody without its user's key: nothing forged is trusted, loaded or shown as it is.

Two stores of one user, as two notebooks have them. Each try copies the first and does up to four things to its rows:
bytes changed or cut, signatures exchanged, rows swapped, rows of the other store put here (of one table or of all).
Then all is read: what is trusted is, byte by byte, what this store's user wrote for this store. Where the other store's
identity was put here as well, it is that store which stands here, and nothing of this one may be trusted beside it.
Every other try is read by somebody else, who knows the user's public key, and nothing but what is sealed with it.
"""

from __future__ import annotations

import pickle
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from kishu_kernel.errors import LoadError, StoreError, UntrustedError
from kishu_kernel.model import Checkpoint, Version
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.format import schema
from kishu_kernel.store.format.signing import Signer
from kishu_kernel.store.format.team import Team, new_signing_key
from tests.harm.tampering import put, rows
from tests.store.values import checkpoint_id, payload, trivial

from .tally import Tally, Times

TIMES = Times(quick=60, whole=2000)
OWN = new_signing_key()[0]
SEAL = Signer(b"k" * 32, team=Team(OWN, {}, ()))
FRIEND = Signer(b"f" * 32, team=Team(None, {OWN.public: "friend"}, (), strict=True))
TABLES = ("checkpoints", "outputs", "versions", "chunks", "meta", "refs", "seals")
CELLS = 6

Table = dict[bytes, bytes]
Tables = dict[str, Table]
Value = tuple[bytes, ...]
Found = tuple[dict[str, Checkpoint], dict[Version, Value]]


def attack(times: int, seed: int, work: Path) -> Tally:
    """As in `attack`."""
    tally = Tally()
    ours, theirs = _made(work / "ours", "ours"), _made(work / "theirs", "theirs")
    truths = [[_read(path, who) for path in (ours, theirs)] for who in (SEAL, FRIEND)]
    elsewhere = {table: rows(theirs, table) for table in TABLES}
    for number in range(times):
        chance = random.Random(f"{seed}/{number}")
        path = work / "tried"
        shutil.copytree(ours, path)
        done = [_forged(path, elsewhere, chance) for _ in range(chance.randint(1, 4))]
        found = _read(path, (SEAL, FRIEND)[number % 2])
        wrong = [_wrong(found, true) for true in truths[number % 2]]
        if all(wrong):
            tally.wrong(f"seed {seed}, try {number} ({', '.join(done)}): {wrong[0]}")
        else:
            tally.well(_told(*found))
        shutil.rmtree(path)
    return tally


def _made(path: Path, word: str) -> Path:
    store = LmdbStore(path, signer=SEAL)
    for number in range(1, CELLS + 1):
        outputs = ({"output_type": "stream", "name": "stdout", "text": f"{word} {number}"},)
        cell = replace(trivial(number, f"x = {word!r}, {number}"), outputs=outputs)
        array = bytearray(f"{word}{number}".encode() * 99)
        store.commit(cell, [payload(pickle.dumps((word, number)), array)], {f"tag/{number}": cell.id})
    store.close()
    return path


def _read(path: Path, who: Signer) -> Found:
    """All that is trusted, and all that can be loaded."""
    store = LmdbStore(path, signer=who)
    try:
        found = {}
        for number in range(1, CELLS + 1):
            try:
                found[str(number)] = store.checkpoint(checkpoint_id(number))
            except (StoreError, KeyError):
                continue
        versions = [Version(("x",), checkpoint_id(number)) for number in range(1, CELLS + 1)]
        return found, {version: value for version in versions if (value := _loaded(store, version))}
    finally:
        store.close()


def _loaded(store: LmdbStore, version: Version) -> Value | None:
    try:
        stored = store.load(version)
        targets = [bytearray(blob.nbytes) for blob in stored.blobs]
        for blob, target in zip(stored.blobs, targets, strict=True):
            blob.readinto(memoryview(target))
    except (LoadError, UntrustedError):
        return None
    return (stored.stream, *map(bytes, targets))


def _wrong(found: Found, true: Found) -> str | None:
    for number, seen in found[0].items():
        own = true[0][number]
        if seen.trusted and replace(seen, outputs=(), outputs_trusted=True, by=own.by) != replace(own, outputs=()):
            return f"the record of cell {number} is trusted"
        if seen.by not in ("", own.by):
            return f"cell {number} is said to be somebody else's"
        if seen.outputs_trusted and seen.outputs and seen.outputs != own.outputs:
            return f"the outputs of cell {number} are trusted"
    for version, value in found[1].items():
        if value != true[1][version]:
            return f"the value of {version.checkpoint} is loaded"
    return None


def _told(found: dict[str, Checkpoint], loaded: dict[Version, Value]) -> str:
    strange = [seen for seen in found.values() if not (seen.trusted and seen.outputs_trusted)]
    refused = strange or len(found) < CELLS or len(loaded) < CELLS
    return "told as somebody else's, or damaged" if refused else "nothing that matters was changed"


def _forged(path: Path, elsewhere: Tables, chance: random.Random) -> str:
    table = chance.choice(TABLES)
    here = rows(path, table)
    kind = chance.choice(list(_KINDS))
    changed = _KINDS[kind](here, elsewhere[table], chance) if here else {}
    if table == "meta":
        changed.pop(schema.FORMAT_KEY, None)  # a format that is not known is another matter
    put(path, table, changed)
    return f"{table}: {kind}"


def _flipped(here: Table, there: Table, chance: random.Random) -> Table:
    key, value = chance.choice(list(here.items()))
    data = bytearray(value or b"0")
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return {key: bytes(data)}


def _cut(here: Table, there: Table, chance: random.Random) -> Table:
    key, value = chance.choice(list(here.items()))
    return {key: value[: chance.randrange(len(value) + 1)]}


def _mark_moved(here: Table, there: Table, chance: random.Random) -> Table:
    (one, first), (_, second) = (chance.choice(list(here.items())) for _ in range(2))
    return {one: first[:-16] + second[-16:]}


def _swapped(here: Table, there: Table, chance: random.Random) -> Table:
    (one, first), (other, second) = (chance.choice(list(here.items())) for _ in range(2))
    return {one: second, other: first}


def _one_from_there(here: Table, there: Table, chance: random.Random) -> Table:
    key, value = chance.choice(list(there.items()))
    return {key: value}


def _all_from_there(here: Table, there: Table, chance: random.Random) -> Table:
    return dict(there)


_KINDS: dict[str, Callable[[Table, Table, random.Random], Table]] = {
    "a byte changed": _flipped,
    "cut": _cut,
    "another row's mark": _mark_moved,
    "two rows swapped": _swapped,
    "a row of the other store": _one_from_there,
    "all rows of the other store": _all_from_there,
}
