"""Which names of the namespace are the user's, and how they are rebound: all of them or none.

The namespace stays the `dict` that IPython made, since functions of the notebook have it as their globals.

Names that IPython and frontends inject are not the user's: those that are listed here, and what else runs hidden and
binds new names (`note_injected`), until the user's code may use them (`claim`). `Out` and the output aliases
`_`, `__`, `___` are no variables of their own: they are rebuilt from the results `_1`, `_2`, ... Else everything that
was ever displayed would be one co-variable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from kishu_kernel.detect.name_tables import unsorted
from kishu_kernel.model import Access
from kishu_kernel.model.dataclass import dataclass
from kishu_kernel.model.pattern import pattern
from kishu_kernel.process.native import dict_version
from kishu_kernel.session.module_data import ModuleData

if TYPE_CHECKING:
    from kishu_kernel.objects.own_module_data import ModulesSnapshot

OUTPUT_ALIASES = ("_", "__", "___")
"""Names that IPython binds to the last results."""
NOTHING_DISPLAYED = ""
"""What IPython binds the output aliases to at the start; recorded for an alias that is still bound to it."""

_FIXED = frozenset(
    {
        *("In", "Out", "__name__", "__doc__", "__package__", "__loader__", "__spec__", "__file__"),
        *("__builtin__", "__builtins__", "__session__"),
    }
)
"""Names that IPython binds once."""

_REBOUND = frozenset(
    {
        *("_i", "_ii", "_iii", "_ih", "_oh", "_dh"),
        *("__annotations__", "__conditional_annotations__", "__warningregistry__"),
    }
)
"""Names that IPython rebinds all the time."""

_INTERNAL_PATTERN = pattern(
    r"_i\d+|__vsc_.*|__vscode|_+(?:VSCODE|VSCode)_.*|__jupyter_exec_background__|__DW_\w*__|__pydevd.*|_pydevd.*"
)
_OF_FRONTENDS = ("__vsc", "__jupyter_exec", "__DW_", "__pydevd", "_pydevd")
_NONE: Mapping[str, str] = {}
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class _Contents:
    """The contents of the namespace, of `Out` and of own modules, and the claimed names, at one moment."""

    live: Mapping[Any, Any]
    out: Mapping[Any, Any]
    claimed: Set[str]
    modules: ModulesSnapshot | None


class _KindsOfNames:
    """Every name that was ever bound, sorted once: a cell must not pay for the names that there are.

    Attributes:
        internal: those that IPython and frontends rebind all the time, whatever they are bound to.
        doubtful: others that may be IPython's, because of their names alone.
        results: `_1`, `_2`, ..., in the order in which they were first seen.
    """

    def __init__(self) -> None:
        self._sorted: set[str] = set()
        self.internal: set[str] = set()
        self.doubtful: set[str] = set()
        self.results: dict[str, None] = {}
        self._version = 0
        """Of the namespace, as it was when all its names had been sorted."""

    def sort(self, live: dict[Any, Any]) -> bool:
        """Sorts the names that are new. False where one is not a plain `str`: then nothing here says anything."""
        version = dict_version(live)
        if version and version == self._version:
            return True
        new = unsorted(live, self._sorted)
        if new is None:
            return False
        for name in new:
            self._sorted.add(name)
            if is_result(name):
                self.results[name] = None
            elif name in _REBOUND or _is_internal(name):
                self.internal.add(name)
            elif name[:1] in ("_", "I", "O"):
                self.doubtful.add(name)
        self._version = version
        return True


class UserNamespace:
    """The user's side of the live namespace.

    Args:
        live: the dictionary that cells run in.
        hidden: names that IPython bound -> their objects. A name that is bound to another object is the user's.
        modules: the data of the user's own modules; none, where they are no part of the state.

    Attributes:
        modules: the same.
    """

    def __init__(self, live: dict[str, Any], hidden: Mapping[str, Any], modules: ModuleData | None = None) -> None:
        self.live = live
        self.modules = modules if modules is not None else ModuleData()
        self._with_modules = modules is not None
        self._hidden = hidden
        self._first = {name: obj for name, obj in dict.items(live) if name in _FIXED}
        self._injected: dict[str, Any] = {}
        """Names that something hidden bound -> their objects."""
        self._claimed: set[str] = set()
        """Those of them that are the user's by now."""
        self._before_swap: _Contents | None = None
        """What `swapping` found."""
        self._kinds = _KindsOfNames()

    @property
    def bindings(self) -> tuple[Mapping[Any, Any], ...]:
        """What holds the variables: the namespace, and IPython, with what it has bound and the results."""
        return self.live, self._hidden, self._out()

    def variables(self) -> dict[str, Any]:
        """The user's variables as they are now, and the data of their own modules: name -> object."""
        found = self.notebook_variables()
        if self._with_modules:
            found.update(self.modules.data())
        return found

    def notebook_variables(self) -> dict[str, Any]:
        """The user's variables as they are now: name -> object."""
        if not self._kinds.sort(self.live):
            return self._without_aliases({name: obj for name, obj in self._bound() if not self._is_injected(name, obj)})
        found = dict.copy(self.live)
        for name in found.keys() & self._kinds.internal:
            del found[name]
        for name, obj in [*self._hidden.items()]:
            if found.get(name, _ABSENT) is obj and not is_result(name):
                del found[name]
        for doubtful in (self._kinds.doubtful, self._injected.keys()):
            for name in found.keys() & doubtful:
                if self._is_injected(name, found[name]):
                    del found[name]
        return self._without_aliases(found)

    def _without_aliases(self, found: dict[str, Any]) -> dict[str, Any]:
        for name in self.aliases():
            found.pop(name, None)
        return found

    def _bound(self) -> Iterator[tuple[str, Any]]:
        """All names and their objects. A name of a subclass of `str` is read without calling its methods."""
        for name, obj in list(dict.items(self.live)):
            if type(name) is str:
                yield name, obj
            elif issubclass(type(name), str):
                yield str.__str__(name), obj

    def note_injected(self, names: Iterable[str]) -> None:
        """Something hidden has bound these new names for itself (`import os`): they are not the user's.

        Of those that it has bound before, none that is not bound any more is to come back.
        """
        self._injected.update((name, self.live[name]) for name in names if name in self.live)
        self._claimed.difference_update(names)
        for name in self._injected.keys() - self.live.keys() - self._claimed:
            del self._injected[name]

    @property
    def has_injected(self) -> bool:
        """There are names that may become the user's."""
        return bool(self._injected)

    def claim(self, access: Access) -> frozenset[str]:
        """The user's code is about to run: injected names that it may touch are the user's from now on.

        Returns:
            Those that were not before.
        """
        names = self._injected.keys() if access.dynamic else self._injected.keys() & self._with_results(access.names)
        new = frozenset(names - self._claimed)
        self._claimed |= new
        return new

    def _with_results(self, names: Set[str]) -> Set[str]:
        """With the results that these names stand for: `_`, and all where `Out` is among them."""
        if not names.isdisjoint(("Out", "_oh")):
            return {*names, *filter(is_result, self._injected)}
        return names if names.isdisjoint(OUTPUT_ALIASES) else {*names, *self.aliases().values()}

    def aliases(self) -> dict[str, str]:
        """The output aliases that IPython still binds -> the name of the result that holds the same object."""
        found: dict[str, str] = {}
        newest_first = [*self._results()][::-1]
        for alias in OUTPUT_ALIASES:
            obj = dict.get(self.live, alias, _ABSENT)
            if obj is _ABSENT:
                continue
            result = self._bound_to(obj, newest_first)
            if result is not None:
                found[alias] = result
            elif type(obj) is str and obj == NOTHING_DISPLAYED:
                found[alias] = NOTHING_DISPLAYED
        return found

    def _bound_to(self, obj: object, names: Sequence[str]) -> str | None:
        """The first of these names that is. No generator: one that is not used up would swallow an interrupt."""
        for name in names:
            if dict.get(self.live, name, _ABSENT) is obj:
                return name
        return None

    def references(self, names: Iterable[str]) -> Counter[int]:
        """Ids of the objects that these names are bound to -> how often the namespace, and `Out`, refer to each.

        What IPython has bound itself, as a result, it keeps once more, by its name.
        """
        known = {*names, *OUTPUT_ALIASES}
        hidden = [obj for name, obj in [*self._hidden.items()] if name in known]
        shown = [obj for number, obj in dict.items(self._out()) if f"_{number}" in known]
        return Counter(map(id, (*(obj for name, obj in self._bound() if name in known), *hidden, *shown)))

    def _results(self) -> Iterable[str]:
        """Names of results; some may not be bound any more."""
        if self._kinds.sort(self.live):
            return self._kinds.results
        return [name for name, _ in self._bound() if is_result(name)]

    @contextmanager
    def rebinding(self, bind: Mapping[str, Any], unbind: Iterable[str], aliases: Mapping[str, str]) -> Iterator[None]:
        """Binds and unbinds names. If the block raises, everything is as it was.

        Args:
            aliases: output alias -> name of the result that it is to be bound to.
        """
        before = self._contents()
        try:
            self._switch(bind, unbind, aliases)
            yield
        except BaseException:
            self._put_back(before)
            raise
        self.modules.forget_results()

    @contextmanager
    def modules_of(self, names: Callable[[], Iterable[str]]) -> Iterator[None]:
        """The modules that a state with these names has are imported, as far as the session had them before.

        If the block raises, those are imported that were before.
        """
        with self.modules.of_state(names) if self._with_modules else nullcontext():
            yield

    @contextmanager
    def swapping(self, variables: Mapping[str, Any], aliases: Mapping[str, str] = _NONE) -> Iterator[dict[str, Any]]:
        """The same dictionary with other contents: what IPython bound, and `variables`.

        For re-running a cell: functions keep their globals. Afterwards everything is as it was, if the caller
        calls `undo_swap` after an exception.

        Args:
            aliases: output alias -> name of the result that it is bound to. One that is neither here nor among the
                variables is bound to nothing, lest the cell reads what was displayed last.
        """
        before_swap = self._before_swap = self._contents()
        try:
            mine = self.notebook_variables()
            outputs = {name: aliases.get(name, NOTHING_DISPLAYED) for name in OUTPUT_ALIASES if name not in variables}
            self._switch(variables, mine.keys() - variables.keys(), outputs)
            yield self.live
        finally:
            if self._before_swap is before_swap:  # else it is undone: an interrupt kept the block from being entered
                self.undo_swap()

    def undo_swap(self) -> None:
        """Undoes what `swapping` did, if it is not undone: an interrupt can hit where `swapping` itself cannot know.

        Raises:
            KeyboardInterrupt: there was one meanwhile; it is raised when all is undone.
        """
        interrupt: KeyboardInterrupt | None = None
        while self._before_swap is not None:
            try:
                self._put_back(self._before_swap)
                self._before_swap = None
            except KeyboardInterrupt as error:
                interrupt = error
        if interrupt is not None:
            raise interrupt

    def _contents(self) -> _Contents:
        modules = self.modules.snapshot() if self._with_modules else None
        return _Contents(dict(self.live), dict(self._out()), set(self._claimed), modules)

    def _put_back(self, before: _Contents) -> None:
        _set_contents(self.live, before.live)
        _set_contents(self._out(), before.out, ordered=True)
        self._claimed = set(before.claimed)
        if self._with_modules:
            self.modules.restore(before.modules)

    def _switch(self, bind: Mapping[str, Any], unbind: Iterable[str], aliases: Mapping[str, str]) -> None:
        bind, unbind = self._switch_modules(bind, set(unbind))
        self.live.update(bind)
        self._claimed |= self._injected.keys() & bind.keys()
        for name in unbind:
            self.live.pop(name, None)
            self._claimed.discard(name)
            for first in (self._hidden, self._first, self._injected):
                if name in first and not is_result(name):  # the user had rebound a name of IPython's or a frontend's
                    self.live[name] = first[name]
        for name, result in aliases.items():
            self.live[name] = self.live.get(result, NOTHING_DISPLAYED)
        shown = {int(name[1:]): obj for name, obj in self._bound() if is_result(name)}
        _set_contents(self._out(), {number: shown[number] for number in sorted(shown)}, ordered=True)

    def _switch_modules(self, bind: Mapping[str, Any], unbind: set[str]) -> tuple[Mapping[str, Any], set[str]]:
        """Binds and unbinds what is of modules; what is left to bind and to unbind."""
        theirs = self.modules.parted({*bind, *unbind}) if self._with_modules else None
        if not theirs:
            return bind, unbind
        self.modules.unbind(unbind & theirs)
        self.modules.bind({name: obj for name, obj in bind.items() if name in theirs})
        return {name: obj for name, obj in bind.items() if name not in theirs}, unbind - theirs

    def _out(self) -> dict[Any, Any]:
        out: Any = dict.get(self.live, "_oh")
        return out if issubclass(type(out), dict) else {}

    def _is_injected(self, name: str, obj: Any) -> bool:
        if name in self._injected and self._injected[name] is obj and name not in self._claimed:
            return True
        if name in self._hidden and self._hidden[name] is obj:
            return not is_result(name)  # IPython hides results, too; they are the user's
        if name[:1] not in ("_", "I", "O"):
            return False
        if name in _FIXED:  # the user's if they have rebound it
            return name in self._first and self._first[name] is obj
        return name in _REBOUND or _is_internal(name)


def is_users_name(name: str) -> bool:
    """Whether a variable of the user's can have this name: IPython and frontends have some for themselves."""
    taken = name in _FIXED or name in _REBOUND or name in OUTPUT_ALIASES or name in ("exit", "quit", "get_ipython")
    return not taken and not is_result(name) and not _is_internal(name)


def is_result(name: object) -> bool:
    """Whether it is one of `_1`, `_2`, ..."""
    return type(name) is str and name[:1] == "_" and name[1:].isdecimal()


def _is_internal(name: str) -> bool:
    if name[:2] == "_i":  # as each cell has one
        return name[2:].isdecimal()
    of_frontends = name.startswith(_OF_FRONTENDS) or "VSCODE_" in name or "VSCode_" in name
    return of_frontends and _INTERNAL_PATTERN.fullmatch(name) is not None


def _set_contents(target: dict[Any, Any], contents: Mapping[Any, Any], *, ordered: bool = False) -> None:
    """Gives a dictionary these contents.

    Args:
        ordered: in this order, too. Without it, names that stay are at no moment missing.
    """
    if ordered and list(target) != list(contents):
        target.clear()
    target.update(contents)
    for key in [key for key in target if key not in contents]:
        del target[key]
