"""What is asked of a single value: what it looks like in a few words, whether it is the same as another, what it holds.

Law: a class of the user's is not asked: its `__repr__`, `__eq__`, `__getattr__` and properties do not run. Only
what a checkpoint asks for, too, is: how an object comes apart (`reducers`).
"""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import operator
import pathlib
import re
import sys
import types
import uuid
from collections.abc import Callable, Hashable, Iterable
from itertools import islice
from typing import Any

from kishu_kernel.detect.atoms import PLAIN
from kishu_kernel.detect.fingerprint import Fingerprinter
from kishu_kernel.objects.arrays import is_element_type
from kishu_kernel.objects.classes import (
    active_metaclasses_exist,
    attributes,
    has_active_metaclass,
    is_of_library,
    module_contents,
    module_name,
    plain_text,
    qualified_name,
)
from kishu_kernel.objects.questions import is_scalar, text_of
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.objects.short_texts import WIDTH, short_text
from kishu_kernel.objects.summaries import describe

SHOWN = 8
"""Of many things of one kind, so many are named."""

_WITH_ZONES = (datetime.datetime, datetime.time)
_SHOWN_BY_STR = (datetime.date, *_WITH_ZONES, datetime.timedelta, decimal.Decimal, fractions.Fraction, uuid.UUID)


def text(value: object, depth: int = 0) -> str:
    """The value in one line."""
    try:
        return cut(_text(value, depth))
    except KeyboardInterrupt:
        raise
    except BaseException:  # a library's, whose objects were taken apart by hand
        return cut(type_name(type(value)))


def label(value: object) -> str:
    """A value as the name of a row or a column: text without its quotes."""
    return cut(" ".join(value.split()) or repr(value)) if type(value) is str else text(value)


def cut(line: str, width: int = WIDTH) -> str:
    """The line, or what fits of it."""
    return line if len(line) <= width else f"{line[: width - 1]}…"


def type_name(kind: type) -> str:
    """A class as a person knows it."""
    module, name = module_name(kind), qualified_name(kind)
    return cut(name if module in ("builtins", "__main__") else f"{module}.{name}")


def listed(values: Iterable[object], total: int, name: Callable[[object], str] = text) -> str:
    """`'a', 'b', 'c'`, or `'a', 'b', ... and 12 more`."""
    shown = ", ".join(cut(name(value), 20 if total > 4 else 40) for value in islice(values, SHOWN))
    return f"{shown} and {total - SHOWN:,} more" if total > SHOWN else shown


def named_alike(one: type, other: type) -> bool:
    """The same class, or two made by the same statement of the notebook: each load makes its own."""
    return one is other or (module_name(one), qualified_name(one)) == (module_name(other), qualified_name(other))


def is_kind(kind: type, module: str, *names: str) -> bool:
    """A class of a library that is loaded, or one derived from it. Imports nothing."""
    held = module_contents(sys.modules.get(module))
    found: list[Any] = [held.get(name) for name in names]
    return any(issubclass(type(each), type) and type.__subclasscheck__(each, kind) for each in found)


def same(one: object, other: object) -> bool:
    """Nothing that can be seen tells them apart. What cannot be looked into counts as the same."""
    if one is other:
        return True
    kind = type(one)
    if has_active_metaclass(kind) or has_active_metaclass(type(other)):
        return named_alike(kind, type(other))
    if kind is type(other) and kind in PLAIN:
        return bool(one == other or (one != one and other != other))
    if not named_alike(kind, type(other)):
        return False
    if kind in (list, tuple, dict) and kind is type(other):
        quick = _quickly_same(one, other)
        if quick is not None:
            return quick
    return fingerprint(one) == fingerprint(other)


def _quickly_same(one: Any, other: Any) -> bool | None:
    """Of containers of numbers, strings and the like; None where they hold anything else, or what is no number."""
    if len(one) != len(other):
        return False
    if type(one) is dict:
        one, other = [*one, *one.values()], [*other, *other.values()]
    if not (is_plain(one) and is_plain(other)):
        return None
    if one == other:
        return all(map(operator.is_, map(type, one), map(type, other)))
    return None if any(each != each for each in one) else False


def fingerprint(value: object) -> bytes:
    """The digest of all that is reachable from a value."""
    main = sys.modules.get("__main__")
    return Fingerprinter(ReductionTable({} if main is None else vars(main))).take(value).digest


def key_of(value: Any) -> Hashable:
    """What stands for a value among the keys of a dictionary; no method of the user's is called for it."""
    kind = type(value)
    if has_active_metaclass(kind):
        return ("object", module_name(kind), qualified_name(kind))
    if kind in PLAIN:
        return value if value == value else ("nan",)
    if kind is tuple:
        return tuple(map(key_of, value))
    return ("object", module_name(kind), qualified_name(kind), fingerprint(value))


def is_plain(values: Iterable[object]) -> bool:
    """All of them are numbers, strings and the like: they can be compared without a method of the user's."""
    if active_metaclasses_exist() and not all(type(type(each)) is type for each in values):
        return False
    try:
        return set(map(type, values)) <= PLAIN
    except Exception:  # a class that has no hash
        return False


