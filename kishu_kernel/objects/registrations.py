"""Providers for what code registers with libraries: what a library's file needs is a table of its registries.

A registration is an entry that leads to something of the notebook's: a function, a class, an instance of such a class.
Where else only imports add entries (`Registry.users_only`), it is one that the library did not come with, and that no
other library brought: one that was imported since the registry was last looked at, and that knows the library. All
other entries are the libraries' doing, and stay: another import would not bring them back.

Entries are kept as references (`live_objects`): an undo takes them out, a redo puts the very same objects back, and a
new kernel has them with what its variables hold.

Law: to read a registry runs no code of the user's. Keys are compared and hashed, so that only names, classes, functions
and tuples of these are keys here.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from operator import is_
from typing import Any

from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.objects.ambient_settings import lacking_references
from kishu_kernel.objects.ambient_state import Provider, all_places
from kishu_kernel.objects.classes import (
    attributes,
    contents_of,
    derives,
    has_active_metaclass,
    is_atom,
    is_users_own,
)
from kishu_kernel.objects.live_objects import is_shared_variable, live_objects
from kishu_kernel.objects.places import Place
from kishu_kernel.process.code_origins import is_users_module

Entries = Mapping[Any, Any]

_DEEPEST = 4
"""Steps from an entry to what is the notebook's."""
_SHARING = "sharing"
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class Registry:
    """Where a library keeps what is registered with it.

    Attributes:
        held: gives what holds the entries: a dictionary, or a list. What it raises says that this version of the
            library has none.
        write: given those entries that are gone or others now (with what stood there before, or nothing), and those
            that are to be there, it makes it so.
        users_only: given a key and an entry, whether somebody else than the library put it there, as other libraries do
            when they are imported; None: libraries add entries at any time.
        package: the one that other libraries must know to add entries.
        entries: gives the entries, of what `held` gives.
        places: as of `Provider`.
    """

    held: Callable[[], Any]
    write: Callable[[Entries, Entries], None]
    users_only: Callable[[Any, Any], bool] | None = None
    package: str = ""
    entries: Callable[[Any], Entries] = dict
    places: Callable[[], Iterable[Any] | None] = lambda: None


class Registrations(Provider):
    """What the notebook has registered with one library.

    Args:
        name: as of `Provider`.
        module: as of `Provider`.
        registries: by the names under which their entries are kept.
    """

    refers = True
    imports = True

    def __init__(self, name: str, module: str, registries: Mapping[str, Registry]) -> None:
        self.name = name
        self.module = module
        self._watched = {title: _Watched(each) for title, each in registries.items()}

    def places(self) -> Iterable[Any] | None:
        """Those of all registries."""
        return all_places(each.places() for each in self._watched.values())

    def read(self) -> Any:
        """By the names of the registries: pairs of references, to the key and to the entry."""
        found = {}
        for title, watched in self._watched.items():
            if own := watched.own():
                found[title] = tuple((referred(key), referred(entry)) for key, entry in own.items())
        return found

    def write(self, value: Any) -> None:
        """What is registered and is not named is taken out."""
        for title, watched in self._watched.items():
            wanted = {}
            for key, entry in value.get(title, ()):
                with suppress(LookupError):  # told before
                    wanted[resolved(key)] = resolved(entry)
            watched.make(wanted)

    def initial(self) -> Any:
        """Nothing is registered."""
        return {}

    def lacking(self, value: Any) -> str | None:
        """Which registries will lack an object, and why."""
        return lacking_by_name(value)


