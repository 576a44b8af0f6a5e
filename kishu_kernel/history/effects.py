"""Which side effects re-running a cell may have: those that it had when it ran, and those that its code suggests.

What was recorded while it ran (`process.audit_hook`) is a fact, and takes the place of a guess of the same kind. A
guess from the names in the code is made to warn and not to decide: it misses what a function hides, and suspects what
is harmless. So where a recording exists, a guess stands only if no audit event tells of it: what compiled code
writes by itself (Arrow, HDF5, OpenCV), what goes through a file or a connection that was open before, a question to the
user.
"""

from __future__ import annotations

import ast
import functools
import re

from kishu_kernel.model.pattern import pattern

REGISTERS = "registers with"
"""Begins the phrase of a registration that was found with a library of which nothing is known."""

_CALLS = {
    "writes files": {
        *("to_csv", "to_parquet", "to_excel", "to_pickle", "to_json", "to_hdf", "to_feather", "to_html"),
        *("savefig", "savez", "savetxt", "save", "save_model", "save_pretrained", "imsave", "imwrite", "write_text"),
        *("write_bytes", "write_csv", "write_parquet", "dump", "mkdir", "makedirs", "touch", "writestr"),
        *("write", "writelines", "writerow", "writerows"),
    },
    "deletes or moves files": {"remove", "unlink", "rmtree", "rename", "replace_file", "rmdir", "move", "copyfile"},
    "talks to the network": {
        *("urlopen", "urlretrieve", "Session", "create_connection", "sendall", "post"),
    },
    "talks to a database": {"execute", "executemany", "executescript", "commit", "read_sql", "to_sql"},
    "starts processes": {"Popen", "check_call", "check_output", "system", "fork", "Process", "ProcessPoolExecutor"},
    "starts threads": {"Thread", "ThreadPoolExecutor", "Timer"},
    "asks for input": {"input", "getpass"},
}
_MODULES = {
    "requests": "talks to the network",
    "httpx": "talks to the network",
    "urllib": "talks to the network",
    "socket": "talks to the network",
    "boto3": "talks to the network",
    "sqlite3": "talks to a database",
    "sqlalchemy": "talks to a database",
    "subprocess": "starts processes",
    "shutil": "deletes or moves files",
    "smtplib": "talks to the network",
}
_HEARD_ALWAYS = frozenset(
    {
        *_CALLS["deletes or moves files"],
        *_CALLS["starts processes"],
        *_CALLS["starts threads"],
        *("open", "write_text", "write_bytes", "mkdir", "makedirs", "touch", "urlopen", "urlretrieve", "Session"),
        *("create_connection",),
    }
)
"""Functions that cannot do what they are suspected of without a recording of it."""

_GIVE_TEXT = frozenset({"to_csv", "to_json", "to_html"})
"""They give their text to the caller where they are told of no file, by its name or open already."""

_HEARD_MODULES = _MODULES.keys() - {"sqlalchemy"}

_OPEN_MODE = pattern(r"[rwaxbt+U]{1,4}")
_SHELL = pattern(r"^\s*(?:[\w, ]+=\s*)?!|^\s*%(?:sx|system|bash|cd|rm|mv|cp|mkdir|pip|conda|run|writefile|store)\b")
_SHELL_CELL = pattern(r"\s*%%(?:bash|sh|script|cmd|writefile|perl|ruby|!)")
_MAGIC = pattern(r"^(\s*)(?:[%!?].*|[\w, ]+=\s*[!%].*|.*\?)$", re.MULTILINE)


@functools.lru_cache(maxsize=512)
def side_effects(code: str, recorded: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """What the cell may do besides binding names, one phrase each, sorted; empty where nothing is suspected.

    Args:
        recorded: what it did when it ran, as `audit_hook.Recorder` tells it; None where nobody listened.
    """
    facts = {} if recorded is None else {kind_of(fact): fact for fact in recorded}
    guesses = _guessed(code, unheard_only=recorded is not None)
    return tuple(sorted({**{guess: guess for guess in guesses}, **facts}.values()))


def kind_of(effect: str) -> str:
    """The kind of a side effect: its phrase without the details that a recording adds in brackets."""
    return effect.partition(" (")[0]


def _guessed(code: str, *, unheard_only: bool) -> set[str]:
    found = set()
    if _SHELL_CELL.match(code) or any(map(_SHELL.match, code.splitlines())):
        found.add("runs commands of the shell")
    try:
        tree = ast.parse(_MAGIC.sub(r"\1pass", code))
    except (SyntaxError, ValueError):
        return found
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found |= _of_call(node, unheard_only)
    return found


def _of_call(call: ast.Call, unheard_only: bool) -> set[str]:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    found: set[str] = set()
    root = function
    while isinstance(root, ast.Attribute):
        root = root.value
    module = root.id if isinstance(root, ast.Name) else ""
    if not (unheard_only and _is_heard(name, module, call)):
        found |= {effect for effect, names in _CALLS.items() if name in names and not _is_harmless(name, function)}
    if module in _MODULES and not (unheard_only and module in _HEARD_MODULES):
        found.add(_MODULES[module])
    if name == "open" and not unheard_only and _mode(call) not in ("r", "rb", "rt"):
        found.add("writes files")
    if name == "print" and any(keyword.arg == "file" and not _is_standard(keyword.value) for keyword in call.keywords):
        found.add("writes files")
    return found


def _is_heard(name: str, module: str, call: ast.Call) -> bool:
    """Whether a recording would tell if this call had done what it is suspected of."""
    if name in _HEARD_ALWAYS or (module in _HEARD_MODULES and module != "sqlite3"):
        return True
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    return name in _GIVE_TEXT and all(
        isinstance(each, ast.Constant) and type(each.value) is not str for each in arguments
    )


def _is_harmless(name: str, function: ast.expr) -> bool:
    """Whether what it writes is only shown to the user."""
    return name in ("write", "writelines") and isinstance(function, ast.Attribute) and _is_standard(function.value)


def _is_standard(stream: ast.expr) -> bool:
    name = stream.attr if isinstance(stream, ast.Attribute) else getattr(stream, "id", "")
    return name in ("stdout", "stderr")


def _mode(call: ast.Call) -> object:
    modes: list[ast.expr] = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    if not modes and isinstance(call.func, ast.Attribute):
        # Of `path.open("a")` it is the first, of `gzip.open(path, "a")` the second.
        modes = [each for each in call.args[:2] if _is_mode(each)][-1:]
    elif not modes:
        modes = call.args[1:2]
    if not modes:
        return "r"
    return modes[0].value if isinstance(modes[0], ast.Constant) else None


def _is_mode(argument: ast.expr) -> bool:
    value = argument.value if isinstance(argument, ast.Constant) else None
    return isinstance(value, str) and _OPEN_MODE.fullmatch(value) is not None
