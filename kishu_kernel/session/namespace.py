"""Which names are the user's, and how they are bound anew: all of them or none.

The namespace stays the `dict` that IPython made; functions of the notebook hold on to it as their globals.
Not the user's are the names that IPython and frontends inject: those that are known, and what else code of a frontend
binds (`lend`), until code of the user spells it (`claim`). `Out` and the moving names `_`, `__`, `___` are
not variables of their own: they follow from `_1`, `_2`, ... and are rebuilt from them (so that everything that
was ever displayed is not one co-variable).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kishu_kernel.model import Access

MOVING = ("_", "__", "___")
NOTHING_DISPLAYED = ""
"""What IPython binds the moving names to at the start; also the alias that stands for it."""

_FIXED = frozenset(
    {
        *("In", "Out", "__name__", "__doc__", "__package__", "__loader__", "__spec__", "__file__"),
        *("__builtin__", "__builtins__", "__session__"),
    }
)
"""What IPython binds once."""

_MOVED = frozenset(
    {
        *("_i", "_ii", "_iii", "_ih", "_oh", "_dh"),
        *("__annotations__", "__conditional_annotations__", "__warningregistry__"),
    }
)
"""What changes by itself."""

_INTERNAL_PATTERN = re.compile(
    r"_i\d+|__vsc_.*|__vscode|_+(?:VSCODE|VSCode)_.*|__jupyter_exec_background__|__DW_\w*__|__pydevd.*|_pydevd.*"
)
_FRONTEND = re.compile(
    r"\b(?:__vsc_|__vscode\b|_+(?:VSCODE|VSCode)_|__jupyter_exec_background__|__DW_|_jupyterlab_variableinspector"
    r"|debugpy\.(?:listen|trace_this_thread)\b)"
)
"""What no hidden code spells but VS Code's, Data Wrangler's, ipykernel's debugger's or a variable inspector's."""
_RESULT = re.compile(r"_(\d+)")
_NONE: Mapping[str, str] = {}


def is_frontends(code: str) -> bool:
    """Whether code that runs hidden is a frontend's own, and not the user's."""
    return _FRONTEND.search(code) is not None


