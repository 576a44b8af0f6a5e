"""Commands that take a history beyond this machine, and bring it from there.

Neighbours: `store.remote` does the work, `catalog.receive_clone` finds a place for a clone; `commands` has the group.
"""

from __future__ import annotations

import os
import shlex
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kishu_kernel.errors import KishuError, RemoteError
from kishu_kernel.frontend.command import tables
from kishu_kernel.frontend.command.history import in_state, store_argument
from kishu_kernel.frontend.command.terminal import ProgressBar, base_of, directory_option, examples, json_option
from kishu_kernel.frontend.printable import printable
from kishu_kernel.model.amounts import counted, size
from kishu_kernel.store.catalog import named_stores

if TYPE_CHECKING:
    from kishu_kernel.store.remote.clone import Choose
    from kishu_kernel.store.remote.link import Link
    from kishu_kernel.store.remote.objects import RemoteObjects

_NAMES = 10
"""Branches and tags that are listed."""


@click.command(
    epilog=examples("jupyter kishu push analysis.ipynb s3://bucket/team/analysis", "jupyter kishu push analysis.ipynb")
)
@store_argument
@click.argument("url", required=False)
@click.option(
    "--recipient",
    "recipients",
    multiple=True,
    metavar="age1...",
    help="Encrypt it, so that only those with this key can read it, and you; for each a --recipient.",
)
@directory_option
@json_option
@click.pass_context
def push(
    ctx: click.Context,
    name: str,
    url: str | None,
    recipients: tuple[str, ...],
    directory: Path | None,
    for_programs: bool,
) -> None:
    """Send what is missing of this history to its remote.

    URL is s3://BUCKET/PATH, gs://..., az://... or file:///PATH, a place for this history alone; it is remembered.
    Credentials are taken from the environment. Others can push to the same remote: each keeps their own lines. Who can
    read the place can read the history, unless the first push has named recipients; later ones may add some (`keys`
    shows a public key).

    It needs the extra "remote": pip install 'kishu-kernel[remote]'.
    """
    path = named_stores.find(base_of(ctx, directory), name)
    from kishu_kernel.session.garbage import needed_by
    from kishu_kernel.store.remote.push import push as pushed

    remote = _remote_of(path, name, url)
    with ProgressBar(f"Pushing to {remote.url}") as bar:
        sent = pushed(path, remote, bar, recipients=recipients or None, needed=needed_by)
    counts = {"checkpoints": sent.checkpoints, "versions": sent.versions, "bytes": sent.bytes}
    if for_programs:
        click.echo(tables.as_json({"path": str(path), "url": remote.url, **counts}))
    elif not sent.bytes:
        click.echo(f"{printable(remote.url)} has all of it.")
    else:
        what = f"{counted(sent.checkpoints, 'state')}, {counted(sent.versions, 'payload')}, {size(sent.bytes)}"
        click.echo(f"{what} sent to {printable(remote.url)}")


@click.command(epilog=examples("jupyter kishu pull analysis.ipynb"))
@store_argument
@directory_option
@json_option
@click.pass_context
def pull(ctx: click.Context, name: str, directory: Path | None, for_programs: bool) -> None:
    """Bring here what its remote has and this history does not.

    A branch that went on elsewhere goes on here, unless a kernel is live on it. One that went two ways is there twice:
    `main` is yours, `main@machine` the other's. Nothing of it is run or trusted; what others wrote can only be read
    until you accept it: see `trust`.
    """
    path = named_stores.find(base_of(ctx, directory), name)
    from kishu_kernel.store.catalog.running_kernels import sessions_in
    from kishu_kernel.store.remote.pull import pull as pulled

    remote = _remote_of(path, name, None, make=False)
    with ProgressBar(f"Pulling from {remote.url}") as bar:
        got = pulled(path, remote, bar, in_use=bool(sessions_in(path)))
    names = [each.partition("/")[2] for each in got.names if not each.startswith("head/")]
    counts = {"checkpoints": got.checkpoints, "versions": got.versions, "bytes": got.bytes}
    if for_programs:
        click.echo(
            tables.as_json(
                {"path": str(path), "url": remote.url, **counts, "names": names, "names_left": got.names_left}
            )
        )
    elif not got.checkpoints and not got.versions and not got.names and not got.names_left:
        click.echo(f"{printable(remote.url)} has nothing that is not here.")
    else:
        what = f"{counted(got.checkpoints, 'state')}, {counted(got.versions, 'payload')}, {size(got.bytes)}"
        click.echo(f"{what} brought from {printable(remote.url)}")
        if got.names_left:
            click.echo(
                "Its newest push is signed by nobody whom you trust, and earlier ones were: its branches and tags were "
                "not taken. Who made it can make a key (`jupyter kishu keys`) and push again."
            )
        if names:
            more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
            click.echo(f"Branches and tags: {', '.join(map(printable, names[:_NAMES]))}{more}")
        _tell_trust(path, name)


