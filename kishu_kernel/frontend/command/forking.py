"""Commands on forks: kernels that begin in a state of a history, and go on beside it until somebody ends them.

Neighbours: `kishu_kernel.client` starts and ends them; `commands` has the group.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kishu_kernel.errors import KernelError, RequestError
from kishu_kernel.frontend.command import tables
from kishu_kernel.frontend.command.completion import complete_target
from kishu_kernel.frontend.command.history import store_argument
from kishu_kernel.frontend.command.sources import PATIENCE, KernelSource, source
from kishu_kernel.frontend.command.terminal import directory_option, examples, json_option
from kishu_kernel.frontend.printable import printable
from kishu_kernel.model.amounts import counted

if TYPE_CHECKING:
    from kishu_kernel.client import Fork
    from kishu_kernel.store.catalog.running_kernels import LiveKernel


@click.command(
    epilog=examples(
        "jupyter kishu fork analysis.ipynb",
        "jupyter kishu fork analysis.ipynb --at In[3] -n 3",
        "jupyter console --existing kernel-fork-1a2b3c4d.json",
    )
)
@store_argument
@click.option("--at", "target", default="HEAD", metavar="TARGET", shell_complete=complete_target, help="Begin there.")
@click.option("-n", "--number", type=click.IntRange(1), default=1, help="Start so many kernels.  [1]")
@directory_option
@json_option
@click.pass_context
def fork(ctx: click.Context, name: str, target: str, number: int, directory: Path | None, for_programs: bool) -> None:
    """Start kernels that begin in a state of this history.

    Each goes on by itself. What they do is kept in the same history, each on a branch of its own; the notebook's
    kernel, if one is live, goes on as it is. They run until `jupyter kishu forks --end` ends them, or whoever connects
    to them does.
    """
    with source(ctx, directory, name) as there:
        if isinstance(there, KernelSource):
            forks = there.client.fork(number, target, keep=True)
        else:
            from kishu_kernel.client.at_rest import fork_store

            forks = fork_store(
                Path(there.ask("status")["store"]["path"]), there.ask("show", target=target), number, keep=True
            )
    made = [_told(each) for each in forks]
    for each in forks:
        each.close()
    if for_programs:
        click.echo(tables.as_json({"forks": made}))
    else:
        click.echo(tables.forks_made_text(made))


def _told(fork: Fork) -> tables.Json:
    """Returns what there is to know of a fork that was just made."""
    return {"branch": fork.own_branch, "state": fork.status()["head"], "connection_file": fork.connection_file}


@click.command(
    epilog=examples("jupyter kishu forks", "jupyter kishu forks --end fork-1a2b3c4d5e", "jupyter kishu forks --end-all")
)
@click.option("--end", "ending", metavar="FORK", multiple=True, help="End this one: its branch, or connection file.")
@click.option("--end-all", is_flag=True, help="End all of them.")
@json_option
def forks(ending: tuple[str, ...], end_all: bool, for_programs: bool) -> None:
    """List the forks that run on this machine, or end some of them.

    What a fork did stays in the history, on its branch.
    """
    from kishu_kernel.client.fork_limit import running_forks

    there = [_looked_at(each) for each in running_forks()]
    if ending or end_all:
        named = {each["connection_file"]: each for each in (_named(name, there) for name in ending)}
        chosen = there if end_all else [*named.values()]
        _end(chosen)
        there = chosen
    if for_programs:
        click.echo(tables.as_json({"forks": there, "ended": bool(ending or end_all)}))
    elif ending or end_all:
        names = ", ".join(map(_name, there))
        click.echo(f"Ended {counted(len(there), 'fork')}{names and f': {names}'}.")
    else:
        click.echo(tables.forks_table(there))


def _looked_at(fork: LiveKernel) -> tables.Json:
    """Returns what there is to know of a fork that runs; of one that does not answer, what files say."""
    from kishu_kernel.client import connect
    from kishu_kernel.process.free_memory import used_by
    from kishu_kernel.store.catalog.about_file import read_about

    branch = state = None
    with suppress(KernelError), connect(fork.connection_file, patience=PATIENCE) as client:
        status = client.status()
        branch, state = status["branch"], status["head"]
    about = read_about(Path(fork.store)) if fork.store else None
    return {
        "branch": branch,
        "state": state,
        "notebook": about.notebook if about else None,
        "pid": fork.pid,
        "memory": used_by([fork.pid]),
        "connection_file": fork.connection_file,
    }


def _named(name: str, there: Sequence[tables.Json]) -> tables.Json:
    """Returns the fork that a branch or a connection file names. Raises `RequestError` where there is none."""
    for each in there:
        file = each["connection_file"]
        if name in (each["branch"], file, os.path.basename(file)):
            return each
    known = ", ".join(map(_name, there)) or "none"
    raise RequestError(f"no fork {name} runs on this machine: there {'are' if len(there) > 1 else 'is'} {known}")


def _name(fork: tables.Json) -> str:
    return printable(fork["branch"] or os.path.basename(fork["connection_file"]))


def _end(chosen: Sequence[tables.Json]) -> None:
    from kishu_kernel.client.forks import end_process

    for each in chosen:
        end_process(each["connection_file"], each["pid"])


SECTION = "Forks"
COMMANDS = (fork, forks)
