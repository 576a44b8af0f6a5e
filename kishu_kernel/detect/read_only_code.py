"""Does code only read? Then an opaque object that it touches (a generator, an open file) counts as unchanged.

`is_read_only` is for code that no cell shows: variable inspectors, frontends that ask for a value.
`names_only_identified` is for cells, and stricter: a getter that a cell calls may do anything.
Law: doubt means that the code changes something. What reading itself brings about (a `__dict__` that is made,
caches) is for `walk` to ignore.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import lru_cache

from kishu_kernel.detect.bytecode import IDENTIFIER
from kishu_kernel.model.pattern import pattern

READING_BUILTINS = frozenset(
    {
        *("abs", "ascii", "bool", "callable", "complex", "dir", "float", "format", "getattr", "hasattr", "hash", "id"),
        *("int", "isinstance", "issubclass", "len", "print", "repr", "round", "str", "type", "vars"),
    }
)
"""Builtins that read their arguments and change nothing. None that iterates: that would move an iterator on."""

_IDENTIFYING = frozenset({"callable", "id", "type"})
"""Builtins that read what the interpreter knows of an object and ask nothing of the object itself."""

_ASKING = frozenset({ast.Call, ast.Compare})
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


_WORDS = ("is", *sorted(_IDENTIFYING))
_MAY_IDENTIFY = pattern(rf"\b(?:{'|'.join(_WORDS)})\b")


def may_identify(source: str) -> bool:
    """Whether there may be `names_only_identified` in a source. Takes less than to look at its tree."""
    return any(each in source for each in _WORDS) and _MAY_IDENTIFY.search(source) is not None


def names_only_identified(tree: ast.Module) -> frozenset[str]:
    """Names whose objects the code asks nothing: it looks at their class or identity, and mentions them nowhere else.

    `type(x)`, `id(x)`, `callable(x)`, `x is None`; not `isinstance(x, C)`, which asks a proxy for its `__class__`.

    Returns:
        The builtins that are called for this are among them: the caller checks that the notebook has not bound them.
    """
    nodes = list(ast.walk(tree))
    inside = [(node, argument) for node in nodes if type(node) in _ASKING for argument in _identified(node)]
    if not inside:
        return frozenset()
    looked_at = {id(argument) for _, argument in inside}
    looked_at |= {id(call.func) for call, _ in inside if isinstance(call, ast.Call)}
    names = [node for node in nodes if isinstance(node, ast.Name)]
    found = {node.id for node in names if id(node) in looked_at}
    found -= {node.id for node in names if id(node) not in looked_at}
    if found:
        found.difference_update(_other_mentions(nodes))
    builtins = {call.func.id for call, _ in inside if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)}
    return frozenset(found) if builtins <= found else frozenset()


def _identified(node: ast.AST) -> list[ast.Name]:
    """The names of which the node itself asks the class or the identity only."""
    if isinstance(node, ast.Compare) and all(isinstance(each, (ast.Is, ast.IsNot)) for each in node.ops):
        return [each for each in (node.left, *node.comparators) if isinstance(each, ast.Name)]
    if not isinstance(node, ast.Call) or node.keywords or len(node.args) != 1:
        return []
    function, argument = node.func, node.args[0]
    asks = isinstance(function, ast.Name) and function.id in _IDENTIFYING
    return [argument] if asks and isinstance(argument, ast.Name) else []


def _other_mentions(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Identifiers in texts, in attributes, in what definitions and imports bind."""
    for node in nodes:
        if isinstance(node, ast.Name):
            continue
        for _, value in ast.iter_fields(node):
            for text in value if isinstance(value, list) else [value]:
                if isinstance(text, (str, bytes)):
                    yield from IDENTIFIER.findall(text if isinstance(text, str) else text.decode("latin-1"))


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
