"""The words of `%kishu`: one table, from which its parser, its help and its completion are made."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from IPython.core.error import UsageError

from kishu_kernel.frontend.protocol.parameters import nearest

Kind = Literal["target", "branch", "tag", "variable", "session", "store", "file", "command", "text", "number"]
"""What a word stands for: decides what completes it."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A word that stands at its place.

    Attributes:
        many: takes all words that follow, as one text.
    """

    name: str
    kind: Kind
    required: bool = True
    many: bool = False

    @property
    def usage(self) -> str:
        """As help writes it."""
        shown = "N" if self.kind == "number" else self.name.upper()
        return shown if self.required else f"[{shown}]"


@dataclass(frozen=True, slots=True)
class Option:
    """A word that begins with dashes.

    Attributes:
        key: of the request; what it is set to, unless a word of this kind follows.
    """

    flag: str
    what: str
    key: str
    value: Any = True
    kind: Kind | None = None

    @property
    def usage(self) -> str:
        """As help writes it."""
        return f"{self.flag} {'N' if self.kind == 'number' else 'TARGET'}" if self.kind else self.flag


@dataclass(frozen=True, slots=True)
class Subcommand:
    """One operation, as people say it."""

    name: str
    what: str
    arguments: tuple[Argument, ...] = ()
    options: tuple[Option, ...] = ()
    more: str = ""

    @property
    def usage(self) -> str:
        """The line without its options."""
        return " ".join(["%kishu", self.name, *(each.usage for each in self.arguments)])


_TARGET = Argument("target", "target")
_MAYBE_TARGET = Argument("target", "target", required=False)
_LIMIT = Option("--limit", "so many at most (100); 0: all", "limit", kind="number")
_DRY = Option("--dry-run", "only tell what would be done", "dry_run")
_DELETE = Option("--delete", "delete it; its checkpoints stay", "delete")
_TRAVEL = (
    _DRY,
    Option("--yes", "re-run cells with side effects without asking (-y)", "yes"),
    Option("--no-replay", "refuse rather than re-run a cell", "replay", "never"),
    Option("--allow-lost", "go there without what cannot be brought back", "allow_lost"),
)
_ASKS = "Asks before it re-runs a cell that may write files, talk to the network or the like."

SUBCOMMANDS = (
    Subcommand(
        "log",
        "the cells that led here, newest first",
        options=(
            Option("--all", "of every branch and session", "all"),
            _LIMIT,
            Option("--since", "only what is newer", "since", kind="target"),
            Option("--graph", "with --json: where lines are drawn", "graph"),
        ),
    ),
    Subcommand(
        "undo",
        "take back the last cell, or the last N",
        (Argument("steps", "number", required=False),),
        _TRAVEL,
        f"Nothing is lost: `%kishu redo` goes forth again. {_ASKS}",
    ),
    Subcommand(
        "redo", "and forth again", (Argument("steps", "number", required=False),), _TRAVEL, "To where undo came from."
    ),
    Subcommand(
        "checkout",
        "go to any state",
        (_TARGET,),
        _TRAVEL,
        f"The state that is left stays where it is: it can be gone back to. {_ASKS}",
    ),
    Subcommand("status", "where you are, and what the store holds"),
    Subcommand(
        "show", "a cell: its code, its outputs as they were, the variables after it", (Argument("target", "target"),)
    ),
    Subcommand(
        "diff",
        "which variables are different at TARGET from BASE (HEAD), and in what way",
        (_TARGET, Argument("base", "target", required=False)),
        (Option("--values", "with --json: in what way, too", "values"),),
        "Large values are not loaded for it.",
    ),
    Subcommand(
        "variable", "when did it change? The cells that made or changed it", (Argument("name", "variable"),), (_LIMIT,)
    ),
    Subcommand(
        "search",
        "find a text in code, messages and names, of all branches and sessions",
        (Argument("text", "text", many=True),),
        (_LIMIT,),
    ),
    Subcommand("commit", "give the present state a message", (Argument("message", "text", many=True),)),
    Subcommand(
        "branch",
        "make a branch here or at TARGET; alone: list them",
        (Argument("name", "branch", required=False), _MAYBE_TARGET),
        (_DELETE,),
    ),
    Subcommand(
        "tag",
        "make a tag here or at TARGET; alone: list them",
        (Argument("name", "tag", required=False), _MAYBE_TARGET),
        (_DELETE,),
    ),
    Subcommand(
        "export",
        "write the cells that led here or to TARGET as a notebook that can be run",
        (Argument("path", "file"), _MAYBE_TARGET),
        (Option("--force", "write over what is there", "force"),),
        "The notebook that you work in is never written.",
    ),
    Subcommand(
        "resume",
        "go to where an earlier session of this notebook ended",
        (Argument("session", "session", required=False),),
        _TRAVEL,
        _ASKS,
    ),
    Subcommand("stores", "the histories of all notebooks"),
    Subcommand("attach", "give this notebook the history of another one", (Argument("store", "store"),)),
    Subcommand("gc", "drop what no branch, tag or session needs", options=(_DRY,)),
    Subcommand("panel", "the history to look at and click, beside the notebook's cells"),
    Subcommand("help", "all of this, or more of one", (Argument("command", "command", required=False),)),
)
BY_NAME: Mapping[str, Subcommand] = {each.name: each for each in SUBCOMMANDS}

TARGETS = "TARGET is an id from the log (4 characters are enough), a branch, a tag, HEAD, HEAD~3, or In[7]."
_MORE = "`%kishu help undo` and the like tell more; `--json` anywhere displays the reply as JSON."


def parsed(words: list[str]) -> dict[str, Any]:
    """The request, and what only concerns how it is asked (`yes`). Raises `UsageError`."""
    name, *rest = words
    if name in ("--help", "-h", "?"):
        name = "help"
    command = BY_NAME.get(name)
    if command is None:
        raise UsageError(f"%kishu has no {name!r}: {nearest(name, BY_NAME)}")
    if "--help" in rest or "-h" in rest:
        return {"operation": "help", "command": name}
    found, left = _parser(command).parse_known_args(_spaced(rest, command))
    for word in left:
        flags = {each.flag: each for each in command.options}
        if word.startswith("-") and flags:
            raise UsageError(f"{name} does not know {word}: {nearest(word, flags)}")
        raise UsageError(f"{word!r} is too much: it is `{command.usage}`")
    return {"operation": name, **vars(found)}


def _spaced(words: list[str], command: Subcommand) -> list[str]:
    """`In [7]`, as notebooks write it, is one word where a target is meant."""
    if any(each.many for each in command.arguments):
        return words
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] == "In" and word.startswith("["):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}; `%kishu help {self.prog}` explains")


def _parser(command: Subcommand) -> argparse.ArgumentParser:
    parser = _Parser(prog=command.name, add_help=False, argument_default=argparse.SUPPRESS, allow_abbrev=False)
    for each in command.arguments:
        how: dict[str, Any] = {"type": int} if each.kind == "number" else {}
        if each.many:
            how |= {"nargs": "+", "action": _Joined}
        elif not each.required:
            how |= {"nargs": "?", "default": 1} if each.kind == "number" else {"nargs": "?"}
        parser.add_argument(each.name, **how)
    for option in command.options:
        flags = (option.flag, "-y") if option.flag == "--yes" else (option.flag,)
        if option.kind:
            parser.add_argument(*flags, dest=option.key, type=int if option.kind == "number" else str)
        else:
            parser.add_argument(*flags, dest=option.key, action="store_const", const=option.value)
    return parser


class _Joined(argparse.Action):
    """A text may be written without quotes."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        setattr(namespace, self.dest, " ".join(values))


