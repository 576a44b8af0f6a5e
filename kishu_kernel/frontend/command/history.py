"""Commands that look into one history: of a live kernel, also while it is busy, or of a store without one.

Law: nothing is loaded here, and nothing is changed; what is written is a new file that the user asked for.
Neighbours: `commands` has the group, `sources` finds who answers, `display` makes the text.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from kishu_kernel.errors import StoreError
from kishu_kernel.frontend.command import tables
from kishu_kernel.frontend.command.completion import complete_store, complete_target, complete_variable
from kishu_kernel.frontend.command.sources import source
from kishu_kernel.frontend.command.tables import Json
from kishu_kernel.frontend.command.terminal import (
    ProgressBar,
    base_of,
    directory_option,
    examples,
    json_option,
    opened,
    print_reply,
)
from kishu_kernel.frontend.pages.outputs_text import outputs_text
from kishu_kernel.frontend.printable import printable
from kishu_kernel.model.amounts import counted
from kishu_kernel.store.catalog import named_stores

if TYPE_CHECKING:
    from kishu_kernel.history.graph import Lookup
    from kishu_kernel.model import CheckpointId
    from kishu_kernel.store.maintenance.bundle_export import Extract

Result = TypeVar("Result")

NOTEBOOK = ".ipynb"

store_argument = click.argument("name", metavar="STORE", shell_complete=complete_store)
limit_option = click.option(
    "-n", "--limit", type=click.IntRange(0), default=100, help="Show at most so many; 0: all.  [100]"
)


@click.command(epilog=examples("jupyter kishu status analysis.ipynb"))
@store_argument
@directory_option
@json_option
@click.pass_context
def status(ctx: click.Context, name: str, directory: Path | None, for_programs: bool) -> None:
    """HEAD, the session, the store, and the kernel if one is live."""
    with source(ctx, directory, name) as there:
        reply = {**there.ask("status"), "notebook": there.notebook, "kernel": there.kernel}
    click.echo(tables.as_json(reply) if for_programs else tables.status_text(reply))


@click.command(
    epilog=examples(
        "jupyter kishu log analysis.ipynb",
        "jupyter kishu log analysis.ipynb --all --limit 0",
        "jupyter kishu log analysis.ipynb --json | jq -r '.checkpoints[].code'",
    )
)
@store_argument
@click.option("-a", "--all", "everything", is_flag=True, help="The states of all branches and sessions.")
@limit_option
@click.option("--since", metavar="TARGET", shell_complete=complete_target, help="Only what is newer than TARGET.")
@directory_option
@json_option
@click.pass_context
def log(
    ctx: click.Context,
    name: str,
    everything: bool,
    limit: int,
    since: str | None,
    directory: Path | None,
    for_programs: bool,
) -> None:
    """The states on the path to HEAD, newest first.

    The filled dot is HEAD.
    """
    asked = {"limit": limit, "all": everything, "since": since, "graph": True}
    with source(ctx, directory, name) as there:
        reply = there.ask("log", **asked)
        total = there.ask("status")["store"]["checkpoints"]
    print_reply(reply, asked, for_programs)
    if for_programs:
        return
    others = total - len(reply["checkpoints"])
    if reply["truncated"]:
        click.echo("... and older ones: --limit 0 shows all")
    elif others > 0 and not everything and since is None:
        click.echo(f"{counted(others, 'state')} on other branches or in other sessions: --all shows all")


@click.command(
    epilog=examples("jupyter kishu show analysis.ipynb", "jupyter kishu show analysis.ipynb In[7]"),
)
@store_argument
@click.argument("target", default="HEAD", shell_complete=complete_target)
@directory_option
@json_option
@click.pass_context
def show(ctx: click.Context, name: str, target: str, directory: Path | None, for_programs: bool) -> None:
    """A state: its cell, the cell's outputs, and its variables.

    TARGET is an id from the log or its first letters, a branch, a tag, HEAD~3, or In[7]; by default it is HEAD.
    """
    with source(ctx, directory, name) as there:
        reply = there.ask("show", target=target)
    print_reply(reply, {"target": target}, for_programs)
    if reply["outputs"] and not for_programs:
        click.echo("\nOutput:\n" + outputs_text(reply["outputs"], "    "))


@click.command(
    epilog=examples("jupyter kishu diff analysis.ipynb baseline", "jupyter kishu diff analysis.ipynb main HEAD~3"),
)
@store_argument
@click.argument("target", shell_complete=complete_target)
@click.argument("base", default="HEAD", shell_complete=complete_target)
@click.option("--values", is_flag=True, help="Also how they differ; a live kernel loads them between cells.")
@directory_option
@json_option
@click.pass_context
def diff(
    ctx: click.Context, name: str, target: str, base: str, values: bool, directory: Path | None, for_programs: bool
) -> None:
    """The variables that differ between two states.

    It lists what changes when you go from BASE to TARGET. By default BASE is HEAD.
    """
    asked = {"target": target, "base": base} | ({"values": True} if values else {})
    with source(ctx, directory, name) as there:
        reply = there.ask("diff", **asked)
    print_reply(reply, asked, for_programs)


@click.command(epilog=examples("jupyter kishu variable analysis.ipynb df"))
@store_argument
@click.argument("variable", metavar="NAME", shell_complete=complete_variable)
@limit_option
@directory_option
@json_option
@click.pass_context
def variable(
    ctx: click.Context, name: str, variable: str, limit: int, directory: Path | None, for_programs: bool
) -> None:
    """The cells that made, changed or deleted a variable."""
    asked = {"name": variable, "limit": limit}
    with source(ctx, directory, name) as there:
        reply = there.ask("variable", **asked)
    print_reply(reply, asked, for_programs)


@click.command(epilog=examples("jupyter kishu search analysis.ipynb read_csv"))
@store_argument
@click.argument("text")
@limit_option
@directory_option
@json_option
@click.pass_context
def search(ctx: click.Context, name: str, text: str, limit: int, directory: Path | None, for_programs: bool) -> None:
    """Find a text in code, messages and names.

    Names are those of variables, branches and tags. It searches all branches and sessions, and ignores case.
    """
    asked = {"text": text, "limit": limit}
    with source(ctx, directory, name) as there:
        reply = there.ask("search", **asked)
    print_reply(reply, asked, for_programs)


@click.command(
    epilog=examples(
        "jupyter kishu export analysis.ipynb history.ipynb",
        "jupyter kishu export analysis.ipynb good.ipynb --target baseline",
        "jupyter kishu export analysis.ipynb analysis.kishu",
        "jupyter kishu export analysis.ipynb model.kishu --target baseline",
    )
)
@store_argument
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--target", metavar="TARGET", shell_complete=complete_target, help="As in `show`: export this state only."
)
@click.option("-f", "--force", is_flag=True, help="Replace FILE if it exists.")
@directory_option
@json_option
@click.pass_context
def export(
    ctx: click.Context,
    name: str,
    file: Path,
    target: str | None,
    force: bool,
    directory: Path | None,
    for_programs: bool,
) -> None:
    """Write a history to FILE: as a notebook, or all of it.

    A FILE that ends with .ipynb becomes a notebook with the cells on the path to TARGET (by default HEAD), in the order
    in which they ran, and their outputs: it can be run from the top. The notebook whose history it is does not change.

    Any other FILE gets everything, values included, for `import` on another machine. With --target it gets the values
    of that state (and what is needed to re-run those that could not be stored), and the code of the cells on the path
    to it. HEAD is then the state in which the last session ended.
    """
    if file.suffix == NOTEBOOK:
        content, text = _export_notebook(ctx, directory, name, file, target or "HEAD", force)
    else:
        content, text = _export_bundle(named_stores.find(base_of(ctx, directory), name), file, target, force)
    click.echo(tables.as_json(content) if for_programs else text)


def _export_notebook(
    ctx: click.Context, directory: Path | None, name: str, file: Path, target: str, force: bool
) -> tuple[Json, str]:
    from kishu_kernel.frontend.protocol.notebook_export import write_notebook

    with source(ctx, directory, name) as there:
        reply = there.ask("export", target=target)
        path = write_notebook(reply["notebook"], str(file), there.notebook, force=force)
    cells = counted(reply["cells"], "cell")
    return {"path": path, "cells": reply["cells"]}, f"{printable(file)}: {cells}. Open it in Jupyter"


def _export_bundle(path: Path, file: Path, target: str | None, force: bool) -> tuple[Json, str]:
    from kishu_kernel.store.maintenance.bundle_export import export_history

    if os.path.lexists(file) and not force:
        raise StoreError(f"{file} already exists: --force replaces it")
    wanted = _extract(path, target) if target else None
    with ProgressBar(f"Writing {file.name}") as bar:
        content = export_history(path, file, wanted, bar)
    quoted = shlex.quote(printable(file.name))
    values = {"path": os.path.abspath(file), **tables.content_json(content)}
    return values, f"{printable(file)}: {tables.content_text(content)}. To import it: jupyter kishu import {quoted}"


def _extract(path: Path, target: str) -> Extract:
    """Returns what belongs to one state of a store."""
    from kishu_kernel.session.bundle_extract import extract

    return in_state(path, target, extract)


def in_state(path: Path, target: str, work: Callable[[Lookup, CheckpointId], Result]) -> Result:
    """Returns what is found for a state of a store."""
    from kishu_kernel.history.targets import own_heads, resolve
    from kishu_kernel.store.format.validation import cycles

    repair = f"repair it with `jupyter kishu fsck --repair {path}` first"
    with opened(path, readonly=True) as store:
        known = {each.id: each for each in store.checkpoints(outputs=False)}
        if cycles({id: each.parent for id, each in known.items()}):
            raise StoreError(f"the history in {path} has no beginning: {repair}")
        refs = store.refs()
        heads = [id for id in own_heads(refs).values() if id in known]
        head = max(heads, key=lambda id: known[id].timestamp, default=None)
        try:
            found = resolve(target, head=head, refs=refs, find=store.find, lookup=known.__getitem__)
            return work(known.__getitem__, found)
        except KeyError as error:
            raise StoreError(f"the history in {path} lacks the state {error.args[0]}: {repair}") from error


SECTION = "One history"
COMMANDS = (status, log, show, diff, variable, search, export)
