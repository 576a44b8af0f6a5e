"""Forks of a history on which no kernel is live: the first of them answers for it, and the others are forked from that.

Neighbours: `client` forks a live kernel; `forks` starts processes.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from kishu_kernel.client import fork_limit
from kishu_kernel.client.client import Fork
from kishu_kernel.client.connection import PATIENCE
from kishu_kernel.client.forks import begin, started
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
    fork_limit.check(number, need, {"limit": None, "memory_limit": None})
    state = shown["checkpoint"]["id"]
    [kernel] = started(sys.executable, str(store), state, 1, {}, keep)
    with ExitStack() as undone:
        undone.callback(kernel.kill)
        connection = undone.enter_context(closing(kernel.connection()))
        status = begin(connection, state)
        fork_limit.check(number - 1, need, status["kernel"]["forks"])
        first = Fork(connection, kernel, status["branch"], None, PATIENCE)
        others = first.fork(number - 1, state, keep=keep) if number > 1 else []
        undone.pop_all()
    return [first, *others]
