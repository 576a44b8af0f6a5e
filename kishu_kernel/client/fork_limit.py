"""May so many forks of a state begin here? Memory is asked before their number.

Law: nothing is started that does not fit; the sentence says what is there, what is needed, and what to do.
Neighbours: the kernel tells its options in `status`; `forks` starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kishu_kernel.errors import ForkLimitError
from kishu_kernel.model.amounts import counted, size
from kishu_kernel.process import free_memory
from kishu_kernel.store.catalog.running_kernels import LiveKernel, live_kernels

BARE = 100_000_000
"""Bytes that a kernel needs before it holds anything."""
SHARE = 0.9
"""The share of the free memory that forks may fill where nothing else is said: the rest is for what their cells do."""

LARGE = 4_000_000
"""From so many bytes on it pays that forks share the memory of a variable."""

_END = "end {} (`jupyter kishu forks` lists {})"


def running_forks() -> list[LiveKernel]:
    """The forks of this user on this machine, the last started first."""
    return [each for each in live_kernels() if each.is_fork]


def needed(kernel: Mapping[str, Any], now: int, there: int) -> int:
    """The bytes that a fork will use, as far as that can be known before.

    Args:
        kernel: of the `status` of the kernel whose history it is.
        now: the bytes of the state in which that is.
        there: the bytes of the state in which the fork begins.
    """
    return max(int(kernel["memory"]) - now, BARE) + there


def state_bytes(shown: Mapping[str, Any]) -> int:
    """The bytes of a state.

    Args:
        shown: the reply to `show`.
    """
    return sum({tuple(each["covariable"]): each["bytes"] for each in shown["variables"]}.values())


def large(shown: Mapping[str, Any]) -> list[tuple[list[str], str]]:
    """The variables of a state that are large: the names of each, and the checkpoint that made it.

    Args:
        shown: the reply to `show`.
    """
    versions = {tuple(each["covariable"]): each for each in shown["variables"]}
    return [(list(names), each["version"]) for names, each in versions.items() if each["bytes"] >= LARGE]


def check(number: int, each: int, rules: Mapping[str, Any]) -> None:
    """Raises `ForkLimitError` where so many forks more are too many.

    Args:
        each: the bytes that one of them will use.
        rules: `limit` and `memory_limit`, as in the kernel's `status`.
    """
    there = running_forks()
    used = free_memory.used_by(fork.pid for fork in there)
    _check_memory(number, each, rules["memory_limit"], len(there), used)
    limit = rules["limit"]
    if limit is not None and number + len(there) > limit:
        raise ForkLimitError(
            f"{_are(len(there))} here, and {number:,} more would be more than c.KishuForks.limit, {limit:,}: "
            + _way_out(len(there), number, "raise that")
        )


def fitting(each: int, rules: Mapping[str, Any]) -> int:
    """How many forks more fit here now.

    Args:
        each: the bytes that one of them will use.
        rules: as of `check`.
    """
    there = running_forks()
    free = int(free_memory.available() * SHARE)
    if rules["memory_limit"] is not None:
        free = min(free, rules["memory_limit"] - free_memory.used_by(fork.pid for fork in there))
    fits = free // each
    return max(0, fits if rules["limit"] is None else min(fits, rules["limit"] - len(there)))


def _check_memory(number: int, each: int, limit: int | None, there: int, used: int) -> None:
    free = int(free_memory.available() * SHARE)
    left = free if limit is None else min(free, limit - used)
    if number * each <= left:
        return
    needs = f"{counted(number, 'fork')} of this state {'needs' if number == 1 else 'need'} about {size(number * each)}"
    if left == free:
        why = f"{size(free)} of memory is left for {'it' if number == 1 else 'them'}"
        also = "free some memory"
    else:
        why = f"c.KishuForks.memory_limit leaves {size(max(0, left))} for more"
        also = "raise that"
    use = f" ({_are(there)}, which {'uses' if there == 1 else 'use'} {size(used)})" if there else ""
    raise ForkLimitError(f"{needs}, and {why}{use}: {_way_out(there, number, also)}")


def _are(there: int) -> str:
    return f"there are {counted(there, 'fork')}" if there > 1 else f"there is {'one' if there else 'no'} fork"


def _way_out(there: int, number: int, also: str) -> str:
    ways = [_END.format(*(("it", "it") if there == 1 else ("some of them", "them")))] if there else []
    ways += ["ask for fewer"] if number > 1 else []
    return ", or ".join([*ways, also])
