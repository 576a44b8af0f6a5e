"""What the source of a module says: which names it binds to what, and which words its code spells.

Law: the source is read as compiled code, and never run. What cannot be read says nothing.
"""

from __future__ import annotations

import dis
import importlib.util
import marshal
import types
from collections.abc import Iterator
from contextlib import suppress
from inspect import CO_OPTIMIZED
from pathlib import Path
from typing import Any

from kishu_kernel.model.dataclass import dataclass, field
from kishu_kernel.objects.classes import is_atom, module_contents

NO_CONSTANT = object()
"""Stands for a constant that is not there."""

_HEADER = 16
"""Bytes before the code in a compiled file: magic number, flags, time and size of the source."""
_BINDS = frozenset({"STORE_NAME", "STORE_GLOBAL"})
_CONSTANTS = frozenset({"LOAD_CONST", "LOAD_SMALL_INT"})
_SILENT = frozenset({"CACHE", "NOP"})


@dataclass
class SourceFacts:
    """What the source of a module, or the body of a class, binds.

    Attributes:
        constants: name -> the number, text or the like that it is bound to, once.
        imports: name -> the module that it, or what it is bound to, is imported from; relative ones begin with a dot.
        classes: name -> what the body of the class binds.
        words: names and texts that the code spells, that of its functions included.
    """

    constants: dict[str, Any] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    classes: dict[str, SourceFacts] = field(default_factory=dict)
    words: frozenset[str] = frozenset()

    def constant(self, name: str) -> Any:
        """The constant that the source binds a name to; `NO_CONSTANT` if none."""
        return self.constants.get(name, NO_CONSTANT)


def source_facts(module: types.ModuleType) -> SourceFacts:
    """What the source of a module says; nothing where there is none to be read."""
    facts = SourceFacts()
    with suppress(Exception):
        code = _code_of(module)
        _read(code, facts)
        facts.words = frozenset(_words(code))
    return facts


def _code_of(module: types.ModuleType) -> types.CodeType:
    """From the compiled file where it is that of the source, else from the source."""
    path = Path(str(module_contents(module)["__file__"]))
    source = path.stat()
    written = (int(source.st_mtime) & 0xFFFFFFFF).to_bytes(4, "little") + (source.st_size & 0xFFFFFFFF).to_bytes(
        4, "little"
    )
    with suppress(Exception):
        data = Path(importlib.util.cache_from_source(str(path))).read_bytes()
        if data[4:_HEADER] == bytes(4) + written and data[:4] == importlib.util.MAGIC_NUMBER:
            loaded = marshal.loads(data[_HEADER:])
            if type(loaded) is types.CodeType:
                return loaded
    return compile(path.read_bytes(), str(path), "exec", dont_inherit=True)


def _read(code: types.CodeType, facts: SourceFacts) -> None:
    """Notes what the top level of a code object binds. What is bound twice is no constant."""
    bound: set[str] = set()
    source, relative, before = "", False, ""
    constants: list[Any] = [NO_CONSTANT, NO_CONSTANT]
    for op, arg in _instructions(code):
        if op in _CONSTANTS:
            constants = [constants[1], arg if op == "LOAD_SMALL_INT" else code.co_consts[arg]]
        elif op == "IMPORT_NAME":
            source, relative = code.co_names[arg], constants[0] not in (0, NO_CONSTANT)
        elif op in _BINDS:
            name = code.co_names[arg]
            facts.constants.pop(name, None)
            facts.imports.pop(name, None)
            if before in ("IMPORT_NAME", "IMPORT_FROM"):
                facts.imports[name] = f".{source}" if relative else source
            elif before in _CONSTANTS and is_atom(constants[1]) and name not in bound:
                facts.constants[name] = constants[1]
            bound.add(name)
        before = op
    for body in code.co_consts:
        if isinstance(body, types.CodeType) and not body.co_flags & CO_OPTIMIZED and body.co_name in bound:
            _read(body, facts.classes.setdefault(body.co_name, SourceFacts()))


def _instructions(code: types.CodeType) -> Iterator[tuple[str, int]]:
    raw, high = code.co_code, 0
    for at in range(0, len(raw), 2):
        op, arg = dis.opname[raw[at]], raw[at + 1] | high
        if op == "EXTENDED_ARG":
            high = arg << 8
            continue
        high = 0
        if op not in _SILENT:
            yield op, arg


def _words(code: types.CodeType) -> set[str]:
    found: set[str] = set()
    todo = [code]
    while todo:
        each = todo.pop()
        found.update(each.co_names)
        found.update(name.rpartition(".")[2] for name in each.co_names if "." in name)  # `from ..a.b import c`
        for constant in each.co_consts:
            if isinstance(constant, types.CodeType):
                todo.append(constant)
            elif type(constant) is str:
                found.add(constant)
    return found
