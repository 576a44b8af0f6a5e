"""What to take, as people write it: `df@In[3]`, `a b@baseline`, `df@baseline as df_old`."""

from __future__ import annotations

from collections.abc import Sequence

from kishu_kernel.errors import RequestError
from kishu_kernel.frontend.protocol.content import Json

USAGE = "NAME@TARGET [as NEW]"


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


def _joined(words: Sequence[str]) -> list[str]:
    """Joins `df@In [7]`, as notebooks write it."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1].endswith("@In") and word.startswith("["):
            joined[-1] += word
        else:
            joined.append(word)
    return joined
