"""The session state at a checkpoint, found from the one that was asked for before: views ask after each cell.

Law: the same as `graph.known_state_at` says. Where one step from the parent may not give that, all is read.
"""

from __future__ import annotations

from kishu_kernel.history.graph import KnownState, Lookup, changed_names, known_state_at
from kishu_kernel.model import Checkpoint, CheckpointId


class LastState:
    """Remembers one state. Safe from any thread."""

    def __init__(self) -> None:
        self._last: tuple[int, Checkpoint, KnownState] | None = None

    def at(self, lookup: Lookup, id: CheckpointId, revision: int) -> KnownState:
        """As `known_state_at`. O(variables) for the last one again and a child of it, O(checkpoints to the root) else.

        Args:
            revision: of the history; another one where records that were there have changed.
        """
        checkpoint = lookup(id)
        state = self._remembered(checkpoint, revision) or known_state_at(lookup, id)
        self._last = revision, checkpoint, state
        return state

    def _remembered(self, checkpoint: Checkpoint, revision: int) -> KnownState | None:
        if self._last is None or self._last[0] != revision:
            return None
        _, last, state = self._last
        return state if checkpoint.id == last.id else self._stepped(checkpoint, last, state)

    @staticmethod
    def _stepped(checkpoint: Checkpoint, parent: Checkpoint, before: KnownState) -> KnownState | None:
        if checkpoint.parent != parent.id or before.gap is not None:
            return None
        if any(each.incomplete or each.severed is not None for each in (parent, checkpoint)):
            return None
        changed = changed_names(checkpoint)
        versions = {names: made for names, made in before.versions.items() if changed.isdisjoint(names)}
        versions.update((record.names, checkpoint.id) for record in checkpoint.versions)
        if checkpoint.population != sum(map(len, versions)):  # somebody must look for what is not known
            return None
        return KnownState(versions, None)


__all__ = ["LastState"]