class _Watched:
    """One registry, and what is known of it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.places = registry.places
        self._keys: list[Any] = []
        self._values: list[Any] = []
        self._own: dict[Any, Any] = {}
        self._theirs: dict[Any, Any] = {}
        """What the library has, also under keys of which another entry is own now."""
        self._modules = len(sys.modules)

    def own(self) -> Entries:
        """The entries that are registrations."""
        try:
            held = self._registry.held()
            if not self._is_as_seen(held):
                self._look(held)
        except Exception:  # another version of the library, or one that is not imported
            return {}
        finally:
            self._modules = len(sys.modules)
        return self._own

    def _is_as_seen(self, held: Any) -> bool:
        if len(held) != len(self._values):
            return False
        if type(held) is list:
            return all(map(is_, held, self._values))
        return all(map(is_, held.values(), self._values)) and all(map(is_, held, self._keys))

    def _look(self, held: Any) -> None:
        now = {key: each for key, each in self._registry.entries(held).items() if _can_be_key(key)}
        self._own = {key: each for key, each in now.items() if self._is_own(key, each)}
        self._theirs.update((key, each) for key, each in now.items() if key not in self._own)
        plain = type(held) is list
        self._keys, self._values = ([], list(held)) if plain else (list(held), list(held.values()))

    def make(self, wanted: Entries) -> None:
        """These and no others are to be registered."""
        now = self.own()
        gone = {
            key: self._theirs.get(key, _ABSENT)
            for key, each in now.items()
            if key not in wanted or wanted[key] is not each
        }
        new = {key: each for key, each in wanted.items() if now.get(key, _ABSENT) is not each}
        if gone or new:
            self._registry.write(gone, new)

    def _is_own(self, key: Any, entry: Any) -> bool:
        for known, is_own in ((self._own, True), (self._theirs, False)):
            if known.get(key, _ABSENT) is entry:  # whose it was when it came
                return is_own
        if is_of_the_notebook(key) or is_of_the_notebook(entry):
            return True
        only = self._registry.users_only
        return only is not None and only(key, entry) and not _is_brought(self._registry.package, self._modules)


# -- kinds of registries -------------------------------------------------------------------------------


def mapping(path: str, users_only: Callable[[Any, Any], bool] | None = None) -> Registry:
    """A dictionary. Where a class inherits it from its base, it gets one of its own, as the library does it, too.

    Args:
        path: "module:attribute.attribute".
        users_only: as of `Registry`.
    """
    place = Place(path)

    def held() -> Any:
        owner = place.owner()
        inherited = isinstance(owner, type) and place.name not in contents_of(owner)
        return {} if inherited else getattr(owner, place.name)

    def write(gone: Entries, new: Entries) -> None:
        owner = place.owner(imported=True)
        if isinstance(owner, type) and place.name not in contents_of(owner):
            place.set(dict(place.get()))
        entries = place.get()
        for key, before in gone.items():
            if before is _ABSENT:
                entries.pop(key, None)
            else:
                entries[key] = before
        entries.update(new)

    return Registry(
        held,
        write,
        users_only,
        path.partition(":")[0].partition(".")[0],
        places=functools.partial(place.parts, content=True),
    )


def sequence(path: str) -> Registry:
    """A list. A key is the number of the library's entries that stand before it, and of own ones behind these."""
    place = Place(path)

    def entries(held: list[Any]) -> Entries:
        found: dict[Any, Any] = {}
        theirs = own = 0
        for each in held:
            if is_of_the_notebook(each):
                found[theirs, own] = each
                own += 1
            else:
                theirs, own = theirs + 1, 0
                found[theirs, -1] = each
        return found

    def write(gone: Entries, new: Entries) -> None:
        held = place.get(imported=True)
        kept = {key: each for key, each in entries(held).items() if key not in gone} | dict(new)
        held[:] = [kept[key] for key in sorted(kept)]

    return Registry(place.get, write, entries=entries, places=functools.partial(place.parts, content=True))


def attributes_of(
    path: str, names: Place | Callable[[], Any], unwrap: Callable[[Any], Any], wrap: Callable[..., Any]
) -> Registry:
    """Attributes that a library sets on a class of its own for those who register something.

    Args:
        path: of the class.
        names: where the set of their names stands, or what gives it.
        unwrap: what was registered, given what stands there.
        wrap: what is to stand there, given its name and what was registered.
    """
    place = Place(path)
    all_names: Callable[[], Any] = names.get if isinstance(names, Place) else names

    def held() -> Any:
        contents = contents_of(place.get())
        return {name: contents[name] for name in all_names() if name in contents}

    def write(gone: Entries, new: Entries) -> None:
        owner = place.get(imported=True)
        for name, before in gone.items():
            delattr(owner, name)
            if before is _ABSENT:
                all_names().discard(name)
            else:
                setattr(owner, name, wrap(name, before))
        for name, each in new.items():
            setattr(owner, name, wrap(name, each))
            all_names().add(name)

    def watched() -> Iterable[Any] | None:
        if not isinstance(names, Place):
            return None
        parts = place.parts()
        return [*parts, *names.parts(), (place.get(), *names.get())] if parts else []

    return Registry(
        held,
        write,
        entries=lambda found: {name: unwrap(each) for name, each in found.items()},
        places=watched,
    )


def places(*paths: str) -> Registry:
    """Attributes that functions of the library set for those who register something."""
    by_path = {path: Place(path) for path in paths}

    def held() -> Any:
        found = {}
        for path, place in by_path.items():
            with suppress(LookupError, AttributeError):
                found[path] = place.get()
        return found

    def write(gone: Entries, new: Entries) -> None:
        for path, before in gone.items():
            by_path[path].set(None if before is _ABSENT else before)
        for path, each in new.items():
            by_path[path].set(each)

    def watched() -> list[Any]:
        return [part for place in by_path.values() for part in place.parts()]

    return Registry(held, write, places=watched)


# -- whose it is, and how it is kept -------------------------------------------------------------------


def is_of_the_notebook(obj: Any) -> bool:
    """Whether an entry is, or leads to, something of the notebook's or of its own modules. Runs no code of theirs."""
    todo = [(obj, 0)]
    while todo:
        each, steps = todo.pop()
        kind = type(each)
        if is_users_own(kind) or (issubclass(kind, type) and is_users_own(each)):
            return True
        if kind is types.FunctionType and _is_users_home(each.__globals__.get("__name__")):
            return True
        if steps < _DEEPEST:
            todo.extend((held, steps + 1) for held in _held_by(each, kind) if not is_atom(held))
    return False


