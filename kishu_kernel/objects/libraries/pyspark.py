"""Spark."""

from __future__ import annotations

from typing import Any

from kishu_kernel.objects.library import Library


def _of_spark(obj: Any) -> tuple[Any, ...]:
    # The JVM's own objects never change, where these refer to them: another plan is another object.
    told = {name: value for name, value in vars(obj).items() if name not in _OWN}
    numbers = {name: value._target_id for name, value in told.items() if hasattr(type(value), "_get_object_id")}
    return ({**told, **numbers},)


_OWN = ("ctx", "_sc", "_session", "_sql_ctx", "_schema", "_jrdd_val", "_jrdd_deserializer", "_broadcast")


class Spark(Library):
    """What its objects refer to is in another process, and never changes there."""

    visible_state = {
        "Accumulator": lambda accumulator: (accumulator.aid, accumulator.value),
        "DataFrame": _of_spark,
        "Column": _of_spark,
        "JavaParams": _of_spark,
    }
