"""Replies of the protocol as a model is to have them: what matters, in few words, with a limit for each part.

Law: what is cut says so, and how to get the rest. Pure: no kernel, no disk.
Neighbours: `looking` and `changing` ask the kernel.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kishu_kernel.frontend.pages.outputs_text import outputs_text
from kishu_kernel.frontend.pages.wording import (
    cell,
    headline,
    is_result,
    joined,
    listed,
    losses,
    lost_names,
    taken_names,
)
from kishu_kernel.model.amounts import counted

if TYPE_CHECKING:
    from kishu_kernel.client import Explored

Json = dict[str, Any]

MOST_OUTPUT = 6000
"""Characters of a cell's output, or of its code."""
_MOST_END = 1000
"""Characters of the end of an output that is cut."""
MOST_VALUE = 2000
"""Characters of a variable's preview."""
_PICTURES = ("image/png", "image/jpeg")
"""Types that models can see."""
_MOST_LIST = 16_000
"""Characters of all entries of a list."""
_MOST_TEXT = 300
"""Characters of a text where there are many."""
_MOST_NAME = 100
_MOST_NAMES = 40
_MOST_OF_NAMES = 1500
"""Characters of all names in a list."""
_MOST_ENTRIES = 10
"""Reasons, side effects or warnings."""
_MOST_FIELDS = 12
"""Differences within one variable."""


def cut(text: str, most: int = _MOST_TEXT, rest: str = "") -> str:
    """Returns a text, without its middle where it is too long.

    Args:
        rest: how to get it whole.
    """
    if len(text) <= most:
        return text
    begin, end = most * 2 // 3, most // 3
    missing = counted(len(text) - begin - end, "character")
    return f"{text[:begin]}\n[... {missing} left out{'; ' * bool(rest)}{rest} ...]\n{text[-end:]}"


def names(of: Iterable[str]) -> list[str]:
    """Returns names, those of results (`_7`) left out where there are others; many are counted only."""
    all_names = list(of)
    kept = [name for name in all_names if not is_result(name)] or all_names
    shown = [name if len(name) <= _MOST_NAME else f"{name[:_MOST_NAME]}..." for name in kept[:_MOST_NAMES]]
    while len(shown) > 1 and sum(map(len, shown)) > _MOST_OF_NAMES:
        shown.pop()
    return shown if len(shown) == len(kept) else [*shown, f"and {len(kept) - len(shown)} more"]


def texts(of: Sequence[str]) -> list[str]:
    """Returns sentences, as many as fit into an answer."""
    shown = [cut(each) for each in of[:_MOST_ENTRIES]]
    return shown if len(of) <= _MOST_ENTRIES else [*shown, f"and {len(of) - _MOST_ENTRIES} more"]


def fitting(entries: Iterable[Json]) -> tuple[list[Json], bool]:
    """Returns the first entries of a list, as many as fit into an answer, and whether that is not all."""
    kept: list[Json] = []
    left = _MOST_LIST
    for each in entries:
        left -= len(json.dumps(each))
        if left < 0 and kept:
            return kept, True
        kept.append(each)
    return kept, False


def page(what: str, text: str, start: int, on: str, most: int = MOST_OUTPUT) -> Json:
    """Returns a piece of a long text, under the name `what`, and how to read on.

    Args:
        start: how many characters come before it.
        on: what gives the next piece, without its last argument.
    """
    shown = text[start : start + most]
    left = len(text) - start - len(shown)
    return {
        **({what: shown} if shown else {}),
        **({f"{what}_cut": f"{counted(left, 'more character')}: {on}{start + len(shown)})"} if left > 0 else {}),
    }


def slim(content: Mapping[str, Any]) -> Json:
    """Returns what says something: without None, false, and what is empty."""
    return {key: value for key, value in content.items() if value not in (None, False, "", [], {})}


def state_answer(each: Json, head: str | None = None) -> Json:
    """Returns a state.

    Args:
        each: a Checkpoint of the protocol.
        head: the state that the session is in.
    """
    whole = f"kishu_show(target='{each['id']}')"
    return slim(
        {
            "state": each["id"],
            "here": each["id"] == head,
            "cell": None if each["execution_count"] is None else cell(each),
            "code": cut(each["code"], rest=whole) if not each["take"] else headline(each),
            "failed": each["status"] != "ok" and (each["error"] or each["status"]),
            "created": names(each["created"]),
            "modified": names(each["modified"]),
            "deleted": names(each["deleted"]),
            "side_effects": texts(each["effects"] or ()),
            "not_stored": [
                {"names": cut(listed(lost["names"])), "reason": cut(lost["reason"])}
                for lost in each["not_stored"][:_MOST_ENTRIES]
            ],
            "message": cut(each["message"] or ""),
            "branches": names(each["branches"]),
            "tags": names(each["tags"]),
        }
    )


def output_answer(outputs: Sequence[Json], state: str, start: int = 0, most: int = MOST_OUTPUT) -> Json:
    """Returns the output of a cell as text.

    Args:
        state: that the cell led to.
        start: how many of its characters are left out.
        most: how many there are at most.
    """
    number = len(pictures(outputs))
    shown = (
        f"{number}: kishu_picture(target='{state}') shows {'it' if number == 1 else 'the first, number=2 the second'}"
    )
    answer = page("output", outputs_text(outputs), start, f"kishu_show(target='{state}', start=", most)
    return {**answer, **slim({"pictures": number > 0 and shown})}