@click.command(
    epilog=examples(
        "jupyter kishu clone s3://bucket/team/analysis",
        "jupyter kishu clone s3://bucket/team/analysis --notebook my.ipynb",
    )
)
@click.argument("url")
@click.option("--notebook", type=click.Path(dir_okay=False), help="Make it the history of this notebook.")
@click.option("--at", "target", help="Bring the values of this state alone; `pull` brings the rest.")
@click.option("--names", help="With --at: of these variables alone, like df,model.")
@click.option("--after", default="", metavar="PUSH", help="It must hold this push, as `remote` shows it elsewhere.")
@directory_option
@json_option
@click.pass_context
def clone(
    ctx: click.Context,
    url: str,
    notebook: str | None,
    target: str | None,
    names: str | None,
    after: str,
    directory: Path | None,
    for_programs: bool,
) -> None:
    """Make a store here of the history at URL.

    Who can write there can also put it back to an older state, and who has never seen it cannot know. It says which
    push was the newest; with --after PUSH, as `jupyter kishu remote` shows it where it is known, an older one is
    refused.

    In the notebook, `%kishu resume` then goes to where it ended. Nothing of it is run or trusted; what somebody else
    wrote can only be read until you accept it: see `trust`. With your own key (KISHU_KEY_FILE) it is yours everywhere.
    """
    if names is not None and not target:
        raise click.UsageError("--names needs --at.", ctx)
    if names is not None and not names.replace(",", "").strip():
        raise click.UsageError("--names names no variable.", ctx)
    base = base_of(ctx, directory)
    from kishu_kernel.store.catalog.receive_clone import receive_clone
    from kishu_kernel.store.remote.link import remote_of
    from kishu_kernel.store.remote.objects import connect

    remote = connect(url, make=False)
    with ProgressBar(f"Cloning {remote.url}") as bar:
        path, got = receive_clone(base, remote, notebook, bar, _choice(target, names), after)
    newest = remote_of(path)
    if for_programs:
        counts = {"checkpoints": got.checkpoints, "versions": got.versions, "bytes": got.bytes}
        values = {"name": path.name, "path": str(path), "notebook": notebook, "url": remote.url, **_push_json(newest)}
        click.echo(tables.as_json({**values, **counts}))
        return
    what = f"{counted(got.checkpoints, 'state')}, {counted(got.versions, 'payload')}, {size(got.bytes)}"
    shown = printable(path.name)
    click.echo(f"{shown}: {what}" + (f", for {printable(notebook)}" if notebook else ""))
    if newest:
        click.echo(f"It ends with push {newest.number} ({_push_text(newest)})")
    if notebook is None:
        click.echo(f"To give it to a notebook: jupyter kishu attach {shlex.quote(shown)} NOTEBOOK")
    _tell_trust(path, path.name)


@click.command(
    epilog=examples("jupyter kishu remote analysis.ipynb", "jupyter kishu remote analysis.ipynb s3://bucket/analysis")
)
@store_argument
@click.argument("url", required=False)
@click.option("--forget", is_flag=True, help="This history has no remote any more. What is there stays.")
@directory_option
@json_option
@click.pass_context
def remote(
    ctx: click.Context,
    name: str,
    url: str | None,
    forget: bool,
    directory: Path | None,
    for_programs: bool,
) -> None:
    """Show where this history is pushed to, or name another place."""
    if url is not None and forget:
        raise click.UsageError("URL and --forget exclude each other.", ctx)
    path = named_stores.find(base_of(ctx, directory), name)
    from kishu_kernel.store.remote.link import remote_of, set_remote
    from kishu_kernel.store.remote.objects import connect

    if url is not None or forget:
        set_remote(path, connect(url).url if url is not None else None)
    link = remote_of(path)
    if for_programs:
        pushes = {"label": link.label, "pushes": link.number, **_push_json(link)} if link else {}
        click.echo(tables.as_json({"path": str(path), "url": link and link.url, **pushes}))
    elif link is None:
        click.echo("It has no remote.")
    else:
        last = f"its push {link.number} was seen last ({_push_text(link)})"
        seen = last if link.number else "nothing was pushed yet"
        click.echo(f"{printable(link.url)}: {seen}; this machine is {printable(link.label)} there")


