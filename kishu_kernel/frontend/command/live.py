"""Commands that change the session of a live kernel from outside, between its cells.

Neighbours: `commands` has the group, `sources` finds the kernel, `kishu_kernel.client` asks it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from kishu_kernel.errors import PlanChangedError, SideEffectsError
from kishu_kernel.frontend.command import tables
from kishu_kernel.frontend.command.completion import complete_target
from kishu_kernel.frontend.command.history import store_argument
from kishu_kernel.frontend.command.sources import KernelSource, live_source, source
from kishu_kernel.frontend.command.tables import Json
from kishu_kernel.frontend.command.terminal import (
    Command,
    directory_option,
    examples,
    json_option,
    print_reply,
)
from kishu_kernel.frontend.pages.outputs_text import outputs_text
from kishu_kernel.frontend.printable import printable

_steps = click.argument("steps", type=click.IntRange(1), default=1)
_timeout = click.option(
    "--timeout", type=click.FloatRange(0), metavar="SECONDS", help="Wait at most so long for a busy kernel.  [no limit]"
)


def _travel_options(command: Command) -> Command:
    """Adds the options of all commands that go to another state."""
    for option in (
        json_option,
        directory_option,
        _timeout,
        click.option("--allow-lost", is_flag=True, help="Go there even if some values are lost."),
        click.option("--without", is_flag=True, help="Go there without what only a re-run with side effects gives."),
        click.option("--no-replay", is_flag=True, help="Fail rather than re-run a cell."),
        click.option("-y", "--yes", is_flag=True, help="Re-run cells with side effects without asking."),
        click.option("-n", "--dry-run", is_flag=True, help="Only show what would be done."),
    ):
        command = option(command)
    return command


@click.command(epilog=examples("jupyter kishu undo analysis.ipynb", "jupyter kishu undo analysis.ipynb 3 --dry-run"))
@store_argument
@_steps
@_travel_options
@click.pass_context
def undo(ctx: click.Context, /, name: str, steps: int, **how: Any) -> None:
    """Take back the last cell, or the last STEPS cells.

    The variables become what they were before it. The cell stays in the history, and `redo` brings it back.
    """
    _travel(ctx, name, "undo", {"steps": steps}, **how)


@click.command(epilog=examples("jupyter kishu redo analysis.ipynb"))
@store_argument
@_steps
@_travel_options
@click.pass_context
def redo(ctx: click.Context, /, name: str, steps: int, **how: Any) -> None:
    """Take back the last undo, or the last STEPS undos."""
    _travel(ctx, name, "redo", {"steps": steps}, **how)


@click.command(
    epilog=examples("jupyter kishu checkout analysis.ipynb HEAD~3", "jupyter kishu checkout kernel-1a2b.json baseline")
)
@store_argument
@click.argument("target", shell_complete=complete_target)
@_travel_options
@click.pass_context
def checkout(ctx: click.Context, /, name: str, target: str, **how: Any) -> None:
    """Go to any state.

    TARGET is an id from the log or its first letters, a branch, a tag, HEAD~3, or In[7].
    """
    _travel(ctx, name, "checkout", {"target": target}, **how)


@click.command(epilog=examples("jupyter kishu promote analysis.ipynb fork-1a2b3c4d5e"))
@store_argument
@click.argument("target", shell_complete=complete_target)
@_travel_options
@click.pass_context
def promote(ctx: click.Context, /, name: str, target: str, **how: Any) -> None:
    """Go to a state of another line, which becomes the notebook's own.

    So a fork's work is gone on with: TARGET is its branch. The line that this leaves stays in the history.
    """
    _travel(ctx, name, "promote", {"target": target}, **how)


@click.command(
    epilog=examples(
        "jupyter kishu take analysis.ipynb df@In[3]", "jupyter kishu take analysis.ipynb df@HEAD~2 as df_old"
    )
)
@store_argument
@click.argument("what", nargs=-1, required=True)
@_travel_options
@click.pass_context
def take(ctx: click.Context, /, name: str, what: tuple[str, ...], **how: Any) -> None:
    """Bring back one variable, or a few, and leave the rest as it is.

    WHAT is NAME@TARGET, or NAME@TARGET as NEW for a copy under another name. What shares objects with a variable comes
    along.
    """
    from kishu_kernel.frontend.protocol.taken_words import take_request

    _travel(ctx, name, "take", take_request(what), **how)


@click.command(epilog=examples("jupyter kishu resume analysis.ipynb"))
@store_argument
@click.argument("session", required=False)
@_travel_options
@click.pass_context
def resume(ctx: click.Context, /, name: str, session: str | None, **how: Any) -> None:
    """Go to the state in which the last session ended, or SESSION."""
    _travel(ctx, name, "resume", {"session": session}, **how)


@click.command(epilog=examples("jupyter kishu commit analysis.ipynb 'before the outliers went'"))
@store_argument
@click.argument("message")
@_timeout
@directory_option
@json_option
@click.pass_context
def commit(
    ctx: click.Context, name: str, message: str, timeout: float | None, directory: Path | None, for_programs: bool
) -> None:
    """Give HEAD a message."""
    with live_source(ctx, directory, name, timeout) as there:
        reply = there.ask("commit", message=message)
    print_reply(reply, {"message": message}, for_programs)


def _naming(kind: str, listed: str) -> Callable[..., None]:
    """Returns the function of `branch`, or of `tag`."""

    def change(
        ctx: click.Context,
        name: str,
        called: str | None,
        target: str,
        delete: bool,
        rename: str | None,
        timeout: float | None,
        directory: Path | None,
        for_programs: bool,
    ) -> None:
        if called is None:
            if delete or rename is not None:
                raise click.UsageError(f"{'--delete' if delete else '--rename'} needs the NAME of a {kind}.", ctx)
            with source(ctx, directory, name) as there:
                reply = _names(there.ask("log", limit=0, all=True), kind, listed)
        else:
            with live_source(ctx, directory, name, timeout) as there:
                reply = there.ask(kind, name=called, target=target, delete=delete, rename=rename)
        print_reply(reply, {}, for_programs)

    change.__doc__ = f"""List the {listed}, or make, move, rename or delete one.

    With NAME, which needs a live kernel, the {kind} is set to TARGET, by default HEAD. The values of a state that has
    a {kind} are never dropped.
    """
    return change


def _names(log: Json, kind: str, listed: str) -> Json:
    """Returns all names as in the reply to `branch` or `tag`, which need a name to be asked."""
    found = {name: each["id"] for each in log["checkpoints"] for name in each[listed]}
    known = {key: log[key] for key in ("status", "protocol", "branch")}
    return {**known, "operation": kind, listed: dict(sorted(found.items()))}


def _naming_command(kind: str, listed: str) -> click.Command:
    command = _naming(kind, listed)
    for option in (
        click.pass_context,
        json_option,
        directory_option,
        _timeout,
        click.option("-d", "--delete", is_flag=True, help=f"Delete the {kind}; its states stay."),
        click.option("--rename", metavar="NEW", help=f"Call the {kind} NEW instead."),
        click.argument("target", default="HEAD", shell_complete=complete_target),
        click.argument("called", metavar="[NAME]", required=False),
        store_argument,
    ):
        command = option(command)
    lines = (f"jupyter kishu {kind} analysis.ipynb", f"jupyter kishu {kind} analysis.ipynb baseline In[7]")
    return click.command(kind, epilog=examples(*lines))(command)


@click.command(
    epilog=examples("jupyter kishu run analysis.ipynb 'df.describe()'", "jupyter kishu run analysis.ipynb - < cell.py")
)
@store_argument
@click.argument("code")
@_timeout
@directory_option
@json_option
@click.pass_context
def run(
    ctx: click.Context, name: str, code: str, timeout: float | None, directory: Path | None, for_programs: bool
) -> None:
    """Run a cell, and print its output.

    It becomes part of the history as any other cell; it does not appear in the notebook. If CODE is -, it is read from
    stdin.

    Exit status: 0 success, 1 the cell raised an exception or could not be run, 2 wrong usage.
    """
    if code == "-":
        code = sys.stdin.read()
    with live_source(ctx, directory, name, timeout) as there:
        try:
            reply = there.client.run(code)
        except KeyboardInterrupt:
            there.client.interrupt()
            raise
    if for_programs:
        click.echo(tables.as_json(reply))
    elif reply["outputs"]:
        click.echo(outputs_text(reply["outputs"]))
    ctx.exit(0 if reply["status"] == "ok" else 1)


def _travel(
    ctx: click.Context,
    name: str,
    operation: str,
    where: Json,
    *,
    dry_run: bool,
    no_replay: bool,
    yes: bool,
    without: bool,
    allow_lost: bool,
    timeout: float | None,
    directory: Path | None,
    for_programs: bool,
) -> None:
    replay = "never" if no_replay else "harmless" if without else "auto" if yes else "ask"
    asked = {**where, "dry_run": dry_run, "replay": replay, "allow_lost": allow_lost or without}
    with live_source(ctx, directory, name, timeout) as there:
        while True:  # each plan that was not accepted yet is asked about: a checkout may have to plan anew
            try:
                reply = there.ask(operation, **asked)
                break
            except (SideEffectsError, PlanChangedError) as error:
                if for_programs or not _is_terminal():
                    raise
                if isinstance(error, PlanChangedError):
                    click.echo(printable(str(error)))
                asked |= _accepted(there, operation, asked, error.plan)
    print_reply(reply, asked, for_programs)


def _is_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty()


def _accepted(there: KernelSource, operation: str, asked: Json, plan: Json) -> Json:
    """Asks whether cells with side effects may be re-run. Returns what the request says then.

    Raises:
        Abort: nothing is to be done.
    """
    from kishu_kernel.frontend.pages.confirmation import WITHOUT, Question
    from kishu_kernel.frontend.protocol.content import shown_content

    less = None
    if operation != "take" and plan["replay"]:
        less = there.ask(operation, **{**asked, **WITHOUT, "shown": None, "dry_run": True})["plan"]
    question = Question(plan, less)
    click.echo(question.consequences)
    answer = click.prompt(question.text, default="", show_default=False, prompt_suffix="")
    if (accepted := question.accepted(answer)) is None:
        raise click.Abort
    how, shown = accepted
    return {**how, "shown": shown_content(dict(shown))}


SECTION = "In a live notebook"
COMMANDS = (
    undo,
    redo,
    checkout,
    promote,
    take,
    resume,
    commit,
    _naming_command("branch", "branches"),
    _naming_command("tag", "tags"),
    run,
)
