"""`dataclass` as of the standard library, whose methods are made when they are first called.

Python's own writes the source of six methods for each class and compiles it: 0.5 ms a class, of which a kernel makes a
hundred when it starts. Here a class costs a fiftieth: what `dataclasses` keeps of its fields is made when somebody asks
for it, which of most classes nobody does. Its `__init__` is compiled for the fifth instance, and is the same code then;
the others are functions that look at the fields.

Law: a class and its instances are as Python's own has them, but for the signature before there are instances. Only
what the package uses is there: `frozen`, `slots`, `eq`, `__post_init__`, and fields as `dataclasses.field` makes them.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import MISSING, Field, field
from operator import attrgetter
from reprlib import recursive_repr
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass, replace
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False, eq=True):
        """As of the standard library; see the module's head."""
        return (lambda made: _made(made, frozen, slots, eq)) if cls is None else _made(cls, frozen, slots, eq)

    def replace(obj, /, **changes):
        """As of the standard library, which would have what `dataclasses` keeps of the class made for it."""
        kept = next((vars(base)[_KEPT[0]] for base in type(obj).__mro__ if _KEPT[0] in vars(base)), None)
        if type(kept) is not _Kept:
            return dataclasses.replace(obj, **changes)
        for name, each in kept.fields.all().items():
            if each.init and name not in changes:
                changes[name] = getattr(obj, name)
        return type(obj)(**changes)


__all__ = ["dataclass", "field", "replace"]

_INTERPRETED = 4
"""Instances of a class whose making is not compiled: of many classes there is but one, and to compile takes 60 us."""

_KEPT = ("__dataclass_fields__", "__dataclass_params__", "__match_args__")
if sys.version_info >= (3, 13):
    _KEPT = (*_KEPT, "__replace__")

_OTHER = ("ClassVar", "InitVar", "KW_ONLY", "typing.", "dataclasses.")
"""What annotations begin with that are no fields, or may not be."""


def _made(cls: type, frozen: bool, slots: bool, eq: bool) -> type:
    said = vars(cls)
    annotations: dict[str, Any] = cls.__annotations__  # its own
    if not all(type(each) is str and not each.startswith(_OTHER) for each in annotations.values()):
        raise TypeError(f"{cls.__qualname__}: this `dataclass` knows fields alone, annotated by texts")
    fields = _Fields(cls)
    methods = {"__init__": _initialiser(fields, frozen), "__repr__": _repr}
    if eq:
        methods["__eq__"] = _equality(fields)
        methods["__hash__"] = _hash(fields) if frozen else None
    if frozen:
        methods.update(__setattr__=_refused_assignment, __delattr__=_refused_deletion)
        if slots:  # pickle would assign them
            methods.update(__getstate__=_state, __setstate__=_set_state)
    made = {
        name: method
        for name, method in methods.items()
        if name not in said or (name == "__hash__" and said[name] is None)  # Python says so where there is an `__eq__`
    }
    if cls.__doc__ is None:
        made["__doc__"] = f"{cls.__name__} of {cls.__module__}"  # else the signature is worked out for it
    made.update({name: _Kept(fields, name) for name in _KEPT})
    if slots:
        fields.cls = _with_slots(cls, made, fields.own)
        return fields.cls
    for name, each in fields.own.items():
        if isinstance(each, Field) and each.default is MISSING:
            delattr(cls, name)
        elif isinstance(each, Field):
            setattr(cls, name, each.default)
    for name, each in made.items():
        setattr(cls, name, each)
    return cls


def _with_slots(cls: type, made: dict[str, Any], own: dict[str, Any]) -> type:
    """The same class with slots, which have to be told when it is made."""
    kept = {name: each for name, each in vars(cls).items() if name not in own and name not in _OF_EVERY_CLASS}
    there = {name for base in cls.__mro__[1:] for name in vars(base).get("__slots__", ())}
    made["__slots__"] = tuple(name for name in own if name not in there)
    again: type = type(cls)(cls.__name__, cls.__bases__, {**kept, **made})
    again.__qualname__ = cls.__qualname__
    return again


_OF_EVERY_CLASS = ("__dict__", "__weakref__")


