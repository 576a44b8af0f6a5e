"""From what a cell may have touched to what it did: co-variables (Definition 1) and the delta (Definition 2).

Only candidates are fingerprinted: names that the code may touch, names bound to another object than before,
what the notebook functions among them may touch, and whole co-variables of all these, to a fixpoint. By Lemma 1
no other co-variable can have changed, so a new link can only form among candidates.

`judge` decides and changes nothing; `adopt` makes its judgement the new knowledge, when the checkpoint stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any

from kishu_kernel.detect.access import code_access
from kishu_kernel.detect.familiar import Familiar
from kishu_kernel.detect.fingerprint import Fingerprinter, combined, hubs_of
from kishu_kernel.detect.looking import LOOKING
from kishu_kernel.detect.walk import Fingerprint
from kishu_kernel.model import Access, Change, Delta, Digest, Names, covariable
from kishu_kernel.objects.questions import is_untraversable
from kishu_kernel.objects.reducers import ReductionTable

ALL = Access(dynamic=True)
"""Everything may have been touched."""

MOVING = frozenset({"_", "__", "___", "Out", "_oh"})
"""Names that are no variables of their own: through them code reaches any result that was displayed (`_3`)."""

_RESULT = re.compile(r"_\d+")


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a co-variable between cells.

    Attributes:
        variables: digest of each name alone, where it is known.
        late: what the code may touch that can run when the co-variable is used. The code itself is the user's to drop.
        dynamic: through it everything may be touched.
        labels: objects in it that others may share and see changing, without being one co-variable with it.
        familiar: long sequences of atoms in it, to be recognised when it is looked at again.
        still: of the widgets in it, what a person cannot move on the screen.
    """

    digest: Digest
    variables: Mapping[str, Digest] = field(default_factory=dict)
    late: frozenset[Access] = frozenset()
    dynamic: bool = False
    labels: frozenset[int] = frozenset()
    familiar: tuple[Familiar, ...] = ()
    still: bytes = b""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A delta, and what has to be remembered when it stands.

    Attributes:
        opaque: for each changed co-variable the types in it that could not be walked.
    """

    delta: Delta
    known: Mapping[Names, Known]
    bindings: Mapping[str, int]
    opaque: Mapping[Names, tuple[type, ...]]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All that a detector remembers at one moment."""

    known: Mapping[Names, Known]
    bindings: Mapping[str, int]


