"""Classes and instances, asked without running code of theirs: no metaclass, no property, no `__getattr__`."""

from __future__ import annotations

import abc
import enum
import functools
import operator
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from kishu_kernel.process.code_origins import is_users_module
from kishu_kernel.process.native import peek


def module_name(kind: type) -> str:
    """`kind.__module__`, or the empty string where a class plays tricks with it. Runs no code of a metaclass."""
    try:
        return plain_text(_module(kind))
    except AttributeError:  # a class can delete it
        return ""


def qualified_name(kind: type) -> str:
    """`kind.__qualname__`. Runs no code of a metaclass."""
    return plain_text(_qualified(kind))


def plain_text(name: Any) -> str:
    """A name, also one of a class that derives from `str`, as it is; empty where it is none. Runs no code of it."""
    if type(name) is str:
        return name
    return str.__str__(name) if derives(type(name), str) else ""


_module = type.__dict__["__module__"].__get__
_name = type.__dict__["__name__"].__get__
_qualified = type.__dict__["__qualname__"].__get__
mro_of: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
contents_of: Callable[[type], Mapping[str, Any]] = type.__dict__["__dict__"].__get__
flags_of: Callable[[type], int] = type.__dict__["__flags__"].__get__
"""As `kind.__mro__`, `vars(kind)`, `kind.__flags__`. They run no code of a metaclass."""


_ATOMS = frozenset(map(id, (type(None), bool, int, float, complex, str, bytes)))


def is_atom(obj: Any) -> bool:
    """Whether it is a plain value of Python's own: any two that are equal are as good as one. Asks no metaclass."""
    return id(type(obj)) in _ATOMS


def is_atom_type(kind: type) -> bool:
    """Whether its instances are such values. Asks no metaclass."""
    return id(kind) in _ATOMS


def is_one_of(kind: type, kinds: Iterable[type]) -> bool:
    """As `kind in kinds`, without asking a metaclass what it is equal to."""
    return any(map(functools.partial(operator.is_, kind), kinds))


def derives(kind: type, base: type) -> bool:
    """As `issubclass`, without asking either of them."""
    return type.__subclasscheck__(base, kind)


def begins(name: object, *starts: str) -> bool:
    """It is a text that begins so: namespaces may have keys that are none."""
    return derives(type(name), str) and str.startswith(name, starts)  # type: ignore[arg-type]


def is_of_a_person(name: object) -> bool:
    """A key of the notebook's namespace is a name, and none of the shell's own."""
    return derives(type(name), str) and not begins(name, "_")


def is_notebooks(kind: type) -> bool:
    """The class was made by the notebook. Runs no code of a metaclass."""
    return module_name(kind) == "__main__" and bool(flags_of(kind) & MADE_AT_RUN_TIME)


def is_users_own(kind: type) -> bool:
    """The class was made by the notebook, or by a module of the user's. Runs no code of a metaclass.

    Such a module lies beside the notebook, or on a path that was added since the kernel began.
    """
    if not flags_of(kind) & MADE_AT_RUN_TIME:
        return False
    module = module_name(kind)
    return module == "__main__" or is_users_module(module.partition(".")[0])


def is_genuine(kind: type) -> bool:
    """The module that the class says it is of holds it, under its name: it is not made up elsewhere."""
    return module_contents(sys.modules.get(module_name(kind))).get(qualified_name(kind)) is kind


def is_of_library(kind: type) -> bool:
    """What its methods do is not the user's: the module that it says it is of holds it, or its only instance.

    Or it only adds data to such a class, as each time zone of pytz does.
    """
    if is_users_own(kind):
        return False
    held = module_contents(sys.modules.get(module_name(kind))).get(qualified_name(kind))
    if held is kind or type(held) is kind:
        return True
    base = mro_of(kind)[1:2]
    return bool(base) and not any(map(_does_something, contents_of(kind).values())) and is_of_library(base[0])


def _does_something(member: object) -> bool:
    """When it is asked for, or called."""
    kind = type(member)
    return kind not in PLACES and any(not _CALLED.isdisjoint(contents_of(base)) for base in mro_of(kind))


