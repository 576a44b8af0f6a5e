"""What re-running a cell might do to the world, read from its code.

A guess from names, made to warn and not to decide: it misses what a function hides, and suspects what is harmless.
"""

from __future__ import annotations

import ast
import functools
import re

_CALLS = {
    "writes files": {
        *("to_csv", "to_parquet", "to_excel", "to_pickle", "to_json", "to_hdf", "to_feather", "to_html"),
        *("savefig", "savez", "savetxt", "save", "save_model", "save_pretrained", "imsave", "imwrite", "write_text"),
        *("write_bytes", "write_csv", "write_parquet", "dump", "mkdir", "makedirs", "touch", "writestr"),
    },
    "deletes or moves files": {"remove", "unlink", "rmtree", "rename", "replace_file", "rmdir", "move", "copyfile"},
    "talks to the network": {"urlopen", "urlretrieve", "Session", "create_connection", "read_sql", "to_sql", "commit"},
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
_OPEN_MODE = re.compile(r"[rwaxbt+U]{1,4}")
_SHELL = re.compile(r"^\s*(?:[\w, ]+=\s*)?!|^\s*%(?:sx|system|bash|cd|rm|mv|cp|mkdir|pip|conda|run|writefile|store)\b")
_SHELL_CELL = re.compile(r"\s*%%(?:bash|sh|script|cmd|writefile|perl|ruby|!)")
_MAGIC = re.compile(r"^(\s*)(?:[%!?].*|[\w, ]+=\s*[!%].*|.*\?)$", re.MULTILINE)


@functools.lru_cache(maxsize=512)
def side_effects(code: str) -> tuple[str, ...]:
    """What the cell may do besides binding names, one phrase each, sorted; empty where nothing is suspected."""
    found = set()
    if _SHELL_CELL.match(code) or any(map(_SHELL.match, code.splitlines())):
        found.add("runs commands of the shell")
    try:
        tree = ast.parse(_MAGIC.sub(r"\1pass", code))
    except (SyntaxError, ValueError):
        return tuple(sorted(found))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found |= _of_call(node)
    return tuple(sorted(found))


def _of_call(call: ast.Call) -> set[str]:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    found = {effect for effect, names in _CALLS.items() if name in names}
    root = function
    while isinstance(root, ast.Attribute):
        root = root.value
    if isinstance(root, ast.Name) and root.id in _MODULES:
        found.add(_MODULES[root.id])
    if name == "open" and _mode(call) not in ("r", "rb", "rt"):
        found.add("writes files")
    return found


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
