"""Hubs: what much leads to, and what leads to all of that.

A figure is one. `line`, `axes` and `legend` are three variables of a notebook; each leads to the figure, and the figure
leads to all that is drawn in it. Without hubs each of the three would be walked by way of the whole figure, and a
thousand lines in a list would take a thousand walks. So the figure is walked once a judgement, on its own: its digest
enters the digest of each of the three, and its links are theirs, which makes them one co-variable.
"""

from __future__ import annotations

from typing import Any

from kishu_kernel.detect.walk.reductions import walk_reduction
from kishu_kernel.detect.walk.state import Walk


def walk_hub(walk: Walk, obj: Any) -> None:
    """Much leads to it, and it leads to all of that: walked once for all the variables of a judgement.

    One that this walk began with, or that leads to another that leads back, is walked like any object.
    """
    hubs = walk.shared.hubs
    known = hubs.get(id(obj))
    if known is None and id(obj) in hubs:
        walk.met_unfinished_hub = walk.met_unfinished_hub or id(obj) != walk.root
        walk_reduction(walk, obj)
        return
    if known is None:
        own = type(walk)(walk.shared)
        known = own.run(obj)
        if own.met_unfinished_hub:  # it says what it does only because this walk began elsewhere
            del hubs[id(obj)]
            walk_reduction(walk, obj)
            return
    elif walk.root in known.links:  # each leads to the other: neither is told by the other
        walk_reduction(walk, obj)
        return
    walk.parts.append(b"h" + known.digest)
    walk.labels.update(known.labels)
    walk.codes |= known.codes
    walk.modules |= known.modules
    walk.opaque.extend(known.opaque)
    walk.dynamic = walk.dynamic or known.dynamic
    walk.sequences.extend(known.sequences)
    walk.bound_classes |= known.classes
    walk.kinds_apart |= known.kinds
    walk.hubs.update({id(each): each for each in (known, *known.hubs)})
