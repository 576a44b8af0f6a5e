"""Finds what a cell has registered with libraries of which nothing is known: it is told, since it cannot be taken back.

What goes through the tables of `objects.registrations`, or is set as an attribute (`ambient.assignments`), is part of
the state. Of all else somebody must know: which functions, classes and instances of the notebook does a library hold?

Only those are looked for that the cell can have given away: what it made or mentions, and what more refers to than
variables and classes of the notebook explain. So most cells need no pass over all objects, and passes are paid for by
the time that the session lasts.

Neighbours: `think_time` calls this between messages; `history.registered` makes sentences of what was found.
"""

from __future__ import annotations

import atexit
import gc
import re
import sys
import time
import types
import weakref
from collections import Counter
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from typing import Any

from kishu_kernel.detect.access import code_access
from kishu_kernel.history.graph import ancestry
from kishu_kernel.model import Checkpoint, CheckpointId
from kishu_kernel.model.pattern import pattern
from kishu_kernel.objects.classes import contents_of, is_notebooks, is_of_a_person, qualified_name
from kishu_kernel.objects.live_objects import live_objects
from kishu_kernel.objects.outside_holders import MOST_OBJECTS, Heap, drop_what_variables_explain, outside_holders
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.process.cell_sources import cached_lines
from kishu_kernel.session.ledger import Ledger

FIRST_SECONDS, SHARE = 2.0, 0.02
"""Of the processor that passes may take: at first, and of the session's seconds from then on."""

MOST_INTERRUPTS = 10
"""Messages that one search gives way to; then it is given up."""

MOST_NAMES = 5
"""Names that a phrase has, at most."""


