"""Which values are secrets: they are never stored, whatever becomes of them in the session.

Law: what is no secret by its name is none. The patterns are a person's (`frontend.kernel.options`); of the environment
there are some from the beginning.
Neighbours: `session.keep_rules` asks for variables, `libraries.standard.process_state` for environment variables.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cache, lru_cache

ENVIRONMENT = (
    *("*TOKEN*", "*SECRET*", "*PASSWORD*", "*PASSWD*", "*API_KEY*", "*APIKEY*", "*ACCESS_KEY*", "*PRIVATE_KEY*"),
    *("*CREDENTIAL*", "AWS_*", "!TOKENIZER*"),
)
"""Patterns on names of environment variables, where nobody says otherwise."""

HIDDEN = "(a secret, which is never stored)"
"""Stands where a value would be shown."""


def is_secret(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of these patterns matches a name, in any case, and none of those that begin with `!`."""
    found, lowered = False, name.lower()
    for pattern in patterns:
        if _matches(lowered, pattern.lstrip("!").lower()):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _matches(name: str, pattern: str) -> bool:
    """As `fnmatchcase`, which compiles the pattern: most ask for a part of a name."""
    part, begins, ends = _parted(pattern)
    if part is None:
        return fnmatchcase(name, pattern)
    if begins:
        return name == part if ends else name.startswith(part)
    return name.endswith(part) if ends else part in name


@cache
def _parted(pattern: str) -> tuple[str | None, bool, bool]:
    """The part that a pattern asks for, and whether names begin, and end, with it; None: it asks for more."""
    part = pattern.strip("*")
    is_more = any(each in part for each in "*?[")
    return None if is_more else part, not pattern.startswith("*"), not pattern.endswith("*")


class _Environment:
    patterns: tuple[str, ...] = ENVIRONMENT


def keep_out_of_environment(patterns: Sequence[str]) -> None:
    """From now on these are the patterns on names of environment variables."""
    _Environment.patterns = tuple(patterns)


def is_secret_variable(name: str) -> bool:
    """Whether an environment variable is a secret."""
    return _is_secret(name, _Environment.patterns)


@lru_cache(maxsize=1024)
def _is_secret(name: str, patterns: tuple[str, ...]) -> bool:
    return is_secret(name, patterns)  # the same names are asked about time and again


_marks: dict[str | bytes, str] = {}
_marked: dict[str, str | bytes] = {}


def mark_of(secret: str | bytes) -> str:
    """What is stored in the place of a secret: in this process it leads back to it, in any other to nothing."""
    if secret not in _marks:
        _marks[secret] = uuid.uuid4().hex
        _marked[_marks[secret]] = secret
    return _marks[secret]


def marked(mark: str) -> str | bytes | None:
    """The secret that has this mark; None where another process gave it."""
    return _marked.get(mark)
