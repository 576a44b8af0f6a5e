"""Joins ES modules to one, for a frontend that loads a single module and has no build: the widget of `%kishu panel`.

Each module that is imported becomes a function that is called once, so its names stay its own, as they do where a real
bundler joins them. Only a part of the language is understood: it is no parser, and looks at lines alone.

Law: what it does not understand it refuses. Imports stand before all else and name what they take, without another name
for it; exports stand before a function, a class or a constant, at the beginning of a line; no two modules import each
other, in however many steps.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable

_NAME = r"[A-Za-z_$][\w$]*"
_SKIPPED = re.compile(r"\s+|//[^\n]*\n|/\*.*?\*/", re.DOTALL)
"""Blank lines and comments, which may stand between imports."""
_IMPORT = re.compile(r"import \{([^{}]*)\} from '(\.\.?/[^'\n]+)';\n")
_EXPORT = re.compile(rf"^export ((?:async )?function\*? |class |const )({_NAME})(?=[\s(])", re.MULTILINE)
_UNKNOWN = re.compile(r"^[ \t]*(?:import|export)\b.*|\bimport\s*[(.].*", re.MULTILINE)

_MODULES = "$modules"


class NotUnderstood(ValueError):
    """A module is written in a way for which the joining is not made; the message names it and the place."""


def join(entry: str, read: Callable[[str], str]) -> str:
    """One module with the exports of `entry`, in which nothing is imported.

    Args:
        entry: the path of a module, with slashes.
        read: gives the text of a module by its path.

    Raises:
        NotUnderstood: a module cannot be joined.
    """
    joining = _Joining(read)
    head, body = joining.split(entry, ())
    return "".join([f"const {_MODULES} = {{}};\n\n", *joining.wrapped.values(), f"// {entry}\n", *head, body])


class _Joining:
    """One joining.

    Attributes:
        wrapped: path -> the module as a call that keeps its exports, in the order in which they must be called.
    """

    def __init__(self, read: Callable[[str], str]) -> None:
        self._read = read
        self._exported: dict[str, set[str]] = {}
        self.wrapped: dict[str, str] = {}

    def split(self, path: str, importers: tuple[str, ...]) -> tuple[list[str], str]:
        """The imports of a module, as declarations, and what follows them; its imports are wrapped before."""
        text = self._read(path)
        head: list[str] = []
        at = 0
        while match := _SKIPPED.match(text, at) or _IMPORT.match(text, at):
            at = match.end()
            if match.re is _IMPORT:
                head.append(self._imported(path, match[1], match[2], (*importers, path)))
        body = text[at:]
        rest = _EXPORT.sub("", body)
        if unknown := _UNKNOWN.search(rest):
            raise NotUnderstood(f"{path}: not understood: {unknown[0].strip()}")
        return head, body

    def _imported(self, path: str, names: str, source: str, importers: tuple[str, ...]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), source))
        if target in importers:
            raise NotUnderstood(f"{path}: imports {target}, which imports it")
        if target not in self.wrapped:
            self._wrap(target, importers)
        wanted = [name.strip() for name in names.split(",") if name.strip()]
        for name in wanted:
            if not re.fullmatch(_NAME, name):
                raise NotUnderstood(f"{path}: not understood: import {{ {name} }}")
            if name not in self._exported[target]:
                raise NotUnderstood(f"{path}: {target} does not export {name}")
        return f"const {{ {', '.join(wanted)} }} = {_MODULES}[{json.dumps(target)}];\n"

    def _wrap(self, path: str, importers: tuple[str, ...]) -> None:
        head, body = self.split(path, importers)
        names = [match[2] for match in _EXPORT.finditer(body)]
        self._exported[path] = set(names)
        code = _EXPORT.sub(r"\1\2", body)
        given = f"return {{ {', '.join(names)} }};\n"
        opening = f"{_MODULES}[{json.dumps(path)}] = (() => {{\n"
        self.wrapped[path] = "".join([opening, *head, code, given, "})();\n\n"])


__all__ = ["NotUnderstood", "join"]
