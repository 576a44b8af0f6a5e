"""One digest for a whole session state: two states with the same variables have the same, in whatever kernel.

It is made of the digests in the records: nothing is loaded, and no object is looked at.
Neighbours: `detect.fingerprint` makes those; a class of the notebook counts as another one where it was made anew.
"""

from __future__ import annotations

import hashlib

from kishu_kernel.history.graph import Lookup
from kishu_kernel.model import CheckpointId, Names, State

_UNKNOWN = b"?"


class StateDigest:
    """Remembers the last one, since views ask for it often. Safe from any thread."""

    def __init__(self) -> None:
        self._last: tuple[State, str] | None = None

    def of(self, lookup: Lookup, state: State) -> str:
        """The digest of a state, in hex. O(variables), or O(1) for the one that was asked for before.

        Args:
            state: is not changed any more.
        """
        last = self._last
        if last is None or last[0] is not state:
            self._last = last = state, _digest(lookup, state)
        return last[1]


def _digest(lookup: Lookup, state: State) -> str:
    made: dict[CheckpointId, dict[Names, bytes]] = {}
    whole = hashlib.sha256()
    for names, at in sorted(state.items()):
        if at not in made:
            made[at] = _digests(lookup, at)
        whole.update("\0".join(names).encode("utf-8", "surrogatepass") + b"\n")
        whole.update(made[at].get(names, _UNKNOWN) + b"\n")
    return whole.hexdigest()[:32]


def _digests(lookup: Lookup, at: CheckpointId) -> dict[Names, bytes]:
    try:
        return {record.names: record.digest for record in lookup(at).versions}
    except KeyError:
        return {}