_CALLED = frozenset({"__get__", "__call__"})


def is_plain_class(kind: type) -> bool:
    """It can be looked up, and tells its name, without running code of its metaclass."""
    metaclass: Any = type(kind)
    bases = [base for base in mro_of(metaclass) if base is not type and base is not object]
    return all(contents_of(base).keys().isdisjoint(_TO_BE_KNOWN) for base in bases)


def has_pythons_metaclass(kind: type) -> bool:
    """Its metaclass is one of Python's own, so that it can be looked up without running anybody's code."""
    metaclass = type(kind)
    return metaclass is type or metaclass is abc.ABCMeta or metaclass is enum.EnumMeta


def has_quiet_metaclass(kind: type) -> bool:
    """Its metaclass is Python's own, or one of the notebook's that has nothing to say when the class is looked up."""
    metaclass: Any = type(kind)
    if has_pythons_metaclass(kind):
        return True
    if not is_notebooks(metaclass) or not has_pythons_metaclass(metaclass) or has_active_metaclass(kind):
        return False
    return all(is_notebooks(base) or is_one_of(base, _METACLASSES) for base in mro_of(metaclass))


def has_active_metaclass(kind: type) -> bool:
    """To look it up, or to ask it for anything, runs code of the notebook: of its metaclass."""
    metaclass: Any = type(kind)
    if has_pythons_metaclass(kind):
        return False
    if type(metaclass) is not type and has_active_metaclass(metaclass):
        return True
    return any(
        is_notebooks(base) and not contents_of(base).keys().isdisjoint(_TO_BE_LOOKED_UP) for base in mro_of(metaclass)
    )


def active_metaclasses_exist() -> bool:
    """There is a metaclass such that `has_active_metaclass`. Some microseconds, where no metaclass has come or gone."""
    derived = [type.__subclasses__(each) for each in (type, abc.ABCMeta, enum.EnumMeta)]
    seen = tuple((len(each), id(each[-1]) if each else 0) for each in derived)
    if _last_look.seen != seen:
        _last_look.seen, _last_look.live = seen, _find_active_metaclass()
    return _last_look.live


class _LastLook:
    """What was found when metaclasses were last looked at."""

    seen: tuple[tuple[int, int], ...] = ()
    live = False


_last_look = _LastLook()


def _find_active_metaclass() -> bool:
    todo = list(type.__subclasses__(type))
    while todo:
        metaclass = todo.pop()
        if is_notebooks(metaclass) and not contents_of(metaclass).keys().isdisjoint(_TO_BE_LOOKED_UP):
            return True
        todo.extend(type.__subclasses__(metaclass))
    return False


def module_contents(module: Any) -> Mapping[str, Any]:
    """As `vars(module)`; a module that is loaded when it is first asked stays as it is. Empty for what is none."""
    return _contents_of_module(module) if issubclass(type(module), types.ModuleType) else {}


def attributes(obj: Any) -> dict[str, Any] | None:
    """The object's `__dict__`, if it has one that can be had without running code of a property's or a proxy's.

    On CPython 3.11 and 3.12 it is made where there was none: what is faster to leave alone is not to be asked.
    """
    for base in mro_of(type(obj))[:-1]:
        contents = contents_of(base)
        if type(contents.get("__class__")) is types.GetSetDescriptorType:
            return None  # a proxy made in C hands out the attributes of what it stands for, and makes it for that
        member: Any = contents.get("__dict__")
        if type(member) in PLACES:
            try:
                found = member.__get__(obj)
            except Exception:
                return None
            return found if type(found) is dict else None
    return None


def seen_attributes(obj: Any) -> dict[str, Any] | None:
    """As `attributes`, to be read and not to be kept: where the object has no `__dict__` yet, none is made."""
    seen = peek(obj)
    return attributes(obj) if seen is None else seen


def is_its_attributes(kind: type) -> bool:
    """Instances are pickled by Python's own way, which tells their attributes, and there is nothing else."""
    return has_usual_ways(kind) and is_bare(kind) and not has_slots(kind) and shows_its_attributes(kind)


