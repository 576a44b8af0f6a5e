"""What to take, as people write it: `df@In[3]`, `a b@baseline`, `df@baseline as df_old`; and as the history has it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from kishu_kernel.errors import RequestError

Json = dict[str, Any]

USAGE = "NAME@TARGET [as NEW]"

_LINE = re.compile(r"%kishu take (\S+?)@(\S+?)(?: as (\S+))?")
"""A line of the code that a take leaves in its record (`session/checkout`)."""


def take_request(words: Sequence[str]) -> Json:
    """Returns `names`, `target` and `as` of a request.

    Raises:
        RequestError: the words do not say that.
    """
    names: list[str] = []
    copies: dict[str, str] = {}
    targets: list[str] = []
    rest = iter(_joined(words))
    for word in rest:
        if word == "as":
            new = next(rest, None)
            if new is None or not names:
                raise RequestError(f"`as` stands between a name and the new one, as in `{USAGE}`")
            new, at, target = new.partition("@")
            copies[names[-1]] = new
        else:
            name, at, target = word.partition("@")
            names += [name] if name else []
        if at:
            targets.append(target)
    if len(set(targets)) != 1 or not names or not targets[0]:
        raise RequestError(f"name the variables, and the one state from which they are to come, as in `{USAGE}`")
    return {"names": names, "target": targets[0], **({"as": copies} if copies else {})}


def take_content(code: str, execution_count: int | None) -> Json | None:
    """Returns what a checkpoint took: `names`, `target` and `as`, as of the request; None where it took nothing.

    Args:
        code: of the checkpoint.
        execution_count: of its cell. What a cell takes has a checkpoint of its own, before that of the cell.
    """
    if execution_count is not None:
        return None
    found = [_LINE.fullmatch(line) for line in code.split("\n")]
    lines = [each for each in found if each]
    if not lines or len(lines) < len(found):
        return None
    copies = {each[1]: each[3] for each in lines if each[3]}
    return {"names": [each[1] for each in lines], "target": lines[0][2], "as": copies}


def _joined(words: Sequence[str]) -> list[str]:
    """Joins `df@In [7]`, as notebooks write it."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1].endswith("@In") and word.startswith("["):
            joined[-1] += word
        else:
            joined.append(word)
    return joined
