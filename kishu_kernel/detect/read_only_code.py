"""Does code only read? Then an opaque object that it touches (a generator, an open file) counts as unchanged.

This is for code that no cell shows: variable inspectors, frontends that ask for a value. Law: doubt means that the code
changes something. What reading itself brings about (a `__dict__` that is made, caches) is for `walk` to ignore.
"""

from __future__ import annotations

import ast
from functools import lru_cache

READING_BUILTINS = frozenset(
    {
        *("abs", "ascii", "bool", "callable", "complex", "dir", "float", "format", "getattr", "hasattr", "hash", "id"),
        *("int", "isinstance", "issubclass", "len", "print", "repr", "round", "str", "type", "vars"),
    }
)
"""Builtins that read their arguments and change nothing. None that iterates: that would move an iterator on."""

_COLLECTING = frozenset({"dir", "vars", "range"})
_OF_DICT = frozenset({"items", "keys", "values"})
_FORMS = (
    *(ast.Module, ast.Expr, ast.Pass, ast.If, ast.Import, ast.ImportFrom, ast.alias, ast.expr_context),
    *(ast.Constant, ast.Name, ast.Tuple, ast.List, ast.Dict, ast.Slice, ast.JoinedStr, ast.FormattedValue),
    *(ast.BoolOp, ast.boolop, ast.UnaryOp, ast.unaryop, ast.IfExp, ast.cmpop, ast.keyword),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)


@lru_cache(maxsize=256)
def is_read_only(source: str) -> bool:
    """Whether all that the code does is to read names, attributes and items, to compare them, and to show them.

    Names of `READING_BUILTINS` are taken for the builtins: the caller checks that the notebook has not bound them.

    Args:
        source: the code as IPython runs it. False if it does not parse.
    """
    try:
        return all(map(_reads, ast.walk(ast.parse(source))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _reads(node: ast.AST) -> bool:
    if isinstance(node, (ast.Attribute, ast.Subscript)):
        return isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Name) for target in node.targets)
    if isinstance(node, ast.Compare):  # `x in iterator` moves the iterator on
        return not any(isinstance(operator, (ast.In, ast.NotIn)) for operator in node.ops)
    if isinstance(node, (ast.For, ast.comprehension)):
        return _is_new_collection(node.iter)
    if isinstance(node, ast.Call):
        return _is_reading_call(node)
    return isinstance(node, _FORMS)


def _is_reading_call(call: ast.Call) -> bool:
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return False
    function = call.func
    if isinstance(function, ast.Name):
        return function.id in READING_BUILTINS or function.id in _COLLECTING
    if isinstance(function, ast.Attribute):
        of_sys = isinstance(function.value, ast.Name) and (function.value.id, function.attr) == ("sys", "getsizeof")
        return of_sys or (function.attr in _OF_DICT and _is_call_of(function.value, frozenset({"vars"})))
    return False


def _is_new_collection(node: ast.expr) -> bool:
    """Whether it is a new collection: to iterate over it moves no iterator of the user's on."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in _OF_DICT and _is_call_of(node.func.value, frozenset({"vars"}))
    return isinstance(node, (ast.Constant, ast.Tuple, ast.List)) or _is_call_of(node, _COLLECTING)


def _is_call_of(node: ast.expr, names: frozenset[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