def made_in_c_of(kind: type) -> type:
    """The class made in C that it derives from: what that keeps stands at the beginning of instances."""
    return next(base for base in mro_of(kind) if not flags_of(base) & MADE_AT_RUN_TIME)


def has_usual_ways(kind: type, base: type = object) -> bool:
    """What a pickler asks of instances is object's, or that of another base."""
    return all(getattr(kind, way, None) is getattr(base, way, None) for way in PICKLING_WAYS)


def shows_its_attributes(kind: type) -> bool:
    """`__dict__` of an instance is where its attributes are, and nothing that its class has made up."""
    asked = _member(kind, "__getattribute__") is _member(object, "__getattribute__")
    return asked and type(_member(kind, "__dict__")) in PLACES


def _member(kind: type, name: str) -> Any:
    """What a class has under this name, or takes over from another; None where there is nothing."""
    return next((contents[name] for contents in map(contents_of, mro_of(kind)) if name in contents), None)


def is_known_by_itself(kind: type) -> bool:
    """An instance can be looked up without running code of its class: its hash is object's."""
    return _member(kind, "__hash__") is _member(object, "__hash__")


def has_dict(kind: type) -> bool:
    """Its instances have a dictionary for attributes."""
    return bool(_dict_offset(kind))


def is_bare(kind: type) -> bool:
    """Nothing stands in its instances but `__dict__`, weak references and slots."""
    places = sum(offset_of(kind) > 0 for offset_of in (_dict_offset, _weak_offset))
    for base in mro_of(kind):
        contents = contents_of(base)
        if "__slots__" in contents:
            places += sum(type(member) is types.MemberDescriptorType for member in contents.values())
    return bool(_size_of(kind) == _size_of(object) + places * tuple.__itemsize__)


def has_slots(kind: type) -> bool:
    """It, or what it derives from, has slots of its own."""
    return any(contents_of(base).get("__slots__") for base in mro_of(kind))


def hides_attributes(kind: type) -> bool:
    """Its instances have a `__dict__`, and all that leads to it is code of somebody's."""
    if not _dict_offset(kind):
        return False
    members: Iterator[Any] = (contents_of(base).get("__dict__") for base in mro_of(kind))
    return not any(type(member) in PLACES for member in members)


PICKLING_WAYS = ("__reduce_ex__", "__reduce__", "__getstate__", "__getnewargs__", "__getnewargs_ex__")
"""What a pickler asks an object for."""

PLACES = (types.GetSetDescriptorType, types.MemberDescriptorType)
"""Types of what was made in C to reach a place in an instance."""

_contents_of_module: Any = vars(types.ModuleType)["__dict__"].__get__

MADE_AT_RUN_TIME = 1 << 9
"""A flag of types that are not part of Python's own, or of a library's, compiled code."""
_dict_offset = type.__dict__["__dictoffset__"].__get__
_weak_offset = type.__dict__["__weakrefoffset__"].__get__
_size_of = type.__dict__["__basicsize__"].__get__

_METACLASSES = (type, abc.ABCMeta, enum.EnumMeta, object)

_TO_BE_KNOWN = ("__hash__", "__eq__", "__name__", "__qualname__")
_TO_BE_LOOKED_UP = (
    *(*_TO_BE_KNOWN, "__getattribute__", "__class__", "__mro__", "__bases__"),
    *("__reduce_ex__", "__reduce__", "__flags__", "__basicsize__", "__dictoffset__"),
)


def instance_state(obj: Any) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """All attributes of an instance: its `__dict__`, and what stands in slots."""
    slots: dict[str, Any] = {}
    for base in mro_of(type(obj)):
        contents = contents_of(base)
        for name, member in contents.items() if "__slots__" in contents else ():
            if type(member) is types.MemberDescriptorType and name not in slots:
                try:
                    slots[name] = member.__get__(obj)
                except AttributeError:  # nothing stands in it
                    continue
    return seen_attributes(obj), slots
