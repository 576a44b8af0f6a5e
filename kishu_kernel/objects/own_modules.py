"""Modules that are the user's own: what of them is data, and what their source has put there.

A function or a class that the source defines, and what it imports from libraries, go by their names: they are code. All
else that such a module holds is data, as variables are. A constant that still is what the source says is not kept: a
new kernel gets it from the source.

Law: looking imports nothing and runs nothing of the module's.
Neighbours: `module_sources` reads the source; `session.module_data` says which modules are the session's.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterable, Mapping
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Any

from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.objects.classes import (
    begins,
    contents_of,
    derives,
    has_active_metaclass,
    is_atom,
    is_genuine,
    module_contents,
    module_name,
    mro_of,
    qualified_name,
)
from kishu_kernel.objects.module_originals import ABSENT, module_originals
from kishu_kernel.objects.module_sources import NO_CONSTANT, SourceFacts, source_facts
from kishu_kernel.process.code_origins import is_users_module

tracked_modules: set[str] = set()
"""Names of the user's own modules whose data are part of the session's state. None in most sessions."""

held_since_import: dict[int, tuple[str, str]] = {}
"""Ids of what these modules hold since they were imported -> module, and name in it."""

_NONE: frozenset[str] = frozenset()

_NO_DATA = (
    *(types.FunctionType, classmethod, staticmethod, property, functools.cached_property, functools.partialmethod),
    *(types.MemberDescriptorType, types.GetSetDescriptorType, types.BuiltinFunctionType, types.WrapperDescriptorType),
)
_BY_NAME = (types.ModuleType, types.FunctionType, types.BuiltinFunctionType, type)


def may_be_tracked(name: str) -> bool:
    """Whether an imported module is the user's own, and made of nothing but Python's source.

    Of a package with compiled parts the whole is a library: such parts cannot be imported anew.
    """
    return is_users_module(name.partition(".")[0]) and not is_compiled(name)


def has_compiled_parts(package: str) -> bool:
    """Whether compiled modules of a package are imported."""
    names = [name for name in list(sys.modules) if type(name) is str and name.partition(".")[0] == package]
    return any(map(is_compiled, names))


def is_compiled(name: str) -> bool:
    """Whether an imported module is an extension."""
    return _file_of(name).endswith(tuple(EXTENSION_SUFFIXES))


def _file_of(name: str) -> str:
    file = module_contents(sys.modules.get(name)).get("__file__")
    return file if type(file) is str else ""


def note_held(own: OwnModule) -> None:
    """Notes what a module holds that was just loaded."""
    for name, value in list(module_contents(own.module).items()):
        if not is_atom(value) and type(name) is str:
            held_since_import.setdefault(id(value), (own.name, name))


def forget_held(module: str) -> dict[int, tuple[str, str]]:
    """Forgets what a module holds since it was imported, and gives that."""
    found = {key: place for key, place in held_since_import.items() if place[0] == module}
    for key in found:
        del held_since_import[key]
    return found


def is_tracked(name: object) -> bool:
    """Whether the data of the module of this name are part of the session's state."""
    return bool(tracked_modules) and type(name) is str and name in tracked_modules


def now_tracked() -> frozenset[str]:
    """The names of such modules, to be compared with later ones."""
    return frozenset(tracked_modules) if tracked_modules else _NONE


def is_of_tracked(kind: type) -> bool:
    """Whether it is a class of such a module."""
    return bool(tracked_modules) and module_name(kind) in tracked_modules


def place_since_import(obj: Any) -> tuple[str, str] | None:
    """Where such a module holds this object since it was imported; None where none does.

    What gives something up when it is asked is nowhere: another import would not give the same.
    """
    place = held_since_import.get(id(obj))
    if place is None or module_contents(sys.modules.get(place[0])).get(place[1]) is not obj or runs_out(obj):
        return None
    return place


def original_place(obj: Any) -> tuple[str, str] | None:
    """Where the source of a tracked module has put this function or class, whatever is there now; None if nowhere."""
    if not tracked_modules:
        return None
    function = type(obj) is types.FunctionType
    home: Any = obj.__globals__.get("__name__") if function else module_name(obj)
    name = obj.__qualname__ if function else qualified_name(obj)
    if not is_tracked(home):
        return None
    module, originals = module_originals[home]
    return (home, name) if originals.get(name) is obj and sys.modules.get(home) is module else None


def runs_out(obj: Any) -> bool:
    """Whether what an object gives is gone afterwards."""
    return any("__next__" in contents_of(base) for base in mro_of(type(obj)))


def originals_of(module: types.ModuleType, facts: SourceFacts) -> dict[str, Any]:
    """What a module holds as its source put it there, and that is no data; name -> object."""
    contents = module_contents(module)
    found: dict[str, Any] = {name: value for name, value in facts.constants.items() if name in contents}
    for name, value in list(contents.items()):
        if _is_put_by_source(module, name, value, facts):
            found[name] = value
    return found


