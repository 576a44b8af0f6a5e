"""What all commands share: how they fail, the options that many of them have, what they print.

Law: an error of ours is one sentence on stderr and the exit status 1; wrong usage is 2. Progress is shown on a terminal
only. What is printed passes `printable`.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kishu_kernel.errors import KishuError, StoreFormatError
from kishu_kernel.frontend.command import tables
from kishu_kernel.frontend.printable import printable

if TYPE_CHECKING:
    from kishu_kernel.store import LmdbStore

QUIET = 0.5
"""Seconds before the first progress is shown."""

_WIDTH = 100
"""Columns of a line where there is no terminal."""
_PLAIN = str.maketrans("●○│├┤╯╰╮╭─┴┬…", "*o|++'`.,-++.")
"""Replaces the box characters of lanes on a terminal that has none."""

_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*(?:([kmgt]?)b?|([kmgt])ib?)", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}

Command = TypeVar("Command", bound=Callable[..., Any])


class Commands(click.Group):
    """A group of commands whose errors are one sentence each."""

    def __init__(self, *arguments: Any, **how: Any) -> None:
        super().__init__(*arguments, **how)
        self._sections: dict[str, list[str]] = {}

    def add_section(self, title: str, commands: Sequence[click.Command]) -> None:
        """Adds commands under a title of the help text; commands in no section are listed under "Stores"."""
        self._sections[title] = [str(each.name) for each in commands]
        for each in commands:
            self.add_command(each)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the list of commands in the help text, section by section."""
        named = {name for names in self._sections.values() for name in names}
        sections = {**self._sections, "Stores": [name for name in self.list_commands(ctx) if name not in named]}
        for title, names in sections.items():
            with formatter.section(title):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(70)) for name in names])

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command that the line names."""
        try:
            return super().invoke(ctx)
        except KishuError as error:
            from kishu_kernel.frontend.pages.confirmation import with_options

            sentence = with_options(str(error)).replace("`%kishu ", "`jupyter kishu ")  # what it names is a magic
            raise click.ClickException(printable(sentence)) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of a pipe has ended: click ends silently
                raise
            raise click.ClickException(printable(error)) from error


def examples(*lines: str) -> str:
    """Returns the end of a help text."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


# --- options


def directory_option(command: Command) -> Command:
    """Adds `--dir` to a command, for `base_of`."""
    return click.option(
        "--dir",
        "directory",
        metavar="DIRECTORY",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="KISHU_STORE_DIR",
        help="The directory of the stores.  [KISHU_STORE_DIR, or kishu/stores in Jupyter's data directory]",
    )(command)


def json_option(command: Command) -> Command:
    """Adds `--json` to a command."""
    return click.option("--json", "for_programs", is_flag=True, help="Print JSON, for programs.")(command)


def usable_base(directory: Path | None, force: bool) -> tuple[Path, str | None]:
    """Returns the directory of the stores, and a sentence for the user where it is not the one that was meant.

    Args:
        directory: None: the default.
        force: use it, whatever disk it is on.

    Raises:
        StoreError: there is no usable local directory.
    """
    from kishu_kernel.store.catalog.filesystems import base_for
    from kishu_kernel.store.catalog.paths import default_base

    meant = Path(os.path.abspath(directory.expanduser())) if directory else default_base()
    base, reason = base_for(meant, force=force)
    return base, reason and f"{reason}; --dir names another directory"


def base_of(ctx: click.Context, directory: Path | None) -> Path:
    """Returns the directory of the stores. Prints a note where it is not the one that was meant."""
    base, sentence = usable_base(directory, is_given(ctx))
    if sentence:
        note(sentence)
    return base


def note(sentence: str, *, people: bool = False) -> None:
    """Prints a note on stderr.

    Args:
        people: only on a terminal.
    """
    if not people or sys.stderr.isatty():
        click.echo(f"Note: {printable(sentence)}.", err=True)


def is_given(ctx: click.Context) -> bool:
    """Whether --dir was given on the command line, and not by the environment, which kernels also obey."""
    return ctx.get_parameter_source("directory") is click.core.ParameterSource.COMMANDLINE


