"""What one of the user's own modules holds that is data, where that lies, and how it is set.

Neighbours: `own_modules` says which modules are the user's, and what of them is code; `function_data` is of what their
functions hold; `session.module_data` goes over all modules of the session.
"""

from __future__ import annotations

import functools
import sys
import types
from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from enum import EnumMeta
from typing import Any

from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.objects.classes import (
    begins,
    contents_of,
    derives,
    is_atom,
    is_users_own,
    module_contents,
    module_name,
    mro_of,
    qualified_name,
)
from kishu_kernel.objects.function_data import FunctionData, Holder, get_held, is_plain, set_held
from kishu_kernel.objects.module_originals import ABSENT, held_within, module_originals
from kishu_kernel.objects.module_sources import NO_CONSTANT, SourceFacts, source_facts
from kishu_kernel.objects.own_modules import (
    classes_within,
    held_since_import,
    is_code_at_home,
    is_of_notebook,
    is_part_of,
    is_same_constant,
    is_tracked,
    originals_of,
)

_CODE = (classmethod, staticmethod, property, functools.cached_property, functools.singledispatchmethod)
_MADE_BY_PYTHON = (
    *(types.MemberDescriptorType, types.GetSetDescriptorType, types.BuiltinFunctionType, types.WrapperDescriptorType),
)

_NOTHING_SAID = SourceFacts()


class OwnModule:
    """One of the user's own modules: what of it is data, by names that begin with its own.

    Args:
        name: under which it is imported.

    Attributes:
        module: the module.
        held: its part of `held_since_import`, while it is taken out of the imported modules.
        facts: what its source says.
        functions: what its functions hold.
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
        self._by_path = dict(classes_within(self.name, contents))
        self._of_classes = {
            path: _ClassData(self.name, path, cls, self._said_of(path)).code() for path, cls in self._by_path.items()
        }
        within = {f"{path}.{name}": each for path, code in self._of_classes.items() for name, each in code.items()}
        module_originals[self.name] = self.module, ChainMap(self._originals, within)
        held_within[self.name] = self.get
        self.functions = FunctionData(self.module, self._by_path)
        self._seen: tuple[list[Any], list[int]] = ([], [])
        self._own: list[str] = []
        self._classes: list[_ClassData] = []

    def _said_of(self, path: str) -> SourceFacts:
        """What the source says of a class."""
        found = self.facts
        for name in path.split("."):
            found = found.classes.get(name, _NOTHING_SAID)
        return found

    def note_held(self) -> None:
        """Notes what it holds, which was just loaded."""
        held = {name: value for name, value in list(module_contents(self.module).items()) if type(name) is str}
        within = {name[len(self.name) + 1 :]: value for name, value in self.data().items()}
        for name, value in {**within, **held}.items():
            if not is_atom(value):
                held_since_import.setdefault(id(value), (self.name, name))

    def get(self, rest: str) -> Any:
        """What is held under a name, less the module's own; `ABSENT` if nothing."""
        place = self.place(rest)
        return ABSENT if place is None else get_data(*place)

    def set(self, rest: str, value: Any) -> bool:
        """Binds such a name, if something holds it: whether something does."""
        place = self.place(rest)
        if place is not None:
            set_data(*place, value)
        return place is not None

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
        found.update((f"{self.name}.{path}", value) for path, value in self.functions.data().items())
        return found

    def _look(self, contents: Any) -> None:
        self._own, edited = [], False
        for name, value in list(contents.items()):
            if type(name) is not str or (name.startswith("__") and name.endswith("__")):
                continue
            original = self._originals.get(name, self)
            if original is value or is_same_constant(original, value):
                continue
            is_part = issubclass(type(value), types.ModuleType) and is_part_of(self.module, name, value)
            if is_part or is_code_at_home(self.module, name, value):  # imported again; edited and loaded again
                self._originals[name] = value
                edited = True
            else:
                self._own.append(name)
        self._own += self._originals.keys() - contents.keys()
        if edited:
            self._by_path.update(classes_within(self.name, contents))
            self.functions = FunctionData(self.module, self._by_path)
        self._classes = [
            _ClassData(self.name, path, cls, self._said_of(path), self._of_classes.setdefault(path, {}))
            for path, cls in self._by_path.items()
        ]

    def place(self, rest: str) -> tuple[Any, str] | None:
        """What holds the data of a name, less the module's own, and under which attribute; None if nothing does."""
        if self.functions.holds(rest):
            return self.functions.place(rest)
        of, _, attribute = rest.rpartition(".")
        if not of:
            return self.module, attribute
        cls = self._by_path.get(of)
        return None if cls is None else (cls, attribute)

    def original(self, rest: str) -> Any:
        """What the source has put there that is no data; `ABSENT` if nothing."""
        if self.functions.holds(rest):
            return self.functions.original(rest)
        of, _, attribute = rest.rpartition(".")
        if not of:
            return self._originals.get(attribute, ABSENT)
        constant = self._said_of(of).constant(attribute)
        return self._of_classes.get(of, {}).get(attribute, ABSENT) if constant is NO_CONSTANT else constant

    def classes(self) -> Iterable[type]:
        """The classes that it defines, wherever a cell has put them."""
        return self._by_path.values()

    def forget_part(self, attribute: str) -> None:
        """A module of this package is taken out of it, or put into it."""
        self._originals.pop(attribute, None)


