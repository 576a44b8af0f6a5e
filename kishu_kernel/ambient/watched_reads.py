"""Reads providers of ambient state. What cannot have changed since it was read is not read again.

Law: a value is taken for what it was only where the provider says from which places it comes, nothing there has changed
(`process.native.watch`), nothing was imported, and it refers to no object: who is referred to is noted at each reading.
Neighbour: `keeper`, which asks after each cell.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from typing import Any

from kishu_kernel.ambient.provider import providers
from kishu_kernel.objects.ambient_state import Provider, differs
from kishu_kernel.process.native import broken_watches, dict_version, watch


class WatchedReads:
    """The values of providers, as they were read last.

    Args:
        own: a provider of the session's, beside those that are registered.

    Attributes:
        values: of those that are what they were when `begin` was called, by name.
    """

    def __init__(self, own: Provider) -> None:
        self.values: dict[str, Any] = {}
        self._own = own
        self._all: dict[str, Provider] = {}
        self._of: Any = None
        self._names: list[str] = []
        self._watches: list[Any] = []
        self._modules: Any = None
        self._asked: Any = None
        self._present: dict[str, Provider] = {}
        self._said: list[tuple[Provider, bool]] = []
        """Those that say themselves whether they are present, and what they said."""

    def all(self) -> dict[str, Provider]:
        """All that there are: the same dictionary as long as they are the same."""
        known = providers()
        if known is not self._of:
            self._of, self._all = known, {**known, self._own.name: self._own}
        return self._all

    def present(self) -> dict[str, Provider]:
        """Those of which the session has what they belong to."""
        imported = self._note_imports()
        found = self.all()
        if imported or found is not self._asked or any(each.present != was for each, was in self._said):
            self._said = [(each, each.present) for each in found.values() if _says_itself(each)]
            self._present = {name: each for name, each in found.items() if each.present}
            self._asked = found
        return self._present

    def begin(self) -> None:
        """Some are about to be read: after an import all are."""
        self._note_imports()
        self._drop(broken_watches(self._watches))

    def forget(self, names: Collection[str]) -> None:
        """These were written."""
        self._drop([place for place, name in enumerate(self._names) if name in names])

    def read(self, provider: Provider) -> Any:
        """Reads one that is not among `values`; raises what that raises."""
        watched = _watched(provider)  # before it is read: another thread may change it meanwhile
        value = provider.read()
        refers = provider.refers and differs(value, provider.initial())
        if watched is not None and not refers and watched.holds():
            self._names.append(provider.name)
            self._watches.append(watched)
            self.values[provider.name] = value
        return value

    def _note_imports(self) -> bool:
        version: Any = dict_version(sys.modules)
        known = self._modules
        if known is not None and (version == known if version else type(known) is not int and known.holds()):
            return False
        self._modules = version or watch([sys.modules])
        self._drop(range(len(self._names)))
        return True

    def _drop(self, places: Iterable[int]) -> None:
        for place in sorted(places, reverse=True):
            self.values.pop(self._names.pop(place), None)
            del self._watches[place]


def _says_itself(provider: Provider) -> bool:
    return type(provider).present is not Provider.present


def _watched(provider: Provider) -> Any:
    try:
        places = provider.places()
        return None if places is None else watch(list(places))
    except Exception:  # another version of the library: nobody can tell
        return None
