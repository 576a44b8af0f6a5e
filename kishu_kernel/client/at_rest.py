"""Forks of a history on which no kernel is live: the first of them answers for it, and the others are forked from that.

Neighbours: `client` forks a live kernel; `forks` starts processes.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kishu_kernel.client import fork_limit
from kishu_kernel.client.client import Fork, make_forks
from kishu_kernel.client.forks import ForkPlan
from kishu_kernel.errors import RequestError


def fork_store(store: Path, shown: Mapping[str, Any], number: int = 1, *, keep: bool = False) -> list[Fork]:
    """Starts kernels in a state of a store, as `Client.fork` does.

    Args:
        shown: the reply to `show` of that state.

    Raises:
        RequestError: there are to be none.
        ForkLimitError: so many do not fit here.
        CheckoutError: they cannot reach it.
    """
    if number < 1:
        raise RequestError(f"a fork makes one kernel or more, not {number}")
    need = fork_limit.BARE + fork_limit.state_bytes(shown)
    plan = ForkPlan(sys.executable, str(store), shown["checkpoint"]["id"], need, {"limit": None, "memory_limit": None})
    fork_limit.check(number, need, plan.rules)
    [first] = make_forks(plan, 1, keep)
    try:
        others = first.fork(number - 1, plan.state, keep=keep) if number > 1 else []
    except BaseException:
        first.end()
        raise
    return [first, *others]