class RegistrationSearch:
    """Looks at the last checkpoint's cell.

    Args:
        table: its namespace is the live one.
    """

    def __init__(self, ledger: Ledger, table: ReductionTable) -> None:
        self._ledger = ledger
        self._namespace = table.namespace
        self._checkpoint: Checkpoint | None = None
        self._search: Generator[None, None, list[str]] | None = None
        self._looked = _Looked(ledger)
        self._functions: weakref.WeakSet[types.FunctionType] = weakref.WeakSet()
        """Those that were looked at."""
        self._exits = _exit_functions()
        self._began = time.monotonic()
        self._used = 0.0
        self._interrupted = 0
        self._heap = Heap()
        self._variables: Mapping[str, Any] = {}

    def begin(self, checkpoint: Checkpoint) -> None:
        """A checkpoint was taken."""
        self._checkpoint, self._search, self._interrupted = checkpoint, None, 0

    def abandon(self) -> None:
        """The session is in another state."""
        self._checkpoint = self._search = None

    @property
    def left(self) -> bool:
        """There is something to look for."""
        return self._checkpoint is not None

    def step(self, variables: Mapping[str, Any]) -> None:
        """Does one pass, at most.

        Args:
            variables: the user's variables; it refers to their objects, too.
        """
        checkpoint = self._checkpoint
        if checkpoint is None:
            return
        began = time.thread_time()  # a busy machine takes no pass away
        self._variables = variables
        try:
            if self._search is None:
                self._search = self._phrases(checkpoint)
            if self._used < FIRST_SECONDS + SHARE * (time.monotonic() - self._began) and not self._heap.is_too_large():
                next(self._search)
            else:
                self.abandon()
        except StopIteration as ended:
            self.abandon()
            if ended.value:
                self._ledger.note_effects(checkpoint.id, ended.value)
        except KeyboardInterrupt:  # a message came: once more, from the beginning
            self._search = None
            self._interrupted += 1
            if self._interrupted >= MOST_INTERRUPTS:
                self.abandon()
        except BaseException:
            self.abandon()
            raise
        finally:
            self._variables = {}
            self._used += time.thread_time() - began

    def _bindings(self) -> tuple[Mapping[Any, Any], ...]:
        """What holds the variables: nobody else has been given them by that."""
        return *self._ledger.bindings, self._variables

    # -- what the cell can have given away ---------------------------------------------------------

    def _phrases(self, checkpoint: Checkpoint) -> Generator[None, None, list[str]]:
        exits = _exit_functions()
        phrases = [_phrase("atexit")] if self._exits < exits and self._speaks_of("atexit", checkpoint) else []
        objects, counted = self._given_away(checkpoint)
        functions: weakref.WeakSet[types.FunctionType] = weakref.WeakSet()
        if (codes := self._nameless_codes(checkpoint)) is not None:
            functions = self._new_functions()
            yield
            objects += self._nameless(functions, checkpoint, codes)
        if objects:
            drop_what_variables_explain(objects, self._bindings, self._namespace)
        del objects[MOST_OBJECTS:]  # no other list, which would be one more holder
        phrases += yield from self._told_of(objects, checkpoint)
        self._exits = exits
        self._functions.update(functions)
        for each in objects:
            if id(each) in counted:
                self._looked.note(each, counted[id(each)], checkpoint.id)
        return phrases

    def _told_of(self, targets: list[Any], checkpoint: Checkpoint) -> Generator[None, None, list[str]]:
        """A phrase for each library that holds some of these."""
        names = {id(each): self._name(each) for each in targets}
        found = yield from outside_holders(targets, self._bindings)
        phrases = []
        for package, ids in sorted(found.items()):
            new = [each for each in targets if id(each) in ids and self._looked.is_new(each, package, checkpoint.id)]
            if new:
                phrases.append(_phrase(f"{package} ({_listed([names[id(each)] for each in new])})"))
        return phrases

    def _given_away(self, checkpoint: Checkpoint) -> tuple[list[Any], dict[int, int]]:
        """Classes that the cell made, or speaks of without calling them; what has more holders than is explained.

        Returns:
            All of them; and by their ids, where it says something, how many references there are.
        """
        found: list[Any] = []
        counts: dict[int, int] = {}
        explained: Counter[int] | None = None  # most cells speak of nothing that could be given away
        made = {*checkpoint.created, *checkpoint.modified}
        seen: set[int] = set()
        for name in checkpoint.accessed:
            value: Any = self._namespace.get(name)
            kind = type(value)
            if id(value) in seen or live_objects.knows(value):
                continue
            seen.add(id(value))
            if issubclass(kind, type):
                if is_notebooks(value) and (name in made or _is_passed_on(name, checkpoint.code)):
                    found.append(value)
            elif self._is_own(value):
                if explained is None:
                    explained = Counter(id(held) for each in self._bindings() for held in list(each.values()))
                count = _unexplained(explained, value)
                if count > _USUAL and not self._looked.explains(value, count):
                    found.append(value)
                    counts[id(value)] = count
        return found, counts

    def _is_own(self, value: Any) -> bool:
        """It is a function of the notebook's, or an instance of such a class."""
        kind = type(value)
        return value.__globals__ is self._namespace if kind is types.FunctionType else is_notebooks(kind)

    def _speaks_of(self, module: str, checkpoint: Checkpoint) -> bool:
        """The cell, or a function of the notebook that it reaches, does."""
        todo, seen = list(checkpoint.accessed), set(checkpoint.accessed)
        found = module in checkpoint.code
        while todo and not found:
            value = self._namespace.get(todo.pop())
            if type(value) is types.FunctionType and self._is_own(value):
                access = code_access(value.__code__)
                found = module in access.names | access.imports
                todo += access.names - seen
                seen |= access.names
        return found

    def _nameless_codes(self, checkpoint: Checkpoint) -> set[int] | None:
        """The ids of code of nameless functions, made by functions that the cell reaches. None: there are none."""
        called = map(self._namespace.get, checkpoint.accessed)
        named = Counter(
            id(each.__code__) for each in list(self._namespace.values()) if type(each) is types.FunctionType
        )
        counts = _references_to_nested(each.__code__ for each in called if type(each) is types.FunctionType)
        nested = {code for code, count in counts if count > _UNUSED + named[code]}  # more than variables explain
        return nested if nested or "lambda" in checkpoint.code else None

    def _new_functions(self) -> weakref.WeakSet[types.FunctionType]:
        """Functions of the notebook that were not there when this was last asked."""
        referring = gc.get_referrers(self._namespace)
        new = (each for each in referring if type(each) is types.FunctionType and each not in self._functions)
        return weakref.WeakSet(new)

    def _nameless(
        self, functions: Iterable[types.FunctionType], checkpoint: Checkpoint, codes: Collection[int]
    ) -> list[Any]:
        """Those that the cell made, and that neither a variable nor a class of the notebook holds."""
        named = set(map(id, list(self._namespace.values())))
        return [
            each
            for each in functions
            if id(each) not in named
            and not self._is_method(each)
            and (id(each.__code__) in codes or _is_of(checkpoint.code, each.__code__.co_filename))
        ]

    def _is_method(self, function: types.FunctionType) -> bool:
        owner, _, name = function.__qualname__.rpartition(".")
        kind: Any = self._namespace.get(owner)
        return issubclass(type(kind), type) and contents_of(kind).get(name) is function

    def _name(self, obj: Any) -> str:
        for name, value in list(self._namespace.items()):
            if value is obj and is_of_a_person(name):
                return name
        if type(obj) is types.FunctionType:
            return "a function" if obj.__name__ == "<lambda>" else obj.__name__
        kind = type(obj)
        return qualified_name(obj if issubclass(kind, type) else kind)


