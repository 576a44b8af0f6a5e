"""What did a cell change? From what it may have touched to its delta (Definition 2).

Law: `judge` decides and changes nothing; `adopt` makes its judgement the new knowledge, when the checkpoint is taken.
Neighbours: `candidates` finds what is to be fingerprinted, `connections` which names form one co-variable, `knowledge`
keeps what is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from kishu_kernel.detect.candidates import NO_MODULES, Candidates, CandidateSearch, OwnModules
from kishu_kernel.detect.connections import connected_names
from kishu_kernel.detect.fingerprint import Fingerprinter, combined_digest, digest_of_few
from kishu_kernel.detect.knowledge import Knowledge, KnowledgeSnapshot, KnownCovariable, known_covariable
from kishu_kernel.detect.sequence_cache import CachedSequence
from kishu_kernel.detect.walk.result import Fingerprint, TokenOf
from kishu_kernel.model import NOTHING, Access, Change, Delta, Digest, Names
from kishu_kernel.model.dataclass import dataclass, replace
from kishu_kernel.objects.classes import derives
from kishu_kernel.objects.current_objects import current_objects
from kishu_kernel.objects.reduction_table import ReductionTable

if TYPE_CHECKING:  # imported when the first object is walked
    from kishu_kernel.detect.known_again import KnownAgain
    from kishu_kernel.objects.whole_classes import WholeClasses


@dataclass(frozen=True, slots=True)
class Judgement:
    """A delta, and what is to be known when its checkpoint is taken.

    Attributes:
        known: the co-variables that were judged, as they are now.
        bindings: name -> id of the object that it is bound to, for every name that was judged.
        opaque: for each changed co-variable the types in it that could not be walked.
        accesses: how often current objects had been asked for (`CurrentObjects`).
        current: their ids.
    """

    delta: Delta
    known: Mapping[Names, KnownCovariable]
    bindings: Mapping[str, int]
    opaque: Mapping[Names, tuple[type, ...]]
    accesses: Mapping[object, int | None]
    current: frozenset[int]


class BoundClasses(Protocol):
    """The classes that are co-variables of their own."""

    def token_of(self, cls: type) -> bytes | None:
        """As `TokenOf`."""
        ...

    def are_so(self, digest_of: Callable[[type], bytes | None]) -> bool:
        """Whether what `token_of` said on trust is so. If not: all is to be asked anew."""
        ...


class BoundClassesOf(Protocol):
    """Finds them."""

    def __call__(self, variables: Mapping[str, Any], /, *, trust: bool = False) -> BoundClasses:
        """Among these variables. With `trust` some are taken for what they were, until `are_so` is asked."""
        ...


class Detector:
    """Knows every co-variable of the session by its digest, and finds those that have changed.

    Args:
        bound_classes: finds the classes among variables that are co-variables of their own. Where not told, there are
            none: a class and its instances are one.
        modules: the user's own modules.
    """

    def __init__(
        self,
        table: ReductionTable,
        bound_classes: BoundClassesOf | None = None,
        modules: OwnModules = NO_MODULES,
    ) -> None:
        self._table = table
        self._bound_classes = bound_classes
        self._modules = modules
        self._knowledge = Knowledge()
        self._classes: TokenOf | None = None
        """The bound classes, while no code runs."""
        self._accesses: Mapping[object, int | None] = {}
        """How often current objects had been asked for when the last judgement was adopted."""
        self._current: frozenset[int] | None = None
        """And their ids; None: there was no judgement yet."""

    @cached_property
    def _again(self) -> KnownAgain:
        """There is none until something is walked."""
        from kishu_kernel.detect.known_again import KnownAgain

        again = KnownAgain(self._table)
        again.begin()
        return again

    @cached_property
    def _whole(self) -> WholeClasses:
        from kishu_kernel.objects.whole_classes import WholeClasses

        return WholeClasses(self._table)

    def _doubtful(self, kinds: Set[type]) -> frozenset[type] | None:
        """As of `WholeClasses`; of nothing but plain values nobody has to ask."""
        return self._whole.doubtful(kinds) if kinds else frozenset()

    # -- after a cell ----------------------------------------------------------------------------

    def judge(
        self,
        access: Access,
        variables: Mapping[str, Any],
        *,
        outside: Access = NOTHING,
        running: Access = NOTHING,
        contained: bool = False,
    ) -> Judgement:
        """What changed, of all that may have been touched. Costs what fingerprints of these variables cost.

        Args:
            access: what the cell that is judged may have touched.
            variables: the user's variables as they are now.
            outside: what something else than the cell may have touched since the last checkpoint. A change that only
                this explains does not come back by re-running the cell.
            running: what cells that still run elsewhere may touch. It is left for later, with all that it is linked to.
            contained: since the last judgement no library's code has run.
        """
        self._classes = None
        ids, untouched, accesses = self._current_objects(contained)
        if "_again" in vars(self):
            self._again.begin()
        while True:
            bound = None if self._bound_classes is None else self._bound_classes(variables, trust=True)
            token_of = None if bound is None else bound.token_of
            prints_of = Fingerprinter(self._table, self._knowledge.sequences, bound=token_of, again=lambda: self._again)
            search = CandidateSearch(self._knowledge, prints_of, variables, self._modules, untouched)
            candidates = search.candidates(access, outside, running)
            if bound is None or bound.are_so(prints_of.certain_digest):
                break
        prints = {name: search.prints[name] for name in candidates.names if name in variables}
        known = {names: self._known(names, prints, ids) for names in connected_names(prints)}
        opaque: dict[Names, tuple[type, ...]] = {}
        changes: list[Change] = []
        for names, now in known.items():
            types = prints[names[0]].opaque
            if len(names) > 1:
                types = tuple(dict.fromkeys(kind for name in names for kind in prints[name].opaque))
            accessed = not candidates.accessed.isdisjoint(names)
            unsure = types and accessed and not self._modules.comes_with_import(names, variables)
            if unsure or self._differs(names, now, accessed, variables):
                changes.append(Change(names, now.digest, candidates.explained_by_cell(names)))
                opaque[names] = types
        inputs = self._inputs(search.inputs(access), changes, variables)
        read = {*inputs, *access.inputs}  # what something else made since the last checkpoint, no state has yet
        others = (change.names for change in changes if not change.replayable)
        if any(access.dynamic or not read.isdisjoint(names) for names in others):
            # Something else wrote what the cell read: a re-run on the stored versions would do other things.
            changes = [replace(change, replayable=False) for change in changes]
        # A module that is imported already does not run again: what it holds comes back from the store, or not at all.
        if self._modules.any:
            changes = [
                replace(change, replayable=False) if any(map(self._modules.holds, change.names)) else change
                for change in changes
            ]
        return Judgement(
            self._delta(candidates, known, changes, inputs, prints, variables),
            known,
            {name: id(variables[name]) for name in candidates.names if name in variables},
            opaque,
            accesses,
            ids,
        )

    def _known(self, names: Names, prints: Mapping[str, Fingerprint], current: Set[int]) -> KnownCovariable:
        return known_covariable(names, prints, current, self._doubtful)

    def _current_objects(self, contained: bool) -> tuple[frozenset[int], frozenset[int], Mapping[object, int | None]]:
        """Ids of what calls into libraries may touch, those that nobody has asked for, and how often others were."""
        if contained and self._current is not None:
            return self._current, self._current, self._accesses
        current = current_objects()
        return current.ids, current.untouched_since(self._accesses), current.accesses

    def adopt(self, judgement: Judgement) -> None:
        """Makes a judgement the new knowledge."""
        with self._knowledge.sequences_let_go():
            for names in judgement.delta.dropped:
                self._knowledge.remove(names)
            for names, known in judgement.known.items():
                self._knowledge.add(names, known)
        self._knowledge.bindings.update(judgement.bindings)
        self._accesses, self._current = judgement.accesses, judgement.current

    def _differs(self, names: Names, now: KnownCovariable, accessed: bool, variables: Mapping[str, Any]) -> bool:
        """Whether a co-variable is new, or another than it was."""
        before = self._knowledge.known.get(names)
        if before is None:
            return True
        if before.digest == now.digest and before.provides == now.provides:  # a class can be another that says the same
            return False
        return accessed or not _only_moved_on_screen(before, now, names, variables)

    def _inputs(self, read: Iterable[str], changes: Iterable[Change], variables: Mapping[str, Any]) -> tuple[str, ...]:
        """The names whose earlier values a re-run of the cell must find. Sorted.

        A variable that was split off its co-variable is still the object that it was: a re-run must find it, though the
        cell did not read it.

        Args:
            read: names that the cell may have read.
        """
        covariable_of, bindings = self._knowledge.covariable_of, self._knowledge.bindings
        split = {
            name
            for change in changes
            for name in change.names
            if change.replayable
            and covariable_of.get(name, change.names) != change.names
            and bindings.get(name) == id(variables[name])
        }
        needed = {name for name in split.union(read) if name in covariable_of}
        return _sorted(needed | self._classes_of(needed))

    def _classes_of(self, names: Iterable[str]) -> set[str]:
        """The names of the classes that these refer to: without those, what they are is not whole."""
        holders, found = self._knowledge.class_holders, set[str]()
        todo = list(names) if holders else []
        while todo:
            known = self._knowledge.of(todo.pop())
            new = {holders[token] for token in known.requires if token in holders} - found if known else set[str]()
            found |= new
            todo.extend(new)
        return found

    def _delta(
        self,
        candidates: Candidates,
        known: Mapping[Names, KnownCovariable],
        changes: Iterable[Change],
        inputs: tuple[str, ...],
        prints: Mapping[str, Fingerprint],
        variables: Mapping[str, Any],
    ) -> Delta:
        covariable_of = self._knowledge.covariable_of
        changed = {change.names for change in changes}
        before = {covariable_of[name] for name in candidates.names if name in covariable_of}
        dropped = sorted(names for names in before if names in changed or names not in known)
        unsure = {name for name in candidates.accessed if name in prints and prints[name].opaque}
        return Delta(
            changes=tuple(changes),
            dropped=tuple(dropped),
            created=_sorted(name for names in changed for name in names if name not in covariable_of),
            modified=_sorted(self._modified(changed, known, variables, unsure)),
            deleted=_sorted(name for names in dropped for name in names if name not in variables),
            accessed=_sorted(name for name in candidates.by_cell if name in variables or name in covariable_of),
            inputs=inputs,
        )

    def _modified(
        self,
        changed: Iterable[Names],
        known: Mapping[Names, KnownCovariable],
        variables: Mapping[str, Any],
        unsure: Set[str],
    ) -> Iterator[str]:
        """Names that existed before and whose own objects changed.

        Where only the sharing between names changed, no single name explains it: then all of them.

        Args:
            unsure: names whose objects may have changed though their digests did not.
        """
        covariable_of = self._knowledge.covariable_of
        different: dict[Names, list[str]] = {}
        for names in changed:
            now = known[names].variables
            old = [name for name in names if name in covariable_of]
            different[names] = [n for n in old if n in unsure or self._knowledge.digest_of(n) != now[n]]
        explained: set[Names] | None = None
        for names, own in different.items():
            if own or any(name not in covariable_of for name in names):
                yield from own
                continue
            if explained is None:
                explained = {covariable_of[name] for those in different.values() for name in those}
                # A name came or went: that is why the co-variable is another one.
                explained |= {covariable_of[name] for name in covariable_of.keys() - variables.keys()}
            yield from own if not explained.isdisjoint(map(covariable_of.__getitem__, names)) else names

    # -- before a cell ---------------------------------------------------------------------------

    def names_reached(self, access: Access) -> frozenset[str]:
        """Known names that code with this access may touch. Nothing is fingerprinted."""
        return self._known_names_search().closure(access).union(*self._knowledge.with_current)

    def sequences_of(self, now: KnownCovariable, names: Names) -> tuple[CachedSequence, ...]:
        """The long sequences of a co-variable, and those of what its names were before this judgement."""
        before = {id(known): known for known in map(self._knowledge.of, names) if known is not None}
        return tuple(each for known in (now, *before.values()) for each in known.sequences)

    def release_sequences(self, access: Access) -> None:
        """Stops keeping alive what code with this access may free. Called before the code runs."""
        self._classes = None
        cached = [(names, each) for names, known in self._knowledge.special.items() for each in known.sequences]
        if not cached:
            return
        search = self._known_names_search()
        reached = search.closure(access)
        rebound = access.rebinds.union(*(each.rebinds for each in search.deferred))
        removes_parts = any(each.removes_parts or each.dynamic for each in (access, *search.deferred))
        removes_parts = removes_parts or any(known.dynamic for known in map(self._knowledge.of, reached) if known)
        for names, sequence in cached:
            if not (reached if removes_parts else rebound).isdisjoint(names):
                sequence.release(parts=removes_parts)

    def _known_names_search(self) -> CandidateSearch:
        return CandidateSearch(self._knowledge, Fingerprinter(self._table), {}, self._modules)

    # -- the audit -------------------------------------------------------------------------------

    def bound_classes(self, variables: Mapping[str, Any]) -> TokenOf | None:
        """The classes among variables that are co-variables of their own. They are looked for once between two cells.

        Args:
            variables: all of the user's.
        """
        if self._classes is None and self._bound_classes is not None:
            classes = {name: obj for name, obj in variables.items() if derives(type(obj), type)}
            self._classes = self._bound_classes(classes).token_of
        return self._classes

    def doubtful_in(self, names: Names) -> frozenset[type] | None:
        """Types of objects in a co-variable of which only a trial tells whether they come back whole.

        None: that is not known, or one of them is the user's own.
        """
        known = self._knowledge.known.get(names)
        return None if known is None else known.doubtful

    def is_unchanged(
        self, names: Names, variables: Mapping[str, Any], should_stop: Callable[[], bool], *, certain: bool = False
    ) -> bool:
        """Whether a co-variable still is what is known of it. What a checkout did not ask is then known of it, too.

        Args:
            certain: say no where something in it cannot be walked.

        Raises:
            WalkAbandoned: `should_stop` said so.
        """
        known = self._knowledge.known[names]
        if not self._has_same_objects(names, variables):
            return False
        few = digest_of_few(variables[names[0]], self._table) if len(names) == 1 and known.current is not None else None
        if few is not None:
            return few == known.digest
        of = Fingerprinter(self._table, known.sequences, should_stop, bound=self.bound_classes(variables))
        prints = {name: of.take(variables[name]) for name in names}
        if combined_digest(names, prints) != known.digest:
            return False
        if certain and any(taken.opaque for taken in prints.values()):
            return False
        if known.current is None:
            self._knowledge.add(
                names, replace(known, current=self._known(names, prints, current_objects().ids).current)
            )
        return True

    def is_all_known(self, names: Names, digest: Digest, variables: Mapping[str, Any]) -> bool:
        """Whether a co-variable with this digest still is what is known of it, so that `is_unchanged` need not look."""
        known = self._knowledge.known.get(names)
        same = known is not None and known.digest == digest and known.current is not None
        return same and self._has_same_objects(names, variables)

    def _has_same_objects(self, names: Names, variables: Mapping[str, Any]) -> bool:
        bindings = self._knowledge.bindings
        return all(name in variables and bindings.get(name) == id(variables[name]) for name in names)

    def accept(self, names: Names, variables: Mapping[str, Any]) -> None:
        """Takes a co-variable as it is now for unchanged: from now on it is compared with this.

        Args:
            variables: all of the user's.
        """
        before = self._knowledge.known[names]
        of = Fingerprinter(self._table, before.sequences, bound=self.bound_classes(variables))
        now = self._known(names, {name: of.take(variables[name]) for name in names}, current_objects().ids)
        self._knowledge.add(
            names,
            replace(
                before,
                digest=now.digest,
                variables=now.variables,
                widget_setup=now.widget_setup,
                current=now.current,
            ),
        )

    # -- travel ----------------------------------------------------------------------------------

    def apply_checkout(
        self, gone: Iterable[Names], loaded: Mapping[Names, KnownCovariable], variables: Mapping[str, Any]
    ) -> None:
        """A checkout took away the co-variables `gone` and brought those that were `loaded`."""
        self._classes = self._current = None
        for names in gone:
            self._knowledge.remove(names)
        current = (
            None if current_objects().ids else frozenset[int]()
        )  # what was loaded is not walked for it now: the audit does
        for names, known in loaded.items():
            self._knowledge.add(names, replace(known, current=current))
            self._knowledge.bindings.update({name: id(variables[name]) for name in names})

    def snapshot(self) -> KnowledgeSnapshot:
        """What is known now, for `restore`. O(names)."""
        return self._knowledge.snapshot()

    def restore(self, snapshot: KnowledgeSnapshot) -> None:
        """Knows again what was known then, and nothing else."""
        self._classes = self._current = None
        self._knowledge.restore(snapshot)


def _only_moved_on_screen(
    before: KnownCovariable, now: KnownCovariable, names: Names, variables: Mapping[str, Any]
) -> bool:
    """They are widgets, and a person has moved them: brought back, they would be others than are shown.

    What callbacks keep beside widgets, or on them, changes as anything does.
    """
    if not before.widget_setup or before.widget_setup != now.widget_setup:
        return False
    from kishu_kernel.objects.questions import is_untraversable

    changed = [name for name in names if before.variables.get(name) != now.variables.get(name)]
    return all(is_untraversable(type(variables[name])) for name in changed)


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))
