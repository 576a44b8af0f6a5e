"""What all commands of `commands` share: how they fail, what they take alike, how they tell what they are doing.

Law: an error of ours is one sentence on stderr and the exit status 1, wrong usage 2. Progress is shown to people only,
on a terminal. What is printed passes `tables.printable`.
"""

from __future__ import annotations

import errno
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
from kishu_kernel.frontend.command import named_stores, tables
from kishu_kernel.frontend.printable import printable

if TYPE_CHECKING:
    from kishu_kernel.store import LmdbStore

QUIET = 0.5
"""Seconds in which no progress is shown."""

_WIDTH = 100
"""Columns of a line where there is no terminal."""
_PLAIN = str.maketrans("●○│├┤╯╰╮╭─┴┬…", "*o|++'`.,-++.")
"""Lanes on a terminal that has no box characters."""

_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*(?:([kmgt]?)b?|([kmgt])ib?)", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}

Command = TypeVar("Command", bound=Callable[..., Any])


class Commands(click.Group):
    """A group of commands: what goes wrong in one of them is one sentence."""

    def __init__(self, *arguments: Any, **how: Any) -> None:
        super().__init__(*arguments, **how)
        self._sections: dict[str, list[str]] = {}

    def add_section(self, title: str, commands: Sequence[click.Command]) -> None:
        """Adds commands that belong together; those that are in no section are about stores."""
        self._sections[title] = [str(each.name) for each in commands]
        for each in commands:
            self.add_command(each)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands in the help text, section by section."""
        named = {name for names in self._sections.values() for name in names}
        sections = {**self._sections, "Stores": [name for name in self.list_commands(ctx) if name not in named]}
        for title, names in sections.items():
            with formatter.section(title):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(70)) for name in names])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KishuError as error:
            told = str(error).replace("`%kishu ", "`jupyter kishu ")  # as magics would say it
            raise click.ClickException(printable(told)) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of a pipe has gone: click ends quietly
                raise
            raise click.ClickException(printable(error)) from error


def examples(*lines: str) -> str:
    """The end of a help text."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


# --- options


def directory_option(command: Command) -> Command:
    """`--dir`, for `base_of`."""
    return click.option(
        "--dir",
        "directory",
        metavar="DIRECTORY",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="KISHU_STORE_DIR",
        help="Where the stores are.  [KISHU_STORE_DIR, or kishu/stores in Jupyter's data directory]",
    )(command)


def json_option(command: Command) -> Command:
    """`--json`."""
    return click.option("--json", "for_programs", is_flag=True, help="For programs: print JSON.")(command)


def base_of(ctx: click.Context, directory: Path | None) -> Path:
    """Where the stores are. Told, where that is another place than was meant."""
    base, told = named_stores.base_of(directory, insisted(ctx))
    if told:
        note(told)
    return base


def note(sentence: str, *, people: bool = False) -> None:
    """Says something beside the answer.

    Args:
        people: only to those who watch.
    """
    if not people or sys.stderr.isatty():
        click.echo(f"Note: {printable(sentence)}.", err=True)


def insisted(ctx: click.Context) -> bool:
    """Whether --dir was given: what stands in the environment is for kernels, which keep away from networks."""
    return ctx.get_parameter_source("directory") is click.core.ParameterSource.COMMANDLINE


def size_in_bytes(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """What a person writes as a size: `500MB`, `5 GB`, `1.5GiB`."""
    if value is None:
        return None
    found = _SIZE.fullmatch(value.strip())
    if not found:
        raise click.BadParameter(f"{printable(value)} is no size: write one like 500MB, 5GB or 1.5GiB.", ctx, param)
    number, decimal, binary = found.groups()
    factor = 1024 ** _POWERS[binary.upper()] if binary else 1000 ** _POWERS[decimal.upper()]
    return int(float(number) * factor)


# --- replies of the protocol


def say_reply(reply: tables.Json, asked: tables.Json, for_programs: bool) -> None:
    """A reply of the protocol, as it is or as a person reads it.

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
        text = text.translate(_PLAIN)  # what still cannot be shown is written out by `main`
    click.echo(text)


# --- stores, one after the other


@contextmanager
def opened(path: Path, *, readonly: bool) -> Iterator[LmdbStore]:
    """A store that is there, open for the block."""
    from kishu_kernel.store import LmdbStore

    try:
        store = LmdbStore(path, readonly=readonly)
    except StoreFormatError:  # an older format is brought up to date by opening it to write
        store = LmdbStore(path)
    try:
        yield store
    finally:
        store.close()


class Each:
    """Some stores, one after the other: an error in one does not keep the others waiting.

    Attributes:
        failed: something is not as it should be.
    """

    def __init__(self, paths: Sequence[Path], for_programs: bool) -> None:
        self._paths = paths
        self._json = for_programs
        self._told: list[tables.Json] = []
        self.failed = False

    def __iter__(self) -> Iterator[Path]:
        return iter(self._paths)

    @contextmanager
    def attempt(self, path: Path) -> Iterator[None]:
        """The block deals with one store."""
        before = len(self._told)
        try:
            yield
        except (KishuError, OSError) as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            self.failed = True
            click.echo(f"Error: {printable(error)}", err=True)
            if len(self._told) == before:
                self._told.append({"name": path.name, "path": str(path)})
            self._told[-1]["error"] = str(error)

    def tell(self, value: tables.Json, text: str) -> None:
        """What there is to say of a store, for programs and for people."""
        self._told.append(value)
        self.say(text)

    def say(self, text: str) -> None:
        """To people."""
        if not self._json:
            click.echo(text)

    def end(self, ctx: click.Context, base: Path) -> None:
        """All is said. Ends the command."""
        if self._json:
            click.echo(tables.as_json({"stores": self._told}))
        elif not self._paths:
            click.echo(f"There are no stores in {printable(base)}.")
        ctx.exit(1 if self.failed else 0)


class Bar:
    """A bar on the terminal, for what takes longer than a moment; nothing where stderr is no terminal."""

    def __init__(self, label: str) -> None:
        self._label = printable(label)
        self._started = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._bar is not None:
            if kind is None:  # the total may have been an estimate
                self._bar.update(self._bar.length - self._bar.pos)
            self._bar.__exit__(None, None, None)

    def __call__(self, done: int, total: int) -> None:
        """So many bytes of so many are done."""
        if self._bar is None:
            if not sys.stderr.isatty() or time.monotonic() - self._started < QUIET:
                return
            self._bar = click.progressbar(length=max(total, 1), label=self._label, file=sys.stderr)
            self._bar.__enter__()
        self._bar.update(max(0, min(done, total) - self._bar.pos))