class Detector:
    """Knows every co-variable of the session by its digest."""

    def __init__(self, table: ReductionTable) -> None:
        self._table = table
        self._known: dict[Names, Known] = {}
        self._home: dict[str, Names] = {}
        self._bindings: dict[str, int] = {}

    def judge(
        self,
        access: Access,
        variables: Mapping[str, Any],
        *,
        carried: Access = Access(),  # noqa: B008 -- frozen
        exempt: Access = Access(),  # noqa: B008
    ) -> Judgement:
        """What changed, of all that may have been touched.

        Args:
            access: of the cell that is judged.
            variables: the user's variables as they are now.
            carried: touched since the last checkpoint by something else than the cell; what only that
                explains cannot be had again by re-running the cell.
            exempt: touched by cells that still run elsewhere: left for later, with all that it is linked to.
        """
        familiar = (each for known in self._known.values() for each in known.familiar)
        search = _Candidates(self, Fingerprinter(self._table, familiar), variables)
        spared = search.close(exempt, rebound=False) if exempt != Access() else frozenset()
        # Who bound what the code does not spell? If something else ran too, the cell is not to be trusted with it.
        own = search.close(access, rebound=carried == Access())
        own |= search.sharing_labels(own)
        if not LOOKING.isdisjoint(carried.looked & variables.keys()):
            carried = replace(carried, looked=frozenset())  # what it called is a function of the notebook's
        touching = carried.touching()
        foreign = search.close(touching, rebound=False) if carried != Access() else frozenset()
        candidates = (own | foreign | search.close(carried, rebound=True)) - spared
        if spared:
            candidates -= search.tied(spared, candidates)
        # What is opaque counts as changed when it was accessed, not on the mere suspicion that anything may have been.
        accessed = own | search.rebound() if carried.dynamic else candidates
        if carried.looked and not carried.dynamic:
            accessed &= own | search.close(touching, rebound=True)
        prints = {name: search.prints[name] for name in candidates if name in variables}

        groups = _components(prints)
        known: dict[Names, Known] = {}
        changes: list[Change] = []
        opaque: dict[Names, tuple[type, ...]] = {}
        for names in groups:
            types = tuple(dict.fromkeys(kind for name in names for kind in prints[name].opaque))
            digest = combined(names, prints)
            before = self._known.get(names)
            known[names] = Known(
                digest,
                {name: prints[name].digest for name in names},
                late_access(prints[name] for name in names),
                any(prints[name].dynamic for name in names),
                frozenset().union(*(prints[name].labels for name in names)),
                tuple(each for name in names for each in prints[name].familiar),
                b"".join(prints[name].still for name in names),
            )
            touched_itself = not accessed.isdisjoint(names)
            differs = before is None or (
                before.digest != digest and (touched_itself or not _only_moved(before, known[names], names, variables))
            )
            if differs or (types and touched_itself):
                changes.append(Change(names, digest, own.issuperset(names) and foreign.isdisjoint(names)))
                opaque[names] = types
        # What was split off a co-variable is what it was: a re-run must find it, though the cell did not read it.
        split = {
            name
            for change in changes
            for name in change.names
            if change.replayable
            and self._home.get(name, change.names) != change.names
            and self._bindings.get(name) == id(variables[name])
        }
        inputs = _sorted(n for n in split.union(search.inputs(access)) if n in self._home)
        if any(not change.replayable and not set(inputs).isdisjoint(change.names) for change in changes):
            # Something else wrote what the cell read: on the versions that are stored it would do other things.
            changes = [replace(change, replayable=False) for change in changes]
        changed = {change.names for change in changes}
        touched = {self._home[name] for name in candidates if name in self._home}
        dropped = sorted(names for names in touched if names in changed or names not in known)
        unsure = {name for name in accessed if name in prints and prints[name].opaque}
        delta = Delta(
            changes=tuple(changes),
            dropped=tuple(dropped),
            created=_sorted(n for names in changed for n in names if n not in self._home),
            modified=_sorted(self._modified(changed, known, variables, unsure)),
            deleted=_sorted(n for names in dropped for n in names if n not in variables),
            accessed=_sorted(n for n in own if n in variables or n in self._home),
            inputs=inputs,
        )
        bindings = {name: id(variables[name]) for name in candidates if name in variables}
        return Judgement(delta, known, bindings, opaque)

    def adopt(self, judgement: Judgement) -> None:
        """Remembers what was judged."""
        for names in judgement.delta.dropped:
            self._forget(names)
        for names, known in judgement.known.items():
            self._remember(names, known)
        self._bindings.update(judgement.bindings)

    def replace(self, gone: Iterable[Names], loaded: Mapping[Names, Known], variables: Mapping[str, Any]) -> None:
        """A checkout took these co-variables away and brought those."""
        for names in gone:
            self._forget(names)
        for names, known in loaded.items():
            self._remember(names, known)
            self._bindings.update({name: id(variables[name]) for name in names})

    def reach(self, access: Access) -> frozenset[str]:
        """Names that the code may touch, of those that are known: nothing is fingerprinted."""
        return _Candidates(self, Fingerprinter(self._table), {}).close(access, rebound=False)

    def let_go(self, access: Access) -> None:
        """Code with this access is about to run: what it may let go of is kept alive by no knowledge of ours."""
        held = [(names, each) for names, known in self._known.items() for each in known.familiar]
        if not held:
            return
        search = _Candidates(self, Fingerprinter(self._table), {})
        reached = search.close(access, rebound=False)
        freed = access.frees.union(*(each.frees for each in search.late))
        thinned = any(each.thins or each.dynamic for each in (access, *search.late)) or self._leads_anywhere(reached)
        for names, familiar in held:
            if not (reached if thinned else freed).isdisjoint(names):
                familiar.let_go(thinned=thinned)

    def _leads_anywhere(self, names: Iterable[str]) -> bool:
        return any(self._known[self._home[name]].dynamic for name in names if name in self._home)

    def same(self, names: Names, variables: Mapping[str, Any], hurried: Callable[[], bool]) -> bool:
        """Whether a co-variable is still what is known of it. Raises `GivenUp` where somebody is in a hurry."""
        known = self._known[names]
        if any(name not in variables or self._bindings.get(name) != id(variables[name]) for name in names):
            return False
        prints = Fingerprinter(self._table, known.familiar, hurried)
        return combined(names, {name: prints.take(variables[name]) for name in names}) == known.digest

    def correct(self, names: Names, variables: Mapping[str, Any]) -> None:
        """What was believed of a co-variable is known now: it is taken to be as it is."""
        prints = Fingerprinter(self._table, self._known[names].familiar)
        taken = {name: prints.take(variables[name]) for name in names}
        digests = {name: taken[name].digest for name in names}
        still = b"".join(taken[name].still for name in names)
        self._known[names] = replace(self._known[names], digest=combined(names, taken), variables=digests, still=still)

    def knowledge(self) -> Knowledge:
        """What it remembers now. O(names), without looking at a value."""
        return Knowledge(dict(self._known), dict(self._bindings))

    def recall(self, knowledge: Knowledge) -> None:
        """Remembers again what it remembered then, and nothing else."""
        self._known = dict(knowledge.known)
        self._bindings = dict(knowledge.bindings)
        self._home = {name: names for names in self._known for name in names}

    def _forget(self, names: Names) -> None:
        self._known.pop(names, None)
        for name in names:
            self._home.pop(name, None)
            self._bindings.pop(name, None)

    def _remember(self, names: Names, known: Known) -> None:
        self._known[names] = known
        self._home.update(dict.fromkeys(names, names))

    def _modified(
        self, changed: Iterable[Names], known: Mapping[Names, Known], variables: Mapping[str, Any], unsure: Set[str]
    ) -> Iterator[str]:
        """Names that were there before and whose own objects changed.

        Where only the sharing between names changed, no single name explains it: then all of them.

        Args:
            unsure: names whose objects may have changed though their digests did not.
        """
        different: dict[Names, list[str]] = {}
        for names in changed:
            now = known[names].variables
            old = [name for name in names if name in self._home]
            different[names] = [n for n in old if n in unsure or self._known[self._home[n]].variables.get(n) != now[n]]
        explained = {self._home[name] for names in different.values() for name in names}
        # A name came or went: that is why the co-variable is another one.
        explained |= {home for home in self._known if not variables.keys() >= set(home)}
        for names, own in different.items():
            homes = {self._home[name] for name in names if name in self._home}
            created = any(name not in self._home for name in names)
            yield from own if own or created or not homes.isdisjoint(explained) else names


