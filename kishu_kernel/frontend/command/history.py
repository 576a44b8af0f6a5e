"""Commands that look into one history: of a live kernel, also while it is busy, or at rest.

Law: nothing is loaded here, and nothing is changed; what is written is a new file that was asked for.
Neighbours: `commands` has the group, `sources` finds who answers, `display` makes the text.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kishu_kernel.errors import StoreError
from kishu_kernel.frontend.command import named_stores, tables
from kishu_kernel.frontend.command.completion import complete_store, complete_target, complete_variable
from kishu_kernel.frontend.command.sources import source
from kishu_kernel.frontend.command.tables import Json
from kishu_kernel.frontend.command.terminal import (
    Bar,
    base_of,
    directory_option,
    examples,
    json_option,
    opened,
    say_reply,
)
from kishu_kernel.frontend.printable import printable
from kishu_kernel.model.amounts import counted

if TYPE_CHECKING:
    from kishu_kernel.store.maintenance.bundle_export import Extract

NOTEBOOK = ".ipynb"

store_argument = click.argument("name", metavar="STORE", shell_complete=complete_store)
limit_option = click.option(
    "-n", "--limit", type=click.IntRange(0), default=100, help="At most so many; 0: all.  [100]"
)


@click.command(epilog=examples("jupyter kishu status analysis.ipynb"))
@store_argument
@directory_option
@json_option
@click.pass_context
def status(ctx: click.Context, name: str, directory: Path | None, for_programs: bool) -> None:
    """Where it stands, and whether a kernel is live on it."""
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
@click.option("-a", "--all", "everything", is_flag=True, help="Every branch and session, not only the way to HEAD.")
@limit_option
@click.option("--since", metavar="TARGET", shell_complete=complete_target, help="Only what came after this one.")
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
    """The cells that led to where it stands, newest first.

    The dot that is filled is HEAD: where the live session stands, or where the last one ended.
    """
    asked = {"limit": limit, "all": everything, "since": since, "graph": True}
    with source(ctx, directory, name) as there:
        reply = there.ask("log", **asked)
        known = there.ask("status")["store"]["checkpoints"]
    say_reply(reply, asked, for_programs)
    if for_programs:
        return
    others = known - len(reply["checkpoints"])
    if reply["truncated"]:
        click.echo("... and older ones: --limit 0 shows all")
    elif others > 0 and not everything and since is None:
        click.echo(f"{counted(others, 'checkpoint')} on other ways, or of other sessions: --all shows all")


@click.command(
    epilog=examples("jupyter kishu show analysis.ipynb", "jupyter kishu show analysis.ipynb In[7]"),
)
@store_argument
@click.argument("target", default="HEAD", shell_complete=complete_target)
@directory_option
@json_option
@click.pass_context
def show(ctx: click.Context, name: str, target: str, directory: Path | None, for_programs: bool) -> None:
    """A cell as it was, and all variables after it.

    TARGET is an id as in the log, or its first letters, a branch, a tag, HEAD~3, or In[7]; HEAD where nothing is said.
    """
    with source(ctx, directory, name) as there:
        reply = there.ask("show", target=target)
    say_reply(reply, {"target": target}, for_programs)
    if reply["outputs"] and not for_programs:
        click.echo("\nIt showed:\n" + tables.outputs_text(reply["outputs"], "    "))


@click.command(
    epilog=examples("jupyter kishu diff analysis.ipynb baseline", "jupyter kishu diff analysis.ipynb main HEAD~3"),
)
@store_argument
@click.argument("target", shell_complete=complete_target)
@click.argument("base", default="HEAD", shell_complete=complete_target)
@click.option("--values", is_flag=True, help="Also in what way they differ; a live kernel loads them between cells.")
@directory_option
@json_option
@click.pass_context
def diff(
    ctx: click.Context, name: str, target: str, base: str, values: bool, directory: Path | None, for_programs: bool
) -> None:
    """Which variables differ between two states.

    Told is what going from BASE to TARGET changes. BASE is HEAD where nothing is said: where the live session stands,
    or where the last one ended.
    """
    asked = {"target": target, "base": base} | ({"values": True} if values else {})
    with source(ctx, directory, name) as there:
        reply = there.ask("diff", **asked)
    say_reply(reply, asked, for_programs)


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
    say_reply(reply, asked, for_programs)


@click.command(epilog=examples("jupyter kishu search analysis.ipynb read_csv"))
@store_argument
@click.argument("text")
@limit_option
@directory_option
@json_option
@click.pass_context
def search(ctx: click.Context, name: str, text: str, limit: int, directory: Path | None, for_programs: bool) -> None:
    """The cells in which a text occurs.

    In their code, in their messages, or in the names of variables, branches and tags. Looks into every branch and
    session. Letters may be small or capital.
    """
    asked = {"text": text, "limit": limit}
    with source(ctx, directory, name) as there:
        reply = there.ask("search", **asked)
    say_reply(reply, asked, for_programs)


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
@click.option("--target", metavar="TARGET", shell_complete=complete_target, help="As in `show`: one state only.")
@click.option("-f", "--force", is_flag=True, help="Replace FILE where there is one.")
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
    """Write a history to FILE, as a notebook or whole.

    Where FILE ends with .ipynb it becomes a notebook, with the cells that led to TARGET (HEAD where nothing is said) in
    the order in which they ran, and their outputs: it can be run from the top. The notebook whose history it is stays
    as it is.

    Any other FILE gets everything, values included, for `import` on another machine. With --target the values of that
    state go along (and what re-running takes for those that could not be stored), and the code of the cells on the way
    there. HEAD is where the last session stood.
    """
    if file.suffix == NOTEBOOK:
        told, text = _export_notebook(ctx, directory, name, file, target or "HEAD", force)
    else:
        told, text = _export_bundle(named_stores.find(base_of(ctx, directory), name), file, target, force)
    click.echo(tables.as_json(told) if for_programs else text)


def _export_notebook(
    ctx: click.Context, directory: Path | None, name: str, file: Path, target: str, force: bool
) -> tuple[Json, str]:
    from kishu_kernel.frontend.protocol.notebook_export import write_notebook

    with source(ctx, directory, name) as there:
        reply = there.ask("export", target=target)
        path = write_notebook(reply["notebook"], str(file), there.notebook, force=force)
    cells = counted(reply["cells"], "cell")
    return {"path": path, "cells": reply["cells"]}, f"{printable(file)}: {cells}. To look at it: open it in Jupyter"


def _export_bundle(path: Path, file: Path, target: str | None, force: bool) -> tuple[Json, str]:
    from kishu_kernel.store.maintenance.bundle_export import export_history

    if os.path.lexists(file) and not force:
        raise StoreError(f"there is {file} already: --force replaces it")
    extract = _extract(path, target) if target else None
    with Bar(f"Writing {file.name}") as bar:
        content = export_history(path, file, extract, bar)
    elsewhere = shlex.quote(printable(file.name))
    told = {"path": os.path.abspath(file), **tables.content_json(content)}
    return told, f"{printable(file)}: {tables.content_text(content)}. Elsewhere: jupyter kishu import {elsewhere}"


def _extract(path: Path, target: str) -> Extract:
    """What belongs to one state of a store."""
    from kishu_kernel.history.targets import HEAD, resolve
    from kishu_kernel.session.bundle_extract import extract
    from kishu_kernel.store.format.validation import cycles

    mend = f"mend it with `jupyter kishu fsck --repair {path}` first"
    with opened(path, readonly=True) as store:
        known = {each.id: each for each in store.checkpoints(outputs=False)}
        if cycles({id: each.parent for id, each in known.items()}):
            raise StoreError(f"the history in {path} has no beginning: {mend}")
        refs = store.refs()
        heads = [id for name, id in refs.items() if name.startswith(HEAD) and id in known]
        head = max(heads, key=lambda id: known[id].timestamp, default=None)
        try:
            found = resolve(target, head=head, refs=refs, find=store.find, lookup=known.__getitem__)
            return extract(known.__getitem__, found)
        except KeyError as error:
            raise StoreError(f"the history in {path} lacks checkpoint {error.args[0]}: {mend}") from error


SECTION = "One history, live or at rest"
COMMANDS = (status, log, show, diff, variable, search, export)
