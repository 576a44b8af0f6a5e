"""No file is opened that LMDB would crash on, and none is walked that needs no walk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import lmdb
import pytest

from kishu_kernel.errors import StoreDamagedError, StoreError
from kishu_kernel.store import LmdbStore
from kishu_kernel.store.disk import environment_pool, integrity, store_files

from . import workload
from .processes import HEAD, python, succeed
from .values import checkpoint_id

PAGE = 4096
LAST = 12


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with free pages, long and short values."""
    path = tmp_path / "store"
    store = LmdbStore(path)
    for number in range(1, LAST + 1):
        workload.commit(store, number)
    store.collect([], reason="")
    store.close()
    return path


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The stores that were walked, in order."""
    walked: list[Path] = []
    walk = integrity.find_damage
    monkeypatch.setattr(integrity, "find_damage", lambda path, attempts=1: walked.append(path) or walk(path, attempts))
    return walked


def changed(path: Path, place: int, data: bytes) -> None:
    with (path / "data.mdb").open("r+b") as file:
        file.seek(place)
        file.write(data)


def pages_of_keys(path: Path) -> Iterator[int]:
    """Branches and leaves, by their places."""
    data = (path / "data.mdb").read_bytes()
    for place in range(2 * PAGE, len(data), PAGE):
        if int.from_bytes(data[place : place + 8], "little") * PAGE == place and data[place + 10] in (1, 2):
            yield place


@pytest.mark.parametrize("seed", range(4))
def test_whatever_lmdb_wrote_is_whole(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    with lmdb.Environment(str(tmp_path), max_dbs=8, map_size=1 << 28, sync=False) as env:
        tables = [env.open_db(name.encode()) for name in "abcd"]
        keys: list[list[bytes]] = [[] for _ in tables]
        for _ in range(60):
            with env.begin(write=True) as txn:
                for _ in range(random.choice([1, 20, 200])):
                    number = random.randrange(len(tables))
                    if keys[number] and random.random() < 0.45:
                        txn.delete(keys[number].pop(random.randrange(len(keys[number]))), db=tables[number])
                    else:
                        keys[number].append(random.randbytes(random.choice([8, 16, 40, 511])))
                        size = random.choice([0, 1, 40, 700, 1900, 2030, 3000, 50_000])
                        txn.put(keys[number][-1], random.randbytes(size), db=tables[number])
                if random.random() < 0.2:
                    txn.abort()
            assert integrity.find_damage(tmp_path) == []


@pytest.mark.parametrize("how", ["zeros", "noise", "another page", "one byte"])
def test_no_page_that_was_damaged_kills(path: Path, tmp_path: Path, how: str) -> None:
    """Each branch and leaf in turn; what is opened all the same can be read, written and thinned out."""
    places = list(pages_of_keys(path))
    assert len(places) > 5
    script = (
        HEAD
        + """
    import random, shutil
    from tests.store.workload import commit
    source, work, how = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    whole = source.joinpath("data.mdb").read_bytes()
    for place in map(int, sys.argv[4:]):
        draw = random.Random(place)
        data = bytearray(whole)
        if how == "zeros":
            data[place:place + 4096] = bytes(4096)
        elif how == "noise":
            data[place:place + 4096] = draw.randbytes(4096)
        elif how == "another page":
            data[place:place + 4096] = whole[8192:12288] if place != 8192 else whole[12288:16384]
        else:
            data[place + draw.randrange(64)] ^= 1 << draw.randrange(8)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        work.joinpath("data.mdb").write_bytes(data)
        print(place, flush=True)
        try:
            store = LmdbStore(work)
        except StoreError:
            continue
        for act in (
            lambda: list(store.checkpoints()),
            store.refs,
            lambda: [store.load(Version(("x",), checkpoint_id(number))) for number in range(1, 13)],
            lambda: store.collect([Version(("x",), checkpoint_id(number)) for number in range(1, 9)], reason="a test"),
            lambda: commit(store, 99),
        ):
            try:
                act()
            except Exception as error:
                print(type(error).__name__, error)
        store.close()
    """
    )
    succeed(python(script, path, tmp_path / "work", how, *places))


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("bit", [0, 2, 3, 20, 63])
def test_a_beginning_that_claims_to_be_of_another_time(path: Path, number: int, bit: int) -> None:
    """Else the state of one transaction before would be taken for the newest: a cell is missing, and nobody says so."""
    place = number * PAGE + 16 + 24 + 2 * 48 + 8
    data = bytearray((path / "data.mdb").read_bytes()[place : place + 8])
    data[bit // 8] ^= 1 << bit % 8
    changed(path, place, bytes(data))
    with pytest.raises(StoreDamagedError, match="belong together"):
        LmdbStore(path)


def test_what_was_closed_in_peace_is_not_walked(path: Path, walks: list[Path]) -> None:
    for _ in range(2):
        store = LmdbStore(path)
        workload.commit(store, LAST + 1)
        store.close()
    LmdbStore(path, readonly=True).close()
    assert walks == []


def test_what_was_not_closed_is_walked_once(path: Path, walks: list[Path]) -> None:
    succeed(
        python(
            HEAD
            + """
    from tests.store.workload import commit
    store = LmdbStore(Path(sys.argv[1]))
    commit(store, 50)
    os._exit(0)
    """,
            path,
        )
    )
    LmdbStore(path, readonly=True).close()
    assert walks == [path]
    LmdbStore(path).close()
    assert walks == [path]


@pytest.mark.parametrize("how", ["a byte", "a copy", "a copy with its times", "the whole directory"])
def test_what_something_else_wrote_is_walked(path: Path, walks: list[Path], how: str) -> None:
    if how == "a byte":
        place = max(pages_of_keys(path))
        changed(path, place + 3000, (path / "data.mdb").read_bytes()[place + 3000 : place + 3001])
    elif how == "the whole directory":
        shutil.copytree(path, path.with_name("other"))
        path = path.with_name("other")
    else:
        shutil.copy2(path / "data.mdb", path / "copy")
        if how == "a copy":
            os.utime(path / "copy")
        os.replace(path / "copy", path / "data.mdb")
    LmdbStore(path).close()
    assert walks == [path]


def test_every_way_to_open_asks(path: Path) -> None:
    for place in pages_of_keys(path):
        changed(path, place, bytes(PAGE))
    ways = (
        lambda: LmdbStore(path),
        lambda: LmdbStore(path, readonly=True),
        lambda: store_files.compact(path),
        lambda: store_files.copy(path, path.with_name("copy")),
        lambda: store_files.is_empty(path),
        lambda: environment_pool.opened(path, readonly=True).__enter__(),
    )
    for way in ways:
        with pytest.raises(StoreDamagedError, match="fsck --repair"):
            way()


@pytest.mark.parametrize("size", [0, 1, PAGE, 2 * PAGE, 3 * PAGE])
def test_a_file_that_lost_its_content_is_not_begun_anew(path: Path, size: int) -> None:
    os.truncate(path / "data.mdb", size)
    for readonly in (False, True):
        with pytest.raises(StoreError, match=r"move the directory away|no store"):
            LmdbStore(path, readonly=readonly)
    assert (path / "data.mdb").stat().st_size == size


def test_a_file_that_somebody_removed_is_begun_anew(path: Path) -> None:
    (path / "data.mdb").unlink()
    store = LmdbStore(path)
    assert not store.contains(checkpoint_id(1))
    workload.commit(store, 1)
    store.close()


@pytest.mark.parametrize("said", [b"", b"{", b"[]", b'{"facts": []}', b"[" * 3000, b"\xff" * 5000])
def test_a_mark_that_is_none(path: Path, walks: list[Path], said: bytes) -> None:
    (path / integrity.VERIFIED_FILE).write_bytes(said)
    LmdbStore(path).close()
    assert walks == [path]