def _push_text(link: Link) -> str:
    """What is known of the newest push that a store has seen."""
    made = f", of {datetime.fromtimestamp(link.at).astimezone():%Y-%m-%d %H:%M:%S}" if link.at else ""
    by = f"by {printable(link.by)}" if link.by else "signed by nobody who is known here"
    return f"{link.number}:{link.write[:8]}{made}, {by}"


def _push_json(link: Link | None) -> tables.Json:
    return {"push": link and {"number": link.number, "id": link.write, "at": link.at, "by": link.by or None}}


def _choice(target: str | None, names: str | None) -> Choose | None:
    """Returns what says whose values a clone brings; None for all."""
    if target is None:
        return None
    from kishu_kernel.session.bundle_extract import chosen

    wanted = [each.strip() for each in (names or "").split(",") if each.strip()]
    return lambda path: in_state(path, target, lambda lookup, id: chosen(lookup, id, wanted))


def has_remote(path: Path) -> bool:
    """Whether a store is pushed somewhere. False, too, for one that cannot be read."""
    from kishu_kernel.store.remote.link import remote_of

    with suppress(KishuError):
        return remote_of(path) is not None
    return False


def collect(path: Path, limit: int | None, dry_run: bool) -> tuple[tables.Json, str]:
    """Drops in the remote of a store what nobody needs, and says so: for programs, and for people.

    Args:
        limit: bytes to which its values are brought, if that can be.
        dry_run: nothing is dropped.
    """
    from dataclasses import asdict

    from kishu_kernel.session.garbage import sorted_by_need
    from kishu_kernel.store.lmdb_store import LmdbStore
    from kishu_kernel.store.remote import collect as collecting
    from kishu_kernel.store.remote.link import remote_of

    there = _remote_of(path, path.name, None, make=False)
    with closing(LmdbStore(path, readonly=True)) as store:
        refs = store.refs()
    found = collecting.collect(there, remote_of(path), sorted_by_need, refs, limit, dry_run=dry_run)
    values = {
        "name": path.name,
        "path": str(path),
        "url": there.url,
        "dry_run": dry_run,
        **asdict(found),
        "error": None,
    }
    dropped = found.needed_before - found.needed_after
    would = "would be " if dry_run else ""
    told = []
    if dropped or found.states:
        what = f"the values of {counted(found.states, 'state')} {would}dropped, {size(dropped)} of"
        told.append(f"{what} {size(found.needed_before)}; a later `gc --remote`, in 1 day or more, frees the space")
    if found.removed:
        there_were = found.removed_bytes + found.left_bytes
        what = f"{counted(found.removed, 'object')} {would}removed"
        told.append(f"{what}, {size(found.removed_bytes)} of {size(there_were)}")
    if not told:
        told.append(f"nothing to drop now ({size(found.needed_after)} of values, {size(found.left_bytes)} in all)")
    return values, f"{printable(there.url)}: {'; '.join(told)}"


def _remote_of(path: Path, name: str, url: str | None, make: bool = True) -> RemoteObjects:
    """Returns the remote that was named, else the store's own. `make`: as of `connect`."""
    from kishu_kernel.store.remote.link import remote_of
    from kishu_kernel.store.remote.objects import connect

    link = remote_of(path)
    if url is None and link is None:
        called = shlex.quote(printable(os.path.basename(name)))
        raise RemoteError(
            f"this history has no remote yet: `jupyter kishu push {called} s3://BUCKET/PATH` gives it one"
        )
    return connect(url or (link.url if link else ""), make)


def _tell_trust(path: Path, name: str) -> None:
    """Says what of it is somebody else's."""
    from kishu_kernel.store.maintenance.trust import trust_of

    found = trust_of(path)
    if not found.whole:
        click.echo(tables.untrusted_text(found, shlex.quote(printable(name))))


SECTION = "Beyond this machine"
COMMANDS = (push, pull, clone, remote)
