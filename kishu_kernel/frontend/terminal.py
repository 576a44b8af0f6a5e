"""What all commands of `commands` share: how they fail, what they take alike, how they tell what they are doing.

Law: an error of ours is one sentence on stderr and the exit status 1, wrong usage 2. Progress is shown to people only,
on a terminal. What is printed passes `tables.visible`.
"""

from __future__ import annotations

import errno
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from kishu_kernel.errors import KishuError, StoreFormatError
from kishu_kernel.frontend import named_stores, tables
from kishu_kernel.frontend.tables import visible

if TYPE_CHECKING:
    from kishu_kernel.store import LmdbStore

QUIET = 0.5
"""Seconds in which no progress is shown."""

_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*(?:([kmgt]?)b?|([kmgt])ib?)", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}

Command = TypeVar("Command", bound=Callable[..., Any])


class Commands(click.Group):
    """A group of commands: what goes wrong in one of them is one sentence."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KishuError as error:
            raise click.ClickException(visible(error)) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of a pipe has gone: click ends quietly
                raise
            raise click.ClickException(visible(error)) from error


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
    base, told = named_stores.base_of(directory, _insisted(ctx))
    if told:
        click.echo(f"Note: {visible(told)}.", err=True)
    return base


def _insisted(ctx: click.Context) -> bool:
    """Whether --dir was given: what stands in the environment is for kernels, which keep away from networks."""
    return ctx.get_parameter_source("directory") is click.core.ParameterSource.COMMANDLINE


def size_in_bytes(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """What a person writes as a size: `500MB`, `5 GB`, `1.5GiB`."""
    if value is None:
        return None
    found = _SIZE.fullmatch(value.strip())
    if not found:
        raise click.BadParameter(f"{visible(value)} is no size: write one like 500MB, 5GB or 1.5GiB.", ctx, param)
    number, decimal, binary = found.groups()
    factor = 1024 ** _POWERS[binary.upper()] if binary else 1000 ** _POWERS[decimal.upper()]
    return int(float(number) * factor)


def complete_store(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For the shell: names of stores that begin so, with their notebooks; else files."""
    from kishu_kernel.store.places.finding import stores

    try:
        base, _ = named_stores.base_of(ctx.params.get("directory"), _insisted(ctx))
        begun = [each for each in stores(base) if each.path.name.startswith(incomplete)]
    except (KishuError, OSError):
        begun = []
    items = [
        CompletionItem(each.path.name, help=visible(each.notebook or "(no notebook)"))
        for each in begun
        if each.path.name.isprintable()
    ]
    return items or [CompletionItem(incomplete, type="file")]


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
            click.echo(f"Error: {visible(error)}", err=True)
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
            click.echo(f"There are no stores in {visible(base)}.")
        ctx.exit(1 if self.failed else 0)


class Bar:
    """A bar on the terminal, for what takes longer than a moment; nothing where stderr is no terminal."""

    def __init__(self, label: str) -> None:
        self._label = visible(label)
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
