"""Classes of the notebook that variables are bound to: what refers to one refers to that variable.

Such a class has versions of its own. Fingerprints of other variables know its token, and not what is in it; so one
instance that changed is a version of one instance.

Whether a class can be stored apart is tried by pickling it. One that could, and that nobody has changed since, is taken
for one that can: whoever relies on that asks at last whether they are so (`are_so`), by what is in them.

Law: only a class that can be stored apart is one (`class_streams`), and at most one for a token: else what was stored
against it could be loaded against another one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kishu_kernel.model import Version, VersionRecord
from kishu_kernel.objects.classes import derives
from kishu_kernel.objects.reduction_table import ReductionTable

if TYPE_CHECKING:  # imported when the first class is asked for
    from kishu_kernel.objects.codec.class_streams import ClassStreams


class BoundClasses:
    """The classes of the notebook among some variables. Those are looked at when a class is first asked for.

    Args:
        tokens: the tokens of classes by their ids, where these are known.
        trust: take those that could be stored apart for such that can; else all are tried.
    """

    def __init__(
        self,
        table: ReductionTable,
        variables: Mapping[str, Any],
        tokens: Mapping[int, bytes] | None = None,
        *,
        trust: bool = False,
    ) -> None:
        self._trust = trust
        self._table = table
        self._variables = variables
        self._met: dict[int, type] = {}
        self._tokens: dict[int, bytes | None] = dict(tokens or {})

    def token_of(self, cls: type) -> bytes | None:
        """The token of a class that a variable is bound to; None for all other classes."""
        key = id(cls)
        if key not in self._tokens:
            self._tokens[key] = self._found(cls) if key in self._bound else None
        return self._tokens[key]

    def are_so(self, digest_of: Callable[[type], bytes | None]) -> bool:
        """Whether the classes that were taken for apart, without being tried, are so. If not: all is to be asked anew.

        Args:
            digest_of: of what is in a class; None where that does not tell all.
        """
        known = self._table.class_tokens.apart
        looked_at: set[int] = set()
        while todo := [cls for key, cls in self._met.items() if key not in looked_at]:  # to look at one may meet others
            for cls in todo:
                looked_at.add(id(cls))
                before, now = known.get(cls) if self._trust else None, digest_of(cls)
                if now is not None and now == before:
                    continue
                known.pop(cls, None)
                if self._streams.stream_of(cls) is None:  # of one that was tried that is known
                    return False
                if now is not None:
                    known.put(cls, now)
        return True

    def _found(self, cls: type) -> bytes | None:
        trusted = self._trust and self._table.class_tokens.apart.get(cls) is not None
        if not trusted and self._streams.stream_of(cls) is None:
            return None
        self._met[id(cls)] = cls
        token = self._table.class_tokens.token_of(cls)
        same = [each for each in self._table.class_tokens.classes_of(token) if id(each) in self._bound]
        return token if same and same[0] is cls else None

    @cached_property
    def _streams(self) -> ClassStreams:
        from kishu_kernel.objects.codec.class_streams import ClassStreams

        return ClassStreams(self._table)

    @cached_property
    def _bound(self) -> frozenset[int]:
        return frozenset(id(obj) for obj in self._variables.values() if derives(type(obj), type))


def recorded_tokens(
    records: Mapping[Version, VersionRecord], objects: Mapping[Version, Mapping[str, Any]]
) -> dict[int, bytes]:
    """The tokens of the classes that some versions hold, by their ids: what the records say, though made anew."""
    return {
        id(found[name]): bytes.fromhex(token)
        for version, found in objects.items()
        for token, name in records[version].provides.items()
    }
