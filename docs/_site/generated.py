"""What pages have of the code itself: the settings, the commands, the magics, the operations of the protocol.

A page has a line `<!-- generated: NAME -->`, in whose place the site has what the function of this name returns, as
Markdown. So no list of them is kept by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import click
from traitlets.config import Configurable

NAVIGATION = {
    "Start": ["install", "tutorial"],
    "Notebooks": ["notebooks/cleaning", "notebooks/training", "notebooks/agent"],
    "How to": ["undo", "restart", "compare", "agents", "sharing", "secrets", "idle", "hub"],
    "Reference": [
        *(f"reference/{each}" for each in ("magics", "configuration", "command-line", "protocol", "client")),
        "clients",
    ],
    "Explanation": [
        *(f"explanation/{each}" for each in ("how-it-works", "state", "exact", "security", "figures")),
        *("/benchmarks/results/comparison", "/benchmarks/results/matrix"),
    ],
    "The project": ["/ARCHITECTURE", "design/README", "/CONTRIBUTING", "/SECURITY", "/CODE_OF_CONDUCT", "/CHANGELOG"],
}
"""What stands in the margin. Pages beside the index that are not named here come last among those of "How to"."""

_MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)
_VARIABLE = re.compile(r"\s*\[(KISHU_\w+)(, with commas)?\]")
_INTO_CODE = re.compile(r"(?<![`\w])(KISHU_\w+|--[a-z][\w-]*)")


def navigation() -> str:
    """The tables of contents of the whole site."""
    named = {"index", *(page for pages in NAVIGATION.values() for page in pages)}
    others = sorted(each.stem for each in Path(__file__).parents[1].glob("*.md") if each.stem not in named)
    return "\n\n".join(
        _contents(f":caption: {title}", [*pages, *(others if title == "How to" else ())])
        for title, pages in NAVIGATION.items()
    )


def pages() -> str:
    """The pages beside this one that begin with a number."""
    return _contents(":glob:", ["[0-9]*"])


def _contents(option: str, pages: Iterable[str]) -> str:
    listed = "\n".join(pages)
    return f"```{{toctree}}\n:hidden:\n{option}\n\n{listed}\n```"


def sections() -> dict[str, type[Configurable]]:
    """The classes that have settings, by what they are called in a configuration file."""
    from kishu_kernel import server
    from kishu_kernel.frontend.kernel import options

    modules = [options, *(import_module(f"kishu_kernel.server.{each.name}") for each in iter_modules(server.__path__))]
    found = {
        each.__name__: each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Configurable) and each.__module__ == module.__name__
    }
    return {"KishuKernel": found.pop("KishuOptions"), **dict(sorted(found.items()))}


def settings() -> str:
    """The settings, from the traits: a table for each section of a configuration file."""
    return "\n\n".join(
        f"## c.{name}\n\n{_file(each)}\n\n{_traits(each)}" for name, each in sections().items() if _own(each)
    )


def _own(options: type[Configurable]) -> dict[str, Any]:
    """The settings that a class has itself, not from those above it."""
    return {name: each for name, each in options.class_traits(config=True).items() if each.this_class is options}


def _file(options: type[Configurable]) -> str:
    server = options.__module__.startswith("kishu_kernel.server")
    return f"In `{'jupyter_server' if server else 'ipython_kernel'}_config.py`."


def _traits(options: type[Configurable]) -> str:
    rows = []
    for name, trait in sorted(_own(options).items()):
        told = _VARIABLE.search(trait.help)
        meaning = _VARIABLE.sub("", trait.help)
        if told:
            meaning += f" In the environment: `{told[1]}`{told[2] or ''}."
        rows.append((f"`{name}`", _default(trait), _text(meaning)))
    return _table(("setting", "default", "meaning"), rows)


def _default(trait: Any) -> str:
    value = trait.default()
    return "see there" if value is None else f"`{value!r}`"


def magics() -> str:
    """The subcommands of `%kishu`."""
    from kishu_kernel.frontend.magic.subcommands import SUBCOMMANDS, TARGETS

    sections = [_text(TARGETS)]
    for each in SUBCOMMANDS:
        sections.append(f"### {each.name}\n\n`{each.usage}`")
        sections.append(_text(f"{each.what[0].upper()}{each.what[1:]}. {each.more}"))
        if each.options:
            sections.append(_table(("option", ""), [(f"`{one.usage}`", _text(one.what)) for one in each.options]))
    return "\n\n".join(sections)


def commands() -> str:
    """The commands of `jupyter kishu`, as `--help` has them."""
    from kishu_kernel.frontend.command.commands import commands as group

    context = click.Context(group, info_name="jupyter kishu", max_content_width=100, terminal_width=100)
    sections = []
    for name in group.list_commands(context):
        command = group.commands[name]
        inner = click.Context(command, info_name=name, parent=context, max_content_width=100, terminal_width=100)
        sections.append(f"### {name}\n\n```text\n{command.get_help(inner)}\n```")
    return "\n\n".join(sections)


def operations() -> str:
    """The operations of the protocol, with their parameters."""
    from kishu_kernel.frontend.protocol.operations import OPERATIONS

    rows = []
    for name, operation in OPERATIONS.items():
        parameters = ", ".join(_parameter(each, about) for each, about in operation.parameters.items())
        rows.append((f"`{name}`", parameters or "none", "shell" if operation.changes else "shell, control"))
    return _table(("operation", "parameters (default)", "channel"), rows)


def _parameter(name: str, about: Any) -> str:
    required = about.default is not None and type(about.default) is object
    default = {None: "null", True: "true", False: "false"}
    shown = default.get(about.default, about.default) if not isinstance(about.default, dict) else "{}"
    told = f"`{name}`" if required else f"`{name}` ({shown})"
    return f"{told}: {' / '.join(about.choices)}" if about.choices else told


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [tuple(heads), *(tuple(row) for row in rows)]
    lines.insert(1, tuple("---" for _ in lines[0]))
    return "\n".join(f"| {' | '.join(each.replace('|', chr(92) + '|') for each in line)} |" for line in lines)


def _text(text: str) -> str:
    """Text of the code as Markdown: nothing in it is markup but what stands between backticks."""
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(part if part.startswith("`") else _escaped(part) for part in parts)


def _escaped(text: str) -> str:
    return _INTO_CODE.sub(r"`\1`", re.sub(r"([*<>\[\]~])", r"\\\1", text))


def fill(app: Any, docname: str, content: list[str]) -> None:
    """Puts what is generated into a page."""
    content[0] = _MARK.sub(lambda found: globals()[found[1]](), content[0])


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("source-read", fill)
    return {"parallel_read_safe": True, "version": Path(__file__).stat().st_mtime_ns}
