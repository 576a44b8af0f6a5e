"""The pages for people, and the blocks of code in them.

A block is a cell, a command or a file, by the language behind its fence. A comment before it, which no reader sees,
says where it is another thing:

    <!-- example: syntax -->    only its form is checked: it needs a cloud, a container, a package registry
    <!-- example: client -->    a script that asks the page's notebook from outside
    <!-- example: config -->    a configuration file of Jupyter
    <!-- example: raises -->    a cell, or a command, that fails
    <!-- example: restart -->   no block: the kernel is restarted here
    <!-- example: hidden
    CODE
    -->                         a cell that readers are not shown
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
    if page.parent.name != "design" and not page.parent.name.startswith("_")
)
KINDS = {"syntax", "client", "config", "raises", "restart", "hidden"}

_BLOCK = re.compile(
    r"""^(?:
        <!--\ example:\ (?P<told>\w+)(?P<hidden>\n.*?)?\s*-->
        | (?P<indent>[ ]*)```(?P<language>[\w{}-]*)\n(?P<code>.*?)^[ ]*```
    )$""",
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        kind: what the comment before it says; "" where there is none.
        line: where it begins, for messages.
    """

    language: str
    code: str
    kind: str
    line: int


def name_of(page: Path) -> str:
    """Its path from the root on."""
    return page.relative_to(ROOT).as_posix()


def blocks(text: str) -> list[Block]:
    """The blocks of a page, in order."""
    found: list[Block] = []
    kind = ""
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        if match["told"]:
            assert match["told"] in KINDS, f"line {line}: there is no such example: {match['told']}"
            if match["told"] == "hidden":
                found.append(Block("python", match["hidden"].strip("\n") + "\n", "", line))
            elif match["told"] == "restart":
                found.append(Block("", "", "restart", line))
            else:
                kind = match["told"]
            continue
        indent = len(match["indent"])
        code = "".join(each[indent:] for each in match["code"].splitlines(keepends=True))
        found.append(Block(match["language"], code, kind, line))
        kind = ""
    return found
