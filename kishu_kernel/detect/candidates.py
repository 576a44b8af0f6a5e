"""Which variables may a cell have changed? Only these are fingerprinted.

Candidates are names that the code may touch, names that are bound to another object than before, what the notebook
functions among them may touch, and the whole co-variables of all these, to a fixpoint. By Lemma 1 no other co-variable
can have changed, so a new link can only form among candidates.

Neighbours: `detector` judges the candidates. Law: nothing here changes what is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from functools import cached_property
from typing import Any, Protocol

from kishu_kernel.detect.access import OUTPUT_NAMES, code_access
from kishu_kernel.detect.connections import connected_names
from kishu_kernel.detect.fingerprint import Fingerprinter
from kishu_kernel.detect.knowledge import Knowledge, KnownCovariable
from kishu_kernel.detect.name_tables import bound_among, rebound
from kishu_kernel.detect.read_only_code import READING_BUILTINS
from kishu_kernel.detect.walk.result import Fingerprint
from kishu_kernel.model import NOTHING, Access, Names
from kishu_kernel.model.dataclass import dataclass, replace
from kishu_kernel.model.pattern import pattern

_RESULT = pattern(r"_\d+")

_LEADING_TO_LIBRARIES = frozenset({"__import__", "get_ipython"})
"""Names of builtins that lead to any library."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Names that may have changed, sorted by who may have changed them.

    Attributes:
        names: all of them.
        by_cell: those that the cell itself may have touched.
        from_outside: those that something else than the cell may have touched.
        accessed: those that were touched, and not merely suspected: an opaque object in one of them counts as changed.
    """

    names: frozenset[str]
    by_cell: frozenset[str]
    from_outside: frozenset[str]
    accessed: frozenset[str]

    def explained_by_cell(self, names: Names) -> bool:
        """Whether the cell alone explains a change of this co-variable, so that re-running it gives it again."""
        return self.by_cell.issuperset(names) and self.from_outside.isdisjoint(names)


class OwnModules(Protocol):
    """The user's own modules, whose data have names beside those of the variables."""

    @property
    def any(self) -> bool:
        """There are such names, or there were."""
        ...

    def holds(self, name: str) -> bool:
        """Whether it is such a name, and not a variable's."""
        ...

    def reached(self, modules: Iterable[str]) -> Set[str]:
        """Names of all that code of these modules may touch."""
        ...

    def spelled(self, words: Set[str]) -> Set[str]:
        """Names of all that code may touch that has these words for modules."""
        ...

    def comes_with_import(self, names: Iterable[str], variables: Mapping[str, Any]) -> bool:
        """Whether these are what a module holds since it was imported, and goes by its place there."""
        ...


class _NoModules:
    any = False

    def holds(self, name: str) -> bool:
        return False

    def reached(self, modules: Iterable[str]) -> Set[str]:
        return frozenset()

    def spelled(self, words: Set[str]) -> Set[str]:
        return frozenset()

    def comes_with_import(self, names: Iterable[str], variables: Mapping[str, Any]) -> bool:
        return False


NO_MODULES: OwnModules = _NoModules()


