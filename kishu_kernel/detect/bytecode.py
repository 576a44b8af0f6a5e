"""What a code object spells: global names, attributes, strings, and calls of IPython's magics.

Law: an upper bound. Every name that the compiler resolved to a global is here, and every identifier inside a string
that the code loads, because `df.query("a > @x")` and SQL over frames name variables in text. It is read from raw
`co_code`, since `dis.get_instructions` costs 7 to 17 times more, for every cell. Neighbour: `access` judges what the
mentions mean.
"""

from __future__ import annotations

import dis
import sys
from inspect import CO_OPTIMIZED
from types import CodeType

from kishu_kernel.model.dataclass import dataclass, field
from kishu_kernel.model.pattern import pattern

IDENTIFIER = pattern(r"[^\W\d]\w*")
"""A word that could be a variable's name."""

MAGIC_CALLS = {"run_line_magic": 2, "run_cell_magic": 3}
"""The methods that IPython's transformer writes for magics -> their number of string arguments."""

MagicCall = tuple[str, ...]
"""Name, line and, for a cell magic, body."""

_LOADS = frozenset({"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"})
_BINDS = frozenset({"STORE_NAME", "DELETE_NAME"})
_GLOBAL_BINDS = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})
_REMOVES_PARTS = frozenset({"STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE", "STORE_ATTR", "DELETE_ATTR"})
_ASSIGNS = frozenset({"STORE_ATTR", "DELETE_ATTR"})
_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "IMPORT_FROM"})
_CONSTANTS = frozenset({"LOAD_CONST", "RETURN_CONST"})
# Instructions without a meaning here, which may stand between two that are compared with each other.
_SILENT = frozenset({"CACHE", "NOP", "PUSH_NULL", "PRECALL"})
# A constant right before one of these is the name of a function, a keyword or an import, not a string of the user's.
_CONSUMES_NAMES = frozenset({"MAKE_FUNCTION", "CALL_KW", "CALL_FUNCTION_KW", "IMPORT_NAME"})

# Bits that the name's index is shifted by to make room for flags.
_SHIFT = {
    "LOAD_GLOBAL": int(sys.version_info >= (3, 11)),
    "LOAD_ATTR": int(sys.version_info >= (3, 12)),
    "LOAD_SUPER_ATTR": 2,
}


