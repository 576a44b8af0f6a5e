"""Classes of the notebook that variables are bound to: what refers to one refers to that variable.

Such a class has versions of its own. Fingerprints of other variables know its token, and not what is in it; so one
instance that changed is a version of one instance.

Law: only a class that can be stored apart is one (`class_streams`), and at most one for a token: else what was stored
against it could be loaded against another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from kishu_kernel.objects.classes import derives
from kishu_kernel.objects.codec.class_streams import ClassStreams
from kishu_kernel.objects.reducers import ReductionTable


class BoundClasses:
    """The classes of the notebook among some variables. Those are looked at when a class is first asked for.

    Args:
        tokens: the tokens of classes by their ids, where these are known.
    """

    def __init__(
        self, table: ReductionTable, variables: Mapping[str, Any], tokens: Mapping[int, bytes] | None = None
    ) -> None:
        self._table = table
        self._variables = variables
        self._streams = ClassStreams(table)
        self._tokens: dict[int, bytes | None] = dict(tokens or {})

    def token_of(self, cls: type) -> bytes | None:
        """The token of a class that a variable is bound to; None for all other classes."""
        key = id(cls)
        if key not in self._tokens:
            self._tokens[key] = self._found(cls) if key in self._bound else None
        return self._tokens[key]

    def _found(self, cls: type) -> bytes | None:
        if self._streams.stream_of(cls) is None:
            return None
        token = self._table.class_tokens.token_of(cls)
        same = [each for each in self._table.class_tokens.classes_of(token) if id(each) in self._bound]
        return token if same and same[0] is cls else None

    @cached_property
    def _bound(self) -> frozenset[int]:
        return frozenset(id(obj) for obj in self._variables.values() if derives(type(obj), type))
