"""Spark."""

from __future__ import annotations

import sys
from typing import Any

from kishu_kernel.objects.ambient_state import Provider
from kishu_kernel.objects.library import Library


def _of_spark(obj: Any) -> tuple[Any, ...]:
    # The JVM's own objects never change, where these refer to them: another plan is another object.
    told = {name: value for name, value in vars(obj).items() if name not in _OWN}
    numbers = {name: value._target_id for name, value in told.items() if hasattr(type(value), "_get_object_id")}
    return {**told, **numbers}, getattr(obj, "_sc", None) or getattr(obj, "ctx", None)


def _session(session: Any) -> tuple[Any, ...]:
    return session._jsparkSession._target_id, session._sc


def _context(context: Any) -> tuple[Any, ...]:
    return context.master, context.appName, context._jsc is not None


def _broadcast(broadcast: Any) -> tuple[Any, ...]:
    return broadcast._path, broadcast._sc


_OWN = ("ctx", "_id", "_sc", "_session", "_sql_ctx", "_schema", "_jrdd_val", "_jrdd_deserializer", "_broadcast")


class _SessionSettings(Provider):
    """What was set on the session that runs, as the difference from what it came with.

    A cell that gets the session gives the one that runs, when it is run again: what was set on it stays.
    """

    name = "settings of the Spark session"
    module = "pyspark.sql.session"

    def __init__(self) -> None:
        self._session: Any = None
        self._usual: dict[str, str] = {}
        self._text = ""
        self._now: dict[str, str] = {}

    def read(self) -> dict[str, str | None]:
        now, usual = self._all(), self._usual
        changed: dict[str, str | None] = {name: value for name, value in now.items() if usual.get(name) != value}
        return {**changed, **dict.fromkeys(usual.keys() - now.keys())}

    def write(self, value: dict[str, str | None]) -> None:
        now = self._all()
        wanted = {**self._usual, **value} if self._session is not None else {}
        for name in [name for name in {**now, **wanted} if now.get(name) != wanted.get(name)]:
            if wanted.get(name) is None:
                self._session.conf.unset(name)
            else:
                self._session.conf.set(name, wanted[name])

    def initial(self) -> Any:
        return {}

    def _all(self) -> dict[str, str]:
        session = sys.modules["pyspark.sql.session"].SparkSession._instantiatedSession
        if session is None or session._sc is None or session._sc._jsc is None:
            self._session, self._usual = None, {}
            return {}
        # A map of the JVM's is read entry by entry, which takes long: its text says whether it is another.
        text = str(session.conf._jconf.getAllAsJava().toString())
        if session is not self._session or text != self._text:
            self._text, self._now = text, session.conf.getAll
        if session is not self._session:
            self._session, self._usual = session, self._now
        return self._now


class Spark(Library):
    """What its objects refer to is in another process, and never changes there.

    They depend on the session, which cells name, and do not join it; that it was stopped is seen by its context.
    """

    untraversable = {"SparkSession"}
    labels = {"SparkContext", "SparkSession", "DataFrame", "RDD", "Broadcast"}
    visible_state = {
        "Accumulator": lambda accumulator: (accumulator.aid, accumulator.value),
        "Broadcast": _broadcast,
        "SparkSession": _session,
        "SparkContext": _context,
        "RDD": _of_spark,
        "DataFrame": _of_spark,
        "Column": _of_spark,
        "JavaParams": _of_spark,
    }
    sends = True
    called_anew = {"Broadcast", "SparkSession", "SparkContext", "RDD", "DataFrame"}
    ambient = (_SessionSettings(),)
