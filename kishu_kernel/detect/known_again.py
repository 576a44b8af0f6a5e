"""What was walked and has not changed since is known again by a look, and not walked.

A walk takes objects apart, which takes microseconds each; a look compares what they show (`native/shown.c`): what a
list holds, the version of a class, code and defaults of a function. Where all that is reachable from a variable shows
what it showed right before and right after it was walked, the fingerprint is what it was.

Law: what cannot be read wholly without running code is walked; so is what a library has a say in, what others may hold
the attributes of, and all where nothing is known of versions. Nothing but atoms and code is kept: of classes, functions
and code there are weak references. The audit walks all the same.
Neighbours: `fingerprint` asks; `detector` has one for the session.
"""

from __future__ import annotations

import abc
import enum
import sys
import types
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from kishu_kernel.detect.walk.result import Fingerprint, TokenOf
from kishu_kernel.model import Digest
from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.objects.classes import (
    PICKLING_WAYS,
    contents_of,
    derives,
    has_quiet_metaclass,
    is_genuine,
    is_notebooks,
    is_one_of,
    is_users_own,
    made_in_c_of,
    module_contents,
    module_name,
)
from kishu_kernel.objects.lasting_answers import state_of_ways
from kishu_kernel.objects.library_globals import Version, version_of_class_globals
from kishu_kernel.objects.moment import Unchanged, is_registered
from kishu_kernel.objects.questions import (
    class_reduction_of,
    library_reduction_of_users_class,
    reduction_of,
    refusal_of,
    version_of_globals,
)
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.process.native import dict_version, shape_of

_OFTEN = 32
"""After so many judgements what was not met in the last ones is forgotten, and what was in vain is tried again."""

_TRIES = 3
"""The first one fails with a class that was just made: it has its version when somebody has asked it for something."""


@dataclass(slots=True)
class _Known:
    """What a walk found.

    Attributes:
        references: what stands for classes and functions in it that go by their names; None: for a method of a class.
        tokens: those of the notebook's classes in it; None: one is walked, and is bound to no variable.
        libraries: classes of libraries that it has instances of, and the version of what these and their modules hold.
        modules: imported ones, and their names.
        made: classes of libraries that were made at run time: they go by what stands in them.
        places: functions that go by their parts, and another version whenever they may not (`_version_of_place`).
        judgement: the last one that it was met in.
    """

    shape: Any
    found: Fingerprint
    codes: list[weakref.ref[Any]]
    kinds: list[weakref.ref[type]]
    references: list[tuple[weakref.ref[Any], bytes | None]]
    tokens: list[tuple[weakref.ref[type], bytes | None]]
    libraries: list[tuple[weakref.ref[type], Version]]
    modules: list[tuple[weakref.ref[types.ModuleType], str]]
    made: list[weakref.ref[type]]
    places: list[tuple[weakref.ref[Any], tuple[int, ...]]]
    judgement: int


