"""What is known of the session's co-variables between two cells: the measure by which a change is found.

Neighbours: `detector` reads and writes it, `candidates` reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager

from kishu_kernel.detect.access import code_access
from kishu_kernel.detect.fingerprint import combined_digest
from kishu_kernel.detect.sequence_cache import CachedSequence
from kishu_kernel.detect.walk.result import Fingerprint
from kishu_kernel.model import Access, Digest, Names
from kishu_kernel.model.dataclass import dataclass, field


@dataclass(frozen=True, slots=True)
class KnownCovariable:
    """What is known of one co-variable.

    Attributes:
        digest: of the whole co-variable.
        variables: name -> digest of what is reachable from this name alone, as far as it is known.
        deferred: what functions of the notebook that are reachable from it may touch when they run. The code itself
            is not kept, so that the user can free it.
        dynamic: every variable may be touched through it.
        labels: objects in it that other co-variables may share and see changing, as in `Fingerprint.labels`.
        sequences: long sequences of atoms in it, for the next fingerprint to recognise.
        widget_setup: of the widgets in it, the part that no person can change on the screen.
        modules: own modules whose code can be reached from it.
        requires: tokens of the classes that it refers to, and that other co-variables hold.
        provides: tokens of the classes that it holds, and that others may refer to -> the names of these.
        current: ids of objects in it that calls into libraries may touch though no code names them. None: not known.
        doubtful: types of objects in it of which only a trial tells whether they come back with all their attributes.
            None: that is not known, or one is the user's own, which is not kept.
    """

    digest: Digest
    variables: Mapping[str, Digest] = field(default_factory=dict)
    deferred: frozenset[Access] = frozenset()
    dynamic: bool = False
    labels: Mapping[int, Digest | None] = field(default_factory=dict[int, "Digest | None"])
    sequences: tuple[CachedSequence, ...] = ()
    widget_setup: bytes = b""
    modules: frozenset[str] = frozenset()
    requires: frozenset[bytes] = frozenset()
    provides: Mapping[bytes, str] = field(default_factory=dict)
    current: frozenset[int] | None = frozenset()
    doubtful: frozenset[type] | None = None

    @property
    def leads_nowhere(self) -> bool:
        """No code can be reached from it, and no class that has a variable of its own."""
        return not (self.deferred or self.dynamic or self.modules or self.requires or self.provides)


def known_covariable(
    names: Names,
    prints: Mapping[str, Fingerprint],
    current: Set[int],
    doubtful: Callable[[Set[type]], frozenset[type] | None],
) -> KnownCovariable:
    """What the fingerprints of its names tell of a co-variable.

    Args:
        current: ids of what calls into libraries may touch though no code names it.
        doubtful: tells of which of these types only a trial tells (`WholeClasses.doubtful`).
    """
    if len(names) == 1 and (data := prints[names[0]]).is_data:
        met = frozenset(key for key in current if key in data.links) if current else frozenset[int]()
        return KnownCovariable(data.digest, {names[0]: data.digest}, current=met, doubtful=frozenset())
    own = [prints[name] for name in names]
    provides = {token: name for name in reversed(names) if (token := prints[name].token) is not None}
    return KnownCovariable(
        combined_digest(names, prints),
        {name: prints[name].digest for name in names},
        deferred_access(own),
        any(each.dynamic for each in own),
        {key: digest for each in own for key, digest in each.labels.items()},
        tuple(sequence for each in own for sequence in each.sequences),
        b"".join(each.widget_setup for each in own),
        frozenset().union(*(each.modules for each in own)),
        frozenset().union(*(each.classes for each in own)) - provides.keys(),
        provides,
        frozenset(key for each in own for part in (each, *each.hubs) for key in current if key in part.links),
        doubtful(frozenset().union(*(each.kinds for each in own))),
    )


def deferred_access(prints: Iterable[Fingerprint]) -> frozenset[Access]:
    """What the notebook functions that these fingerprints have met may touch when they run."""
    codes = {id(code): code for each in prints for code in each.codes}
    return frozenset(map(code_access, codes.values()))


@dataclass(frozen=True, slots=True)
class KnowledgeSnapshot:
    """All that was known at one moment."""

    known: Mapping[Names, KnownCovariable]
    bindings: Mapping[str, int]


class Knowledge:
    """All that is known now.

    Attributes:
        known: each co-variable of the session.
        covariable_of: name -> the co-variable that it belongs to.
        bindings: name -> id of the object that it was bound to.
        with_current: those co-variables that calls into libraries may touch though no code names them.
        special: those that have labels or long sequences, that refer to classes or hold some. A cell must not pay for
            all the others.
    """

    def __init__(self) -> None:
        self.known: dict[Names, KnownCovariable] = {}
        self.with_current: set[Names] = set()
        self.special: dict[Names, KnownCovariable] = {}
        self.covariable_of: dict[str, Names] = {}
        self.bindings: dict[str, int] = {}

    def of(self, name: str) -> KnownCovariable | None:
        """The co-variable that a name belongs to; None if the name is unknown."""
        return self.known.get(self.covariable_of.get(name, ()))

    def digest_of(self, name: str) -> Digest | None:
        """The digest of a name alone; None if it is unknown."""
        known = self.of(name)
        return known.variables.get(name) if known else None

    @property
    def sequences(self) -> Iterable[CachedSequence]:
        """The long sequences in all co-variables."""
        return (each for known in self.special.values() for each in known.sequences)

    @contextmanager
    def sequences_let_go(self) -> Iterator[None]:
        """What is known no more afterwards keeps nothing alive: snapshots may hold it until all is written."""
        before = tuple(self.sequences) if self.special else ()
        yield
        kept = set(map(id, self.sequences)) if before else ()
        for each in before:
            if id(each) not in kept:
                each.release_without_owners()

    @property
    def class_holders(self) -> dict[bytes, str]:
        """Tokens of classes -> the names that these are bound to."""
        return {token: name for known in self.special.values() for token, name in known.provides.items()}

    @property
    def class_users(self) -> dict[bytes, list[Names]]:
        """Tokens of classes -> the co-variables that refer to these."""
        found: dict[bytes, list[Names]] = {}
        for names, known in self.special.items():
            for token in known.requires:
                found.setdefault(token, []).append(names)
        return found

    def add(self, names: Names, known: KnownCovariable) -> None:
        """Keeps what is known of a co-variable. What is known of its bindings is kept apart."""
        self.known[names] = known
        self._sort(names, known)
        self.covariable_of.update(dict.fromkeys(names, names))

    def remove(self, names: Names) -> None:
        """Forgets a co-variable and the bindings of its names."""
        self.known.pop(names, None)
        self.with_current.discard(names)
        self.special.pop(names, None)
        for name in names:
            self.covariable_of.pop(name, None)
            self.bindings.pop(name, None)

    def snapshot(self) -> KnowledgeSnapshot:
        """A copy. O(names): no value is looked at."""
        return KnowledgeSnapshot(dict(self.known), dict(self.bindings))

    def restore(self, snapshot: KnowledgeSnapshot) -> None:
        """Knows again what was known then, and nothing else."""
        self.known = dict(snapshot.known)
        self.bindings = dict(snapshot.bindings)
        self.covariable_of = {name: names for names in self.known for name in names}
        self.with_current, self.special = set(), {}
        for names, known in self.known.items():
            self._sort(names, known)

    def _sort(self, names: Names, known: KnownCovariable) -> None:
        if known.current or known.current is None:
            self.with_current.add(names)
        else:
            self.with_current.discard(names)
        if known.sequences or known.labels or known.requires or known.provides:
            self.special[names] = known
        else:
            self.special.pop(names, None)
