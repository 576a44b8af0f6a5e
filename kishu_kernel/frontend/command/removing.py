"""Commands that remove whole stores: those that a person names, and those to which nobody will go back.

Law: what would go is shown first, with its size, and then asked for; `--yes` answers for programs. No store goes that
is in use.
Neighbours: `session.upkeep` says what may go, `store.catalog.removal` removes it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

import click

from kishu_kernel.frontend.command import tables
from kishu_kernel.frontend.command.completion import complete_store
from kishu_kernel.frontend.command.terminal import EachStore, base_of, directory_option, examples, json_option
from kishu_kernel.frontend.printable import printable
from kishu_kernel.model.amounts import counted, size
from kishu_kernel.model.storage import DAY, MAX_AGE
from kishu_kernel.session.upkeep import UpkeepRules
from kishu_kernel.store.catalog import named_stores

_AGE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([hdw]?)", re.IGNORECASE)
_SECONDS = {"h": 3600.0, "": DAY, "d": DAY, "w": 7 * DAY}

__all__ = ["MAX_AGE", "UpkeepRules", "age_in_seconds", "dry_run_option", "prune", "rm", "yes_option"]

yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
dry_run_option = click.option("-n", "--dry-run", is_flag=True, help="Only show what would be removed.")


def age_in_seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Parses an age as a person writes it: `30d`, `12h`, `2w`; without a unit in days."""
    if value is None:
        return None
    found = _AGE.fullmatch(value.strip())
    if not found:
        raise click.BadParameter(f"{printable(value)} is not an age: write one like 30d, 12h or 2w.", ctx, param)
    return float(found[1]) * _SECONDS[found[2].lower()]


@click.command(epilog=examples("jupyter kishu rm old.ipynb", "jupyter kishu rm session-20260104T1 -y"))
@click.argument("names", metavar="STORE...", nargs=-1, required=True, shell_complete=complete_store)
@yes_option
@dry_run_option
@directory_option
@json_option
@click.pass_context
def rm(
    ctx: click.Context, names: tuple[str, ...], yes: bool, dry_run: bool, directory: Path | None, for_programs: bool
) -> None:
    """Remove the histories in these stores, for good.

    The notebooks themselves stay as they are. A store that a kernel uses is not removed.
    """
    base = base_of(ctx, directory)
    remove(ctx, base, named_stores.all_or(base, names), yes=yes, dry_run=dry_run, for_programs=for_programs)


def prune(ctx: click.Context, base: Path, rules: UpkeepRules, *, yes: bool, dry_run: bool, for_programs: bool) -> None:
    """Removes the stores to which nobody will go back, by these rules."""
    from kishu_kernel.session.upkeep import removable

    paths = removable(base, rules)
    if not paths and not for_programs:
        click.echo("No store is to be removed.")
        ctx.exit(0)
    remove(ctx, base, paths, yes=yes, dry_run=dry_run, for_programs=for_programs)


def remove(
    ctx: click.Context, base: Path, paths: Sequence[Path], *, yes: bool, dry_run: bool, for_programs: bool
) -> None:
    """Shows these stores, asks, and removes them; ends the command."""
    from kishu_kernel.store.catalog.assignment import listing_of
    from kishu_kernel.store.catalog.removal import remove_store

    if for_programs and not (yes or dry_run):
        raise click.UsageError("--json asks no question: add --dry-run or --yes.", ctx)
    listings = {path: listing for path in paths if (listing := listing_of(path)) is not None}
    if not yes and not for_programs:
        click.echo(tables.stores_table(list(listings.values()), base, time.time(), ()))
    if not (yes or dry_run):
        click.confirm(f"Remove {'it' if len(listings) == 1 else 'them'}? This cannot be taken back", abort=True)
    each, freed, count = EachStore(list(listings), for_programs), 0, 0
    for path, listing in listings.items():
        report = {"name": path.name, "path": str(path), "notebook": listing.notebook, "dry_run": dry_run}
        with each.attempt(path):
            bytes = listing.bytes if dry_run else remove_store(path)
            freed, count = freed + bytes, count + 1
            text = f"{printable(path.name)}: {'would be removed' if dry_run else 'removed'}, {size(bytes)}"
            each.report({**report, "bytes": bytes, "error": None}, text)
    if not for_programs and count:
        click.echo(f"{'Would free' if dry_run else 'Freed'} {size(freed)}, of {counted(count, 'store')}.")
    each.end(ctx, base)
