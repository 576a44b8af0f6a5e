"""Does code only look? Then what cannot be seen into (a generator, an open file) is taken to be what it was.

For code that no cell shows: variable inspectors, frontends that ask for a value. Law: doubt means that it changes
something. What looking itself brings about (`__dict__`, caches) is for `walk` to see past.
"""

from __future__ import annotations

import ast
from functools import lru_cache

LOOKING = frozenset(
    {
        *("abs", "ascii", "bool", "callable", "complex", "dir", "float", "format", "getattr", "hasattr", "hash", "id"),
        *("int", "isinstance", "issubclass", "len", "print", "repr", "round", "str", "type", "vars"),
    }
)
"""Builtins that look at what they are given, and change nothing. None that iterates: an iterator moves on."""

_LISTING = frozenset({"dir", "vars", "range"})
_OF_DICT = frozenset({"items", "keys", "values"})
_FORMS = (
    *(ast.Module, ast.Expr, ast.Pass, ast.If, ast.Import, ast.ImportFrom, ast.alias, ast.expr_context),
    *(ast.Constant, ast.Name, ast.Tuple, ast.List, ast.Dict, ast.Slice, ast.JoinedStr, ast.FormattedValue),
    *(ast.BoolOp, ast.boolop, ast.UnaryOp, ast.unaryop, ast.IfExp, ast.cmpop, ast.keyword),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)


@lru_cache(maxsize=256)
def only_looks(source: str) -> bool:
    """Whether code, as IPython runs it, reads names, attributes and items, compares and shows them, and no more.

    Names of `LOOKING` are taken for the builtins: whoever asks is to know that the notebook has not bound them.
    """
    try:
        return all(map(_is_look, ast.walk(ast.parse(source))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _is_look(node: ast.AST) -> bool:
    if isinstance(node, (ast.Attribute, ast.Subscript)):
        return isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Name) for target in node.targets)
    if isinstance(node, ast.Compare):  # to look for something in an iterator moves it on
        return not any(isinstance(operator, (ast.In, ast.NotIn)) for operator in node.ops)
    if isinstance(node, (ast.For, ast.comprehension)):
        return _is_listing(node.iter)
    if isinstance(node, ast.Call):
        return _is_looking_call(node)
    return isinstance(node, _FORMS)


def _is_looking_call(call: ast.Call) -> bool:
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return False
    function = call.func
    if isinstance(function, ast.Name):
        return function.id in LOOKING or function.id in _LISTING
    if isinstance(function, ast.Attribute):
        of_sys = isinstance(function.value, ast.Name) and (function.value.id, function.attr) == ("sys", "getsizeof")
        return of_sys or (function.attr in _OF_DICT and _is_call_of(function.value, frozenset({"vars"})))
    return False


def _is_listing(node: ast.expr) -> bool:
    """It is made to be gone through: nothing of the user's is moved on."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in _OF_DICT and _is_call_of(node.func.value, frozenset({"vars"}))
    return isinstance(node, (ast.Constant, ast.Tuple, ast.List)) or _is_call_of(node, _LISTING)


def _is_call_of(node: ast.expr, names: frozenset[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
