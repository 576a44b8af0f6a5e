"""The subcommands of `%kishu`: one table, from which its parser, its help and its completion are made."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, Literal, NoReturn

from IPython.core.error import UsageError

from kishu_kernel.errors import RequestError
from kishu_kernel.frontend.protocol.parameters import nearest
from kishu_kernel.frontend.protocol.taken_words import USAGE, take_request
from kishu_kernel.model.dataclass import dataclass

Kind = Literal["target", "branch", "tag", "variable", "taken", "session", "store", "file", "command", "text", "number"]
"""What a word stands for; decides what completes it."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A positional argument.

    Attributes:
        many: takes all words that follow, as one text.
    """

    name: str
    kind: Kind
    required: bool = True
    many: bool = False

    @property
    def usage(self) -> str:
        """Returns how help writes it."""
        shown = {"number": "N", "taken": USAGE}.get(self.kind, self.name.upper())
        return shown if self.required else f"[{shown}]"


@dataclass(frozen=True, slots=True)
class Option:
    """An option.

    Attributes:
        what: one line of help.
        key: the key of the request that it sets.
        value: what it sets it to, where no word follows it.
        kind: of the word that follows it; None where none does.
    """

    flag: str
    what: str
    key: str
    value: Any = True
    kind: Kind | None = None

    @property
    def usage(self) -> str:
        """Returns how help writes it."""
        words = {"number": "N", "file": "FILE", "text": "NEW"}
        return f"{self.flag} {words.get(self.kind, 'TARGET')}" if self.kind else self.flag


@dataclass(frozen=True, slots=True)
class Subcommand:
    """A subcommand: an operation of the protocol for people.

    Attributes:
        what: one line of help.
        more: further sentences of help.
    """

    name: str
    what: str
    arguments: tuple[Argument, ...] = ()
    options: tuple[Option, ...] = ()
    more: str = ""

    @property
    def usage(self) -> str:
        """Returns how help writes the line, without options."""
        return " ".join(["%kishu", self.name, *(each.usage for each in self.arguments)])


_TARGET = Argument("target", "target")
_MAYBE_TARGET = Argument("target", "target", required=False)
_LIMIT = Option("--limit", "show at most N (100); 0: all", "limit", kind="number")
_DRY = Option("--dry-run", "only show what would be done", "dry_run")
_DELETE = Option("--delete", "delete it; its states stay", "delete")
_RENAME = Option("--rename", "call it NEW instead", "rename", kind="text")
_TRAVEL = (
    _DRY,
    Option("--yes", "re-run cells with side effects without asking (-y)", "yes"),
    Option("--without", "go there without what only a re-run with side effects gives", "without"),
    Option("--no-replay", "fail rather than re-run a cell", "replay", "never"),
    Option("--allow-lost", "go there even if some values are lost", "allow_lost"),
)
_CODE = (
    Option("--code", "also show how the notebook's cells differ", "code"),
    Option("--write", "write the notebook as it was then to FILE", "write", kind="file"),
)
_ASKS = "It asks before it re-runs a cell with side effects, on files, the network or the like."

SUBCOMMANDS = (
    Subcommand(
        "log",
        "the states on the path to HEAD, newest first",
        options=(
            Option("--all", "those of all branches and sessions", "all"),
            _LIMIT,
            Option("--since", "only what is newer than TARGET", "since", kind="target"),
            Option("--graph", "with --json: also how the lines are drawn", "graph"),
        ),
    ),
    Subcommand(
        "undo",
        "take back the last cell, or the last N",
        (Argument("steps", "number", required=False),),
        _TRAVEL,
        f"Nothing is lost: `%kishu redo` brings the cells back. {_ASKS}",
    ),
    Subcommand(
        "redo", "bring back what undo took back", (Argument("steps", "number", required=False),), _TRAVEL, _ASKS
    ),
    Subcommand(
        "checkout",
        "go to any state",
        (_TARGET,),
        (*_TRAVEL, *_CODE),
        f"The state that you leave is kept: you can go back to it. {_ASKS}",
    ),
    Subcommand(
        "take",
        "bring back one variable, or a few, and leave the rest as it is",
        (Argument("what", "taken", many=True),),
        _TRAVEL,
        f"`%kishu take df@In[3]`, `%kishu take df@baseline as df_old`. What shares objects with it comes along; "
        f"a copy under another name shares nothing. `%kishu undo` takes it back. {_ASKS}",
    ),
    Subcommand(
        "promote",
        "go to a state of another line, such as a fork's, which becomes the notebook's own",
        (_TARGET,),
        _TRAVEL,
        f"The line that this leaves stays in the history. {_ASKS}",
    ),
    Subcommand("status", "HEAD, the session, and what the store holds"),
    Subcommand("show", "a state: its cell, the cell's outputs, and the variables", (Argument("target", "target"),)),
    Subcommand(
        "diff",
        "the variables that differ between BASE (HEAD) and TARGET, and how",
        (_TARGET, Argument("base", "target", required=False)),
        (Option("--values", "with --json: also how they differ", "values"),),
        "It does not load large values to compare them.",
    ),
    Subcommand(
        "variable",
        "when a variable changed: the cells that made or changed it",
        (Argument("name", "variable"),),
        (_LIMIT,),
    ),
    Subcommand(
        "search",
        "find a text in code, messages and names, in all branches and sessions",
        (Argument("text", "text", many=True),),
        (_LIMIT,),
    ),
    Subcommand("commit", "give HEAD a message", (Argument("message", "text", many=True),)),
    Subcommand(
        "branch",
        "make a branch at HEAD or TARGET; without NAME: list them",
        (Argument("name", "branch", required=False), _MAYBE_TARGET),
        (_DELETE, _RENAME),
    ),
    Subcommand(
        "tag",
        "make a tag at HEAD or TARGET; without NAME: list them",
        (Argument("name", "tag", required=False), _MAYBE_TARGET),
        (_DELETE, _RENAME),
    ),
    Subcommand(
        "export",
        "write the cells on the path to HEAD or TARGET as a notebook that can be run",
        (Argument("path", "file"), _MAYBE_TARGET),
        (Option("--force", "replace the file if there is one", "force"),),
        "The notebook that you work in is never written.",
    ),
    Subcommand(
        "resume",
        "go to where an earlier session of this notebook ended",
        (Argument("session", "session", required=False),),
        _TRAVEL,
        _ASKS,
    ),
    Subcommand("stores", "list the stores of all notebooks"),
    Subcommand("attach", "give this notebook the history of another one", (Argument("store", "store"),)),
    Subcommand(
        "hibernate",
        "write everything that was done, and say what is not written",
        more="The kernel goes on; it can be ended then, and nothing is lost.",
    ),
    Subcommand("gc", "drop values that no branch, tag or session needs", options=(_DRY,)),
    Subcommand("panel", "show the history as a timeline, in which you can click"),
    Subcommand("help", "this list, or more about one subcommand", (Argument("command", "command", required=False),)),
)
BY_NAME: Mapping[str, Subcommand] = {each.name: each for each in SUBCOMMANDS}

TARGETS = (
    "TARGET is an id from the log (4 characters are enough), a branch, a tag, In[7], HEAD (the state that you are in), "
    "or HEAD~3."
)
_MORE = "`%kishu help undo` says more about undo; `--json` shows any reply as JSON."


def parsed(words: list[str]) -> dict[str, Any]:
    """Returns the request that a line means, and `yes` if the line has it. Raises `UsageError`."""
    name, *rest = words
    if name in ("--help", "-h", "?"):
        name = "help"
    command = BY_NAME.get(name)
    if command is None:
        raise UsageError(f"%kishu has no {name!r}: {nearest(name, BY_NAME)}")
    if "--help" in rest or "-h" in rest:
        return {"operation": "help", "command": name}
    found, left = _parser(command).parse_known_args(_joined_targets(rest, command))
    for word in left:
        flags = {each.flag: each for each in command.options}
        if word.startswith("-") and flags:
            raise UsageError(f"{name} does not know {word}: {nearest(word, flags)}")
        raise UsageError(f"unexpected {word!r}: the usage is `{command.usage}`")
    request = {"operation": name, **vars(found)}
    if name == "take":
        try:
            words = request.pop("what").split()
            return request | take_request(words)
        except RequestError as error:
            raise UsageError(str(error)) from error
    return request


def _joined_targets(words: list[str], command: Subcommand) -> list[str]:
    """Joins `In [7]`, as notebooks write it, to one word where a target may stand."""
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
        raise UsageError(f"{self.prog}: {message}; see `%kishu help {self.prog}`")


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
    """Joins the words of a text that is written without quotes."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        setattr(namespace, self.dest, " ".join(values))


