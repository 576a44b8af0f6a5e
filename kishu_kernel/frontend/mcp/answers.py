"""Replies of the protocol as a model is to have them: what matters, in few words, with a limit for each part.

Law: what is cut says so, and how to get the rest. Pure: no kernel, no disk.
Neighbours: `looking` and `changing` ask the kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kishu_kernel.frontend.pages.outputs_text import outputs_text
from kishu_kernel.frontend.pages.wording import cell, headline, is_result, losses, lost_names
from kishu_kernel.model.amounts import counted

Json = dict[str, Any]

MOST_OUTPUT = 6000
"""Characters of a cell's output."""
MOST_CODE = 2000
_MOST_IN_LIST = 300
"""Characters of code or of a value, where there are many."""
_MOST_NAMES = 40
_MOST_STEPS = 20
_MOST_FIELDS = 12
"""Differences within one variable."""


def cut(text: str, most: int, rest: str = "") -> str:
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
    return kept if len(kept) <= _MOST_NAMES else [*kept[:_MOST_NAMES], f"and {len(kept) - _MOST_NAMES} more"]


def slim(content: Mapping[str, Any]) -> Json:
    """Returns what says something: without None, false, and what is empty."""
    return {key: value for key, value in content.items() if value not in (None, False, "", [], {})}


def state_answer(each: Json, head: str | None = None, most: int = _MOST_IN_LIST) -> Json:
    """Returns a state.

    Args:
        each: a Checkpoint of the protocol.
        head: the state that the session is in.
        most: characters of its code.
    """
    return slim(
        {
            "state": each["id"],
            "here": each["id"] == head,
            "cell": None if each["execution_count"] is None else cell(each),
            "code": cut(each["code"], most, f"kishu_show(target='{each['id']}')")
            if not each["take"]
            else headline(each),
            "failed": each["status"] != "ok" and (each["error"] or each["status"]),
            "created": names(each["created"]),
            "modified": names(each["modified"]),
            "deleted": names(each["deleted"]),
            "side_effects": each["effects"],
            "not_stored": [{**lost, "names": names(lost["names"])} for lost in each["not_stored"][:_MOST_STEPS]],
            "message": each["message"],
            "branches": each["branches"],
            "tags": each["tags"],
        }
    )


def output_answer(outputs: Sequence[Json], start: int, where: str) -> Json:
    """Returns the output of a cell as text.

    Args:
        start: how many of its characters are left out.
        where: what shows the same from another place on, as in `kishu_show(target='In[3]'`.
    """
    text = outputs_text(outputs)
    shown = text[start : start + MOST_OUTPUT]
    left = len(text) - start - len(shown)
    answer: Json = {"output": shown} if shown else {}
    if left > 0:
        answer["cut"] = f"{counted(left, 'more character')}: {where}, start={start + len(shown)})"
    return answer


def ran_answer(ran: Json, digest: str | None) -> Json:
    """Returns what a cell did, and the state that it led to.

    Args:
        ran: of `Client.run`.
        digest: of that state.
    """
    made = ran["checkpoint"]
    state = {} if made is None else {**state_answer(made), "seconds": round(made["duration"], 3)}
    state = {key: value for key, value in state.items() if key not in ("code", "failed", "branches")}
    place = "HEAD" if made is None else made["id"]
    return {"status": ran["status"], **state, **slim({"digest": digest})} | output_answer(
        ran["outputs"], 0, f"kishu_show(target='{place}'"
    )


def plan_answer(plan: Json) -> Json:
    """Returns what a travel would do, or did."""
    steps = plan["replay"]
    return slim(
        {
            "load": names(name for each in plan["load"] for name in each["names"]),
            "delete": names(plan["delete"]),
            "re_run": [
                slim(
                    {
                        "cell": cell(step),
                        "state": step["checkpoint"],
                        "code": cut(step["code"], _MOST_IN_LIST),
                        "gives": names(step["gives"]),
                        "seconds": round(step["seconds"], 3),
                        "side_effects": step["side_effects"],
                    }
                )
                for step in steps[:_MOST_STEPS]
            ],
            "re_run_more": max(0, len(steps) - _MOST_STEPS) and f"{len(steps) - _MOST_STEPS} more cells",
            "lost": [{"names": of, "reason": reason} for of, reason in losses(plan)][:_MOST_STEPS],
            "notes": plan["notes"][:_MOST_STEPS],
        }
    )


def travel_answer(reply: Json) -> Json:
    """Returns the reply to checkout, undo, redo, resume or take: what was done, and what was lost."""
    plan = reply["plan"]
    lost = lost_names(plan)
    told = list(reply.get("told", ()))
    if not reply["applied"]:
        told.append("Nothing has changed.")
    elif lost:
        told.append(f"Lost: {', '.join(names(lost))}; `lost` says why.")
    return {
        "told": told,
        "applied": reply["applied"],
        **slim({"state": reply["head"] if reply["applied"] else plan["target"]}),
        **plan_answer(plan),
        **slim({"warnings": reply.get("warnings")}),
        **slim({"cells_not_in_this_state": [cell(each) for each in reply.get("ahead", ())][:_MOST_NAMES]}),
        **slim({"taken": reply.get("taken"), "came_along": reply.get("along")}),
    }


def variable_answer(each: Json) -> Json:
    """Returns one variable of `inspect`."""
    return slim(
        {
            "name": each["name"],
            "type": each["type"],
            "shape": each["shape"],
            "bytes": each["bytes"],
            "value": cut(each["preview"] or each["summary"], MOST_CODE),
            "shares_objects_with": names(each["along"]),
            "changed_by": each["changed_by"],
            "not_stored": not each["stored"],
        }
    )


def difference_answer(reply: Json) -> Json:
    """Returns the reply to `diff`: the variables that differ, and how."""
    details = reply["details"]
    kept = [each for each in details if not is_result(each["name"])] or details
    return {
        **{key: names(reply[key]) for key in ("created", "modified", "deleted")},
        "details": [_detail(each) for each in kept[:_MOST_NAMES]],
        **slim({"more": len(kept) > _MOST_NAMES and f"{len(kept) - _MOST_NAMES} more variables differ"}),
        **slim({"not_known": reply["unknown"]}),
    }


def _detail(each: Json) -> Json:
    change = each.get("change") or {}
    sides = {side: each[side] and cut(each[side], _MOST_IN_LIST) for side in ("before", "after")}
    within = {key: change.get(key, [])[:_MOST_FIELDS] for key in ("aspects", "cells")}
    return slim({"name": each["name"], **sides, **within, "note": change.get("note")})