@dataclass(slots=True)
class Mentions:
    """What a code object and the code nested in it spell.

    Attributes:
        loads: global names that are read.
        binds: global names that are bound or deleted.
        attributes: names looked up on objects or in modules.
        values: those attributes that are not called as methods right away.
        imports: modules imported by name.
        words: identifiers inside strings.
        constants: strings that are one identifier, whole.
        magics: calls of magics with nothing but literal arguments.
        star: there is a `from m import *`.
        computed_magic: there is a call of a magic whose arguments are not literal.
        changes_parts: items or attributes are bound or deleted.
        assigned: names of attributes that are bound or deleted.
        only_stores: what is bound is so by a cell's own statements, and nothing is deleted.
    """

    loads: set[str] = field(default_factory=set)
    binds: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    values: set[str] = field(default_factory=set)
    imports: set[str] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    constants: set[str] = field(default_factory=set)
    magics: list[MagicCall] = field(default_factory=list)
    star: bool = False
    computed_magic: bool = False
    changes_parts: bool = False
    assigned: set[str] = field(default_factory=set)
    only_stores: bool = True

    @property
    def only_binds(self) -> bool:
        """What is bound is nowhere read, in whatever order the code runs."""
        plain = self.only_stores and not (self.magics or self.star)
        return plain and self.binds.isdisjoint(self.loads) and self.binds.isdisjoint(self.words)

    def add(self, code: CodeType, *, nested: bool = False) -> None:
        """Adds what a code object spells, and the code nested in it.

        Args:
            nested: it is part of another code object, and not a cell's own.
        """
        todo = [(code, nested)]  # no recursion: generated code nests deeper than Python recurses
        while todo:
            code, nested = todo.pop()
            self._add(code, class_body=nested and not code.co_flags & CO_OPTIMIZED)
            todo += [(const, True) for const in code.co_consts if isinstance(const, CodeType)]

    def _add(self, code: CodeType, *, class_body: bool) -> None:
        instructions = _instructions(code)
        instructions.append(("", 0))
        names, consts = code.co_names, code.co_consts
        literals: set[int] = set()  # positions of constants that a magic call has taken
        for at, (op, arg) in enumerate(instructions):
            if op in _CONSTANTS:
                if at not in literals and not self._labels(code, instructions, at):
                    self._add_constant(consts[arg])
            elif op in _LOADS:
                self.loads.add(names[arg])
            elif op in _GLOBAL_BINDS or (op in _BINDS and not class_body):
                self.binds.add(names[arg])
                self.only_stores &= op == "STORE_NAME"
            elif op in _ATTRIBUTES:
                literals.update(self._add_attribute(code, instructions, at))
            elif op in _REMOVES_PARTS:
                self.changes_parts = True
                if op in _ASSIGNS:
                    self.assigned.add(names[arg])
            elif op == "IMPORT_NAME":
                self.imports.add(names[arg])
                before, index = instructions[at - 1]
                self.star |= before in _CONSTANTS and consts[index] == ("*",)

    def _add_attribute(self, code: CodeType, instructions: list[tuple[str, int]], at: int) -> range:
        op, arg = instructions[at]
        name = code.co_names[arg]
        self.attributes.add(name)
        if op != "LOAD_METHOD":  # from 3.12 on `_instructions` says LOAD_METHOD as older ones did
            self.values.add(name)
        if name not in MAGIC_CALLS:
            return range(0)
        taken = range(at + 1, at + 1 + MAGIC_CALLS[name])
        texts = [
            code.co_consts[index]
            for op, index in instructions[taken.start : taken.stop]
            if op in _CONSTANTS and isinstance(code.co_consts[index], str)
        ]
        if len(texts) != MAGIC_CALLS[name]:
            self.computed_magic = True
            return range(0)
        self.magics.append(tuple(texts))
        return taken

    def _add_constant(self, value: object) -> None:
        if isinstance(value, str):
            found = IDENTIFIER.findall(value)
            self.words.update(found)
            if found == [value]:
                self.constants.add(value)
        elif isinstance(value, (tuple, frozenset)):
            for item in value:
                self._add_constant(item)

    @staticmethod
    def _labels(code: CodeType, instructions: list[tuple[str, int]], at: int) -> bool:
        """The constant is the compiler's label of a function, a class, a keyword or an import."""
        following, arg = instructions[at + 1]
        if following == "STORE_NAME":  # __qualname__, __static_attributes__, __doc__ of a class body
            return code.co_names[arg].startswith("__")
        if following in _CONSUMES_NAMES:
            return True
        # The class's name goes to __build_class__ after the function made of the class's body.
        if at < 2 or instructions[at - 1][0] != "MAKE_FUNCTION":
            return False
        bodies = [code.co_consts[i] for op, i in instructions[max(at - 3, 0) : at] if op in _CONSTANTS]
        return any(
            isinstance(body, CodeType)
            and not body.co_flags & CO_OPTIMIZED
            and body.co_name == code.co_consts[instructions[at][1]]
            for body in bodies
        )


def _instructions(code: CodeType) -> list[tuple[str, int]]:
    """The instructions that mean something here. The argument of one with a name is its index in `co_names`."""
    raw, high = code.co_code, 0
    found: list[tuple[str, int]] = []
    for number, low in zip(raw[::2], raw[1::2], strict=True):
        op = _OPERATIONS[number]
        if op is None:
            high = 0
        elif op == "EXTENDED_ARG":
            high = (low | high) << 8
        elif not (shift := _SHIFTED[number]):
            found.append((op, low | high))
            high = 0
        else:
            arg, high = low | high, 0
            found.append(("LOAD_METHOD" if op == "LOAD_ATTR" and arg & 1 else op, arg >> shift))
    return found


_OPERATIONS: list[str | None] = [None if name in _SILENT else name for name in dis.opname]
"""By number; None: without a meaning here."""
_SHIFTED = [_SHIFT.get(name, 0) for name in dis.opname]
