"""Which variables form one co-variable (Definition 1): the connected components of what they share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from kishu_kernel.detect.fingerprint import hubs_of
from kishu_kernel.detect.walk.result import Fingerprint
from kishu_kernel.detect.walk.twins import chosen
from kishu_kernel.model import Names, covariable


def connected_names(prints: Mapping[str, Fingerprint]) -> list[Names]:
    """Maximal sets of names whose reachable objects are connected. Sorted."""
    if len(prints) == 1 and all(each.token is None for each in prints.values()):
        return [tuple(prints)]  # as of most cells
    alone = [(name,) for name, each in prints.items() if each.is_alone]
    hubs = hubs_of(prints)
    prints = (
        {**{name: each for name, each in prints.items() if not each.is_alone}, **hubs} if alone else {**prints, **hubs}
    )
    parent = {name: name for name in prints}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = name = parent[parent[name]]
        return name

    for one, other in _sharing(prints):
        parent[root(one)] = root(other)
    ranges = sorted((*extent, name) for name, taken in prints.items() for extent in taken.ranges)
    for one, other in _overlapping(ranges):
        parent[root(one)] = root(other)

    def grouped() -> dict[str, list[str]]:
        groups: dict[str, list[str]] = {}
        for name in prints.keys() - hubs.keys():
            groups.setdefault(root(name), []).append(name)
        return groups

    for one, other in _referring_to_each_other(grouped(), prints):
        parent[root(one)] = root(other)
    return sorted([*alone, *map(covariable, grouped().values())])


_FEW = 4
"""Variables: so many are compared with each other, and no table of all links is made."""


def _sharing(prints: Mapping[str, Fingerprint]) -> Iterator[tuple[str, str]]:
    """Pairs of names that share objects: as many as it takes to know who is connected with whom."""
    all_names, twin = list(prints), chosen()
    if len(all_names) <= _FEW:
        for place, name in enumerate(all_names):
            taken = prints[name]
            for other in all_names[:place]:
                if twin.meet(taken.links, prints[other].links):
                    yield name, other
        for name, taken in prints.items():
            yield from ((name, other) for key in taken.hidden for other in all_names if key in prints[other].links)
        return
    owner = twin.memo()
    for position, name in enumerate(all_names):
        yield from ((name, all_names[claimed]) for claimed in twin.claim(owner, prints[name].links, position))
    for name, taken in prints.items():
        owners = (owner.get(key) for key in taken.hidden)
        yield from ((name, all_names[found]) for found in owners if found is not None)


def _referring_to_each_other(
    groups: Mapping[str, list[str]], prints: Mapping[str, Fingerprint]
) -> Iterator[tuple[str, str]]:
    """Pairs of groups each of which refers, maybe by way of others, to a class that the other holds.

    None of them could be loaded before the other.
    """
    holders = {
        token: group for group, names in groups.items() for name in names if (token := prints[name].token) is not None
    }
    refers: dict[str, set[str]] = {}
    for group in holders.values():
        tokens = frozenset().union(*(prints[name].classes for name in groups[group]))
        refers[group] = {holders[token] for token in tokens if token in holders} - {group}
    reached = {group: _reached(group, refers) for group in refers}
    for group, others in reached.items():
        for other in others:
            if group != other and group in reached.get(other, ()):
                yield group, other


def _reached(start: str, refers: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    todo = list(refers[start])
    while todo:
        group = todo.pop()
        if group not in found:
            found.add(group)
            todo.extend(refers.get(group, ()))
    return found


def _overlapping(ranges: list[tuple[int, int, bool, str]]) -> Iterable[tuple[str, str]]:
    """Pairs of names whose memory overlaps. Two private ranges do not connect, whatever lies between them.

    Args:
        ranges: (start, end, private, name), sorted.
    """
    reach: dict[bool, tuple[int, str]] = {}  # of private and of other ranges: the farthest end so far
    for start, end, private, name in ranges:
        for kind, (far, other) in reach.items():
            if start < far and not (kind and private) and other != name:
                yield name, other
        if end > reach.get(private, (0, ""))[0]:
            reach[private] = (end, name)