class CandidateSearch:
    """One search. It fingerprints the variables that it passes.

    Args:
        variables: the user's variables as they are now; none, to search without fingerprints.
        modules: the user's own modules.

    Attributes:
        prints: the fingerprints that were taken, by name.
        deferred: what the code that was passed on the way may touch.
        current: names that the cell may have touched by calls into libraries alone, or whose objects it got from there.
    """

    def __init__(
        self,
        knowledge: Knowledge,
        fingerprinter: Fingerprinter,
        variables: Mapping[str, Any],
        modules: OwnModules = NO_MODULES,
        untouched: Set[int] = frozenset(),
    ) -> None:
        self._knowledge = knowledge
        self._untouched = untouched
        self._modules = modules
        self._covariable_of = knowledge.covariable_of
        self._fingerprint = fingerprinter.take
        self._variables = variables
        self.prints: dict[str, Fingerprint] = {}
        self.deferred: set[Access] = set()
        self.current: frozenset[str] = frozenset()

    def candidates(self, access: Access, outside: Access, running: Access) -> Candidates:
        """What may have changed; the arguments are those of `Detector.judge`."""
        spared = self.closure(running) if running != NOTHING else frozenset()
        # Who bound what the code does not spell? If something else ran too, the cell is not to be trusted with it.
        by_cell = self.closure(access, and_rebound=outside == NOTHING)
        by_cell |= self._sharing_labels(by_cell)
        self.current = self._current(by_cell, access) - by_cell
        self.current |= self._met(by_cell | self.current)
        by_cell |= self.current
        access, outside = self._with_real_builtins(access), self._with_real_builtins(outside)
        changing = outside.without_read_only()
        from_outside, names = frozenset[str](), by_cell
        if outside != NOTHING:  # else what was bound anew is among what the cell did
            from_outside = self.closure(changing)
            names = by_cell | from_outside | self.closure(outside, and_rebound=True)
        names -= spared
        if spared:
            names -= self._linked_to(spared, names)
        # What is opaque counts as changed when it was accessed, not on the mere suspicion that anything may have been.
        accessed = by_cell | self._rebound if outside.dynamic else names
        if outside.read_only and not outside.dynamic:
            accessed &= by_cell | self.closure(changing, and_rebound=True)
        if access.read_only and not access.dynamic:
            accessed &= self.closure(access.without_read_only() | changing, and_rebound=True)
        return Candidates(names, by_cell, from_outside, accessed - self.current)

    def _with_real_builtins(self, access: Access) -> Access:
        """Nothing is read-only where the code called a function of the notebook, and not the builtin."""
        bound = not READING_BUILTINS.isdisjoint(access.read_only & self._variables.keys())
        return replace(access, read_only=frozenset()) if bound else access

    def closure(self, access: Access, *, and_rebound: bool = False) -> frozenset[str]:
        """All names, known before or there now, that code with this access may have touched.

        Args:
            and_rebound: begin with the names that are bound to another object than before, too.
        """
        start: Set[str] = frozenset()
        if access != NOTHING:
            start = self._everything if access.dynamic else self._meant(access, self._everything)
        return self._closed(start | self._rebound if and_rebound else start, and_users=True)

    def inputs(self, access: Access) -> Iterable[str]:
        """Known names whose earlier values code with this access may have read."""
        there = self._covariable_of.keys()
        if access.dynamic:
            return there
        found = self._spelled(access.inputs, access.inputs, there) | (self.current & there)
        found |= self._of_modules(access.imports, there)
        looked_at: set[int] = set()
        for name in self._closed(there & found, there):
            names = self._covariable_of.get(name, ())
            if id(names) in looked_at:
                continue
            looked_at.add(id(names))
            known = self._knowledge.known.get(names)
            if known is None or known.leads_nowhere:
                continue
            if known.modules:
                found |= there & self._modules.reached(known.modules)
            if known.dynamic or any(each.dynamic for each in known.deferred):
                return there
            for each in known.deferred:
                found |= self._meant(each, there)
        return found

    def _linked_to(self, spared: frozenset[str], candidates: frozenset[str]) -> frozenset[str]:
        """Candidates that can only be judged together with those that are spared."""
        prints = {name: self.prints[name] for name in spared | candidates if name in self.prints}
        now = [set(group) for group in connected_names(prints)]
        before = [set(self._covariable_of[name]) for name in candidates & self._covariable_of.keys()]
        groups = now + before
        found = set(spared)
        while joined := [group for group in groups if not (found.isdisjoint(group) or found >= group)]:
            found.update(*joined)
        return frozenset(found)

    def _current(self, found: Set[str], access: Access) -> frozenset[str]:
        """What calls into libraries may have touched, if the code makes any: the current figure, where is logged to."""
        untouched, known = self._untouched, self._knowledge.known
        holding = [  # what is current no more was taken away by somebody
            names
            for names in self._knowledge.with_current
            if (held := known[names].current) is None or not held <= untouched
        ]
        if not holding or not self._may_call_libraries(found, access):
            return frozenset()
        return self._closed(name for names in holding for name in names)

    def _met(self, candidates: frozenset[str]) -> frozenset[str]:
        """Variables whose very objects a candidate holds now that has changed: a library had kept them."""
        changed = [self.prints[name].links for name in candidates & self.prints.keys() if self._has_changed(name)]
        met = {
            name
            for name in bound_among(self._variables, [links for links in changed if len(links)])
            if name in self._covariable_of and name not in candidates
        }
        return self._closed(met) - candidates if met else frozenset()

    def _has_changed(self, name: str) -> bool:
        known = self._knowledge.of(name)
        return known is None or known.variables.get(name) != self.prints[name].digest

    def _may_call_libraries(self, found: Set[str], access: Access) -> bool:
        from kishu_kernel.detect.quiet_objects import QUIET_PACKAGES, is_quiet

        for each in (access, *self.deferred):
            if not each.imports <= QUIET_PACKAGES or not each.names.isdisjoint(_LEADING_TO_LIBRARIES):
                return True
        return any(name in self._variables and not is_quiet(self._variables[name]) for name in found)

    def _sharing_labels(self, candidates: frozenset[str]) -> frozenset[str]:
        """Variables that share a label object with a candidate that has changed, if it is not what it was for them."""
        added: frozenset[str] = frozenset()
        if not any(known.labels for known in self._knowledge.special.values()):
            return added
        while True:
            names = candidates | added
            labels = frozenset[int]().union(*map(self._labels, names))
            if not labels:
                return added
            now = {
                key: told for name in names if (taken := self.prints.get(name)) for key, told in taken.labels.items()
            }
            sharing = {
                first
                for (first, *_), known in self._knowledge.special.items()
                for key in labels & known.labels.keys()
                if known.labels[key] is None or now.get(key) != known.labels[key]
            } - names
            if not sharing:
                return added
            added |= self._closed(sharing)

    def _labels(self, name: str) -> frozenset[int]:
        """Labels that a name held before or holds now, if it has changed at all."""
        known = self._knowledge.of(name)
        taken = self.prints.get(name)
        if known and taken and known.variables.get(name) == taken.digest:
            return frozenset()
        return frozenset(known.labels if known else ()).union(taken.labels if taken else ())

    @cached_property
    def _everything(self) -> Set[str]:
        return _Either(self._variables, self._covariable_of)

    @cached_property
    def _rebound(self) -> set[str]:
        """Names that are bound to another object than before, that are new, or that are gone."""
        return rebound(self._variables, self._knowledge.bindings)

    def _closed(
        self, start: Iterable[str], everything: Set[str] | None = None, *, and_users: bool = False
    ) -> frozenset[str]:
        """These names, their whole co-variables, their classes, and what functions among them may touch, to a fixpoint.

        Args:
            everything: what a dynamic access reaches.
            and_users: and what refers to a class that has changed: it may be taken apart in another way now.
        """
        everything = self._everything if everything is None else everything
        found: set[str] = set()
        seen: set[Access] = set()
        seen_codes: set[int] = set()  # most variables lead to the same: a look at what it may touch takes longer
        seen_modules: set[str] = set()
        todo = list(start)
        while todo:
            name = todo.pop()
            if name in found:
                continue
            names = self._covariable_of.get(name)
            known = None if names is None else self._knowledge.known.get(names)
            names = names or (name,)
            found.update(names)  # the whole co-variable at once: to go to it from each of its names takes their square
            prints = [taken for each in names if (taken := self._print_of(each)) is not None]
            if (known is None or known.leads_nowhere) and all(taken.leads_nowhere for taken in prints):
                continue
            deferred = set(known.deferred) if known else set()
            dynamic = known.dynamic if known else False
            modules = known.modules if known else frozenset()
            if known and known.requires:
                todo.extend(self._holders_of(known.requires))
            codes = {id(code): code for taken in prints for code in taken.codes if id(code) not in seen_codes}
            if codes:
                seen_codes.update(codes)
                deferred.update(map(code_access, codes.values()))
            for taken in prints:
                dynamic = dynamic or taken.dynamic
                todo.extend(self._holders_of(taken.classes))
                modules |= taken.modules
            if modules and not seen_modules >= modules:
                todo.extend(everything & self._modules.reached(modules - seen_modules))
                seen_modules |= modules
            if known and known.provides:
                for each in names:
                    todo.extend(self._users_of(each, known, and_users))
            deferred -= seen
            seen |= deferred
            if dynamic or any(each.dynamic for each in deferred):
                todo.extend(everything)
            for access in deferred:
                todo.extend(self._meant(access, everything))
        self.deferred |= seen
        return frozenset(found)

    def _print_of(self, name: str) -> Fingerprint | None:
        """The fingerprint of a variable as it is now; None if there is none of this name."""
        if name not in self.prints:
            if name not in self._variables:
                return None
            self.prints[name] = self._fingerprint(self._variables[name])
        return self.prints[name]

    def _meant(self, access: Access, everything: Set[str]) -> set[str]:
        """Those of everything that code with this access spells, and what code of the modules may touch that it names.

        What runs later reads all names that it has.
        """
        return self._spelled(access.names, access.inputs, everything) | self._of_modules(access.imports, everything)

    def _of_modules(self, words: Set[str], everything: Set[str]) -> set[str]:
        return set(everything & self._modules.spelled(words)) if words else set()

    def _holders_of(self, tokens: Iterable[bytes]) -> Iterator[str]:
        """Names that are bound to the classes with these tokens."""
        for token in tokens:
            if token in self._class_holders:
                yield self._class_holders[token]

    def _users_of(self, name: str, known: KnownCovariable, all_of_them: bool) -> Iterator[str]:
        """Names of what refers to the class that a name is bound to: classes below it, which it leads to.

        Args:
            all_of_them: the others, too, if the class is another, or not what it was.
        """
        taken = self.prints.get(name)
        all_of_them = all_of_them and bool(self._variables)
        rebound = id(self._variables.get(name)) != self._knowledge.bindings.get(name)  # its cell ran again, unchanged
        changed = all_of_them and (rebound or taken is None or taken.digest != known.variables.get(name))
        for token, bound in known.provides.items():
            if changed or bound == name:
                for names in self._class_users.get(token, ()):
                    if changed or self._knowledge.known[names].provides:
                        yield from names

    @cached_property
    def _class_holders(self) -> dict[bytes, str]:
        return self._knowledge.class_holders

    @cached_property
    def _class_users(self) -> dict[bytes, list[Names]]:
        return self._knowledge.class_users

    @staticmethod
    def _spelled(names: Set[str], read: Set[str], everything: Set[str]) -> set[str]:
        """Those of everything that these names mean. `Out` and `_`, if read, may mean any result of a cell."""
        found = {name for name in names if name in everything}
        if not OUTPUT_NAMES.isdisjoint(read):
            found |= {name for name in everything if _RESULT.fullmatch(name)}
        return found


class _Either(Set[str]):
    """The names that are in one of two dictionaries. To make it costs nothing, whatever is in them."""

    def __init__(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
        self._one, self._other = one, other

    def __contains__(self, name: object) -> bool:
        return name in self._one or name in self._other

    def __iter__(self) -> Iterator[str]:
        return iter(self._one.keys() | self._other.keys())

    def __len__(self) -> int:
        return len(self._one.keys() | self._other.keys())

    @classmethod
    def _from_iterable(cls, names: Iterable[str]) -> Set[str]:  # type: ignore[override]
        return set(names)