def state_of(value: object) -> dict[str, object]:
    """The attributes that an instance has of its own, in `__dict__` and in slots."""
    state: dict[str, object] = {}
    for base in mro_of(type(value)):
        for name, member in members_of(base).items():
            if type(member) is types.MemberDescriptorType and module_name(base) != "builtins":
                try:
                    state[name] = member.__get__(value)
                except AttributeError:  # a slot that is empty
                    continue
    own = attributes(value) or {}
    state.update((name, held) for name, held in own.items() if type(name) is str)
    return state


def is_valued(values: Iterable[object]) -> bool:
    """The same of dates, and of elements of arrays and single values of libraries."""
    values = list(values)
    if active_metaclasses_exist() and any(has_active_metaclass(type(each)) for each in values):
        return False
    try:
        kinds = set(map(type, values)) - PLAIN
    except Exception:
        return False
    return all(kind in _SHOWN_BY_STR or is_scalar(kind) or is_element_type(kind) for kind in kinds)


def is_shown_whole(kind: type) -> bool:
    """A value whose few words say everything: a date, a path, a range."""
    return kind in _SHOWN_BY_STR or kind in _WRITTEN or _is_path(kind) or is_scalar(kind)


def mro_of(kind: type) -> tuple[type, ...]:
    """A class and its bases. Asks no metaclass."""
    found: tuple[type, ...] = type.__dict__["__mro__"].__get__(kind)
    return found


def members_of(kind: type) -> dict[str, Any]:
    """What a class itself defines. Asks no metaclass."""
    return dict(type.__dict__["__dict__"].__get__(kind))


def _text(value: Any, depth: int) -> str:
    kind = type(value)
    if has_active_metaclass(kind):
        return type_name(kind)
    if kind in PLAIN or value is Ellipsis:
        return short_text(value)
    if kind in (list, tuple, dict, set, frozenset):
        return _container(value, depth)
    if kind in _WRITTEN:
        return _WRITTEN[kind](value)
    if kind in _SHOWN_BY_STR or _is_path(kind):
        return str(value)
    if (told := text_of(value)) is not None:
        return told
    if issubclass(kind, enum.Enum):
        return f"{qualified_name(kind)}.{plain_text(state_of(value).get('_name_'))}"
    if kind is types.MethodType:
        return f"{text(value.__func__)} of {type_name(type(value.__self__))}"
    if isinstance(kind, type) and module_name(kind) == "__main__" and not issubclass(kind, type):
        return _instance(value, depth)
    return describe("", value).summary


def _moment(value: Any) -> str:
    """A time, with its distance from UTC where no code of the user's is asked for that."""
    zone = value.tzinfo
    if zone is None or is_of_library(type(zone)):
        return str(value)
    return f"{value.replace(tzinfo=None)} {type_name(type(zone))}"


def _fraction(value: fractions.Fraction) -> str:
    parts = [value.numerator, value.denominator]
    return "/".join(text(part) for part in (parts[:1] if type(parts[1]) is int and parts[1] == 1 else parts))


def _range(value: range) -> str:
    parts = [value.start, value.stop, value.step]
    return f"range({', '.join(map(text, parts[:2] if value.step == 1 else parts))})"


def _pattern(value: re.Pattern[Any]) -> str:
    return repr(value) if type(value.pattern) in (str, bytes) else type_name(re.Pattern)


def _zone(value: datetime.timezone) -> str:
    return repr(value) if type(value.tzname(None)) is str else type_name(datetime.timezone)


_WRITTEN: dict[type, Callable[[Any], str]] = {
    **dict.fromkeys(_WITH_ZONES, _moment),
    fractions.Fraction: _fraction,
    range: _range,
    re.Pattern: _pattern,
    datetime.timezone: _zone,
}
"""Values that others' objects may stand in, or numbers that are too long to be written out."""


def _container(value: Any, depth: int) -> str:
    kind = type(value)
    if depth > 2 or len(value) > 6:
        return f"{kind.__name__} of {len(value):,}"
    inside = [text(item, depth + 1) for item in value]
    if kind is dict:
        inside = [f"{key}: {text(item, depth + 1)}" for key, item in zip(inside, value.values(), strict=True)]
    if kind in (set, frozenset):
        inside.sort()
    line = ", ".join(inside)
    if len(line) > WIDTH - 12:
        return f"{kind.__name__} of {len(value):,}"
    if kind is tuple:
        return f"({line}{',' * (len(value) == 1)})"
    if kind is frozenset:
        return f"frozenset({{{line}}})" if value else "frozenset()"
    if kind is set and not value:
        return "set()"
    return f"[{line}]" if kind is list else f"{{{line}}}"


def _instance(value: object, depth: int) -> str:
    name, state = type_name(type(value)), state_of(value)
    if depth > 1 or not state or len(state) > 4:
        return name
    line = ", ".join(f"{key}={text(held, depth + 1)}" for key, held in state.items())
    return f"{name}({line})" if len(line) <= WIDTH - 20 else name


def _is_path(kind: type) -> bool:
    return issubclass(kind, pathlib.PurePath) and module_name(kind).partition(".")[0] == "pathlib"
