"""What may a cell, or a function, touch? Judged from the code alone: nothing slows the cell down.

Law: an upper bound. Names that the code spells are listed. Code that can reach variables without spelling them (`exec`,
`globals()`, frames, unknown magics) is `dynamic`: every variable counts as touched. What no code shows (threads, C
extensions, module state) is found by the audit.

Neighbours: `bytecode` (what code spells), `definite_assignment` (what is bound before it is read), `magic_access` (what
magics mean). The functions and classes to which the names lead are not followed here: `candidates` does that, with
`code_access`.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterable
from functools import lru_cache
from types import CodeType
from typing import TextIO, TypeVar

from kishu_kernel.detect.bytecode import IDENTIFIER, MagicCall, Mentions
from kishu_kernel.detect.definite_assignment import bound_before_read, magic_call
from kishu_kernel.detect.magic_access import read_magic, readings
from kishu_kernel.detect.memo_by_code import cached_by_code
from kishu_kernel.detect.read_only_code import may_identify, names_only_identified
from kishu_kernel.model import EVERYTHING, Access
from kishu_kernel.model.dataclass import replace
from kishu_kernel.process.muting import warnings_hook

OUTPUT_NAMES = frozenset({"_", "__", "___", "Out", "_oh"})
"""Names that are no variables of their own: through them code reaches any result that was displayed (`_3`)."""

# Builtins that reach the namespace by text or as a whole. As attributes they mean something else:
# `model.eval()`, `df.eval(...)`, `re.compile(...)`.
_BUILTINS = frozenset({"exec", "eval", "compile", "globals", "locals", "vars", "breakpoint"})

# They lead to a namespace, a frame, all objects or a debugger wherever they are looked up.
_REACHING: frozenset[str] = frozenset().union(
    {"user_ns", "user_global_ns", "user_module", "del_var", "ev", "ex"},
    {"run_code", "run_cell", "run_cell_async", "run_ast_nodes"},
    {"safe_execfile", "safe_execfile_ipy"},
    {"currentframe", "_getframe", "_current_frames", "f_globals", "f_locals", "f_back"},
    {"tb_frame", "gi_frame", "cr_frame", "ag_frame", "__globals__"},
    {"get_objects", "get_referrers", "get_referents"},
    {"set_trace", "post_mortem"},
    {"dump_session", "load_session", "dump_module", "load_module"},  # dill's
    {"backward"},  # PyTorch's: gradients of whatever the tensor was computed from, by links that nobody can follow
)

# The shell's own, but common words on other objects: count where the code also mentions the shell.
_OF_SHELL = frozenset({"push", "reset", "magic"})
_IMPORTING = frozenset({"import_module", "__import__"})
_COMMANDS = frozenset({"system", "getoutput", "getoutput_split"})

# Methods, and functions of an object, that take parts out of it: these parts may be freed.
_REMOVES_PARTS: frozenset[str] = frozenset().union(
    {"clear", "pop", "popitem", "popleft", "remove", "discard", "update", "drop", "truncate", "delete", "reset"},
    {"get_nowait", "close", "release", "replace", "setattr", "delattr", "delitem", "setitem", "__dict__"},
    {"heappop", "heapreplace", "heappushpop", "__delitem__", "__setitem__", "__setattr__", "__delattr__"},
    {"__setstate__", "__init__", "exec_module", "reload"},
)

# They bind attributes whose names no code need spell; or, of mocks, that texts name.
_ASSIGNING = frozenset({"setattr", "delattr", "__setattr__", "__delattr__", "__dict__", "vars"})
_RUNNING_TEXT = frozenset({"run_cell", "run_cell_async", "run_code", "ex", "safe_execfile"})
_PATCHING = frozenset({"patch", "MonkeyPatch", "monkeypatch"})

ANY_ATTRIBUTE = "*"
"""Stands for attributes that no code spells, among those that it binds."""

_FILENAME = "<kishu>"
_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_Given = TypeVar("_Given")
_Found = TypeVar("_Found")


def cell_access(source: str) -> Access:
    """What a cell may touch.

    Args:
        source: the cell as IPython runs it, its magics transformed into calls.

    Returns:
        An upper bound; names of builtins are among its names. Those whose objects it asks nothing are read-only. A
        source that does not parse never runs: it touches nothing.
    """
    try:
        return _known_access(source)
    except (SyntaxError, ValueError):
        return Access()
    except (RecursionError, MemoryError):  # nested too deeply for us here, perhaps not for IPython
        return EVERYTHING


@cached_by_code
def code_access(code: CodeType) -> Access:
    """What a function or method with this code may touch when it is called. All names are inputs.

    Cached as long as the code lives.
    """
    mentions = Mentions()
    mentions.add(code)
    try:
        access = _without_own_warnings(_judge, mentions)
    except (RecursionError, MemoryError):
        return EVERYTHING
    return replace(access, inputs=access.names)


def is_only_magic(source: str, name: str) -> bool:
    """Whether the transformed source is nothing but line or cell magics of this name, or asks for help on it."""
    if name not in source:
        return False
    try:
        body = _without_own_warnings(_parse, source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    calls = [magic_call(node.value) if isinstance(node, ast.Expr) else None for node in body]
    return bool(calls) and all(call is not None and (call[0] == name or _is_help(call, name)) for call in calls)


def _is_help(call: MagicCall, name: str) -> bool:
    return call[0] in ("pinfo", "pinfo2") and call[1].strip().lstrip("%") == name


def _tree_access(tree: ast.Module) -> Access:
    mentions = Mentions()
    for code in _codes(tree.body):
        mentions.add(code)
    access = _judge(mentions)
    return _with_bound(access, tree) if access.names else access


def _with_bound(access: Access, tree: ast.Module) -> Access:
    """The names that the cell binds before it reads them are no inputs of it."""
    try:
        bound = bound_before_read(tree.body, _nested_names, _magic_access)
    except (RecursionError, SyntaxError, ValueError):
        bound = set()  # doubt means input
    return replace(access, inputs=access.names - bound) if bound else access


def _judge(mentions: Mentions) -> Access:
    """What code with these mentions may touch. Their order is not known here: all names are inputs."""
    loads, attributes, constants = mentions.loads, mentions.attributes, mentions.constants
    looked_up = attributes | constants if "getattr" in loads else attributes
    main = "__main__" in constants and ("__import__" in loads or "import_module" in loads | attributes)
    builtins = "builtins" in loads | mentions.imports or "__builtins__" in loads
    shell = "get_ipython" in loads
    dynamic = (
        mentions.star
        or mentions.computed_magic
        or main
        or "__main__" in mentions.imports
        or not _BUILTINS.isdisjoint(loads)
        or not _REACHING.isdisjoint(loads | looked_up)
        # `sys.modules[...]`, whatever sys is called here; `network.modules()` is something else
        or "modules" in mentions.values
        or ("modules" in constants and "getattr" in loads)
        or (builtins and not _BUILTINS.isdisjoint(attributes | constants))
        or (shell and not _OF_SHELL.isdisjoint(looked_up))
        # IPython evaluates what stands in braces in a command
        or (shell and not _COMMANDS.isdisjoint(attributes) and _reaches(mentions.words))
    )
    spelled = frozenset(loads | mentions.binds | mentions.words)
    removes_parts = mentions.changes_parts or not _REMOVES_PARTS.isdisjoint(loads | looked_up)
    assigned = _assigned(mentions, loads | looked_up)
    reached_by = frozenset(attributes | mentions.words)
    imports = frozenset(name.partition(".")[0] for name in mentions.imports)
    if not _IMPORTING.isdisjoint(loads | attributes):
        imports |= mentions.words
    access = Access(
        *(spelled, spelled, dynamic, frozenset(mentions.binds), removes_parts),
        assigned=assigned,
        looked_up=reached_by,
        imports=imports,
    )
    for call in mentions.magics:
        access |= _magic_access(call)
    return replace(access, inputs=access.names) if mentions.magics else access


def _assigned(mentions: Mentions, names: set[str]) -> frozenset[str]:
    """The attributes that code with these mentions may bind or delete."""
    runs_text = not (_RUNNING_TEXT.isdisjoint(names) and {"exec", "eval"}.isdisjoint(mentions.loads))
    if runs_text or not _ASSIGNING.isdisjoint(names):
        return frozenset({*mentions.assigned, ANY_ATTRIBUTE})
    if not _PATCHING.isdisjoint(names | mentions.imports):
        return frozenset(mentions.assigned | mentions.words)
    return frozenset(mentions.assigned)


def _magic_access(call: MagicCall) -> Access:
    magic = read_magic(call)
    words = _words(magic.text)
    # IPython evaluates what stands in braces in a magic's line.
    access = Access(words, words, magic.dynamic or ("{" in magic.text and _reaches(words)), words)  # `%xdel`
    for text in magic.code:
        access |= text_access(text)
    return access


def text_access(text: str) -> Access:
    """What code may touch that is not transformed: a cell as it was written, or the text of a magic that runs code."""
    for reading in readings(text):
        try:
            access = _tree_access(_parse(reading.source))
        except (SyntaxError, ValueError):
            continue
        words = _words(reading.options)
        access |= Access(words, words)
        for call in reading.magics:
            access |= _magic_access(call)
        return access
    words = _words(text)
    return Access(words, words, _reaches(words) or "%" in text)


def _words(text: str) -> frozenset[str]:
    return frozenset(IDENTIFIER.findall(text))


def _reaches(words: Iterable[str]) -> bool:
    return not (_BUILTINS | _REACHING).isdisjoint(words)


def _parse(source: str) -> ast.Module:
    tree: ast.Module = compile(source, _FILENAME, "exec", _FLAGS | ast.PyCF_ONLY_AST, dont_inherit=True)
    return tree


def _codes(body: list[ast.stmt]) -> list[CodeType]:
    """The code objects of a cell that run.

    IPython compiles and runs one statement after the other. If the cell as a whole does not compile (a `return`, a late
    `from __future__`), the statements before the first bad one do run.
    """
    try:
        return [_compile(body)]
    except (SyntaxError, ValueError):
        pass
    codes = []
    for statement in body:
        try:
            codes.append(_compile([statement]))
        except (SyntaxError, ValueError):
            break
    return codes


def _compile(body: list[ast.stmt]) -> CodeType:
    tree = ast.Module(body=body, type_ignores=[])
    code: CodeType = compile(tree, _FILENAME, "exec", _FLAGS, dont_inherit=True)
    return code


def _nested_names(node: ast.AST) -> frozenset[str]:
    """The names that the code nested in a definition, a lambda or a comprehension mentions."""
    mentions = Mentions()
    if isinstance(node, ast.stmt):
        for const in _compile([node]).co_consts:
            if isinstance(const, CodeType):
                mentions.add(const, nested=True)
    elif isinstance(node, ast.expr):
        mentions.add(_compile([ast.copy_location(ast.Expr(node), node)]))
    return _judge(mentions).names


@lru_cache(maxsize=16)
def _known_access(source: str) -> Access:
    """What a cell may touch: before it runs, while it is watched and at its end the same text is asked for."""
    return _without_own_warnings(_access_of_cell, source)


def _access_of_cell(source: str) -> Access:
    mentions = Mentions()
    try:
        mentions.add(compile(source, _FILENAME, "exec", _FLAGS, dont_inherit=True))
    except (SyntaxError, ValueError):  # it may still parse
        tree = _parse(source)
        access = _tree_access(tree)
    else:
        access = _judge(mentions)
        identifies = may_identify(source)
        if not access.names or not (identifies or mentions.binds or mentions.magics):
            return access  # nothing is bound before it is read
        if not identifies and mentions.only_binds:
            return replace(access, inputs=access.names - mentions.binds)
        tree = _parse(source)
        access = _with_bound(access, tree)
    read_only = access.names & names_only_identified(tree) if may_identify(source) else None
    return replace(access, read_only=read_only) if read_only else access


def _without_own_warnings(analyse: Callable[[_Given], _Found], given: _Given) -> _Found:
    """Hides the warnings of our compilations (invalid escapes and the like): IPython's own compilation shows them.

    Not by `warnings.catch_warnings`, which makes every warning that was shown once be shown again. The hook lets
    through what is not ours, so that it does no harm if another thread happens to keep it.

    No context manager: where somebody keeps the error of an interrupt, its generator would go on holding the lock, and
    the next cell would wait forever.
    """

    def show_others(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if filename != _FILENAME:
            show(message, category, filename, lineno, file, line)

    with warnings_hook:
        show = warnings.showwarning
        warnings.showwarning = show_others
        try:
            return analyse(given)
        finally:
            if warnings.showwarning is show_others:
                warnings.showwarning = show