class KnownAgain:
    """What earlier judgements have walked.

    Args:
        table: how objects come apart.
    """

    def __init__(self, table: ReductionTable) -> None:
        self._table = table
        self._known: dict[int, _Known] = {}
        self._modules: dict[str, Fingerprint] = {}
        """Of imported modules, which go by their names."""
        self._named: dict[int, tuple[weakref.ref[Any], bytes, Fingerprint]] = {}
        """Of classes and functions of libraries that do so, too, by their ids, and what stands for them."""
        self._shown = Unchanged()
        self._judgement = 0
        self._state: object = None
        self._in_vain = Counter[int]()
        """By ids how often something could not be known again, or was another one: that is not looked at each time."""
        self._changed: dict[int, Digest] = {}
        """By ids what was found of what was another one: when that stays what it is, it is looked at again."""

    def begin(self) -> None:
        """A judgement begins."""
        self._judgement += 1
        moment = self._table.moment
        state = state_of_ways(self._table) if moment is None else moment.state
        if state != self._state:
            self._known.clear()
            self._modules.clear()
            self._named.clear()
            self._shown.clear()
            self._in_vain.clear()
            self._changed.clear()
            self._state = state
        if self._judgement % _OFTEN == 0:
            self._in_vain.clear()
            self._changed.clear()
            self._named.clear()
            last = self._judgement - _OFTEN
            self._known = {key: each for key, each in self._known.items() if each.judgement > last}

    def find(self, obj: Any, bound: TokenOf) -> Fingerprint | None:
        """The fingerprint of what has not changed since it was walked; None where that is to be walked."""
        if type(obj) is types.ModuleType:
            return self._modules.get(_imported_as(obj))
        if (by_name := self._named.get(id(obj))) is not None:
            if by_name[0]() is obj and self._table.lasting_references.get(obj) == by_name[1]:
                return by_name[2]
            del self._named[id(obj)]
        known = self._known.get(id(obj))
        if known is None:
            return None
        if not known.shape.holds(obj):
            del self._known[id(obj)]
            self._in_vain[id(obj)] += 1  # what each cell changes is walked each time: to look at it, too, is in vain
            self._changed[id(obj)] = known.found.digest
            return None
        lasting = self._table.lasting_references.get
        for cls, token in known.tokens:
            if (each := cls()) is None or bound(each) != token:
                return None
        for named, reference in known.references:
            each = named()
            if each is None or lasting(each) != reference or (reference is None and not _is_in_class(each)):
                return None
        for cls, version in known.libraries:
            if (each := cls()) is None or version_of_class_globals(each) != version:
                return None
        for module, name in known.modules:
            if (held := module()) is None or _imported_as(held) != name:
                return None
        for cls in known.made:
            if (each := cls()) is None or is_genuine(each):
                return None
        for function, place in known.places:
            if (each := function()) is None or _version_of_place(each) != place:
                return None
        codes, kinds = _all(known.codes), _all(known.kinds)
        if codes is None or kinds is None:
            return None
        known.judgement = self._judgement
        self._in_vain.pop(id(obj), None)
        found = known.found
        return Fingerprint(
            found.digest, found.links, codes=codes, dynamic=found.dynamic, classes=found.classes, kinds=kinds
        )

    def walked(self, obj: Any, walk: Callable[[Any], tuple[Fingerprint, bool]], bound: TokenOf) -> Fingerprint:
        """The fingerprint that a walk finds, to be known again.

        Args:
            walk: tells it, and whether a reduction hid something, or told nothing but where an object is.
        """
        if type(obj) is types.ModuleType:
            found, _ = walk(obj)
            name = _imported_as(obj)
            if name and self._state is not None and not found.dynamic and _is_all_told(found):
                self._modules[name] = found
            return found
        if self._state is not None and (reference := self._table.lasting_references.get(obj)):
            found, _ = walk(obj)
            if _is_all_told(found) and not (len(found.links) or found.codes or found.classes or found.dynamic):
                self._named[id(obj)] = weakref.ref(obj), reference, found
            return found
        may_be = self._state is not None and self._in_vain.get(id(obj), 0) < _TRIES
        is_told = may_be and (not derives(type(obj), type) or _shows_itself(obj))
        shape = shape_of(obj, lambda cls: bound(cls) is None) if is_told else None
        found, hid = walk(obj)
        known = None if shape is None or hid or not _is_all_told(found) else self._noted(obj, shape, found, bound)
        if known is not None:
            self._known[id(obj)] = known
        elif not may_be and self._changed.get(id(obj)) == found.digest:
            self._in_vain[id(obj)] = _TRIES - 1
        else:
            self._in_vain[id(obj)] += 1
            if id(obj) in self._changed:
                self._changed[id(obj)] = found.digest
        return found

    def _noted(self, obj: Any, shape: Any, found: Fingerprint, bound: TokenOf) -> _Known | None:
        sealed = shape.seal(obj, found.links, self._table.namespace)
        if sealed is None:  # something has run meanwhile
            return None
        links, (classes, kinds, functions, made_in_c, modules) = sealed
        tokens = list[tuple[weakref.ref[type], bytes | None]]()
        references = list[tuple[weakref.ref[Any], bytes | None]]()
        libraries = list[tuple[weakref.ref[type], Version]]()
        made = list[weakref.ref[type]]()
        places = list[tuple[weakref.ref[Any], tuple[int, ...]]]()
        for kind in (*kinds, *made_in_c):
            version = version_of_globals(kind)
            if version is None or not (is_one_of(kind, made_in_c) or self._is_shown(kind)):
                return None
            if version:
                libraries.append((weakref.ref(kind), version))
        for cls in classes:
            if _is_typings(cls):  # `typing.Any` has a metaclass of that module's
                libraries.append((weakref.ref(cls), version_of_class_globals(cls) or ()))
                continue
            if not has_quiet_metaclass(cls):
                return None
            if is_notebooks(cls):
                token = bound(cls)
                if token is None and not _shows_itself(cls):
                    return None
                tokens.append((weakref.ref(cls), token))
            elif class_reduction_of(cls) is not None:
                return None
            elif not is_genuine(cls):
                if not _shows_itself(cls):
                    return None
                made.append(weakref.ref(cls))
            elif reference := self._table.lasting_references.get(cls):  # else the walk did not come to it
                references.append((weakref.ref(cls), reference))
        for function in functions:
            reference = self._table.lasting_references.get(function)
            if reference or _is_in_class(function):
                references.append((weakref.ref(function), reference))
            elif not (_goes_by_parts(function) or _is_under_its_name(function)):
                if (version := _version_of_place(function)) is None:
                    return None
                places.append((weakref.ref(function), version))
        imported = [(weakref.ref(each), _imported_as(each)) for each in modules]
        if any(name in ("", "__main__") for _, name in imported):
            return None
        told = Fingerprint(found.digest, links, dynamic=found.dynamic, classes=found.classes)
        codes, met = _weakly(found.codes), _weakly(found.kinds)
        return _Known(shape, told, codes, met, references, tokens, libraries, imported, made, places, self._judgement)

    def _is_shown(self, kind: type) -> bool:
        """Whether instances go by what stands in them."""
        shown: bool | None = self._shown.get(kind)
        if shown is None:
            shown = has_quiet_metaclass(kind) and self._goes_by_what_is_shown(kind)
            self._shown.put(kind, shown)
        return shown

    def _goes_by_what_is_shown(self, kind: type) -> bool:
        if _is_typings(kind):
            return reduction_of(kind) is None and not is_registered(kind)
        from kishu_kernel.objects.notebook_classes import notebook_reduction_of
        from kishu_kernel.objects.reducers import Reducer, entry_of

        if entry_of(self._table, kind) in (None, Reducer._held):
            return all(_is_pythons(kind, way) for way in PICKLING_WAYS)
        said = refusal_of(kind) or library_reduction_of_users_class(kind) or reduction_of(kind)
        return said is None and is_users_own(kind) and notebook_reduction_of(kind, self._table.namespace) is not None