# --- help


def help_text(name: str | None = None) -> str:
    """Returns the help of one subcommand, or of all, as text. Raises `UsageError`."""
    if name is None:
        rows = [(each.usage, each.what) for each in SUBCOMMANDS]
        width = max(len(usage) for usage, _ in rows)
        lines = [f"{usage:{width}}  {what}" for usage, what in rows]
        lines += ["", TARGETS, "Options:", *(f"  {names}: {options}" for names, options in _options()), f"  {_MORE}"]
        return "\n".join(["Go back to any earlier state of your variables. There is one after each cell.", "", *lines])
    command = _known(name)
    lines = [f"{command.usage}{' [OPTIONS]' if command.options else ''}", f"    {command.what}"]
    lines += [f"    {command.more}"] if command.more else []
    lines += [f"    {TARGETS}"] if any(each.kind == "target" for each in command.arguments) else []
    width = max((len(each.usage) for each in command.options), default=0)
    return "\n".join([*lines, *(f"    {each.usage:{width}}  {each.what}" for each in command.options)])


def help_page(name: str | None = None) -> str:
    """Returns the same as HTML."""
    from kishu_kernel.frontend.pages.html import esc, page, table, with_code

    if name is None:
        rows = [
            f"<tr><td><code>{esc(each.usage)}</code></td><td>{with_code(each.what)}</td></tr>" for each in SUBCOMMANDS
        ]
        options = "; ".join(
            f"{names}: {' '.join(f'`{each}`' for each in options.split(', '))}" for names, options in _options()
        )
        more = "".join(f'<p class="k-soft">{with_code(each)}</p>' for each in (TARGETS, f"Options: {options}. {_MORE}"))
        return page(
            table(("Command", "What it does"), rows, caption="Go back to any earlier state of your variables"), more
        )
    command = _known(name)
    rows = [
        f"<tr><td><code>{esc(each.usage)}</code></td><td>{with_code(each.what)}</td></tr>" for each in command.options
    ]
    targets = TARGETS if any(each.kind == "target" for each in command.arguments) else ""
    text = f"{command.what[0].upper()}{command.what[1:]}. {command.more} {targets}"
    options = table(("Option", ""), rows) if rows else ""
    return page(f"<h4><code>{esc(command.usage)}</code></h4><p>{with_code(text.strip())}</p>", options)


def _options() -> list[tuple[str, str]]:
    """Returns the names of subcommands, with their options: those that have the same options together."""
    found: dict[tuple[Option, ...], list[str]] = {}
    for each in SUBCOMMANDS:
        if each.options:
            found.setdefault(each.options, []).append(each.name)
    return [(", ".join(names), ", ".join(each.usage for each in options)) for options, names in found.items()]


def _known(name: str) -> Subcommand:
    if name not in BY_NAME:
        raise UsageError(f"%kishu has no {name!r}: {nearest(name, BY_NAME)}")
    return BY_NAME[name]