class _ClassData:
    """The attributes of one class that are data.

    Args:
        code: those that were none when the module was loaded; None: it is being loaded.
    """

    def __init__(
        self, module: str, path: str, cls: type, facts: SourceFacts, code: dict[str, Any] | None = None
    ) -> None:
        self._name, self._cls, self._facts, self._code = f"{module}.{path}", cls, facts, code
        self._seen: tuple[list[str], list[int]] = ([], [])
        self._own: list[str] = []

    def add_to(self, found: dict[str, Any]) -> None:
        """Adds them by their names."""
        contents = contents_of(self._cls)
        seen = list(contents), list(map(id, contents.values()))
        if seen != self._seen:
            self._own = [each for each, value in list(contents.items()) if self._is_data(each, value)]
            gone = {*self._facts.constants, *(self._code or ())} - contents.keys()
            self._own += [each for each in gone if not begins(each, "__", "_abc_")]
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
        if derives(type(self._cls), EnumMeta) and (
            kind is self._cls or (attribute.startswith("_") and attribute.endswith("_"))
        ):
            return False  # a member, or what it knows of them
        loaded = self._code is not None
        if self._code is not None:
            if self._code.get(attribute, ABSENT) is value:
                return False
            if self._is_at_home(attribute, value):  # what reloads modules has put it there
                self._code[attribute] = value
                return False
            if attribute in self._code:
                return True
        if is_same_constant(self._facts.constant(attribute), value):
            return False
        if kind is types.FunctionType:  # another module's, which a decorator put there, is code as well
            return is_of_notebook(value) or (loaded and is_tracked(value.__globals__.get("__name__")))
        if issubclass(kind, _CODE) or derives(kind, type):
            return loaded
        if kind is functools.partialmethod:
            return loaded or not all(map(is_plain, (*value.args, *value.keywords.values())))
        if issubclass(kind, _MADE_BY_PYTHON):
            return False
        return is_users_own(kind) or not any("__get__" in contents_of(base) for base in mro_of(kind))

    def _is_at_home(self, attribute: str, value: Any) -> bool:
        """Whether it says of itself that the source has put it there."""
        kind = type(value)
        if kind is staticmethod or kind is classmethod:
            value = value.__func__
        elif kind is property:
            value = value.fget
        if derives(type(value), type):
            module, name = module_name(value), qualified_name(value)
        elif type(value) is types.FunctionType:
            module, name = value.__module__, value.__qualname__
        else:
            return False
        home = module_name(self._cls)
        if module != home or get_data(sys.modules.get(home), attribute) is value:
            return False
        return name in (f"{qualified_name(self._cls)}.{attribute}", attribute)  # IPython's calls a new one so


@dataclass(frozen=True, slots=True)
class ModulesSnapshot:
    """All that own modules held at one moment.

    Attributes:
        modules: name -> the module.
        contents: name of a module -> what it held.
        classes: classes of theirs -> what these held.
        functions: what their functions were found to hold.
        aside: the modules that only other states have.
    """

    modules: Mapping[str, types.ModuleType]
    contents: Mapping[str, Mapping[str, Any]]
    classes: Mapping[type, Mapping[str, Any]]
    functions: Sequence[tuple[FunctionData, Mapping[str, Any]]]
    aside: Mapping[str, types.ModuleType]

    @classmethod
    def of(cls, own: Mapping[str, OwnModule], aside: Mapping[str, types.ModuleType]) -> ModulesSnapshot:
        """What these modules hold now."""
        return cls(
            {name: each.module for name, each in own.items()},
            {name: dict(module_contents(each.module)) for name, each in own.items()},
            {kind: dict(contents_of(kind)) for each in own.values() for kind in each.classes()},
            [(each.functions, each.functions.held()) for each in own.values()],
            dict(aside),
        )

    def put_back(self) -> None:
        """They hold it again."""
        for name, module in self.modules.items():
            set_contents(module, self.contents[name])
        for kind, contents in self.classes.items():
            set_class_contents(kind, contents)
        for functions, held in self.functions:
            functions.set_held(held)


def get_data(holder: Any, attribute: str) -> Any:
    """What a module, a class or a function itself holds; `ABSENT` if nothing."""
    if isinstance(holder, Holder):
        return get_held(holder, attribute)
    contents = contents_of(holder) if derives(type(holder), type) else module_contents(holder)
    return contents.get(attribute, ABSENT)


def set_data(holder: Any, attribute: str, value: Any) -> None:
    """Binds what a module, a class or a function holds, without any code of the module's, or of a metaclass."""
    if isinstance(holder, Holder):
        set_held(holder, attribute, value)
        return
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