class _Fields:
    """The fields of a class, as it says them: what stands behind their names.

    Attributes:
        cls: the class, with its slots.
        own: without those of its bases.
    """

    __slots__ = ("_all", "_of_bases", "cls", "own")

    def __init__(self, cls: type) -> None:
        said = vars(cls)
        self.cls = cls
        self.own = {name: said.get(name, MISSING) for name in cls.__annotations__}
        self._of_bases = [vars(base).get("__dataclass_fields__", {}) for base in reversed(cls.__mro__[1:])]
        self._all: dict[str, Field[Any]] | None = None

    def all(self) -> dict[str, Field[Any]]:
        """All of them, the bases' first. Their `name` may be missing."""
        if self._all is None:
            found: dict[str, Field[Any]] = {}
            for base in self._of_bases:
                found.update(base.fields.all() if isinstance(base, _Kept) else base)
            for name, each in self.own.items():
                found[name] = each if isinstance(each, Field) else field(default=each)
            self._all = found
        return self._all


class _Kept:
    """Stands for what `dataclasses` keeps of a class, until somebody asks for it."""

    __slots__ = ("_name", "fields")

    def __init__(self, fields: _Fields, name: str) -> None:
        self.fields, self._name = fields, name

    def __get__(self, obj: Any, owner: type) -> Any:
        cls = self.fields.cls
        bases = tuple(base for base in cls.__bases__ if hasattr(base, "__dataclass_fields__"))
        said = {name: each for name, each in self.fields.own.items() if each is not MISSING}
        said.update(__annotations__=cls.__annotations__, __module__=cls.__module__, __doc__="")
        like: type = type(cls.__name__, bases, said)
        dataclasses.dataclass(init=False, repr=False, eq=False)(like)
        for name in _KEPT:
            type.__setattr__(cls, name, vars(like)[name])
        return getattr(owner if obj is None else obj, self._name)


def _initialiser(fields: _Fields, frozen: bool) -> Any:
    calls = 0

    def __init__(self: Any, *arguments: Any, **named: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > _INTERPRETED or not _is_filled(self, fields.all(), arguments, named):
            made = _compiled_initialiser(fields.cls, fields.all(), frozen)
            fields.cls.__init__ = made  # type: ignore[misc]
            made(self, *arguments, **named)

    return __init__


def _is_filled(obj: Any, fields: dict[str, Field[Any]], arguments: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Gives an instance its values. False: these arguments are wrong, or it takes more than setting them."""
    given = dict(zip([name for name, each in fields.items() if each.init], arguments, strict=False), **named)
    if len(given) != len(arguments) + len(named) or hasattr(obj, "__post_init__"):
        return False
    values = {}
    for name, each in fields.items():
        if each.init and name in given:
            values[name] = given.pop(name)
        elif each.default_factory is not MISSING:
            values[name] = each.default_factory()
        elif each.default is not MISSING:
            values[name] = each.default
        else:
            return False
    if given:
        return False
    for name, value in values.items():
        object.__setattr__(obj, name, value)
    return True


def _compiled_initialiser(cls: type, fields: dict[str, Field[Any]], frozen: bool) -> Callable[..., None]:
    known: dict[str, Any] = {"_set": object.__setattr__, "_missing": MISSING}
    parameters, lines = ["self"], ["pass"]
    for name, each in fields.items():
        value = name
        if each.default_factory is not MISSING:
            known[f"_make_{name}"] = each.default_factory
            value = f"_make_{name}() if {name} is _missing else {name}" if each.init else f"_make_{name}()"
            default = "=_missing"
        elif each.default is not MISSING:
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


def _values_of(fields: _Fields, *, hashed: bool) -> Callable[[Any], tuple[Any, ...]]:
    said = fields.all().items()
    names = [name for name, each in said if (each.compare if not hashed or each.hash is None else each.hash)]
    if len(names) > 1:
        return attrgetter(*names)
    return lambda obj: tuple([getattr(obj, name) for name in names])


def _equality(fields: _Fields) -> Any:
    values: Callable[[Any], tuple[Any, ...]] | None = None

    def __eq__(self: Any, other: Any) -> Any:
        nonlocal values
        if other.__class__ is not self.__class__:
            return NotImplemented
        values = values or _values_of(fields, hashed=False)
        return values(self) == values(other)

    return __eq__


def _hash(fields: _Fields) -> Any:
    values: Callable[[Any], tuple[Any, ...]] | None = None

    def __hash__(self: Any) -> int:
        nonlocal values
        values = values or _values_of(fields, hashed=True)
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