class _Candidates:
    """The search for what may have changed; fingerprints what it passes."""

    def __init__(self, detector: Detector, prints: Fingerprinter, variables: Mapping[str, Any]) -> None:
        self._known = detector._known
        self._home = detector._home
        self._bindings = detector._bindings
        self._take = prints.take
        self._variables = variables
        self.prints: dict[str, Fingerprint] = {}
        self.late: set[Access] = set()
        """Of the code that was passed on the way."""

    def close(self, access: Access, *, rebound: bool) -> frozenset[str]:
        """All names, there before or now, that `access` may have touched."""
        everything = self._variables.keys() | self._home.keys()
        todo = everything if access.dynamic else self._spelled(access.names, access.inputs, everything)
        if rebound:
            todo = todo | self.rebound()
        return self._spread(todo, everything)

    def tied(self, spared: frozenset[str], candidates: frozenset[str]) -> frozenset[str]:
        """Candidates that can only be judged together with those that are spared."""
        prints = {name: self.prints[name] for name in spared | candidates if name in self.prints}
        groups = [set(group) for group in _components(prints)] + [
            set(self._home[n]) for n in candidates & self._home.keys()
        ]
        found = set(spared)
        while joined := [group for group in groups if not (found.isdisjoint(group) or found >= group)]:
            found.update(*joined)
        return frozenset(found)

    def inputs(self, access: Access) -> Iterable[str]:
        """Names whose values of before the cell may have read."""
        if access.dynamic:
            return self._home.keys()
        found = self._spelled(access.inputs, access.inputs, self._home.keys())
        for name in self._spread(self._home.keys() & found, self._home.keys()):
            known = self._known.get(self._home.get(name, ()))
            late = known.late if known else ()
            if (known and known.dynamic) or any(each.dynamic for each in late):
                return self._home.keys()
            for each in late:
                found |= self._spelled(each.names, each.names, self._home.keys())
        return found

    def sharing_labels(self, candidates: frozenset[str]) -> frozenset[str]:
        """Variables that share a label object with a candidate that has changed."""
        added: frozenset[str] = frozenset()
        while True:
            labels = frozenset().union(*(self._labels(name) for name in candidates | added))
            sharing = {
                names[0] for names, known in self._known.items() if not labels.isdisjoint(known.labels)
            } - candidates - added  # fmt: skip
            if not labels or not sharing:
                return added
            added |= self._spread(sharing, self._variables.keys() | self._home.keys())

    def _labels(self, name: str) -> frozenset[int]:
        """Labels that a name held before or holds now, if it has changed at all."""
        known = self._known.get(self._home.get(name, ()))
        taken = self.prints.get(name)
        if known and taken and known.variables.get(name) == taken.digest:
            return frozenset()
        return (known.labels if known else frozenset()) | (taken.labels if taken else frozenset())

    def rebound(self) -> set[str]:
        """Names bound to another object than before, new ones and deleted ones."""
        bound = self._bindings
        changed = {n for n, obj in self._variables.items() if bound.get(n) != id(obj)}
        return changed | (bound.keys() - self._variables.keys())

    def _spread(self, start: Iterable[str], everything: Set[str]) -> frozenset[str]:
        """Whole co-variables, and what their functions may touch, to a fixpoint."""
        found: set[str] = set()
        seen: set[Access] = set()
        todo = list(start)
        while todo:
            name = todo.pop()
            if name in found:
                continue
            found.add(name)
            known = self._known.get(self._home.get(name, ()))
            late = set(known.late) if known else set()
            dynamic = known.dynamic if known else False
            todo.extend(self._home.get(name, ()))
            if name in self._variables:
                if name not in self.prints:
                    self.prints[name] = self._take(self._variables[name])
                late |= late_access([self.prints[name]])
                dynamic = dynamic or self.prints[name].dynamic
            late -= seen
            seen |= late
            if dynamic or any(each.dynamic for each in late):
                todo.extend(everything)
            for each in late:
                todo.extend(self._spelled(each.names, each.names, everything))
        self.late |= seen
        return frozenset(found)

    @staticmethod
    def _spelled(names: Set[str], read: Set[str], everything: Set[str]) -> set[str]:
        """Of everything, what these names mean: also the results that the moving names read may stand for."""
        found = everything & names
        if not MOVING.isdisjoint(read):
            found |= {name for name in everything if _RESULT.fullmatch(name)}
        return set(found)


