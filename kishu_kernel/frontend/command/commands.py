"""The console script `jupyter-kishu`, which is `jupyter kishu ...`, and its commands on whole stores.

Law: nothing that reads a store is imported before a command needs it. A command that only looks writes nothing.
Neighbours: `history` has the commands that look into one history, `live` those that change the session of a live
kernel, `forking` those that start others beside it, `remotes` those that go beyond this machine; `tables` makes the
text, `terminal` prints it, `store` does the work, and finds a store by its name.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path

import click

from kishu_kernel import __version__
from kishu_kernel.errors import StoreError
from kishu_kernel.frontend.command import forking, history, keys, live, remotes, removing, tables
from kishu_kernel.frontend.command.completion import complete_store
from kishu_kernel.frontend.command.terminal import (
    Commands,
    EachStore,
    ProgressBar,
    base_of,
    directory_option,
    examples,
    json_option,
    opened,
    size_in_bytes,
)
from kishu_kernel.frontend.printable import printable
from kishu_kernel.store.catalog import named_stores

COMPLETE = "_JUPYTER_KISHU_COMPLETE"

_DROPPED = "it was dropped to save space"

_CONSEQUENCES = """
Nothing shows that you wrote what is listed as not yours. If you accept it, kernels load its values, re-run its cells
and show its outputs as if they were your own, and any of these can run any program with all your rights. Accept it only
if you know where it comes from, and would run a program from there."""

_EPILOG = """\b
Examples:
  jupyter kishu stores                         list all stores, with their sizes
  jupyter kishu log analysis.ipynb             list the states on the path to HEAD
  jupyter kishu show analysis.ipynb In[7]      show a cell, its outputs and all variables after it
  jupyter kishu undo analysis.ipynb            take back the last cell of an open notebook
  jupyter kishu export analysis.ipynb path.ipynb --target baseline
  jupyter kishu gc --dry-run --limit 5GB       show what would be dropped
  jupyter kishu push analysis.ipynb s3://bucket/analysis
  jupyter kishu COMMAND --help                 more about a command

\b
Exit status: 0 success, 1 failure (one sentence says why), 2 wrong usage.

\b
For completion, add to ~/.bashrc (zsh: zsh_source; fish: fish_source, piped into source):
  eval "$(_JUPYTER_KISHU_COMPLETE=bash_source jupyter-kishu)"