def _is_put_by_source(module: types.ModuleType, name: str, value: Any, facts: SourceFacts) -> bool:
    """Whether it is code, or a part of a library, in the place where the module's source has put it."""
    if is_code_at_home(module, name, value):
        return True
    came_from = facts.imports.get(name)
    if came_from is None:
        return issubclass(type(value), types.ModuleType) and _is_part_of(module, name, value)
    if issubclass(type(value), _BY_NAME):
        return not _is_of_notebook(value)
    return not came_from.startswith(".") and came_from not in tracked_modules and not may_be_tracked(came_from)


def _is_of_notebook(value: Any) -> bool:
    """A function or a class that a cell has made."""
    if type(value) is types.FunctionType:
        return value.__globals__.get("__name__") == "__main__"
    return derives(type(value), type) and module_name(value) == "__main__"


def is_code_at_home(module: types.ModuleType, name: str, value: Any) -> bool:
    """Whether a module defines this function or class under this name."""
    contents = module_contents(module)
    kind = type(value)
    if kind is types.FunctionType:
        inner = value
        while inner.__globals__ is not contents and type(inner.__dict__.get("__wrapped__")) is types.FunctionType:
            inner = inner.__dict__["__wrapped__"]
        # One that a library's decorator has wrapped says that it is of this module, and is not made up elsewhere.
        return inner.__globals__ is contents and inner.__qualname__ == name and value.__module__ == inner.__module__
    if not derives(kind, type) or has_active_metaclass(value):
        return False
    return module_name(value) == contents.get("__name__") and qualified_name(value) == name


def _is_part_of(package: types.ModuleType, name: str, value: types.ModuleType) -> bool:
    return bool(module_contents(value).get("__name__") == f"{module_contents(package).get('__name__')}.{name}")


class OwnModule:
    """One of the user's own modules: what of it is data, by names that begin with its own.

    Args:
        name: under which it is imported.

    Attributes:
        module: the module.
        held: its part of `held_since_import`, while it is taken out of the imported modules.
        facts: what its source says.
    """

    def __init__(self, name: str, module: types.ModuleType) -> None:
        self.name = name
        self.module = module
        self.held: dict[int, tuple[str, str]] = {}
        self.load_noted()

    def load_noted(self) -> None:
        """It was loaded, or loaded anew: what it holds is what its source put there."""
        contents = module_contents(self.module)
        self._spec = contents.get("__spec__")
        self.facts = source_facts(self.module)
        self._originals = originals_of(self.module, self.facts)
        module_originals[self.name] = self.module, self._originals
        self._of_classes = {
            name: _ClassData(name, contents, cls, self.facts.classes.get(name, _NOTHING_SAID)).code()
            for name, cls in list(contents.items())
            if _is_class_of(self.name, name, cls)
        }
        self._seen: tuple[list[Any], list[int]] = ([], [])
        self._own: list[str] = []
        self._classes: list[_ClassData] = []

    @property
    def is_loaded_anew(self) -> bool:
        """It was loaded again since `load_noted`."""
        return module_contents(self.module).get("__spec__") is not self._spec

    @property
    def is_importing(self) -> bool:
        """Its source has not run to the end."""
        return bool(getattr(self._spec, "_initializing", False))

    def data(self) -> dict[str, Any]:
        """All of it that is data; name -> object, or what stands for one that was deleted."""
        contents = module_contents(self.module)
        seen = list(contents), list(map(id, contents.values()))
        if seen != self._seen:
            self._look(contents)
            self._seen = seen
        found = {f"{self.name}.{name}": contents.get(name, ABSENT) for name in self._own}
        for each in self._classes:
            each.add_to(found)
        return found

    def _look(self, contents: Any) -> None:
        self._own = []
        for name, value in list(contents.items()):
            if type(name) is not str or (name.startswith("__") and name.endswith("__")):
                continue
            original = self._originals.get(name, self)
            if original is value or is_same_constant(original, value):
                continue
            is_part = issubclass(type(value), types.ModuleType) and _is_part_of(self.module, name, value)
            if is_part or is_code_at_home(self.module, name, value):  # imported again; edited and loaded again
                self._originals[name] = value
            else:
                self._own.append(name)
        self._own += self._originals.keys() - contents.keys()
        self._classes = [
            _ClassData(f"{self.name}.{name}", contents, cls, self.facts.classes.get(name, _NOTHING_SAID))
            for name, cls in list(contents.items())
            if _is_class_of(self.name, name, cls)
        ]

    def place(self, rest: str) -> tuple[Any, str] | None:
        """What holds the data of a name, less the module's own, and under which attribute; None if nothing does."""
        of, _, attribute = rest.rpartition(".")
        if not of:
            return self.module, attribute
        cls = module_contents(self.module).get(of)
        return (cls, attribute) if _is_class_of(self.name, of, cls) else None

    def original(self, rest: str) -> Any:
        """What the source has put there that is no data; `ABSENT` if nothing."""
        of, _, attribute = rest.rpartition(".")
        if not of:
            return self._originals.get(attribute, ABSENT)
        constant = self.facts.classes.get(of, _NOTHING_SAID).constant(attribute)
        return self._of_classes.get(of, {}).get(attribute, ABSENT) if constant is NO_CONSTANT else constant

    def classes(self) -> Iterable[type]:
        """The classes that it defines."""
        return [cls for name, cls in list(module_contents(self.module).items()) if _is_class_of(self.name, name, cls)]

    def forget_part(self, attribute: str) -> None:
        """A module of this package is taken out of it, or put into it."""
        self._originals.pop(attribute, None)


