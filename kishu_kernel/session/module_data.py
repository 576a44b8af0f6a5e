"""The data of the user's own modules, under names of their own beside those of the variables.

    helper.cfg           what the module "helper" holds as "cfg"
    helper.Config.debug  what its class "Config" holds as "debug"
    helper.add(acc)      what its function "add" holds as the default of "acc"
    module helper        which modules of the package "helper" are imported; a module by itself is a package of one

So whatever is done with variables (detection, checkout, re-runs) is done with these. The module object stays; only what
it holds is rebound. A module that a state does not know is taken out of `sys.modules`, so that the next import runs it
anew, and is kept aside in case another state has it.

Law: a session that imports none of its own modules does nothing here.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kishu_kernel.model import Delta, module_marker, package_of_marker
from kishu_kernel.model.dataclass import replace
from kishu_kernel.objects.classes import module_contents
from kishu_kernel.objects.library_globals import ModuleAttribute
from kishu_kernel.objects.module_originals import ABSENT
from kishu_kernel.objects.own_modules import (
    forget_held,
    has_compiled_parts,
    held_since_import,
    is_compiled,
    may_be_tracked,
    place_since_import,
    tracked_modules,
)
from kishu_kernel.objects.registry import registry

if TYPE_CHECKING:  # imported with the first of the user's own modules
    from kishu_kernel.objects.own_module_data import ModulesSnapshot, OwnModule

Modules = tuple[types.ModuleType, ...]


class ModuleData:
    """Knows the user's own modules that were imported since the session began.

    Args:
        before: names of modules that are left alone.
    """

    def __init__(self, before: Iterable[str] = ()) -> None:
        self._others = set(before)
        """Names of imported modules that are not the user's own."""
        self._seen: tuple[int, Any] = _NOT_SEEN
        self._own: dict[str, OwnModule] = {}
        self._former: dict[str, OwnModule] = {}
        """Those that were taken out: when they are back, it is known what their source put there."""
        self._whole: dict[str, bool] = {}
        """Package -> whether nothing of it is a library, or was there before."""
        self._markers: dict[str, Modules] = {}
        self._aside: dict[str, types.ModuleType] = {}
        """Modules that only other states have."""
        self._returned: set[str] = set()
        """Names of those that were aside, and hold what some other state has."""
        self._before: Set[str] | None = None
        """Names of those that there were before a state was obtained. Others hold what their source makes of them."""
        self._names: dict[str, tuple[str, ...]] = {}
        """Module -> names of its data."""
        self._reached: dict[frozenset[str], frozenset[str]] = {}
        """Modules -> names of all that their code may touch."""
        self.loaded_anew = False
        """One was, since somebody took note: what was bound before may be in it no more under its name."""
        self._caches: list[Any] = []
        """Functions with caches that were bound."""

    @property
    def any(self) -> bool:
        """There are own modules, or there were."""
        return bool(self._own or self._aside)

    # -- what there is ---------------------------------------------------------------------------

    def look(self) -> None:
        """Notes modules that were imported, loaded anew, or are gone. Nothing to do: a microsecond, or one a module."""
        changed = [
            name for name, own in self._own.items() if sys.modules.get(name) is not own.module or own.is_loaded_anew
        ]
        if self._seen == _imported_now() and not changed:
            return
        for name in changed:
            self.loaded_anew = self.loaded_anew or name in sys.modules
            if sys.modules.get(name) is self._own[name].module:
                forget_held(name)
                self._own[name].load_noted()
                self._own[name].note_held()
            else:
                own = self._former[name] = self._own.pop(name)
                own.held = forget_held(name)
                if name not in sys.modules:
                    self._aside[name] = own.module
        self._seen = _imported_now()
        for name in [each for each in list(sys.modules) if each not in self._others and each not in self._own]:
            self._look_at(name)
        tracked_modules.clear()
        tracked_modules.update(self._own)
        self._mark()

    def _look_at(self, name: str) -> None:
        module = sys.modules.get(name)
        if type(name) is not str or module is None or not may_be_tracked(name) or not self._is_whole(name):
            self._others.add(name)
            if type(name) is str and self._whole.get(name.partition(".")[0]) and is_compiled(name):
                self._leave(name.partition(".")[0])
            return
        if module_contents(module).get("__spec__") is None:  # made by a cell, and of no file
            self._others.add(name)
            return
        from kishu_kernel.objects.own_module_data import OwnModule

        former = self._former.get(name)
        own = former if former is not None and former.module is module else OwnModule(name, module)
        if own.is_importing:
            self._seen = _NOT_SEEN
            return
        self._own[name] = own
        if own is not former:
            own.note_held()
        else:
            held_since_import.update(own.held)

    def _is_whole(self, name: str) -> bool:
        """Nothing of its package is a library, or was there before."""
        package = name.partition(".")[0]
        known = self._whole.get(package)
        if known is None:
            library = registry.has_file_of_ours(package) or has_compiled_parts(package)
            known = self._whole[package] = not (library or package in self._others)
        return known

    def _leave(self, package: str) -> None:
        """It has got a compiled part: the whole is a library from now on."""
        self._whole[package] = False
        for name in [each for each in self._own if each.partition(".")[0] == package]:
            del self._own[name]
            forget_held(name)
            self._others.add(name)

    def _mark(self) -> None:
        """Notes which modules of each package there are. The same object as long as they are the same."""
        now: dict[str, list[types.ModuleType]] = {}
        for name in sorted(self._own):
            now.setdefault(name.partition(".")[0], []).append(self._own[name].module)
        for package in self._markers.keys() - now.keys():
            del self._markers[package]
        for package, modules in now.items():
            known = self._markers.get(package, ())
            if len(known) != len(modules) or any(one is not other for one, other in zip(known, modules, strict=True)):
                self._markers[package] = tuple(modules)
        self._reached.clear()

    def data(self) -> dict[str, Any]:
        """All that is data, by its names; and the modules, under markers."""
        self.look()
        found: dict[str, Any] = {}
        for package, modules in self._markers.items():
            found[module_marker(package)] = modules
        names = {}
        for name, own in self._own.items():
            data = own.data()
            names[name] = tuple(data)
            found.update(data)
        if names != self._names:
            self._names = names
            self._reached.clear()
        return found

    def holds(self, name: str) -> bool:
        """Whether it is such a name, and not a variable's."""
        return self.any and self._package_of(name, self._packages()) is not None

    def _packages(self, names: Iterable[str] = ()) -> Set[str]:
        """Packages of own modules: those that there are, and those of which these names tell."""
        told = (package_of_marker(name) for name in names)
        return {*self._markers, *(each.partition(".")[0] for each in self._aside), *filter(None, told)}

    @staticmethod
    def _package_of(name: str, packages: Set[str]) -> str | None:
        package = package_of_marker(name) or name.partition(".")[0]
        return package if package in packages and not name.isidentifier() else None

    # -- what code may touch ---------------------------------------------------------------------

    def reached(self, modules: Iterable[str]) -> frozenset[str]:
        """Names of all that the code of these modules may touch, and of the modules that it may import."""
        start = frozenset(modules)
        known = self._reached.get(start)
        if known is None:
            found = {name: self._own[name] for name in self._reached_from(start)}
            markers = {module_marker(name.partition(".")[0]) for name in found}
            known = self._reached[start] = frozenset(markers.union(*(self._names.get(name, ()) for name in found)))
        return known

    def spelled(self, words: Set[str]) -> frozenset[str]:
        """Names of all that code may touch that has these words for modules."""
        packages = {word.partition(".")[0] for word in words} & self._markers.keys()
        return self.reached(name for name in self._own if name.partition(".")[0] in packages)

    def _reached_from(self, start: Iterable[str]) -> set[str]:
        """Own modules that the code of these may reach, themselves included: it spells the names of modules.

        A module is spelled by its whole name, or by the last part of it: from its package.
        """
        spelled: dict[str, set[str]] = {}
        for name in self._own:
            for word in (name, name.rpartition(".")[2]):
                spelled.setdefault(word, set()).add(name)
        found: set[str] = set()
        todo = [name for name in start if name in self._own]
        while todo:
            name = todo.pop()
            if name in found:
                continue
            found.add(name)
            todo.extend(each for each in self._own if each.startswith(f"{name}."))
            for word in self._own[name].facts.words & spelled.keys():
                todo.extend(spelled[word])
        return found

    # -- what is told, and stored ----------------------------------------------------------------

    def told(self, delta: Delta, variables: Mapping[str, Any]) -> Delta:
        """The delta as a person is told of it: what comes and goes with its module is not mentioned apart."""
        names = {name for name in (*delta.created, *delta.modified, *delta.deleted) if not name.isidentifier()}
        packages = self._packages(names) if names else set()
        theirs = {name for name in names if self._package_of(name, packages) is not None}
        if not theirs:
            return delta
        came = {package_of_marker(name) for name in theirs.intersection((*delta.created, *delta.deleted))}
        changed = {name for name in theirs if package_of_marker(name) is None and name.partition(".")[0] not in came}
        deleted = {name for name in changed if self._is_deleted(name, name in delta.deleted, variables)}
        created = {name for name in changed.intersection(delta.created) - deleted if not self._is_of_source(name)}
        return replace(
            delta,
            created=tuple(sorted({*delta.created} - theirs | created)),
            modified=tuple(sorted({*delta.modified} - theirs | (changed - deleted - created))),
            deleted=tuple(sorted({*delta.deleted} - theirs | deleted)),
        )

    def _is_deleted(self, name: str, is_gone: bool, variables: Mapping[str, Any]) -> bool:
        return variables.get(name) is ABSENT or (is_gone and not self._is_of_source(name))

    def _is_of_source(self, name: str) -> bool:
        own = self._module_of(name)
        return own is not None and own.original(name[len(own.name) + 1 :]) is not ABSENT

    def by_reference(self, names: Iterable[str], variables: Mapping[str, Any]) -> dict[str, Any] | None:
        """What stands for these variables where their objects came with a module, and are those that it still holds.

        An import gives them again: connections, clients, what else nobody can store. None where one is something else.
        """
        homes: dict[int, Any] = {}
        for name in names:
            own = self._module_of(name) if not name.isidentifier() else None
            attribute = name[len(own.name) + 1 :] if own else ""
            if own is not None and place_since_import(variables[name]) == (own.name, attribute):
                homes[id(variables[name])] = ModuleAttribute(own.name, attribute)
        found = {name: homes.get(id(variables[name])) for name in names}
        return found if homes and None not in found.values() else None

    def comes_with_import(self, names: Iterable[str], variables: Mapping[str, Any]) -> bool:
        """Whether all of these variables can be had by reference."""
        return bool(self._own) and self.by_reference(names, variables) is not None

    def held(self, objects: Mapping[str, Any]) -> bool:
        """Whether an object under one of these names is what a module holds there now."""
        found = ((self._module_of(name), name, obj) for name, obj in objects.items() if not name.isidentifier())
        return any(own is not None and own.get(name[len(own.name) + 1 :]) is obj for own, name, obj in found)

    def _module_of(self, name: str) -> OwnModule | None:
        while name := name.rpartition(".")[0]:
            if (own := self._own.get(name)) is not None:
                return own
        return None

    # -- going to another state ------------------------------------------------------------------

    def parted(self, names: Iterable[str]) -> set[str]:
        """Those of these names that are not the variables'."""
        names = set(names)
        packages = self._packages(names)
        return {name for name in names if self._package_of(name, packages) is not None} if packages else set()

    def bind(self, values: Mapping[str, Any]) -> None:
        """Binds names. Of modules that are not there nothing is bound."""
        self.look()
        for name, value in values.items():
            package = package_of_marker(name)
            if package is not None and self._markers.get(package) is not value:
                self._put_into_place(package, value)
        self.look()
        for name, value in values.items():
            own = self._module_of(name) if package_of_marker(name) is None else None
            is_set = own is not None and own.set(name[len(own.name) + 1 :], value)
            if is_set and type(value) is functools._lru_cache_wrapper:
                self._caches.append(value)
        packages = {package_of_marker(name) for name in values}
        new = self._own.keys() - self._before if self._before is not None else set()
        came = {name for name in new if name.partition(".")[0] in packages}
        for own in [self._own[name] for name in came | self._returned if name in self._own]:
            for name in own.data().keys() - values.keys():
                self._reset(own, name)
        self._returned.clear()

    def forget_results(self) -> None:
        """Another state is there for good: functions with caches are the same in all states, and know of the last."""
        for function in self._caches:
            function.cache_clear()
        self._settle()

    def _settle(self) -> None:
        self._caches = []
        for own in self._own.values():
            own.functions.settled()

    def unbind(self, names: Iterable[str]) -> None:
        """Unbinds names: what the module's source had put there is there again. Modules are put aside."""
        self.look()
        packages = [package for name in names if (package := package_of_marker(name)) is not None]
        for name in names:
            own = self._module_of(name)
            if own is not None and own.name.partition(".")[0] not in packages:
                self._reset(own, name)
        self.put_aside(name for name in list(self._own) if name.partition(".")[0] in packages)

    @staticmethod
    def _reset(own: OwnModule, name: str) -> None:
        """Binds a name of a module's data to what its source had put there."""
        rest = name[len(own.name) + 1 :]
        own.set(rest, own.original(rest))

    @contextmanager
    def of_state(self, names: Callable[[], Iterable[str]]) -> Iterator[None]:
        """The modules that a state with these names has are imported, as far as the session had them before.

        If the block raises, those are imported that were before.
        """
        self.look()
        before = self._before = set(self._own)
        try:
            self._bring_back(names)
            yield
        except BaseException:
            self.look()
            self.put_aside(self._own.keys() - before)
            raise
        finally:
            self._before = None

    def _bring_back(self, names: Callable[[], Iterable[str]]) -> None:
        """Imports again, for a while, the modules that were put aside and that a state with these names has."""
        packages = {package_of_marker(name) for name in names()} if self._aside else set()
        aside = [each for each in self._aside if each.partition(".")[0] in packages and each not in sys.modules]
        for name in sorted(aside):  # a package first: its parts are attributes of it
            self._import(name, self._aside[name])
        self.look()

    def put_aside(self, names: Iterable[str]) -> None:
        """Takes modules out of the imported ones."""
        for name in sorted(names, reverse=True):  # parts of a package first
            module = sys.modules.pop(name, None)
            if module is None:
                continue
            self._aside[name] = module
            self._returned.discard(name)
            package, _, attribute = name.rpartition(".")
            held: Any = module_contents(sys.modules.get(package))
            if held.get(attribute) is module:
                del held[attribute]
                if package in self._own:
                    self._own[package].forget_part(attribute)
        self._seen = _NOT_SEEN
        self.look()

    def _put_into_place(self, package: str, modules: Modules) -> None:
        wanted = {str(module_contents(module).get("__name__")): module for module in modules}
        gone = [
            name
            for name in self._own
            if name.partition(".")[0] == package and wanted.get(name) is not sys.modules[name]
        ]
        self.put_aside(gone)
        for name in sorted(wanted):
            if sys.modules.get(name) is not wanted[name]:
                self._import(name, wanted[name])
        self._seen = _NOT_SEEN

    def _import(self, name: str, module: types.ModuleType) -> None:
        sys.modules[name] = module
        if self._aside.pop(name, None) is module:
            self._returned.add(name)
        self._others.discard(name)
        self._seen = _NOT_SEEN
        package, _, attribute = name.rpartition(".")
        held: Any = module_contents(sys.modules.get(package))
        if package and isinstance(held, dict):
            held[attribute] = module

    # -- going back ------------------------------------------------------------------------------

    def snapshot(self) -> ModulesSnapshot | None:
        """What all of them hold now, for `restore`; None if there are none."""
        self.look()
        if not self.any:
            return None
        from kishu_kernel.objects.own_module_data import ModulesSnapshot

        return ModulesSnapshot.of(self._own, self._aside)

    def restore(self, before: ModulesSnapshot | None) -> None:
        """They hold again what they held then; those that were imported since are not imported."""
        self._settle()
        self.look()
        if before is None and not self._own:
            return
        modules = {} if before is None else before.modules
        for name in [each for each in self._own if each not in modules]:
            sys.modules.pop(name, None)
        if before is not None:
            sys.modules.update(before.modules)
            before.put_back()
            self._aside = dict(before.aside)
        self._returned.clear()
        self._seen = _NOT_SEEN
        self.look()


def _imported_now() -> tuple[int, Any]:
    """Others than before if a module was imported: it is the last one then."""
    return len(sys.modules), next(reversed(sys.modules), None)


_NOT_SEEN = -1, None