"""


@click.group(
    cls=Commands,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", message="kishu-kernel %(version)s")
def commands() -> None:
    """The histories of your notebooks that run in the kernel "Python 3 (Kishu)". Each notebook has a store of its own.

    A history is made of states of the variables, one after each cell. HEAD is the state that a session is in; without
    a live kernel, it is the state in which the last session ended.

    STORE is the path of a notebook, the name of a store as `stores` lists it (or its beginning), or a directory.
    Commands on one history also take the connection file of a kernel (kernel-....json).

    If a kernel is live on the notebook, it answers, also while it is busy; else the store is read. Commands that change
    a session ("In a live notebook") need a live kernel.
    """


@commands.command(epilog=examples("jupyter kishu stores", "jupyter kishu stores --prune --older-than 1w --dry-run"))
@click.option("--prune", is_flag=True, help="Remove what kernels without a notebook have left, and nobody uses.")
@click.option(
    "--older-than",
    metavar="AGE",
    callback=removing.age_in_seconds,
    help="What was not used for so long: 12h, 2w. [30d]",
)
@click.option(
    "--limit", metavar="SIZE", callback=size_in_bytes, help="Also more, the oldest first, until all have this: 50GB."
)
@click.option("--all", "everything", is_flag=True, help="Histories of notebooks, too, and those with names in them.")
@removing.yes_option
@removing.dry_run_option
@directory_option
@json_option
@click.pass_context
def stores(
    ctx: click.Context,
    prune: bool,
    older_than: float | None,
    limit: int | None,
    everything: bool,
    yes: bool,
    dry_run: bool,
    directory: Path | None,
    for_programs: bool,
) -> None:
    """List the stores, the last used first.

    A notebook marked "live" has a kernel; one marked "gone" was renamed, moved or deleted. A renamed or moved notebook
    usually finds its store when it is opened; `attach` helps where it does not.

    With --prune it removes what batch runs and consoles have left: the stores of kernels without a notebook that were
    not used for 30 days. A store that a kernel uses stays, and so does one in which a person has named something.
    """
    base = base_of(ctx, directory)
    if prune:
        age = removing.MAX_AGE if older_than is None else older_than
        rules = removing.UpkeepRules(age, limit, everything)
        removing.prune(ctx, base, rules, yes=yes, dry_run=dry_run, for_programs=for_programs)
    if older_than is not None or limit is not None or everything or yes or dry_run:
        raise click.UsageError("--older-than, --limit, --all, --yes and --dry-run belong to --prune.", ctx)
    from kishu_kernel.store.catalog.assignment import list_stores as listed
    from kishu_kernel.store.catalog.running_kernels import live_kernels

    found = listed(base)
    busy = {Path(kernel.store) for kernel in live_kernels() if kernel.store is not None}
    if for_programs:
        click.echo(tables.as_json(tables.stores_json(found, base, busy)))
    else:
        click.echo(tables.stores_table(found, base, time.time(), busy))


@commands.command(epilog=examples("jupyter kishu fsck", "jupyter kishu fsck analysis.ipynb --repair"))
@click.argument("names", metavar="[STORE]...", nargs=-1, shell_complete=complete_store)
@click.option("--repair", is_flag=True, help="Repair what can be repaired; list what is lost.")
@directory_option
@json_option
@click.pass_context
def fsck(ctx: click.Context, names: tuple[str, ...], repair: bool, directory: Path | None, for_programs: bool) -> None:
    """Check these stores for damage, or all stores.

    It reads every byte. Without --repair it changes nothing; with it, only what cannot be used as it is: damaged values
    are re-run when they are needed, or listed as lost. What nothing shows to be yours counts as a problem, too.

    Exit status: 0 no problem is left, 1 problems are left, 2 wrong usage.
    """
    base = base_of(ctx, directory)
    paths = named_stores.all_or(base, names)
    from kishu_kernel.store.maintenance.fsck import check

    each = EachStore(paths, for_programs)
    for path in each:
        with each.attempt(path), ProgressBar(f"Checking {path.name}") as bar:
            report = check(path, repair, bar)
            each.failed |= not report.clean
            each.report(tables.report_json(report), tables.report_text(report))
    each.end(ctx, base)


@commands.command(
    epilog=examples(
        "jupyter kishu gc --dry-run --limit 5GB",
        "jupyter kishu gc analysis.ipynb --limit 500MB --compact",
        "jupyter kishu gc analysis.ipynb --remote --limit 5GB --dry-run",
    )
)
@click.argument("names", metavar="[STORE]...", nargs=-1, shell_complete=complete_store)
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would be dropped.")
@click.option("--limit", metavar="SIZE", callback=size_in_bytes, help="What each store may occupy: 500MB, 5GB, 1.5GiB.")
@click.option(
    "--compact", is_flag=True, help="Give the free space back to the disk. No kernel may use the store meanwhile."
)
@click.option("--remote", "in_remote", is_flag=True, help="In their remotes, and not here.")
@directory_option
@json_option
@click.pass_context
def gc(
    ctx: click.Context,
    names: tuple[str, ...],
    dry_run: bool,
    limit: int | None,
    compact: bool,
    in_remote: bool,
    directory: Path | None,
    for_programs: bool,
) -> None:
    """Drop values that are not needed, in these stores or in all.

    Values that a branch, a tag or the end of a session needs are always kept, and so is the code of all cells: values
    that were dropped are re-run when you go back there. Without --limit it drops only the values of states that are on
    the path to no branch, tag or end of a session.

    The file keeps its size, and new states use the space; --compact gives it back to the disk.

    With --remote it drops what no branch, tag or session of anybody needs who pushes to the remote, to --limit there if
    that is given. A later `gc --remote` frees the space: what was dropped stays for a day, since somebody may be
    reading it, and nothing goes in the first week. What others have of it stays theirs, and what they name later they
    push again.
    """
    if in_remote and compact:
        raise click.UsageError("--compact is for stores: leave out --compact or --remote.", ctx)
    if dry_run and compact:
        raise click.UsageError("--compact has no dry run: leave out --dry-run or --compact.", ctx)
    base = base_of(ctx, directory)
    paths = named_stores.all_or(base, names)
    from kishu_kernel.session.garbage import collect

    each = EachStore(paths, for_programs)
    if in_remote:
        for path in each if names else filter(remotes.has_remote, each):
            with each.attempt(path):
                each.report(*remotes.collect(path, limit, dry_run))
        each.end(ctx, base)
        return
    for path in each:
        with each.attempt(path):
            with opened(path, readonly=dry_run) as store:
                collected = collect(store, limit, _DROPPED, dry_run=dry_run)
            report = tables.collected_json(path, collected, dry_run)
            each.report(report, tables.collected_text(path, collected, dry_run))
            if compact:
                from kishu_kernel.store.disk.store_files import compact as compacted

                before, after = compacted(path)
                report["compacted"] = {"before": before, "after": after}
                each.say(f"{printable(path.name)}: {tables.compacted_text(before, after)}")
    each.end(ctx, base)


@commands.command(
    "import",
    epilog=examples(
        "jupyter kishu import analysis.kishu --notebook analysis.ipynb", "jupyter kishu import analysis.kishu"
    ),
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--notebook", metavar="NOTEBOOK", type=click.Path(dir_okay=False), help="The notebook whose history it becomes."
)
@click.option(
    "--to", metavar="DIRECTORY", type=click.Path(path_type=Path), help="A new directory for the store instead."
)
@directory_option
@json_option
@click.pass_context
def import_(
    ctx: click.Context, file: Path, notebook: str | None, to: Path | None, directory: Path | None, for_programs: bool
) -> None:
    """Make a store of a FILE that `export` wrote.

    Nothing in it is run or trusted. What somebody else wrote (or you, on another machine) can only be read until you
    accept it: see `trust`.
    """
    if notebook is not None and to is not None:
        raise click.UsageError("--notebook and --to exclude each other.", ctx)
    base = base_of(ctx, directory)
    from kishu_kernel.store.catalog.receive_bundle import receive_bundle
    from kishu_kernel.store.maintenance.bundle_import import import_history
    from kishu_kernel.store.maintenance.trust import trust_of

    with ProgressBar(f"Reading {file.name}") as bar:
        if to is None:
            path, content = receive_bundle(base, file, notebook, bar)
        else:
            path = Path(os.path.abspath(to.expanduser()))
            content = import_history(file, path, bar)
    found = trust_of(path)
    trusted = found.whole
    if for_programs:
        values = {"name": path.name, "path": str(path), "notebook": notebook, "trusted": trusted}
        click.echo(tables.as_json({**values, **tables.content_json(content)}))
        return
    shown = printable(path if to else path.name)
    called = shlex.quote(shown)
    click.echo(f"{shown}: {tables.content_text(content)}" + (f", for {printable(notebook)}" if notebook else ""))
    if notebook is None and to is None:
        click.echo(f"To give it to a notebook: jupyter kishu attach {called} NOTEBOOK")
    if not trusted:
        click.echo(tables.untrusted_text(found, called))


@commands.command(
    epilog=examples(
        "jupyter kishu trust analysis.ipynb --check",
        "jupyter kishu trust analysis.ipynb",
        "jupyter kishu trust --key alice.pub",
        "jupyter kishu trust --revoke alice",
    )
)
@click.argument("name", metavar="[STORE]", required=False, shell_complete=complete_store)
@click.option("--key", metavar="KEY", help="Trust what was signed with this public key: a line, or a file of lines.")
@click.option("--revoke", metavar="KEY", help="Trust no more what was signed with it: a name, a line, a fingerprint.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--check", is_flag=True, help="Only show how much of it is yours; exit status 1 unless all is.")
@directory_option
@json_option
@click.pass_context
def trust(
    ctx: click.Context,
    name: str | None,
    key: str | None,
    revoke: str | None,
    yes: bool,
    check: bool,
    directory: Path | None,
    for_programs: bool,
) -> None:
    """Accept a store that is not known as yours, or a person's key.

    Loading a stored value can run any program, so kernels load only values that are signed with your key (in Jupyter's
    data directory, or in KISHU_KEY_FILE), and show other outputs as text and pictures only. What was imported, copied
    from another notebook's store, or written by an early version of kishu-kernel is not signed. Kernels that use the
    store must be restarted to see that you accepted it.

    With --key, what others sign with their keys is loaded as your own is; `keys` shows yours.
    """
    if (name is not None) + (key is not None) + (revoke is not None) != 1:
        raise click.UsageError("One of STORE, --key and --revoke is needed.", ctx)
    if name is None:
        if key is not None:
            keys.trust_keys(key, for_programs)
        elif revoke is not None:
            keys.revoke(revoke, for_programs)
        return
    if yes and check:
        raise click.UsageError("--yes and --check exclude each other.", ctx)
    if for_programs and not (yes or check):
        raise click.UsageError("--json asks no question: add --check or --yes.", ctx)
    path = named_stores.find(base_of(ctx, directory), name)
    from kishu_kernel.store.catalog.about_file import read_about
    from kishu_kernel.store.maintenance import trust as trusting

    found = trusting.trust_of(path)
    if not for_programs:
        about = read_about(path)
        with opened(path, readonly=True) as store:
            checkpoints = list(store.checkpoints(outputs=False))
        click.echo(tables.trust_text(path, about.notebook if about else None, checkpoints, found))
    if not check and not found.whole:
        if not yes:
            click.echo(_CONSEQUENCES)
            click.confirm("Accept it?", abort=True)
        _check_acceptance()
        found = trusting.trust(path)
        if not for_programs:
            click.echo("Accepted: everything in it that can be read is yours now.")
    elif not for_programs:
        click.echo("All of it is yours." if found.whole else "Not all of it is yours.")
    if for_programs:
        click.echo(tables.as_json(tables.trust_json(path, found)))
    ctx.exit(0 if found.whole else 1)


@commands.command(
    epilog=examples(
        "jupyter kishu attach old-name.ipynb new-name.ipynb",
        "jupyter kishu attach analysis-1f2e3d4c5b6a7988 copy.ipynb",
    )
)
@click.argument("name", metavar="STORE", shell_complete=complete_store)
@click.argument("notebook", type=click.Path(exists=True, dir_okay=False))
@directory_option
@json_option
@click.pass_context
def attach(ctx: click.Context, name: str, notebook: str, directory: Path | None, for_programs: bool) -> None:
    """Give NOTEBOOK the history in STORE.

    If the notebook that it belongs to is gone, NOTEBOOK gets the store itself. Else it gets a copy.
    """
    base = base_of(ctx, directory)
    path = named_stores.find(base, name)
    from kishu_kernel.store.catalog.assignment import attach as attached

    if path.parent != base:
        raise StoreError(f"{path} is not in {base}: `export` it, and `import` it with --notebook {notebook}")
    got = attached(base, path, notebook)
    if for_programs:
        values = {"name": got.name, "path": str(got), "notebook": os.path.abspath(notebook), "copied": got != path}
        click.echo(tables.as_json(values))
        return
    if got == path:
        click.echo(f"{printable(path.name)} is now the history of {printable(notebook)}.")
    else:
        click.echo(f"{printable(notebook)} now has a copy of {printable(path.name)}, in {printable(got.name)}.")
    click.echo("In the notebook, `%kishu resume` goes to where it ended.")


@commands.command(epilog=examples("jupyter kishu mcp", "jupyter kishu mcp analysis.ipynb"))
@click.argument("kernel", metavar="[NOTEBOOK]", required=False)
def mcp(kernel: str | None) -> None:
    """Serve tools for language models (MCP).

    They speak the Model Context Protocol over stdin and stdout. They run cells in the kernels of open notebooks, take
    them back, go to other states, compare these, and try several ways at the same time in forks. With NOTEBOOK, or a
    kernel's connection file, they mean this one where they are told no other; else the only one that runs.

    It needs the extra "mcp": pip install 'kishu-kernel[mcp]'.
    """
    from kishu_kernel.frontend.mcp.server import serve

    serve(kernel)


def _check_acceptance() -> None:
    """Raises `StoreError` where it would be worth nothing that this user accepts a store."""
    from kishu_kernel.store.format.signing import key_path, user_signer

    signer = user_signer()
    if not signer.persistent:
        raise StoreError(f"your key cannot be written to {key_path()}: name another file in KISHU_KEY_FILE")
    if signer.team and signer.team.strict:
        raise StoreError(
            "signatures are strict here, so only what was signed by those whom you trust is loaded: "
            "`jupyter kishu trust --key` trusts a person"
        )


commands.add_command(removing.rm)
for module in (history, live, forking, remotes, keys):
    commands.add_section(module.SECTION, module.COMMANDS)


def main() -> None:
    """Runs the command line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # what the terminal cannot show is escaped
    # shells complete the one word, people type the two
    name = "jupyter-kishu" if COMPLETE in os.environ else "jupyter kishu"
    commands.main(prog_name=name, complete_var=COMPLETE)


if __name__ == "__main__":
    main()
