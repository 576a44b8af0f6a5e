"""What a shell offers when a person completes a word of `jupyter kishu`: stores, targets and variables.

Law: completion never fails and changes nothing. Where a history cannot be read, nothing is offered.
Neighbour: `sources` finds the history that the line names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from kishu_kernel.errors import KishuError
from kishu_kernel.frontend.command.sources import store_of
from kishu_kernel.frontend.command.terminal import is_given, usable_base
from kishu_kernel.frontend.printable import printable

if TYPE_CHECKING:
    from kishu_kernel.session.timeline import StoredHistory

_MAX_IDS = 50
"""Ids that are offered at most."""
_PREFIX = re.compile(r"[0-9a-f]{2,16}")


def complete_store(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offers names of stores that begin so, with their notebooks; else files."""
    from kishu_kernel.store.catalog.assignment import list_stores

    try:
        base, _ = usable_base(ctx.params.get("directory"), is_given(ctx))
        begun = [each for each in list_stores(base) if each.path.name.startswith(incomplete)]
    except (KishuError, OSError):
        begun = []
    items = [
        CompletionItem(each.path.name, help=printable(each.notebook or "(no notebook)"))
        for each in begun
        if each.path.name.isprintable()
    ]
    return items or [CompletionItem(incomplete, type="file")]


def complete_target(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offers branches, tags and ids of the history that the line names."""

    def find(history: StoredHistory) -> list[CompletionItem]:
        from kishu_kernel.history.targets import BRANCH, TAG

        names = {"HEAD": "the state you are in", **dict.fromkeys(history.names(BRANCH), "branch")}
        names |= dict.fromkeys(history.names(TAG), "tag")
        found = [CompletionItem(each, help=what) for each, what in names.items() if each.startswith(incomplete)]
        ids = history.store.find(incomplete, _MAX_IDS) if _PREFIX.fullmatch(incomplete) else []
        return found + [CompletionItem(id, help=printable(history.lookup(id).code[:60])) for id in ids]

    return _completed(ctx, find)


def complete_variable(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offers variables of the history that the line names."""

    def find(history: StoredHistory) -> list[CompletionItem]:
        from kishu_kernel.history.graph import ancestry

        path = ancestry(history.lookup, history.head)
        names = dict.fromkeys(name for each in path for name in (*each.created, *each.modified))
        return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]

    return _completed(ctx, find)


def _completed(ctx: click.Context, find: Callable[[StoredHistory], list[CompletionItem]]) -> list[CompletionItem]:
    """Returns what `find` finds in the history that the line names; nothing where that cannot be read."""
    from kishu_kernel.session.timeline import StoredHistory
    from kishu_kernel.store import LmdbStore

    try:
        path = store_of(ctx, ctx.params.get("directory"), ctx.params["name"])
        if path is None:
            return []
        store = LmdbStore(path, readonly=True)
        try:
            return [each for each in find(StoredHistory.from_store(store)) if str(each.value).isprintable()]
        finally:
            store.close()
    except (KishuError, OSError, LookupError, ValueError):
        return []
