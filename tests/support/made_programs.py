"""Random programs for hypothesis to make and to make shorter: cells of some themes, and travels between their states.

A cell is a template: `$a` stands for a name of the theme's pool that begins so, `$v` for any name, `$i` for a digit.
What a cell does to what the others made is left to chance; many raise, as users' cells do. No cell may run for ever.
"""

from __future__ import annotations

import re

from hypothesis import strategies as st

from tests.support.themes import ARRAYS, BETWEEN, CLASSES, CONTAINERS, FRAMES, FUNCTIONS, OPAQUE, Theme
from tests.support.themes_around import (
    CLASSES_IN_USE,
    FIGURES,
    LIBRARY_OBJECTS,
    MEMORY,
    OWN_DICT,
    REGISTRATIONS,
    SETTINGS,
    VIEWS,
)

TRAVELS = 22
"""Of a hundred lines so many are travels."""


THEMES = (
    *(CONTAINERS, ARRAYS, FRAMES, CLASSES, FUNCTIONS, OPAQUE, BETWEEN, SETTINGS, CLASSES_IN_USE),
    *(VIEWS, OWN_DICT, LIBRARY_OBJECTS, REGISTRATIONS, FIGURES, MEMORY),
)

TRAVELLING = (
    *("%checkout $j",) * 8,
    *("%undo", "%undo", "%undo $k", "%redo", "%redo $k"),
    *("%checkout $j never", "%checkout $j lost"),
    *("%take $j $i", "%take $j $i", "%take $j $i copy"),
    *("%branch topic$k", "%tag mark$k", "%goto $j", "%goto $j"),
    *("%restart", "%restart", "%fork 4", "%resume", "%resume", "%start"),
)
NOTHING = ("1 + 1", "pass", "'text'", "2 ** 3\nNone")

_PLACEHOLDER = re.compile(r"\$(?:([a-z])|\{([a-z])\})")
_NUMBERS = {"i": tuple("0123456789"), "j": tuple(map(str, range(1, 13))), "k": tuple("123")}


def _pools(themes: tuple[Theme, ...]) -> dict[str, tuple[str, ...]]:
    pools: dict[str, tuple[str, ...]] = dict(_NUMBERS)
    for theme in themes:
        for letter, names in theme.names.items():
            pools[letter] = (*pools.get(letter, ()), *(name for name in names.split() if name not in pools))
    everything = dict.fromkeys(name for letter, names in pools.items() if letter not in "ijk" for name in names)
    return pools | {"v": tuple(everything)}


_LINES = st.integers(0, 99)
_WHICH = {length: st.integers(0, length - 1) for length in range(1, 200)}


@st.composite
def programs(draw: st.DrawFn, themes: tuple[Theme, ...] = THEMES, longest: int = 24) -> list[str]:
    """Lines for `programs.play`. They become shorter by lines that are left out."""

    def one_of(choices: tuple[str, ...]) -> str:
        return choices[draw(_WHICH[len(choices)])]

    chosen = (CONTAINERS, *(themes[draw(_WHICH[len(themes)])] for _ in range(2)))
    chosen = tuple(theme for n, theme in enumerate(chosen) if theme not in chosen[:n])
    pools = _pools(chosen)

    def filled(template: str) -> str:
        return _PLACEHOLDER.sub(lambda found: one_of(pools[found[1] or found[2]]), template)

    lines = [theme.begins for theme in chosen]
    for _ in range(draw(st.integers(longest - 10, longest))):
        kind = draw(_LINES)
        if kind < 5:  # the simplest: nothing
            continue
        if kind < 5 + TRAVELS:
            lines.append(filled(one_of(TRAVELLING)))
        elif kind < 30:
            lines.append(one_of(NOTHING))
        else:
            lines.append(filled(one_of(chosen[draw(_WHICH[len(chosen)])].cells)))
    return lines
