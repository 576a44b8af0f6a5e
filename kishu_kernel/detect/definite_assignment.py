"""Which names does a cell certainly bind itself before it reads them?

Law: doubt means no. This is a definite-assignment analysis of the cell's own statements: what a branch, a loop or a
handler binds counts only if no path leads around it, and what nested code mentions counts as read where that code is
made. Once bound, a name never again has the value that it had before the cell, not even after `del`: so the set of
bound names only grows along a path. Neighbour: `access` asks, and says what nested code mentions.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from itertools import zip_longest
from typing import Any

from kishu_kernel.detect.bytecode import IDENTIFIER, MAGIC_CALLS, MagicCall
from kishu_kernel.model import Access

Reads = Callable[[ast.AST], Iterable[str]]
"""The names that the code nested in a node mentions."""

MagicAccess = Callable[[MagicCall], Access]
"""What a call of a magic may touch."""


def magic_call(node: ast.AST) -> MagicCall | None:
    """The magic that this node calls with literal arguments, as IPython's transformer writes it, else None."""
    if not (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and len(node.args) == MAGIC_CALLS.get(node.func.attr, 0) > 0
    ):
        return None
    texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    return tuple(texts) if len(texts) == len(node.args) else None


def bound_before_read(body: Iterable[ast.stmt], nested: Reads, magic: MagicAccess) -> set[str]:
    """Names that these statements bind, and never read before they have bound them.

    Args:
        nested: gives the names that nested code mentions.
        magic: gives what a call of a magic may touch.
    """
    flow = _Flow(nested, magic)
    flow.run(body)
    return flow.stored - flow.read


class _Flow(ast.NodeVisitor):
    """Visits nodes in the order of evaluation. `bound` has the names that are certainly bound at this point."""

    def __init__(self, nested: Reads, magic: MagicAccess) -> None:
        self.nested = nested
        self.magic = magic
        self.bound: set[str] = set()
        self.stored: set[str] = set()
        self.read: set[str] = set()

    def run(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    def run_maybe(self, nodes: Iterable[ast.AST | None]) -> set[str]:
        """Runs nodes that may not run, or not to their end. Returns what they bound instead of keeping it."""
        before = self.bound
        self.bound = set(before)
        self.run(nodes)
        after, self.bound = self.bound, before
        return after

    def note_read(self, names: Iterable[str]) -> None:
        self.read.update(set(names) - self.bound)

    def store(self, name: str | None) -> None:
        if name is not None:
            self.stored.add(name)
            self.bound.add(name)

    # Names and texts

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.store(node.id)
        else:
            self.note_read((node.id,))

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.note_read(IDENTIFIER.findall(node.value))

    def visit_Call(self, node: ast.Call) -> None:
        call = magic_call(node)
        if call is None:
            self.generic_visit(node)
        else:
            self.visit(node.func)
            access = self.magic(call)
            self.note_read(access.inputs)
            # Not `bound`: %time shows an exception and goes on, so what it binds is not certain afterwards.
            self.stored.update(access.names - access.inputs)

    def visit_alias(self, node: ast.alias) -> None:
        self.store(node.asname or node.name.partition(".")[0])

    # Expressions whose fields are not in the order of evaluation, or that skip some

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.run((node.value, node.target))

    def visit_Dict(self, node: ast.Dict) -> None:
        self.run(part for pair in zip_longest(node.keys, node.values) for part in pair)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.visit(node.values[0])
        self.run_maybe(node.values[1:])

    def visit_Compare(self, node: ast.Compare) -> None:
        self.run((node.left, node.comparators[0]))
        self.run_maybe(node.comparators[1:])

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        self.bound = self.run_maybe((node.body,)) & self.run_maybe((node.orelse,))

    # Nested code may run at once or much later, and has locals of its own, which the compiler tells apart

    def visit_nested(self, node: ast.AST) -> None:
        self.note_read(self.nested(node))

    visit_Lambda = visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_nested

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.run((*node.decorator_list, node.args, node.returns))
        self.visit_nested(node)
        self.store(node.name)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_arg(self, node: ast.arg) -> None:
        self.run((node.annotation,))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.run((*node.decorator_list, *node.bases, *node.keywords))
        self.visit_nested(node)
        self.store(node.name)

    def visit_TypeAlias(self, node: Any) -> None:  # new in 3.12
        self.visit_nested(node)
        self.visit(node.name)

    # Statements

    def visit_Assign(self, node: ast.Assign) -> None:
        self.run((node.value, *node.targets))

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.note_read((node.target.id,))
            self.run((node.value, node.target))
        else:
            self.run((node.target, node.value))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.run((node.value,))
        self.run_maybe((node.annotation,))  # not evaluated at once, from 3.14 on
        if node.value is not None or not isinstance(node.target, ast.Name):
            self.visit(node.target)

    def visit_Assert(self, node: ast.Assert) -> None:
        self.visit(node.test)
        self.run_maybe((node.msg,))

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self.bound = self.run_maybe(node.body) & self.run_maybe(node.orelse)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self.run_maybe((node.target, *node.body))
        self.run_maybe(node.orelse)

    visit_AsyncFor = visit_For

    def visit_While(self, node: ast.While) -> None:
        self.visit(node.test)
        self.run_maybe(node.body)
        self.run_maybe(node.orelse)

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        # Its manager may swallow an exception, so nothing after the first __enter__ is certain to have run.
        self.visit(node.items[0].context_expr)
        self.run_maybe((node.items[0].optional_vars, *node.items[1:], *node.body))

    visit_AsyncWith = visit_With

    def visit_Try(self, node: ast.Try) -> None:
        whole = self.run_maybe((*node.body, *node.orelse))
        ends = [self.run_maybe((handler,)) for handler in node.handlers]
        # `finally` can be entered from anywhere; what it binds itself is certain afterwards.
        last = self.run_maybe(node.finalbody)
        self.bound = whole.intersection(*ends) | last

    def visit_TryStar(self, node: Any) -> None:  # ast.TryStar is new in 3.11
        self.visit_Try(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self.run((node.type,))
        self.store(node.name)
        self.run(node.body)

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        for case in node.cases:
            self.run_maybe((case,))

    def visit_capture(self, node: ast.MatchAs | ast.MatchStar) -> None:
        self.generic_visit(node)
        self.store(node.name)

    visit_MatchAs = visit_MatchStar = visit_capture

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.generic_visit(node)
        self.store(node.rest)
