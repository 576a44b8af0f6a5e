"""Some variables of another state, and nothing else of it: what is asked for, who gets what, and what has changed then.

Law: the rest of the session is kept. What shares objects with a variable comes with it; a copy under another name
shares nothing with what is there.
Neighbours: `checkout` takes; `history.plan` says what is loaded and re-run for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from keyword import iskeyword
from typing import Any

from kishu_kernel.detect.detector import Judgement
from kishu_kernel.errors import RequestError
from kishu_kernel.history.graph import KnownState, Lookup
from kishu_kernel.history.plan import selected
from kishu_kernel.history.references import References
from kishu_kernel.model import CheckpointId, Outcome, Plan, Selection, State, Taking, Version
from kishu_kernel.model.dataclass import dataclass, replace
from kishu_kernel.session.namespace import is_users_name
from kishu_kernel.session.rerun import RestoredObjects

MOST_NAMES = 8
"""Names that a sentence lists, at most."""

# -- what is asked for ---------------------------------------------------------------------------


def selection_of(
    names: Iterable[str],
    copies: Mapping[str, str],
    known: KnownState,
    lookup: Lookup,
    label: str,
    there: Collection[str],
) -> Selection:
    """What is asked for, if it can be had.

    Args:
        known: the state from which it is to come.
        label: what that state is called.
        there: names that the session has.

    Raises:
        RequestError: it cannot; the sentence says why, and what can.
    """
    selection = Selection(tuple(dict.fromkeys(names)), dict(copies))
    if not selection.names:
        raise RequestError("nothing is named to be taken: name the variables, as in `%kishu take df@In[3]`")
    found = {name for each in known.versions for name in each}
    for name in selection.names:
        if name not in found and not (known.gap and name in known.gap.names):
            raise RequestError(f"there is no variable {name!r} in {label}: {_offered(name, found)}")
    for name in copies:
        if name not in selection.names:
            raise RequestError(
                f"{name!r} is to be called {copies[name]!r}, and is not to be taken: add it to the names"
            )
    _check_new_names(selection, there)
    _check_company(selection, lookup, known.versions)
    return selection


def _check_new_names(selection: Selection, there: Collection[str]) -> None:
    given: set[str] = set()
    for name, new in selection.copies.items():
        if not new.isidentifier() or iskeyword(new) or new == "__debug__":  # which nothing can be assigned to
            raise RequestError(f"{new!r} cannot name a variable: choose letters, digits and _, a letter first")
        if not is_users_name(new):
            raise RequestError(f"{new!r} is a name of IPython's: choose another one for {name}")
        if new == name:
            raise RequestError(f"{name!r} would have the name that it has: leave that out, or choose another name")
        if new in given or new in set(selection.names) - selection.copies.keys():
            raise RequestError(f"two of the variables would be called {new!r}: give each a name of its own")
        if new in there:
            raise RequestError(f"there is a variable {new!r} already: choose another name for {name}, or delete that")
        given.add(new)


def _offered(name: str, names: Collection[str]) -> str:
    from difflib import get_close_matches

    if close := get_close_matches(name, names, 1):
        return f"did you mean {close[0]!r}?"
    listed = sorted(names)[:MOST_NAMES]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"it has {', '.join(listed)}{more}" if listed else "it has none"


# -- who gets what -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claims:
    """Which of the objects that were obtained get names, and which names.

    Attributes:
        names: for each version its names that are bound -> what they are called now.
    """

    names: Mapping[Version, Mapping[str, str]]

    def bound(self, restored: RestoredObjects) -> dict[str, Any]:
        """All that is to be bound."""
        return {new: restored[version][old] for version, names in self.names.items() for old, new in names.items()}

    @property
    def old_names(self) -> set[str]:
        """The names of what is bound, as they are in the other state."""
        return {name for names in self.names.values() for name in names}

    @property
    def new_names(self) -> set[str]:
        """The names to which it is bound."""
        return {name for names in self.names.values() for name in names.values()}

    @property
    def whole(self) -> list[Version]:
        """Versions that become part of the session's state as they are."""
        return [each for each, names in self.names.items() if tuple(names) == each.names and _keeps(names)]


def claims_of(selection: Selection, restored: Collection[Version], lookup: Lookup, state: State) -> Claims:
    """Who gets what of the versions that were obtained.

    Args:
        state: the one from which they come.
    """
    coming = _coming(selection, lookup, state)
    return Claims({version: _claimed(version, version in coming, selection.copies) for version in restored})