def size_in_bytes(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Parses a size as a person writes it: `500MB`, `5 GB`, `1.5GiB`."""
    if value is None:
        return None
    found = _SIZE.fullmatch(value.strip())
    if not found:
        raise click.BadParameter(f"{printable(value)} is not a size: write one like 500MB, 5GB or 1.5GiB.", ctx, param)
    number, decimal, binary = found.groups()
    factor = 1024 ** _POWERS[binary.upper()] if binary else 1000 ** _POWERS[decimal.upper()]
    return int(float(number) * factor)


# --- replies of the protocol


def print_reply(reply: tables.Json, asked: tables.Json, for_programs: bool) -> None:
    """Prints a reply of the protocol, as JSON or as text.

    Args:
        asked: the parameters of the request.
    """
    if for_programs:
        click.echo(tables.as_json(reply))
        return
    from kishu_kernel.frontend.pages.display import as_text
    from kishu_kernel.frontend.pages.wording import View

    width = shutil.get_terminal_size((_WIDTH, 24)).columns if sys.stdout.isatty() else _WIDTH
    text = as_text({**reply, "truncated": False}, View(asked, width, branch=reply.get("branch")))
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        text.encode(encoding)
    except (UnicodeError, LookupError):
        text = text.translate(_PLAIN)  # `main` escapes what still cannot be shown
    click.echo(text)


# --- stores, one after the other


@contextmanager
def opened(path: Path, *, readonly: bool) -> Iterator[LmdbStore]:
    """Opens an existing store for the block."""
    from kishu_kernel.store import LmdbStore

    try:
        store = LmdbStore(path, readonly=readonly)
    except StoreFormatError:  # opened to write, an older format is upgraded
        store = LmdbStore(path)
    try:
        yield store
    finally:
        store.close()


class EachStore:
    """Handles some stores one after the other: after an error in one it goes on with the next.

    Attributes:
        failed: there was an error, or a store is not as it should be.
    """

    def __init__(self, paths: Sequence[Path], for_programs: bool) -> None:
        self._paths = paths
        self._json = for_programs
        self._reports: list[tables.Json] = []
        self.failed = False

    def __iter__(self) -> Iterator[Path]:
        return iter(self._paths)

    @contextmanager
    def attempt(self, path: Path) -> Iterator[None]:
        """The block handles one store."""
        before = len(self._reports)
        try:
            yield
        except (KishuError, OSError) as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            self.failed = True
            click.echo(f"Error: {printable(error)}", err=True)
            if len(self._reports) == before:
                self._reports.append({"name": path.name, "path": str(path)})
            self._reports[-1]["error"] = str(error)

    def report(self, value: tables.Json, text: str) -> None:
        """Prints what there is to say of a store: with --json at the end, in one value."""
        self._reports.append(value)
        self.say(text)

    def say(self, text: str) -> None:
        """Prints a line, unless JSON is asked for."""
        if not self._json:
            click.echo(text)

    def end(self, ctx: click.Context, base: Path) -> None:
        """Ends the command, with its exit status."""
        if self._json:
            click.echo(tables.as_json({"stores": self._reports}))
        elif not self._paths:
            click.echo(f"There are no stores in {printable(base)}.")
        ctx.exit(1 if self.failed else 0)


class ProgressBar:
    """A progress bar for what takes longer than a moment; shows nothing where stderr is no terminal."""

    def __init__(self, label: str) -> None:
        self._label = printable(label)
        self._started = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._bar is not None:
            if kind is None:  # the total may have been an estimate
                self._bar.update(self._bar.length - self._bar.pos)
            self._bar.__exit__(None, None, None)

    def __call__(self, done: int, total: int) -> None:
        """Shows that so many bytes of so many are done."""
        if self._bar is None:
            if not sys.stderr.isatty() or time.monotonic() - self._started < QUIET:
                return
            self._bar = click.progressbar(length=max(total, 1), label=self._label, file=sys.stderr)
            self._bar.__enter__()
        self._bar.update(max(0, min(done, total) - self._bar.pos))
