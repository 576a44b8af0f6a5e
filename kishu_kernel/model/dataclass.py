"""`dataclass` as of the standard library, whose methods are made when they are first called.

Python's own writes the source of six methods for each class and compiles it: 0.5 ms a class, of which a kernel makes a
hundred when it starts. Here a class costs a twentieth. Its `__init__` is compiled for the fifth instance, and is the
same code then; the others are functions that look at the fields.

Law: a class and its instances are as Python's own has them, but for the signature before there are instances. Only
what the package uses is there: `frozen`, `slots`, `eq`, `__post_init__`, and fields as `dataclasses.field` makes them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import field, replace
from operator import attrgetter
from reprlib import recursive_repr
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False, eq=True):
        """As of the standard library; see the module's head."""
        return (lambda made: _made(made, frozen, slots, eq)) if cls is None else _made(cls, frozen, slots, eq)


__all__ = ["dataclass", "field", "replace"]

_INTERPRETED = 4
"""Instances of a class whose making is not compiled: of many classes there is but one, and to compile takes 60 us."""


def _made(cls: type, frozen: bool, slots: bool, eq: bool) -> type:
    said = vars(cls)
    if cls.__doc__ is None:
        cls.__doc__ = f"{cls.__name__} of {cls.__module__}"  # else the signature is worked out for it
    made: type = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
    methods = {"__init__": _initialiser(made, frozen), "__repr__": _repr}
    if eq:
        fields = dataclasses.fields(made)
        hashed = [each.name for each in fields if (each.compare if each.hash is None else each.hash)]
        methods["__eq__"] = _equality(_values_of([each.name for each in fields if each.compare]))
        methods["__hash__"] = _hash(_values_of(hashed)) if frozen else None
    if frozen:
        methods.update(__setattr__=_refused_assignment, __delattr__=_refused_deletion)
        if slots:  # pickle would assign them
            methods.update(__getstate__=_state, __setstate__=_set_state)
    for name, method in methods.items():
        if name not in said or (name == "__hash__" and said[name] is None):  # Python says so where there is an `__eq__`
            setattr(made, name, method)
    return made


def _initialiser(cls: type, frozen: bool) -> Any:
    calls = 0

    def __init__(self: Any, *arguments: Any, **named: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > _INTERPRETED or not _is_filled(self, arguments, named):
            made = _compiled_initialiser(cls, frozen)
            cls.__init__ = made  # type: ignore[misc]
            made(self, *arguments, **named)

    return __init__


def _is_filled(obj: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Gives an instance its values. False: these arguments are wrong, or it takes more than setting them."""
    fields = dataclasses.fields(obj)
    given = dict(zip([each.name for each in fields if each.init], arguments, strict=False), **named)
    if len(given) != len(arguments) + len(named) or hasattr(obj, "__post_init__"):
        return False
    values = []
    for each in fields:
        if each.init and each.name in given:
            values.append(given.pop(each.name))
        elif each.default_factory is not dataclasses.MISSING:
            values.append(each.default_factory())
        elif each.default is not dataclasses.MISSING:
            values.append(each.default)
        else:
            return False
    if given:
        return False
    for each, value in zip(fields, values, strict=True):
        object.__setattr__(obj, each.name, value)
    return True


def _compiled_initialiser(cls: type, frozen: bool) -> Callable[..., None]:
    known: dict[str, Any] = {"_set": object.__setattr__, "_missing": dataclasses.MISSING}
    parameters, lines = ["self"], ["pass"]
    for each in dataclasses.fields(cls):
        name = value = each.name
        if each.default_factory is not dataclasses.MISSING:
            known[f"_make_{name}"] = each.default_factory
            value = f"_make_{name}() if {name} is _missing else {name}" if each.init else f"_make_{name}()"
            default = "=_missing"
        elif each.default is not dataclasses.MISSING:
            known[f"_default_{name}"] = each.default
            default = f"=_default_{name}"
        elif not each.init:
            continue
        else:
            default = ""
        if each.init:
            parameters.append(name + default)
        elif default != "=_missing":
            value = f"_default_{name}"
        if not frozen:
            lines.append(f"self.{name} = {value}")
        elif type(slot := getattr(cls, name, None)) is MemberDescriptorType:  # asked for itself, it takes half the time
            known[f"_set_{name}"] = slot.__set__
            lines.append(f"_set_{name}(self, {value})")
        else:
            lines.append(f"_set(self, {name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}):\n " + "\n ".join(lines), known)
    made: Any = known["__init__"]
    made.__qualname__, made.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
    return made  # type: ignore[no-any-return]


def _values_of(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda obj: tuple([getattr(obj, name) for name in names])


def _equality(values: Callable[[Any], tuple[Any, ...]]) -> Any:
    def __eq__(self: Any, other: Any) -> Any:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    return __eq__


def _hash(values: Callable[[Any], tuple[Any, ...]]) -> Any:
    def __hash__(self: Any) -> int:
        return hash(values(self))

    return __hash__


@recursive_repr()
def _repr(self: Any) -> str:
    shown = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in dataclasses.fields(self) if each.repr)
    return f"{type(self).__qualname__}({shown})"


def _refused_assignment(self: Any, name: str, value: Any) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refused_deletion(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in dataclasses.fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for each, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)
