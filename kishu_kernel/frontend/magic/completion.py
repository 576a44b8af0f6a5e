"""Completion of `%kishu` lines: subcommands, options, and the names that the history knows.

Law: it only looks, never waits for the writer, and offers nothing where something is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kishu_kernel.frontend.magic.subcommands import BY_NAME, Argument, Kind, Subcommand
from kishu_kernel.frontend.pages.wording import headline

if TYPE_CHECKING:
    from kishu_kernel.frontend.protocol.request_handler import RequestHandler

_LINE = re.compile(r"\s*%?kishu\s+(.*)", re.DOTALL)
_LATEST = 50
"""Ids that are offered before anything of them is typed."""

Words = list[tuple[str, str]]
"""What is offered: texts, and what each is."""


def completions(line: str, requests: RequestHandler, automagic: bool = False) -> tuple[str, Words]:
    """Returns the last word of a line, as far as it is typed, and what may complete it.

    Args:
        automagic: `kishu` without a percent sign is the magic, too.
    """
    matched = _LINE.fullmatch(line)
    if not matched or not (automagic or line.lstrip().startswith("%")):
        return "", []
    *before, fragment = matched[1].split(" ") if matched[1] else [""]
    before = [word for word in before if word and word != "--json"]
    try:
        return fragment, [word for word in _offered(before, fragment, requests) if word[0].startswith(fragment)]
    except Exception:  # a key was pressed: an error would only disturb
        return "", []


def _offered(before: list[str], fragment: str, requests: RequestHandler) -> Words:
    if not before:
        return [(each.name, "subcommand") for each in BY_NAME.values()] + _flags(("--json",), fragment)
    command = BY_NAME.get(before[0])
    if command is None:
        return []
    if fragment.startswith("-"):
        used = set(before)
        return _flags([each.flag for each in command.options if each.flag not in used] + ["--json"], fragment)
    kind = _kind(command, before[1:])
    return _NAMES[kind](requests, fragment) if kind in _NAMES else []


def _flags(flags: Iterable[str], fragment: str) -> Words:
    return [(flag, "option") for flag in flags] if fragment.startswith("-") else []


def _kind(command: Subcommand, before: list[str]) -> Kind | None:
    """Returns what the next word of a subcommand stands for; None where no word may follow."""
    taking = {each.flag: each.kind for each in command.options if each.kind}
    if before and before[-1] in taking:
        return taking[before[-1]]
    places = 0
    for at, word in enumerate(before):
        if not word.startswith("-") and (not at or before[at - 1] not in taking):
            places += 1
    arguments: tuple[Argument, ...] = command.arguments
    if arguments and arguments[-1].many:
        places = min(places, len(arguments) - 1)
    return arguments[places].kind if places < len(arguments) else None


# --- the names


def _reply_at_once(requests: RequestHandler, **request: Any) -> dict[str, Any]:
    """Returns a reply at once. An error reply lacks the fields that callers read, so that they raise KeyError."""
    return requests.answer(request, may_change=False)


def _named(kind: str) -> Callable[[RequestHandler, str], Words]:
    def names(requests: RequestHandler, _: str) -> Words:
        return [(name, kind) for name in requests.reader.names()[kind]]

    return names


def _targets(requests: RequestHandler, fragment: str) -> Words:
    """Names first; then cells; ids last, all of them only when one is begun."""
    named = requests.reader.names()
    words: Words = [("HEAD", "target")] + [(name, kind) for kind in ("branch", "tag") for name in named[kind]]
    path = _reply_at_once(requests, operation="log", limit=200)["checkpoints"]
    if fragment.startswith("HEAD~"):
        return [(f"HEAD~{steps}", headline(each)) for steps, each in islice(enumerate(path), 1, None)]
    cells = dict.fromkeys(each["execution_count"] for each in path if each["execution_count"] is not None)
    words += [(f"In[{count}]", "cell") for count in cells]
    everything = path
    if re.fullmatch(r"[0-9a-f]+", fragment):
        everything = _reply_at_once(requests, operation="log", limit=0, all=True)["checkpoints"]
    ids = [(each["id"][:8], "state") for each in everything if each["id"].startswith(fragment)]
    return words + ids[:_LATEST]


def _variables(requests: RequestHandler, _: str) -> Words:
    path = _reply_at_once(requests, operation="log", limit=0)["checkpoints"]
    known = dict.fromkeys(name for each in path for name in (*each["created"], *each["modified"]))
    plain = [name for name in known if not re.fullmatch(r"_\d+", name)]
    return [(name, "variable") for name in plain]


def _taken(requests: RequestHandler, fragment: str) -> Words:
    name, at, begun = fragment.partition("@")
    if not at:
        return _variables(requests, fragment)
    return [(f"{name}@{target}", what) for target, what in _targets(requests, begun)]


def _stores(requests: RequestHandler, _: str) -> Words:
    return [(each["name"], "store") for each in _reply_at_once(requests, operation="stores")["stores"]]


def _sessions(requests: RequestHandler, _: str) -> Words:
    return [(name, "session") for name in requests.reader.names()["session"]]


def _files(requests: RequestHandler, fragment: str) -> Words:
    folder, slash, _ = fragment.rpartition("/")
    there = sorted(Path(folder + slash).expanduser().iterdir())
    folders = [(f"{folder}{slash}{each.name}/", "folder") for each in there if each.is_dir()]
    return folders + [(f"{folder}{slash}{each.name}", "file") for each in there if each.suffix == ".ipynb"]


def _commands(requests: RequestHandler, _: str) -> Words:
    return [(name, "subcommand") for name in BY_NAME]


_NAMES: dict[Kind | None, Callable[[RequestHandler, str], Words]] = {
    "target": _targets,
    "branch": _named("branch"),
    "tag": _named("tag"),
    "variable": _variables,
    "taken": _taken,
    "store": _stores,
    "session": _sessions,
    "command": _commands,
    "file": _files,
}
