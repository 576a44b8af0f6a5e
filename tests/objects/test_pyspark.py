"""Settings of a running Spark session, with a session that only keeps them."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from kishu_kernel.objects.libraries.pyspark import _SessionSettings


class _Conf:
    def __init__(self, **settings: str) -> None:
        self.settings = settings
        self.asked = 0
        self._jconf = self

    def getAllAsJava(self) -> _Conf:
        return self

    def toString(self) -> str:
        return str(self.settings)

    @property
    def getAll(self) -> dict[str, str]:
        self.asked += 1
        return dict(self.settings)

    def set(self, name: str, value: str) -> None:
        self.settings[name] = value

    def unset(self, name: str) -> None:
        del self.settings[name]


class _Session:
    _instantiatedSession: Any = None

    def __init__(self, **settings: str) -> None:
        self.conf = _Conf(**settings)
        self._sc = types.SimpleNamespace(_jsc=self)


@pytest.fixture
def spark(monkeypatch: pytest.MonkeyPatch) -> type[_Session]:
    module = types.ModuleType("pyspark.sql.session")
    monkeypatch.setattr(_Session, "_instantiatedSession", None)
    vars(module)["SparkSession"] = _Session
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return _Session


def test_what_was_set_and_unset_comes_back(spark: type[_Session]) -> None:
    settings = _SessionSettings()
    assert settings.read() == {}
    spark._instantiatedSession = session = _Session(id="1", level="2")
    first = settings.read()
    session.conf.set("shuffle", "3")
    session.conf.unset("level")
    second = settings.read()
    assert (first, second) == ({}, {"shuffle": "3", "level": None})
    settings.write(first)
    assert session.conf.settings == {"id": "1", "level": "2"}
    settings.write(second)
    assert session.conf.settings == {"id": "1", "shuffle": "3"}
    settings.write(settings.initial())
    assert session.conf.settings == {"id": "1", "level": "2"}


def test_another_session_keeps_what_it_came_with(spark: type[_Session]) -> None:
    settings = _SessionSettings()
    spark._instantiatedSession = _Session(id="1")
    settings.read()
    spark._instantiatedSession = session = _Session(id="2")
    settings.write({"shuffle": "3"})
    assert session.conf.settings == {"id": "2", "shuffle": "3"}
    assert settings.read() == {"shuffle": "3"}


def test_a_session_that_was_stopped_has_none(spark: type[_Session]) -> None:
    settings = _SessionSettings()
    spark._instantiatedSession = session = _Session(id="1")
    session.conf.set("shuffle", "3")
    settings.read()
    session._sc._jsc = None  # type: ignore[assignment]
    assert settings.read() == {}
    settings.write({"shuffle": "4"})
    assert session.conf.settings["shuffle"] == "3"


def test_settings_are_fetched_where_they_have_changed(spark: type[_Session]) -> None:
    settings = _SessionSettings()
    spark._instantiatedSession = session = _Session(id="1")
    for _ in range(3):
        settings.read()
    assert session.conf.asked == 1
