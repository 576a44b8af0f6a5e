"""The programs: their cells are Python, and themes begin well. A typing error in a template would be a test less."""

from __future__ import annotations

import ast
import re

import pytest

from tests.support import themes, themes_around
from tests.support.made_programs import _PLACEHOLDER, _pools
from tests.support.settings_told import remembered
from tests.support.themes import Theme

EVERY = {
    name: theme for module in (themes, themes_around) for name, theme in vars(module).items() if type(theme) is Theme
}


@pytest.mark.parametrize("name", EVERY)
def test_each_cell_is_python(name: str) -> None:
    theme = EVERY[name]
    pools = _pools((themes.CONTAINERS, theme))
    for cell in theme.cells:
        filled = _PLACEHOLDER.sub(lambda found: pools[found[1] or found[2]][0], cell.removeprefix("%hidden "))
        ast.parse(re.sub(r"^%.*", "", filled, flags=re.MULTILINE))


@pytest.mark.parametrize("name", [name for name in EVERY if name not in ("SHELL", "MODULES")])
def test_each_theme_begins_well(name: str) -> None:
    set_again = remembered()
    try:
        exec(f"{themes.CONTAINERS.begins}\n{EVERY[name].begins}", {"__name__": "__main__"})
    finally:
        set_again()
