"""What the pages say of the package is true: each room, module and function that they name is there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "kishu_kernel"
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
DESIGN = sorted((ROOT / "docs/design").glob("[0-9]*.md"))

PATH = r"[a-z_.][\w.\-]*(?:/[\w.\-]+)*/?"
QUOTED = re.compile(rf"`({PATH})`")
"""Names in backticks that may be paths: `store/disk/image`, `tests/data`, `ambient`."""
LINK = re.compile(r"\]\(([^)#:]+)\)|^\[[^\]]+\]: (\S+)$", re.MULTILINE)


def found(name: str, inside: Path = PACKAGE) -> bool:
    """A module, package or file of that name, in the package or from the root on."""
    return any((place / f"{name.rstrip('/')}{end}").exists() for place in (inside, ROOT) for end in ("", ".py"))


def fenced(page: str) -> list[str]:
    """The blocks between fences."""
    return re.findall(r"^```\w*\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def rooms() -> dict[str, str]:
    """What the table of the rooms says to read first, by room."""
    table = ARCHITECTURE.partition("## The rooms")[2].partition("## Laws")[0]
    rows = re.findall(r"^\| `(\w+)/?` \|.*\|(.*)\|$", table, re.MULTILINE)
    return dict(rows)


def sections() -> list[str]:
    """Top-level packages and modules."""
    kept = {"__init__", "__main__"}
    return sorted(
        each.stem
        for each in PACKAGE.iterdir()
        if (each / "__init__.py").exists() or (each.suffix == ".py" and each.stem not in kept)
    )


def test_the_rooms_are_those_of_the_top_level() -> None:
    assert sorted(rooms()) == sections()


@pytest.mark.parametrize("room", rooms())
def test_a_room_holds_what_is_to_be_read_first(room: str) -> None:
    missing = [name for name in QUOTED.findall(rooms()[room]) if not found(name, PACKAGE / room)]
    assert not missing, "moved? say in ARCHITECTURE.md where it is now"


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_paths_in_a_page_exist(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    table = text.partition("## The rooms")[2].partition("## Laws")[0]
    named = {name for name in QUOTED.findall(text.replace(table, "")) if "/" in name}
    assert not {name for name in named if not found(name)}, f"moved? say in {page} where it is now"


def test_the_road_names_what_is_there() -> None:
    road = next(block for block in fenced(ARCHITECTURE) if "before_cell" in block)
    paths = set(re.findall(r"\b[a-z_]+/[a-z_/]+\b", road))
    assert paths
    assert not {name for name in paths if not found(name)}
    sources = "\n".join(each.read_text("utf-8") for each in PACKAGE.rglob("*.py"))
    functions = set(re.findall(r"\b(\w+)\(", road))
    assert not {name for name in functions if not re.search(rf"\bdef {name}\(", sources)}


def test_the_layers_are_those_that_are_checked() -> None:
    layers = fenced(CONTRIBUTING)[0].splitlines()
    told = [re.split(r" {2,}", line)[0] for line in layers]
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    assert told == contracts[0]["layers"]


@pytest.mark.parametrize("page", DESIGN, ids=lambda page: page.stem)
def test_a_design_page_names_its_code(page: Path) -> None:
    text = page.read_text("utf-8")
    code = re.search(r"^Code: (.*?)\n\n", text, re.MULTILINE | re.DOTALL)
    assert code
    named = QUOTED.findall(code[1])
    assert named
    elsewhere = [name for name in QUOTED.findall(text) if "/" in name and not name.startswith(".")]
    assert not [name for name in (*named, *elsewhere) if not found(name)], "moved? say in the page where it is now"


def test_the_index_has_every_design_page() -> None:
    index = (ROOT / "docs/design/README.md").read_text("utf-8")
    assert sorted(re.findall(r"^\| \[\d{3}\]\((.*?)\)", index, re.MULTILINE)) == [page.name for page in DESIGN]


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "docs"])
def test_links_lead_somewhere(page: str) -> None:
    pages = sorted((ROOT / page).rglob("*.md")) if (ROOT / page).is_dir() else [ROOT / page]
    broken = []
    for each in pages:
        for inline, reference in LINK.findall(each.read_text("utf-8")):
            target = inline or reference
            if not target.startswith("http") and not (each.parent / target).exists():
                broken.append(f"{each.name}: {target}")
    assert not broken