# --- help


def help_text(name: str | None = None) -> str:
    """Of one subcommand, or of all. Raises `UsageError`."""
    if name is None:
        rows = [(each.usage, each.what) for each in SUBCOMMANDS]
        width = max(len(usage) for usage, _ in rows)
        lines = [f"{usage:{width}}  {what}" for usage, what in rows]
        lines += ["", TARGETS, "Options:", *(f"  {who}: {which}" for who, which in _options()), f"  {_MORE}"]
        return "\n".join(["Travel in time: go back to any earlier state of your variables.", "", *lines])
    command = _known(name)
    lines = [f"{command.usage}{' [OPTIONS]' if command.options else ''}", f"    {command.what}"]
    lines += [f"    {command.more}"] if command.more else []
    lines += [f"    {TARGETS}"] if any(each.kind == "target" for each in command.arguments) else []
    width = max((len(each.usage) for each in command.options), default=0)
    return "\n".join([*lines, *(f"    {each.usage:{width}}  {each.what}" for each in command.options)])


def help_page(name: str | None = None) -> str:
    """The same as a page."""
    from kishu_kernel.frontend.pages.html import esc, page, table, told

    if name is None:
        rows = [f"<tr><td><code>{esc(each.usage)}</code></td><td>{told(each.what)}</td></tr>" for each in SUBCOMMANDS]
        options = "; ".join(
            f"{who}: {' '.join(f'`{each}`' for each in which.split(', '))}" for who, which in _options()
        )
        more = "".join(f'<p class="k-soft">{told(each)}</p>' for each in (TARGETS, f"Options: {options}. {_MORE}"))
        return page(table(("Command", "What it does"), rows, caption="Travel in time"), more)
    command = _known(name)
    rows = [f"<tr><td><code>{esc(each.usage)}</code></td><td>{told(each.what)}</td></tr>" for each in command.options]
    targets = TARGETS if any(each.kind == "target" for each in command.arguments) else ""
    said = f"{command.what[0].upper()}{command.what[1:]}. {command.more} {targets}"
    options = table(("Option", ""), rows) if rows else ""
    return page(f"<h4><code>{esc(command.usage)}</code></h4><p>{told(said.strip())}</p>", options)


def _options() -> list[tuple[str, str]]:
    """Which subcommands have which: those that have the same ones together."""
    found: dict[tuple[Option, ...], list[str]] = {}
    for each in SUBCOMMANDS:
        if each.options:
            found.setdefault(each.options, []).append(each.name)
    return [(", ".join(names), ", ".join(each.usage for each in options)) for options, names in found.items()]


def _known(name: str) -> Subcommand:
    if name not in BY_NAME:
        raise UsageError(f"%kishu has no {name!r}: {nearest(name, BY_NAME)}")
    return BY_NAME[name]