class UserNamespace:
    """The user's side of the live namespace.

    Args:
        live: the dictionary that cells run in.
        hidden: what IPython put there, by name; a name that the user has bound anew is the user's.
    """

    def __init__(self, live: dict[str, Any], hidden: Mapping[str, Any]) -> None:
        self.live = live
        self._hidden = hidden
        self._first = {name: obj for name, obj in dict.items(live) if name in _FIXED}
        self._lent: dict[str, Any] = {}
        self._claimed: set[str] = set()
        self._away: tuple[dict[Any, Any], dict[Any, Any], set[str]] | None = None
        """What the namespace and `Out` held, and what was claimed, before they were `swapped`."""

    def variables(self) -> dict[str, Any]:
        """The user's variables, as they are now."""
        found = {name: obj for name, obj in self._bound() if not self._is_injected(name, obj)}
        for name in self.aliases():
            found.pop(name, None)
        return found

    def _bound(self) -> Iterator[tuple[str, Any]]:
        """All names and what they are bound to. A name may be of a class of the notebook's: it is not asked."""
        for name, obj in list(dict.items(self.live)):
            if type(name) is str:
                yield name, obj
            elif issubclass(type(name), str):
                yield str.__str__(name), obj

    def lend(self, names: Iterable[str]) -> None:
        """A frontend has bound these, which were not there before, to serve itself (`import os`)."""
        self._lent.update((name, self.live[name]) for name in names if name in self.live)
        self._claimed.difference_update(names)

    @property
    def lends(self) -> bool:
        """A frontend has bound names that may become the user's."""
        return bool(self._lent)

    def claim(self, access: Access) -> None:
        """Code of the user is about to run that may touch this: what of it was a frontend's is the user's now."""
        self._claimed |= self._lent.keys() if access.dynamic else self._lent.keys() & access.names

    def aliases(self) -> dict[str, str]:
        """The moving names, as far as IPython moves them -> the result name that holds the same object."""
        moving = {name: dict.get(self.live, name, self) for name in MOVING}
        found = {
            name: NOTHING_DISPLAYED for name, obj in moving.items() if type(obj) is str and obj == NOTHING_DISPLAYED
        }
        results = {id(obj): name for name, obj in self._bound() if is_result(name)}
        for name, obj in moving.items():
            if id(obj) in results:
                found[name] = results[id(obj)]
        return found

    @contextmanager
    def rebound(self, bind: Mapping[str, Any], unbind: Iterable[str], aliases: Mapping[str, str]) -> Iterator[None]:
        """Binds and unbinds names; if the block raises, everything is as it was."""
        before = dict(self.live)
        out_before = dict(self._out())
        claimed_before = set(self._claimed)
        try:
            self._switch(bind, unbind, aliases)
            yield
        except BaseException:
            _become(self.live, before)
            _become(self._out(), out_before, ordered=True)
            self._claimed = claimed_before
            raise

    @contextmanager
    def swapped(self, variables: Mapping[str, Any], aliases: Mapping[str, str] = _NONE) -> Iterator[dict[str, Any]]:
        """The same dictionary with other contents: what IPython put there, and `variables`.

        For re-running a cell: functions keep their globals. Afterwards everything is as it was, if the caller
        follows an exception by `come_back`.

        Args:
            aliases: the moving names; one that is neither here nor among the variables holds nothing, lest
                the cell gets hold of what was displayed last.
        """
        away = self._away = (dict(self.live), dict(self._out()), set(self._claimed))
        try:
            mine = self.variables()
            moving = {name: aliases.get(name, NOTHING_DISPLAYED) for name in MOVING if name not in variables}
            self._switch(variables, mine.keys() - variables.keys(), moving)
            yield self.live
        finally:
            if self._away is away:  # else it is over: this is a block that an interrupt kept from being entered
                self.come_back()

    def come_back(self) -> None:
        """Undoes what `swapped` did, if it still stands; an interrupt can hit where `swapped` itself cannot know.

        An interrupt meanwhile is raised when it is done.
        """
        interrupt: KeyboardInterrupt | None = None
        while self._away is not None:
            try:
                before, out_before, claimed_before = self._away
                _become(self.live, before)
                _become(self._out(), out_before, ordered=True)
                self._claimed = claimed_before
                self._away = None
            except KeyboardInterrupt as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt

    def _switch(self, bind: Mapping[str, Any], unbind: Iterable[str], aliases: Mapping[str, str]) -> None:
        self.live.update(bind)
        self._claimed |= self._lent.keys() & bind.keys()
        for name in unbind:
            self.live.pop(name, None)
            self._claimed.discard(name)
            for first in (self._hidden, self._first, self._lent):
                if name in first and not is_result(
                    name
                ):  # the user had covered a name of IPython's, or of a frontend's
                    self.live[name] = first[name]
        for name, result in aliases.items():
            self.live[name] = self.live.get(result, NOTHING_DISPLAYED)
        shown = {int(name[1:]): obj for name, obj in self._bound() if is_result(name)}
        _become(self._out(), {number: shown[number] for number in sorted(shown)}, ordered=True)

    def _out(self) -> dict[Any, Any]:
        out: Any = dict.get(self.live, "_oh")
        return out if issubclass(type(out), dict) else {}

    def _is_injected(self, name: str, obj: Any) -> bool:
        if name in self._lent and self._lent[name] is obj and name not in self._claimed:
            return True
        if name in self._hidden and self._hidden[name] is obj:
            return _RESULT.fullmatch(name) is None  # IPython hides results too; they are the user's
        if name[:1] not in ("_", "I", "O"):
            return False
        if name in _FIXED:  # the user's where they have bound it anew
            return name in self._first and self._first[name] is obj
        return name in _MOVED or _INTERNAL_PATTERN.fullmatch(name) is not None


def is_result(name: object) -> bool:
    """Whether it is one of `_1`, `_2`, ..."""
    return type(name) is str and name[:1] == "_" and _RESULT.fullmatch(name) is not None


def _become(target: dict[Any, Any], contents: Mapping[Any, Any], *, ordered: bool = False) -> None:
    """Gives a dictionary these contents; unless they are to be ordered, names that stay are never missing between."""
    if ordered and list(target) != list(contents):
        target.clear()
    target.update(contents)
    for key in [key for key in target if key not in contents]:
        del target[key]
