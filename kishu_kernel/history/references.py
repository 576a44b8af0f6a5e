"""Which versions of a session state refer to classes that others of it hold.

A class of the notebook and its instances are versions of their own. Law: what refers to a class is made anew when the
class is, and gets the class of its state: the one that stays there, or the one that is loaded or re-run with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kishu_kernel.history.graph import Lookup
from kishu_kernel.model import CheckpointId, Names, State, Version, VersionRecord


class References:
    """The references of one session state. O(versions of the checkpoints that made it)."""

    def __init__(self, lookup: Lookup, state: State) -> None:
        self._requires: dict[Version, tuple[str, ...]] = {}
        self._holders: dict[str, tuple[Version, str]] = {}
        for version, record in _records(lookup, state):
            if record.requires:
                self._requires[version] = record.requires
            for token, name in record.provides.items():
                self._holders[token] = version, name

    def holders(self, version: Version) -> list[Version]:
        """The versions that hold the classes that a version refers to, in a certain order."""
        found = {self._holders[token][0] for token in self._requires.get(version, ()) if token in self._holders}
        return sorted(found, key=lambda holder: holder.names)

    def classes(self, version: Version) -> dict[str, str]:
        """Tokens of the classes that a version refers to -> the names that these are bound to."""
        return {token: self._holders[token][1] for token in self._requires.get(version, ()) if token in self._holders}

    def with_users(self, versions: Iterable[Version]) -> set[Version]:
        """These versions, and what refers to a class that one of them holds."""
        found = set(versions)
        while more := {
            each for each in self._requires if each not in found and not found.isdisjoint(self.holders(each))
        }:
            found |= more
        return found

    def with_holders(self, versions: Iterable[Version]) -> list[Version]:
        """These versions, and what holds the classes that they refer to: that comes before who refers to it."""
        found: dict[Version, None] = {}
        met: set[Version] = set()
        stack = [(version, False) for version in reversed(list(versions))]
        while stack:
            version, ready = stack.pop()
            if ready:
                found[version] = None
            elif version not in met:
                met.add(version)
                stack.append((version, True))
                stack.extend((holder, False) for holder in self.holders(version))
        return list(found)


def _records(lookup: Lookup, state: State) -> Iterator[tuple[Version, VersionRecord]]:
    made: dict[CheckpointId, set[Names]] = {}
    for names, checkpoint in state.items():
        made.setdefault(checkpoint, set()).add(names)
    for checkpoint, of_it in made.items():
        for record in lookup(checkpoint).versions:
            if record.names in of_it:
                yield Version(record.names, checkpoint), record