def pictures(outputs: Sequence[Json]) -> list[tuple[str, str]]:
    """Returns the pictures among outputs: the type of each, and its bytes in Base64."""
    found = [(kind, output["data"].get(kind)) for output in outputs if output.get("data") for kind in _PICTURES]
    return [(kind, "".join(data).replace("\n", "")) for kind, data in found if data]


def ran_answer(ran: Json, digest: str | None) -> Json:
    """Returns what a cell did, and the state that it led to.

    Args:
        ran: of `Client.run`.
        digest: of that state.
    """
    made = ran["checkpoint"]
    state = {} if made is None else {**state_answer(made), "seconds": round(made["duration"], 3)}
    state = {key: value for key, value in state.items() if key not in ("code", "failed", "branches")}
    errors = [each for each in ran["outputs"] if each["output_type"] == "error"]
    error = f"{errors[-1]['ename']}: {errors[-1]['evalue']}" if errors else None
    output = output_answer(ran["outputs"], "HEAD" if made is None else made["id"])
    if "output_cut" in output:  # how it ended is told in any case
        output["output_end"] = outputs_text(ran["outputs"])[-_MOST_END:]
    return {
        "status": ran["status"],
        **slim({"error": error and cut(error)}),
        **state,
        **slim({"digest": digest}),
        **output,
    }


def explored_answer(explored: Sequence[Explored]) -> Json:
    """Returns what became of cells that were tried, in their order."""
    most = max(_MOST_TEXT, MOST_OUTPUT // len(explored))
    shown, cut_off = fitting(
        {
            "status": each.status,
            **slim(
                {
                    "error": each.error and cut(each.error),
                    "state": each.state,
                    "branch": each.branch,
                    "seconds": round(each.seconds, 3),
                    "created": names(each.created),
                    "modified": names(each.modified),
                    "deleted": names(each.deleted),
                }
            ),
            **output_answer(each.outputs, each.state or each.branch or "HEAD", most=most),
        }
        for each in explored
    )
    rest = f"{len(explored) - len(shown)} more were tried: kishu_log with everywhere=true has their states"
    return {"explored": shown, **slim({"more": cut_off and rest})}


def plan_answer(plan: Json) -> Json:
    """Returns what a travel would do, or did."""
    steps, cut_off = fitting(
        slim(
            {
                "cell": cell(step),
                "state": step["checkpoint"],
                "code": cut(step["code"]),
                "gives": names(step["gives"]),
                "seconds": round(step["seconds"], 3),
                "side_effects": texts(step["side_effects"]),
            }
        )
        for step in plan["replay"]
    )
    return slim(
        {
            "load": names(name for each in plan["load"] for name in each["names"]),
            "delete": names(plan["delete"]),
            "re_run": steps,
            "re_run_more": cut_off and f"{len(plan['replay']) - len(steps)} more cells",
            "lost": [{"names": cut(of), "reason": cut(reason)} for of, reason in losses(plan)[:_MOST_ENTRIES]],
            "notes": texts(plan["notes"]),
        }
    )


def travel_answer(reply: Json) -> Json:
    """Returns the reply to checkout, undo, redo, resume or take: what was done, and what was lost."""
    plan = reply["plan"]
    lost = lost_names(plan)
    told = list(reply.get("told", ()))
    if reply["applied"] and reply.get("taken"):
        told.append(f"Took {joined(taken_names(reply))}.")
    if not reply["applied"]:
        told.append("Nothing has changed.")
    elif lost:
        told.append(f"Lost: {', '.join(names(lost))}; `lost` says why.")
    return {
        "told": told,
        "applied": reply["applied"],
        **slim({"state": reply["head"] if reply["applied"] else plan["target"]}),
        **plan_answer(plan),
        **slim({"warnings": texts(reply.get("warnings", ()))}),
        **slim({"cells_not_in_this_state": [cell(each) for each in reply.get("ahead", ())][:_MOST_NAMES]}),
        **slim({"taken": names(reply.get("taken", ())), "came_along": names(reply.get("along", ()))}),
    }


def variable_answer(each: Json) -> Json:
    """Returns one variable of `inspect`."""
    return slim(
        {
            "name": each["name"],
            "type": each["type"],
            "shape": each["shape"],
            "bytes": each["bytes"],
            "value": cut(each["preview"] or each["summary"], MOST_VALUE),
            "shares_objects_with": names(each["along"]),
            "changed_by": each["changed_by"],
            "not_stored": not each["stored"],
        }
    )


def difference_answer(reply: Json) -> Json:
    """Returns the reply to `diff`: the variables that differ, and how."""
    details = reply["details"]
    kept, cut_off = fitting(map(_detail, [each for each in details if not is_result(each["name"])] or details))
    unknown = reply["unknown"]
    return {
        **{key: names(reply[key]) for key in ("created", "modified", "deleted")},
        "details": kept,
        **slim({"more": cut_off and "not all are told: kishu_variables tells single ones of each state, by `names`"}),
        **slim({"not_known": unknown and {"names": names(unknown["names"]), "reason": cut(unknown["reason"])}}),
    }


def _detail(each: Json) -> Json:
    change = each.get("change") or {}
    sides = {side: each[side] and cut(each[side]) for side in ("before", "after")}
    within = {
        key: [{name: cut(text) for name, text in found.items() if text} for found in change.get(key, [])[:_MOST_FIELDS]]
        for key in ("aspects", "cells")
    }
    return slim({"name": each["name"], **sides, **within, "note": cut(change.get("note") or "")})