def _is_brought(package: str, modules: int) -> bool:
    """Whether one of the libraries that were imported after that many modules knows a package."""
    tops = {name: name.partition(".")[0] for name in list(sys.modules)[modules:]}
    parts = (package, "mpl_toolkits")
    new = [name for name, top in tops.items() if not top.startswith(parts) and not is_users_module(top)]
    return any(_package(each) == package for name in new for each in [*(attributes(sys.modules[name]) or {}).values()])


def _package(obj: Any) -> str:
    """Of a function, or a module itself."""
    is_function = type(obj) in (types.FunctionType, types.BuiltinFunctionType)
    name = obj.__module__ if is_function else obj.__name__ if type(obj) is types.ModuleType else ""
    return str(name).partition(".")[0].lstrip("_")


def _is_users_home(name: Any) -> bool:
    return name == "__main__" or (isinstance(name, str) and is_users_module(name.partition(".")[0]))


def _held_by(obj: Any, kind: type) -> Iterator[Any]:
    if type(kind) is not type:  # to compare it may run code of its metaclass
        if not derives(kind, type):
            yield attributes(obj)
    elif kind in (tuple, list, set, frozenset):
        yield from obj
    elif kind is dict:
        yield from obj.values()
    elif kind is types.MethodType:
        yield from (obj.__func__, obj.__self__)
    elif kind is functools.partial:
        yield from (obj.func, obj.args, obj.keywords)
    elif kind in (staticmethod, classmethod):
        yield obj.__func__
    elif kind is property:
        yield from (obj.fget, obj.fset, obj.fdel)
    elif kind is types.FunctionType:
        for cell in obj.__closure__ or ():
            with suppress(ValueError):  # an empty one
                yield cell.cell_contents
    elif not issubclass(kind, type | types.ModuleType) and not is_atom(obj):
        yield attributes(obj)


def referred(obj: Any) -> Any:
    """A value that can be stored, for an object: `resolved` leads back to it."""
    if is_atom(obj):
        return "value", obj
    if type(obj) is tuple:
        return "tuple", tuple(map(referred, obj))
    reference = live_objects.reference(obj)
    if reference[0] == "held" and (names := _shared_with(obj)):
        return "sharing", names, reference
    return reference


def resolved(reference: Any) -> Any:
    """The object that `referred` was given.

    Raises:
        LookupError: there is none; the message is a clause for a person.
    """
    if reference[0] == "value":
        return reference[1]
    if reference[0] == "tuple":
        return tuple(map(resolved, reference[1]))
    if reference[0] == "sharing":
        return live_objects.resolve(reference[2])
    return live_objects.resolve(reference)


def lacking_by_name(value: Mapping[str, Any]) -> str | None:
    """What of these values cannot be had as it was, by their names, as a clause; None where all can."""
    told: dict[str, list[str]] = {}
    for name, each in value.items():
        if reason := lacking_references(each) or _copied(each):
            told.setdefault(reason, []).append(name)
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in told.items()) or None


def _copied(value: Any) -> str | None:
    """Which variables an object shares something with that is to be made from its stream."""
    if type(value) is not tuple:
        return None
    if len(value) == 3 and value[0] == "sharing":
        _, names, (_, process, number, _) = value
        known = live_objects.known(process, number) is not None
        return None if known else f"what it holds of {', '.join(names)} will be a copy"
    return next((reason for each in value if (reason := _copied(each))), None)


def _shared_with(obj: Any) -> tuple[str, ...]:
    """Variables whose very objects an object holds that no variable names: in a new kernel it has copies of them.

    That is, when it was first referred to.
    """
    notes = live_objects.notes(obj)
    if _SHARING not in notes:
        variables = {
            id(value): name for name, value in list(live_objects.variables().items()) if is_shared_variable(name, value)
        }
        found: set[str] = set()
        todo, seen = [(each, 1) for each in _held_by(obj, type(obj))], {id(obj)}
        while todo:
            each, steps = todo.pop()
            if id(each) in seen:
                continue
            seen.add(id(each))
            if id(each) in variables:
                found.add(variables[id(each)])
            elif steps < _DEEPEST:
                todo.extend((held, steps + 1) for held in _held_by(each, type(each)))
        notes[_SHARING] = tuple(sorted(found))
    shared: tuple[str, ...] = notes[_SHARING]
    return shared


def _can_be_key(key: Any) -> bool:
    kind = type(key)
    if kind is tuple:
        return all(map(_can_be_key, key))
    if issubclass(kind, type):
        return not has_active_metaclass(key)
    return is_atom(key) or kind is types.FunctionType or kind is types.BuiltinFunctionType