def _is_pythons(kind: type, way: str) -> bool:
    """What a pickler asks of instances is that of the class made in C that they are laid out by, or of enums.

    Or of named tuples, which tell their items: those that they show, if nobody has them tell others.
    """
    from kishu_kernel.objects.notebook_classes import is_of_namedtuple

    base, found = made_in_c_of(kind), getattr(kind, way, None)
    if found is getattr(base, way, None) or (derives(kind, enum.Enum) and found is getattr(enum.Enum, way, None)):
        return True
    return derives(kind, tuple) and is_of_namedtuple(way, found) and getattr(kind, "__iter__", None) is tuple.__iter__


def _shows_itself(cls: type) -> bool:
    """Whether a class that is walked is what stands in it: nothing of its metaclass, and nothing registered with it."""
    if not has_quiet_metaclass(cls):
        return False
    return not derives(type(cls), abc.ABCMeta) or not abc._get_dump(cls)[0]  # type: ignore[attr-defined]


def _is_all_told(found: Fingerprint) -> bool:
    """Whether nothing was met but what shows itself wholly."""
    beside = found.labels or found.ranges or found.opaque or found.sequences or found.hubs or found.hidden
    return not (beside or found.widget_setup or found.modules)


def _is_typings(kind: type) -> bool:
    """A class of `typing`: how its aliases come apart goes by what stands in them, and by that module."""
    return module_name(kind) == "typing" and is_genuine(kind)


def _imported_as(module: types.ModuleType) -> str:
    """The name under which it is imported; empty where it is none that is."""
    name = module_contents(module).get("__name__")
    return name if type(name) is str and sys.modules.get(name) is module else ""


def _is_in_class(function: Any) -> bool:
    """Whether it goes by the name of a library's class, which has it."""
    cls, _, name = function.__qualname__.partition(".")
    owner = module_contents(sys.modules.get(function.__module__)).get(cls)
    if owner is None or not derives(type(owner), type) or is_notebooks(owner):
        return False
    held: Any = contents_of(owner).get(name)
    return function is (held.__func__ if type(held) in (staticmethod, classmethod) else held)


def _goes_by_parts(function: Any) -> bool:
    """Whether a function with other globals than the notebook's was made inside a module's code."""
    from kishu_kernel.objects.code_reductions import is_module_dict

    module = function.__globals__.get("__name__")
    inside = "<locals>" in function.__qualname__ or function.__module__ == "__main__"
    return inside and is_module_dict(module, function.__globals__)


def _is_under_its_name(function: Any) -> bool:
    """Its module has it: had the walk come to it, it would be known by that."""
    return module_contents(sys.modules.get(function.__module__)).get(function.__qualname__) is function


def _version_of_place(function: Any) -> tuple[int, ...] | None:
    """Of a method that `collections.namedtuple`, or the like, has made for a class: it goes by its parts.

    Another one whenever its globals have changed, among which its module may have got something of its name. None: that
    is not known, or it may go by a name.
    """
    from kishu_kernel.objects.notebook_classes import is_of_namedtuple

    names: dict[str, Any] = function.__globals__
    module = sys.modules.get(function.__module__)
    if is_of_namedtuple("__new__", function) and names.keys() == _OF_NAMEDTUPLE:
        return (dict_version(names),) if module is None and dict_version(names) else None
    if module_contents(module) is not names or function.__qualname__.partition(".")[0] in names:
        return None
    return (dict_version(names), id(module)) if dict_version(names) else None


_OF_NAMEDTUPLE = {"_tuple_new", "__builtins__", "__name__"}
"""What `__new__` of a named tuple finds among its globals, which are its own: it refers to the first of them."""


def _weakly(objects: Iterable[Any]) -> list[weakref.ref[Any]]:
    return [weakref.ref(each) for each in objects]


def _all(references: Iterable[weakref.ref[Any]]) -> frozenset[Any] | None:
    found = frozenset(each() for each in references)
    return None if None in found else found
