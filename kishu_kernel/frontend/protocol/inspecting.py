"""Variables, one after the other, for a person or a program that looks: what each is, and who changed it last.

Law: as in `reading`. Of the session's variables nothing is asked that could run the user's code; of those of another
state, and of all while a cell runs, the records tell.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from kishu_kernel.errors import RequestError
from kishu_kernel.frontend.protocol.content import Json, moment
from kishu_kernel.frontend.protocol.parameters import nearest
from kishu_kernel.history.graph import RESULT, Lookup
from kishu_kernel.model import Checkpoint, CheckpointId, Names, State, VariableInfo, Version, VersionRecord

_SHAPE = re.compile(r"(\d[\d,]*(?: x \d[\d,]*)*)(?=[ :]|$)")
_LENGTH = re.compile(r"(?:list|tuple|dict|set|frozenset) of (\d[\d,]*)")


def recorded_variables(lookup: Lookup, state: State, preview: bool) -> dict[str, Json]:
    """Returns the variables of a state by their names, as the records have them."""
    found: dict[str, Json] = {}
    for names, at in state.items():
        checkpoint = lookup(at)
        record = checkpoint.record(names)
        for info in record.variables:
            found[info.name] = {
                **_recorded(info, record),
                "preview": info.summary if preview else None,
                "head": None,
                "along": [name for name in names if name != info.name],
                **_change(checkpoint),
            }
    return found


def recorded_value(lookup: Lookup, checkpoint: Checkpoint, name: str) -> Json | None:
    """Returns what a checkpoint made of a variable: `type`, `summary`, ...; None where it made none of that name."""
    made = [Version(record.names, checkpoint.id) for record in checkpoint.versions]
    for version in (*made, *checkpoint.taken):
        if name in version.names:
            record = lookup(version.checkpoint).record(version.names)
            return next((_recorded(info, record) for info in record.variables if info.name == name), None)
    return None


def _recorded(info: VariableInfo, record: VersionRecord) -> Json:
    return {
        "name": info.name,
        "type": info.type,
        "summary": info.summary,
        "bytes": record.size,
        "shape": _shape_in(info),
        "stored": record.stored,
    }


def _change(checkpoint: Checkpoint) -> Json:
    return {
        "changed_by": checkpoint.id,
        "changed_at": moment(checkpoint.timestamp),
        "changed_in": checkpoint.execution_count,
    }


def live_variables(
    lookup: Lookup, state: State, variables: Mapping[str, Any], names: Collection[str], with_previews: bool
) -> list[Json]:
    """Returns variables of the session as they are now.

    Args:
        state: the state at the last checkpoint.
        variables: all of the session.
        names: those to look at.
    """
    from kishu_kernel.compare.preview import preview
    from kishu_kernel.objects.secret_names import HIDDEN
    from kishu_kernel.objects.summaries import describe

    covariable_of: dict[str, tuple[Names, CheckpointId]] = {name: each for each in state.items() for name in each[0]}
    found: list[Json] = []
    for name in names:
        obj = variables[name]
        info = describe(name, obj)
        entry: Json = {
            "name": name,
            "type": info.type,
            "summary": info.summary,
            "bytes": 0,
            "shape": _shape_of(obj),
            "preview": preview(obj) if with_previews else None,
            "head": _head(obj) if with_previews else None,
            "along": [],
            "changed_by": None,
            "changed_at": None,
            "changed_in": None,
            "stored": False,
        }
        if name in covariable_of:
            together, at = covariable_of[name]
            checkpoint = lookup(at)
            record = checkpoint.record(together)
            entry |= {"bytes": record.size, "along": [each for each in together if each != name]}
            entry |= {**_change(checkpoint), "stored": record.stored}
            if any(each.summary == HIDDEN for each in record.variables):
                entry |= {"summary": HIDDEN, "preview": HIDDEN if with_previews else None, "head": None}
        found.append(entry)
    return found


def _head(obj: Any) -> Json | None:
    from kishu_kernel.compare.preview import table_head

    head = table_head(obj)
    return None if head is None else {"columns": head[0], "rows": head[1]}


def chosen(there: Iterable[str], names: Collection[str] | None, limit: int) -> tuple[list[str], bool]:
    """Returns the names to tell of, and whether that is not all. Results like `_7` come last.

    Args:
        names: those that are asked for; None: all.

    Raises:
        RequestError: one of them is not there.
    """
    known = dict.fromkeys(sorted(there, key=lambda name: (RESULT.match(name) is not None, name)))
    for name in names or ():
        if name not in known:
            hint = f": {nearest(name, known)}" if known else ""
            raise RequestError(f"there is no variable called {name!r} there{hint}")
    wanted = list(known) if names is None else list(dict.fromkeys(names))
    return wanted[:limit] if limit else wanted, bool(limit) and len(wanted) > limit


def _shape_of(obj: Any) -> list[int] | None:
    from kishu_kernel.objects.classes import has_active_metaclass, is_one_of
    from kishu_kernel.objects.questions import has_shape

    if is_one_of(type(obj), (list, tuple, dict, set, frozenset, str, bytes)):
        return [len(obj)]
    if has_active_metaclass(type(obj)) or not has_shape(obj):
        return None
    try:
        shape = tuple(obj.shape)
    except Exception:
        return None
    return [int(length) for length in shape] if all(isinstance(length, int) for length in shape) else None


def _shape_in(info: VariableInfo) -> list[int] | None:
    """Returns the shape that a summary names."""
    if length := _LENGTH.match(info.summary):
        return [_number(length[1])]
    matched = _SHAPE.match(info.summary) if "." in info.type else None
    return None if matched is None else [_number(each) for each in matched[1].split(" x ")]


def _number(text: str) -> int:
    return int(text.replace(",", ""))