def _check_company(selection: Selection, lookup: Lookup, state: State) -> None:
    """No copy is to be called as something that comes along."""
    coming = {name for version in _coming(selection, lookup, state) for name in version.names}
    for name, new in selection.copies.items():
        if new in coming:
            raise RequestError(
                f"{new!r} comes, too, since it shares objects with what is taken: choose another name for {name}"
            )


def _coming(selection: Selection, lookup: Lookup, state: State) -> set[Version]:
    """What comes under its own name: what is asked for so, and what shares objects with that or refers to it."""
    part = selected(lookup, state, selection.names)
    plain = set(selection.names) - selection.copies.keys()
    originals = [Version(names, at) for names, at in part.items() if not plain.isdisjoint(names)]
    return set(References(lookup, part).with_holders(originals))


def _claimed(version: Version, comes: bool, copies: Mapping[str, str]) -> dict[str, str]:
    return {name: copies.get(name, name) for name in version.names if comes or name in copies}


def _keeps(names: Mapping[str, str]) -> bool:
    return all(old == new for old, new in names.items())


# -- what changes --------------------------------------------------------------------------------


def touched_names(bound: Collection[str], providing: Collection[str], here: State, lookup: Lookup) -> frozenset[str]:
    """Names of all that may be otherwise once these are bound.

    That is what shared objects with what they were bound to before, and what refers to classes that go or come.

    Args:
        providing: tokens of the classes that come.
    """
    replaced = [Version(names, at) for names, at in here.items() if not set(bound).isdisjoint(names)]
    tokens = set(providing)
    for version in replaced:
        tokens.update(lookup(version.checkpoint).record(version.names).provides)
    users = (names for names, at in here.items() if tokens and not tokens.isdisjoint(lookup(at).record(names).requires))
    return frozenset(bound).union(*(version.names for version in replaced), *users)


def with_taken(judgement: Judgement, whole: Collection[Version], here: State) -> Judgement:
    """The judgement of a session into which these versions came as they are: they are not stored once more."""
    taken = [version for version in whole if version.names in judgement.known]
    names = {name for version in taken for name in version.names}
    delta = judgement.delta
    ended = [each for each in here if not names.isdisjoint(each)]
    existed = {name for each in here for name in each}
    return replace(
        judgement,
        delta=replace(
            delta,
            changes=tuple(change for change in delta.changes if change.names not in {each.names for each in taken}),
            dropped=tuple(sorted({*delta.dropped, *ended})),
            created=tuple(sorted({*delta.created, *(names - existed)})),
            modified=tuple(sorted({*delta.modified, *(names & existed)})),
            taken=tuple(sorted(taken, key=lambda version: version.names)),
        ),
    )


def whole_plan(plan: Plan, selection: Selection, claims: Claims, here: State, lookup: Lookup) -> Plan:
    """The plan with all that stays in the session, which only says so far what becomes of the selection.

    Args:
        here: the state of the session.
    """
    gone = claims.new_names
    kept = (tuple(name for name in names if name not in gone) for names in here)
    return replace(
        plan,
        keep=tuple(Version(names, CheckpointId("")) for names in sorted(kept) if names),
        notes=_class_notes(selection, plan, here, lookup),
    )


def _class_notes(selection: Selection, plan: Plan, here: State, lookup: Lookup) -> tuple[str, ...]:
    """Says which copies come from a re-run that makes classes anew which are there: theirs are others then."""
    given = [version for step in plan.replay for version in step.gives]
    copied = [version for version in given if not selection.copies.keys().isdisjoint(version.names)]
    there = {token for names, at in here.items() for token in lookup(at).record(names).provides} if copied else set()
    told = []
    for version in copied:
        made = {token: name for each in lookup(version.checkpoint).versions for token, name in each.provides.items()}
        anew = {name for token, name in made.items() if token in there and name not in selection.copies}
        told += [
            f"{selection.copies[name]} comes from its cell, run anew, which made {', '.join(sorted(anew))} anew, too: "
            "no instance in it is one of the class that is there"
            for name in version.names
            if anew and name in selection.copies and name not in made.values()
        ]
    return tuple(told)


# -- what is told --------------------------------------------------------------------------------


def taking_of(outcome: Outcome, selection: Selection, claims: Claims) -> Taking:
    """What became of the selection."""
    lost = {name for each in outcome.plan.lost for name in each.version.names}
    along = claims.old_names - set(selection.names)
    return Taking(outcome, tuple(name for name in selection.names if name not in lost), tuple(sorted(along)))


def take_code(selection: Selection, label: str) -> str:
    """The line that would do the same, for the history."""
    renamed = {name: f" as {new}" for name, new in selection.copies.items()}
    return "\n".join(f"%kishu take {name}@{label}{renamed.get(name, '')}" for name in selection.names)
