"""Who has read all rows reads those again that have changed: none of them is missed, and few others are read."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lmdb import Transaction

from kishu_kernel.store.disk import environment_pool, known_pages
from kishu_kernel.store.disk.environment import Environment
from kishu_kernel.store.disk.known_pages import KnownPages, PagesLook
from kishu_kernel.store.disk.meta_pages import META_SIZE

TABLES = ("checkpoints", "versions", "outputs")
Rows = dict[tuple[str, bytes], bytes]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Environment]:
    environment = environment_pool.acquire(tmp_path / "store", sync=False)
    yield environment
    environment_pool.release(environment)


def write(store: Environment, rows: dict[tuple[str, bytes], bytes | None]) -> None:
    def work(txn: Transaction[bytes]) -> None:
        for (table, key), value in rows.items():
            if value is None:
                txn.delete(key, db=store.tables[table])
            else:
                txn.put(key, value, db=store.tables[table])

    store.write(work)


def differing(store: Environment, known: KnownPages, there: Rows) -> tuple[Rows, int]:
    """The rows that are read, and are not as they are elsewhere; and how many are read."""
    found: Rows = {}
    count = 0
    with store.reading() as txn:
        look = PagesLook(store, txn, known)
        for table in TABLES:
            rows = {key: bytes(value) for key, value in look.rows(table)}
            count += len(rows)
            others = {(table, key): value for key, value in rows.items() if there.get((table, key)) != value}
            look.settle(table, [key for _, key in others])
            found |= others
    return found, count


def test_what_is_known_is_not_read_again(store: Environment) -> None:
    known = KnownPages()
    rows = {(table, b"%08d" % number): b"v" * 300 for table in TABLES for number in range(2000)}
    write(store, rows)
    assert differing(store, known, {}) == (rows, 6000)
    assert differing(store, known, {}) == (rows, 6000)
    assert differing(store, known, rows) == ({}, 6000)
    assert differing(store, known, rows) == ({}, 0 if known_pages.USABLE else 6000)
    changed = {("versions", b"%08d" % 1000): b"w" * 300, ("outputs", b"new"): b""}
    write(store, changed)
    found, count = differing(store, known, rows)
    assert found == changed
    assert count < 100 or not known_pages.USABLE
    assert differing(store, known, {**rows, **changed})[0] == {}
    write(store, dict.fromkeys(rows))
    assert differing(store, known, rows)[0] == {key: value for key, value in changed.items() if key not in rows}
    write(store, dict.fromkeys(changed))
    assert differing(store, known, rows) == ({}, 0)


@pytest.mark.parametrize("seed", range(12))
def test_no_change_is_missed(store: Environment, seed: int) -> None:
    """Rows go back to what they were, and so do pages, to the last byte."""
    chance, known = random.Random(seed), KnownPages()
    lengths = [chance.choice((0, 10, 700, 1900, 2030, 5000, 9000)) for _ in range(60)]
    here: Rows = {}
    there: Rows = {}
    for _ in range(150):
        for _ in range(chance.choice((1, 1, 2, 5))):
            changes: dict[tuple[str, bytes], bytes | None] = {}
            for _ in range(chance.choice((1, 1, 3, 20))):
                number = chance.randrange(len(lengths))
                value = chance.choice((b"a", b"b", b"b", None)) if chance.random() < 0.9 else b"c"
                row = chance.choice(TABLES), b"%04d" % number
                changes[row] = None if value is None else value * lengths[number]
            write(store, changes)
            for row, new in changes.items():
                here.pop(row, None) if new is None else here.update({row: new})
        expected = {row: value for row, value in here.items() if there.get(row) != value}
        found, _ = differing(store, known, there)
        assert found == expected
        if chance.random() < 0.7:  # what differed goes there, or some of it
            there |= {row: value for row, value in found.items() if chance.random() < 0.8}


@pytest.mark.parametrize("writes", [1, 2, 3, 6])
def test_a_long_value_that_changes_where_it_stands_is_read_again(store: Environment, writes: int) -> None:
    """After three writes the same pages come again: the leaf is what it was, and the value that it leads to is not."""
    known, number = KnownPages(), 0
    for _ in range(20):
        before = {("outputs", b"x"): b"%06d" % number * 1500}
        write(store, dict(before))
        for _ in range(3):
            assert differing(store, known, before)[0] == {}
        for _ in range(writes):
            number += 1
            write(store, {("outputs", b"x"): b"%06d" % number * 1500})
        assert differing(store, known, before)[0] == {("outputs", b"x"): b"%06d" % number * 1500}


@pytest.mark.parametrize("writes", [1, 2, 3, 4, 5, 6, 7, 8])
def test_what_was_known_before_the_last_look_is_not_known(store: Environment, writes: int) -> None:
    """It is elsewhere what it was at the last look, and here what it was before that, on the same page."""
    known = KnownPages()
    there: Rows = {}
    for turn in range(40):
        value = (b"a", b"b")[turn % 2] * 300
        for _ in range(writes):
            write(store, {("outputs", b"x"): value})
        assert differing(store, known, there)[0] == {("outputs", b"x"): value}
        there = {("outputs", b"x"): value}
        assert differing(store, known, there)[0] == {}


def test_where_pages_cannot_be_told_all_rows_are_read(store: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    known = KnownPages()
    rows = {("versions", b"%04d" % number): b"v" * 300 for number in range(100)}
    write(store, rows)
    assert differing(store, known, rows) == ({}, 100)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(known_pages, "USABLE", False)
        assert differing(store, known, rows) == ({}, 100)
    assert differing(store, known, rows) == ({}, 100)  # what was not looked at meanwhile is not known
    for read in (lambda *_: b"", lambda _, size: bytes(size), lambda _, size: random.Random(1).randbytes(size)):
        with monkeypatch.context() as elsewhere:
            elsewhere.setattr(store, "read_data", read)
            assert differing(store, known, rows) == ({}, 100)


def test_in_a_transaction_that_others_have_overtaken_all_rows_are_read(store: Environment) -> None:
    known = KnownPages()
    rows = {("versions", b"%04d" % number): b"v" * 300 for number in range(100)}
    write(store, rows)
    assert differing(store, known, rows) == ({}, 100)
    with store.reading() as txn:
        for value in (b"1", b"2", b"3"):
            write(store, {("outputs", b"x"): value, ("versions", b"0000"): value})
        read = {key: bytes(value) for key, value in PagesLook(store, txn, known).rows("versions")}
    assert read == {key: value for (_, key), value in rows.items()}
    assert differing(store, known, rows)[0] == {("outputs", b"x"): b"3", ("versions", b"0000"): b"3"}


@pytest.mark.skipif(not known_pages.USABLE, reason="pages cannot be read here")
def test_a_meta_page_that_is_written_as_it_is_read_leads_to_nothing_that_is_known(
    store: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the number of one transaction then, and leads to the pages of another."""
    known, row = KnownPages(), ("versions", b"x")
    write(store, {row: b"1"})
    read_data = store.read_data
    with store.reading() as txn:
        size = txn.stat(store.tables["meta"])["psize"]
        place = txn.id() % 2 * size
        for value in (b"2", b"3"):
            write(store, {row: value})
        torn = bytearray(read_data(place, size))
        end = META_SIZE - 8
        assert torn[end:META_SIZE] == (txn.id() + 2).to_bytes(8, sys.byteorder)
        torn[end:META_SIZE] = txn.id().to_bytes(8, sys.byteorder)
        answers = {place: bytes(torn)}
        with monkeypatch.context() as once:
            once.setattr(store, "read_data", lambda at, length: answers.pop(at, None) or read_data(at, length))
            look = PagesLook(store, txn, known)
            assert [bytes(value) for _, value in look.rows("versions")] == [b"1"]
        look.settle("versions", [])  # as of who has "1" elsewhere
    assert not answers
    assert differing(store, known, {row: b"1"})[0] == {row: b"3"}
