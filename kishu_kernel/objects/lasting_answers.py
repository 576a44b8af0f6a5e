"""What was found out of classes and functions of libraries lasts from one moment to the next.

A kernel asks the same of the same hundred classes after each cell, and they hardly ever change. Whether they have is
seen natively, by versions: of the class, of its metaclass, and of what the module holds that holds it under its name.

Law: an answer lasts while nobody has changed the class, its metaclass or their module, nor registered anything, nor
taught us a library. Nothing of the user's is kept: what the notebook or a module of the user's has made is asked anew,
as all is without the native module, and where there are no versions.
Neighbours: `moment` has the answers, `reducers` and the walks of `detect` fill it.
"""

from __future__ import annotations

import abc
import copyreg
import enum
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from cloudpickle import Pickler
from cloudpickle.cloudpickle import _PICKLE_BY_VALUE_MODULES

from kishu_kernel.objects.classes import derives, is_users_own, mro_of
from kishu_kernel.objects.library_globals import version_of_class_globals
from kishu_kernel.objects.moment import Moment
from kishu_kernel.objects.own_modules import held_since_import, now_tracked
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.objects.registry import registry
from kishu_kernel.process.code_origins import is_users_module
from kishu_kernel.process.native import WALKER, dict_version

_TABLES = ("entries", "places", "plain", "hiding", "whole", "values", "hubs", "ways", "walkers", "references")
"""Those of a moment's answers that go by a class or a function, and by nothing else."""

_OFTEN = 64
"""After so many moments all is forgotten: of classes that are met no more nothing is kept for long."""


class LastingAnswers:
    """The moments of a session, each of which begins with what is still right of the one before.

    Args:
        table: how objects come apart.
    """

    def __init__(self, table: ReductionTable) -> None:
        self._table = table
        self._noted = None if WALKER is None else WALKER.Lasting()
        self._kept: dict[str, dict[Any, Any]] = {}
        self._state: object = None
        self._moments = 0

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """No code of the user's runs meanwhile: what is found out of classes is good to the end."""
        state = None if self._noted is None else state_of_ways(self._table)
        kept = self._still_right(state)
        sizes = [len(answers) for answers in kept.values()]
        self._kept, self._state = {}, None  # nothing is, until it is told apart again what lasts
        self._table.moment = Moment(state=state, **kept)
        try:
            yield
        finally:
            self._table.moment = None
            if self._noted is not None and state is not None:
                with suppress(Exception):  # what the moment was for is done
                    for answers, size in zip(kept.values(), sizes, strict=True):
                        self._noted.prune(answers, size, _may_last)
                    self._kept, self._state = kept, state

    def _still_right(self, state: object) -> dict[str, dict[Any, Any]]:
        """What was kept, but for what has changed; empty where all is to be asked anew."""
        self._moments += 1
        if self._noted is None or state is None or state != self._state or self._moments % _OFTEN == 0:
            if self._noted is not None:
                self._noted.forget()
            return {name: {} for name in _TABLES}
        for each in [*self._noted.changed(), *self._table.refused]:
            for answers in self._kept.values():
                answers.pop(each, None)
        return self._kept


def state_of_ways(table: ReductionTable) -> object:
    """What else it goes by how objects come apart: another one whenever that is another. None: nothing lasts."""
    registry.with_current_objects()  # what was imported by now is known
    held = dict_version(held_since_import) if held_since_import else None
    if _PICKLE_BY_VALUE_MODULES or held == 0:
        return None
    ways = tuple(map(dict_version, (copyreg.dispatch_table, *Pickler.dispatch_table.maps[:1])))
    metaclasses = version_of_class_globals(abc.ABCMeta), version_of_class_globals(enum.EnumMeta)
    known = all(ways) and all(metaclasses)
    modules = now_tracked(), held
    return (
        (registry.generation, len(table.refused), abc.get_cache_token(), ways, metaclasses, modules) if known else None
    )


def _may_last(obj: Any) -> bool:
    """Whether a class or a function that its module holds is nothing of the user's."""
    if not derives(type(obj), type):
        return not is_users_module(obj.__module__.partition(".")[0])
    return not (is_users_own(obj) or any(map(is_users_own, mro_of(type(obj)))))