class _Looked:
    """Objects that were looked at, as long as the cells at whose end that was are part of the present state."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._counts: dict[int, tuple[Any, int, CheckpointId]] = {}
        self._told: dict[tuple[int, str], tuple[Any, CheckpointId]] = {}
        self._head: CheckpointId | None = None
        self._path: set[CheckpointId] = set()
        """The checkpoints of the present state, as long as the head is that one."""

    def note(self, obj: Any, count: int, id_: CheckpointId) -> None:
        """An object with so many references is looked at after this cell."""
        self._counts[id(obj)] = _weak(obj, self._counts, id(obj)), count, id_

    def explains(self, obj: Any, count: int) -> bool:
        """It was looked at when it had as many references."""
        known = self._counts.get(id(obj))
        return known is not None and known[1] >= count and _is(known[0], obj) and self._is_here(known[2])

    def is_new(self, obj: Any, package: str, id_: CheckpointId) -> bool:
        """That this library holds it is not told by an earlier cell. From now on it is, by this one."""
        known = self._told.get((id(obj), package))
        if known is not None and _is(known[0], obj) and self._is_here(known[1]):
            return known[1] == id_
        self._told[id(obj), package] = _weak(obj, self._told, (id(obj), package)), id_
        return True

    def _is_here(self, id_: CheckpointId) -> bool:
        timeline = self._ledger.timeline
        if (head := timeline.head) != self._head:
            if head is not None and timeline.lookup(head).parent == self._head:
                self._path.add(head)
            else:
                self._path = {each.id for each in ancestry(timeline.lookup, head)}
            self._head = head
        return id_ in self._path


def _weak(obj: Any, entries: dict[Any, Any], key: Any) -> weakref.ref[Any]:
    """A reference to an object, whose entry goes when it goes; or to its class, where that allows none (slots)."""
    try:
        return weakref.ref(obj, lambda _: entries.pop(key, None))
    except TypeError:
        return weakref.ref(type(obj))


def _is(reference: weakref.ref[Any], obj: Any) -> bool:
    known = reference()
    return known is obj or known is type(obj)


def _unexplained(explained: Mapping[int, int], obj: Any) -> int:
    """References to an object beside those that are explained; some are those of the callers."""
    return sys.getrefcount(obj) - explained.get(id(obj), 0)


def _usual() -> int:
    """How many these are where nothing but variables hold an object: asked as `_given_away` does."""
    namespace = {"probe": object()}
    explained = Counter(id(value) for value in list(namespace.values()))
    for name in namespace:
        value = namespace.get(name)
        return _unexplained(explained, value)
    return 0


_USUAL = _usual()


def _references_to_nested(codes: Iterable[types.CodeType]) -> Iterator[tuple[int, int]]:
    """The ids of code of functions that are made where such code runs, and how many refer to each."""
    for code in codes:
        for const in code.co_consts:
            if type(const) is types.CodeType and const.co_name not in _COMPREHENSIONS:  # nobody is given those
                yield id(const), sys.getrefcount(const)


_COMPREHENSIONS = frozenset({"<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>"})

[(_, _UNUSED)] = _references_to_nested([(lambda: lambda: None).__code__])
"""How many that is where no function has the code."""


def _is_of(code: str, file: str) -> bool:
    """Whether a function whose code has this file name was defined by the cell, as far as its text tells."""
    has_magics = re.search(r"^\s*[%!]", code, re.MULTILINE) is not None
    return has_magics or "".join(cached_lines(file)).strip() == code.strip()


def _is_passed_on(name: str, code: str) -> bool:
    """The code speaks of it otherwise than to call it, to ask what something is, or to derive from it."""
    code = _ONLY_ASKS.sub("", code)
    return re.search(rf"(?<![\w.]){re.escape(name)}\b(?!\s*\()", code) is not None


_ONLY_ASKS = pattern(r"\b(?:isinstance|issubclass)\([^()]*\)|\bexcept\b.*|\bclass \w+\([^()]*\)")


def _exit_functions() -> int:
    count = getattr(atexit, "_ncallbacks", None)
    return count() if count is not None else 0


def _phrase(where: str) -> str:
    from kishu_kernel.history.effects import REGISTERS

    return f"{REGISTERS} {where}"


def _listed(names: Iterable[str]) -> str:
    told = list(dict.fromkeys(names))
    return ", ".join(told[:MOST_NAMES]) + (", ..." if len(told) > MOST_NAMES else "")