class _ClassData:
    """The attributes of one class that are data."""

    def __init__(self, name: str, home: Any, cls: type, facts: SourceFacts) -> None:
        self._name, self._home, self._cls, self._facts = name, home, cls, facts
        self._seen: tuple[list[str], list[int]] = ([], [])
        self._own: list[str] = []

    def add_to(self, found: dict[str, Any]) -> None:
        """Adds them by their names."""
        contents = contents_of(self._cls)
        seen = list(contents), list(map(id, contents.values()))
        if seen != self._seen:
            self._own = [each for each, value in list(contents.items()) if self._is_data(each, value)]
            gone = self._facts.constants.keys() - contents.keys()
            self._own += [each for each in gone if not each.startswith("__")]
            self._seen = seen
        for each in self._own:
            found[f"{self._name}.{each}"] = contents.get(each, ABSENT)

    def code(self) -> dict[str, Any]:
        """The attributes that are no data: methods, for the most part."""
        contents = contents_of(self._cls).items()
        return {each: value for each, value in contents if not (is_atom(value) or self._is_data(each, value))}

    def _is_data(self, attribute: Any, value: Any) -> bool:
        if type(attribute) is not str or attribute.startswith(("__", "_abc_")):
            return False
        kind = type(value)
        if is_same_constant(self._facts.constant(attribute), value):
            return False
        if kind is types.FunctionType:  # another module's, which a decorator put there, is code as well
            return bool(value.__globals__.get("__name__") == "__main__")
        if issubclass(kind, _NO_DATA) or derives(kind, type):
            return False
        return not any("__get__" in contents_of(base) for base in mro_of(kind))


def _is_class_of(module: str, name: Any, cls: Any) -> bool:
    """Whether a module defines this class, whose attributes can be set one by one."""
    if not derives(type(cls), type) or module_name(cls) != module or qualified_name(cls) != name:
        return False
    return not has_active_metaclass(cls) and is_genuine(cls) and "_member_map_" not in contents_of(cls)


@dataclass(frozen=True, slots=True)
class ModulesSnapshot:
    """All that own modules held at one moment.

    Attributes:
        modules: name -> the module.
        contents: name of a module -> what it held.
        classes: classes of theirs -> what these held.
        aside: the modules that only other states have.
    """

    modules: Mapping[str, types.ModuleType]
    contents: Mapping[str, Mapping[str, Any]]
    classes: Mapping[type, Mapping[str, Any]]
    aside: Mapping[str, types.ModuleType]


def get_data(holder: Any, attribute: str) -> Any:
    """What a module or a class itself holds; `ABSENT` if nothing."""
    contents = contents_of(holder) if derives(type(holder), type) else module_contents(holder)
    return contents.get(attribute, ABSENT)


def set_data(holder: Any, attribute: str, value: Any) -> None:
    """Binds an attribute of a module or a class, without any code of the module's, or of a metaclass."""
    if derives(type(holder), type):
        if value is not ABSENT:
            type.__setattr__(holder, attribute, value)
        elif attribute in contents_of(holder):
            type.__delattr__(holder, attribute)
        return
    contents: Any = module_contents(holder)
    if value is ABSENT:
        contents.pop(attribute, None)
    else:
        contents[attribute] = value


def set_contents(module: types.ModuleType, wanted: Mapping[str, Any]) -> None:
    """Makes this all that a module holds."""
    held: Any = module_contents(module)
    held.update(wanted)
    for name in [each for each in held if each not in wanted]:
        del held[name]


def set_class_contents(cls: type, wanted: Mapping[str, Any]) -> None:
    """Makes this all that a class holds, but for what Python puts there."""
    held = contents_of(cls)
    for name in [each for each in held if each not in wanted and not begins(each, "__", "_abc_")]:
        set_data(cls, name, ABSENT)
    for name, value in wanted.items():
        if not begins(name, "__", "_abc_") and held.get(name, ABSENT) is not value:
            set_data(cls, name, value)


_NOTHING_SAID = SourceFacts()


def is_same_constant(one: Any, other: Any) -> bool:
    """Whether both are the same number, text or the like."""
    return is_atom(one) and type(other) is type(one) and bool(one is other or repr(one) == repr(other))