def late_access(prints: Iterable[Fingerprint]) -> frozenset[Access]:
    """What code that was met may touch when it runs."""
    return frozenset(code_access(code) for each in prints for code in each.codes)


def _only_moved(before: Known, now: Known, names: Names, variables: Mapping[str, Any]) -> bool:
    """They are widgets, and a person has moved them: brought back, they would be others than are shown.

    What callbacks keep beside widgets, or on them, changes as anything does.
    """
    return before.still == now.still != b"" and all(is_untraversable(type(variables[name])) for name in names)


def _components(prints: Mapping[str, Fingerprint]) -> list[Names]:
    """Maximal sets of names whose reachable objects are connected."""
    hubs = hubs_of(prints)
    prints = {**prints, **hubs}
    parent = {name: name for name in prints}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = name = parent[parent[name]]
        return name

    owner: dict[int, str] = {}
    for name, taken in prints.items():
        for key in taken.links:
            other = owner.setdefault(key, name)
            if other != name:
                parent[root(name)] = root(other)
    ranges = sorted((*extent, name) for name, taken in prints.items() for extent in taken.ranges)
    for one, other in _overlapping(ranges):
        parent[root(one)] = root(other)

    groups: dict[str, list[str]] = {}
    for name in prints.keys() - hubs.keys():
        groups.setdefault(root(name), []).append(name)
    return sorted(map(covariable, groups.values()))


def _overlapping(ranges: list[tuple[int, int, bool, str]]) -> Iterable[tuple[str, str]]:
    """Pairs of names whose memory overlaps. Two private ranges do not link, whatever lies between."""
    reach: dict[bool, tuple[int, str]] = {}  # of private and of other ranges: the farthest end so far
    for start, end, private, name in ranges:
        for kind, (far, other) in reach.items():
            if start < far and not (kind and private) and other != name:
                yield name, other
        if end > reach.get(private, (0, ""))[0]:
            reach[private] = (end, name)


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))
