"""Whose a registration is: what libraries bring when they are imported is not the notebook's, and stays."""

from __future__ import annotations

import decimal
import sqlite3
import sys
import types
import uuid
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest

from kishu_kernel.objects.registry import registry


@pytest.fixture
def adapters() -> Iterator[Any]:
    """What reads and writes registrations with sqlite3; they are as before afterwards."""
    before = dict(sqlite3.adapters)
    provider = registry.providers()["registrations with sqlite3"]
    provider.write({})
    provider.read()
    yield provider
    sqlite3.adapters.clear()
    sqlite3.adapters.update(before)
    provider.read()


def _imported(monkeypatch: pytest.MonkeyPatch, name: str, **held: Any) -> None:
    module = types.ModuleType(name)
    vars(module).update(held)
    monkeypatch.setitem(sys.modules, name, module)


def test_what_a_library_registers_when_it_is_imported_stays(adapters: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _imported(monkeypatch, "an_orm", sqlite3=sqlite3)
    sqlite3.register_adapter(decimal.Decimal, str)
    assert adapters.read() == {}
    sqlite3.register_adapter(Fraction, str)  # and what comes later is another thing
    assert list(adapters.read()) == ["adapters"]
    adapters.write({})
    assert (decimal.Decimal, sqlite3.PrepareProtocol) in sqlite3.adapters
    assert (Fraction, sqlite3.PrepareProtocol) not in sqlite3.adapters


def test_an_import_of_a_library_that_does_not_know_it_brings_nothing(
    adapters: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _imported(monkeypatch, "another", decimal=decimal)
    sqlite3.register_adapter(complex, str)
    assert len(adapters.read()["adapters"]) == 1
    _imported(monkeypatch, "an_orm", connect=sqlite3.connect)
    sqlite3.register_adapter(uuid.UUID, str)  # what a library brought once is its own in the other tests, too
    assert len(adapters.read()["adapters"]) == 1
    adapters.write({})
    assert (complex, sqlite3.PrepareProtocol) not in sqlite3.adapters


def test_what_pandas_registers_for_each_table_is_no_change(adapters: Any) -> None:
    pandas = pytest.importorskip("pandas")
    for _ in range(2):
        with sqlite3.connect(":memory:") as connection:
            pandas.DataFrame({"a": [1]}).to_sql("t", connection)
        connection.close()
        assert adapters.read() == {}
