"""What the interpreter's audit events mean for the world outside: which kind of doing, and to what.

Law: pure; asks nothing of the objects that an event carries but their text. A phrase is one that `history.effects`
has, too. Where an event touches nothing outside memory (a database in memory, the null device) it means nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

WRITES_FILES = "writes files"
REMOVES_FILES = "deletes or moves files"
READS_FILES = "reads files"
NETWORK = "talks to the network"
NEIGHBOURS = "talks to other processes"
DATABASE = "talks to a database"
STARTS_PROCESSES = "starts processes"
STARTS_THREADS = "starts threads"
SIGNALS = "signals processes"
SETTINGS = "changes the process's settings"

_LONGEST = 40
"""Characters of a path, a host or a program that are shown."""


@dataclass(frozen=True, slots=True)
class Doing:
    """Something done to the world: its kind, and to what, if that can be said."""

    phrase: str
    detail: str = ""


Meaning = Callable[[tuple[Any, ...]], "Doing | None"]


def is_to_write(arguments: tuple[Any, ...]) -> bool:
    """Of the event `open`: the file is opened for more than to be read."""
    return bool(arguments[2] & _WRITING)


def _opened(arguments: tuple[Any, ...]) -> Doing | None:
    path = arguments[0]
    if not is_to_write(arguments) or _is_nowhere(path):
        return None
    return None if os.path.isdir(path) else Doing(WRITES_FILES, _path(path))  # in one: a file without a name


def _read(arguments: tuple[Any, ...]) -> Doing | None:
    return None if _is_nowhere(arguments[0]) else Doing(READS_FILES, _path(arguments[0]))


def _made_directory(arguments: tuple[Any, ...]) -> Doing | None:
    path = arguments[0]
    return None if os.path.isdir(path) else Doing(WRITES_FILES, _path(path))  # "make it, if it is not there"


def _removed(arguments: tuple[Any, ...]) -> Doing | None:
    path, *_, directory = arguments
    there = directory not in (-1, None) or os.path.lexists(path)
    return Doing(REMOVES_FILES, _path(path)) if there else None  # "remove it, if it is there"


def _of_path(phrase: str, which: int = 0) -> Meaning:
    """Something done to the path that is the argument of this number."""
    return lambda arguments: Doing(phrase, _path(arguments[which]))


def _connected(arguments: tuple[Any, ...]) -> Doing | None:
    socket, address = arguments[0], arguments[-1]
    if isinstance(address, tuple) and len(address) > 1:
        return Doing(NETWORK, _text(f"{address[0]}:{address[1]}"))
    family = getattr(socket, "family", None)
    if getattr(family, "name", "") == "AF_UNIX":
        return Doing(NEIGHBOURS, _path(address)) if address else None
    return Doing(NETWORK)


def _looked_up(arguments: tuple[Any, ...]) -> Doing | None:
    host = arguments[0]
    if host is None:
        return None
    return Doing(NETWORK, _text(host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)))


def _requested(arguments: tuple[Any, ...]) -> Doing | None:
    return Doing(NETWORK, _text(str(getattr(arguments[0], "host", ""))))


def _database(arguments: tuple[Any, ...]) -> Doing | None:
    name = arguments[0]
    return None if name in (":memory:", b":memory:", "", b"") else Doing(DATABASE, _path(name))


def _program(arguments: tuple[Any, ...]) -> Doing | None:
    """The program only: what it is given may be a password."""
    program = arguments[0]
    if program is None and len(arguments) > 1:
        program = arguments[1]
    while isinstance(program, (list, tuple)) and program:
        program = program[0]
    if not isinstance(program, (str, bytes, os.PathLike)):
        return Doing(STARTS_PROCESSES)
    return Doing(STARTS_PROCESSES, _text(os.path.basename(os.fsdecode(program))))


def _command(arguments: tuple[Any, ...]) -> Doing | None:
    words = os.fsdecode(arguments[0]).split()
    return Doing(STARTS_PROCESSES, _text(os.path.basename(words[0])) if words else "")


def _plain(phrase: str) -> Meaning:
    return lambda _: Doing(phrase)


_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

PHRASES: dict[str, Meaning] = {
    "open": _opened,
    "os.mkdir": _made_directory,
    **dict.fromkeys(("os.truncate", "os.chmod", "os.chown", "os.utime"), _of_path(WRITES_FILES)),
    **dict.fromkeys(("os.setxattr", "os.removexattr", "shutil.chown"), _of_path(WRITES_FILES)),
    **dict.fromkeys(("os.link", "os.symlink", "shutil.copyfile", "shutil.copytree"), _of_path(WRITES_FILES, 1)),
    "shutil.make_archive": _of_path(WRITES_FILES),
    "shutil.unpack_archive": _of_path(WRITES_FILES, 1),
    **dict.fromkeys(("os.remove", "os.rmdir"), _removed),
    **dict.fromkeys(("os.rename", "shutil.move", "shutil.rmtree"), _of_path(REMOVES_FILES)),
    **dict.fromkeys(("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"), _connected),
    **dict.fromkeys(("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"), _looked_up),
    **dict.fromkeys(("http.client.connect", "http.client.send"), _requested),
    "sqlite3.connect": _database,
    **dict.fromkeys(("subprocess.Popen", "os.exec", "os.posix_spawn", "os.startfile"), _program),
    **dict.fromkeys(("os.system", "pty.spawn"), _command),
    "os.spawn": lambda arguments: _program(arguments[1:]),
    **dict.fromkeys(("os.fork", "os.forkpty"), _plain(STARTS_PROCESSES)),
    **dict.fromkeys(("os.kill", "os.killpg", "signal.pthread_kill"), _plain(SIGNALS)),
}
"""What is told of a cell that raises this event; an event of another kind, or one that means nothing, is not told."""

READS: dict[str, Meaning] = {
    "open": _read,
    "socket.__new__": _plain(NETWORK),
    **dict.fromkeys(("os.chdir", "os.fchdir", "os.putenv", "os.unsetenv"), _plain(SETTINGS)),
    **dict.fromkeys(("builtins.input", "webbrowser.open"), _plain("asks for input")),
    **dict.fromkeys(("_thread.start_new_thread", "_thread.start_joinable_thread"), _plain(STARTS_THREADS)),
}
"""What is beyond memory and yet no side effect of a cell: refused where nothing may be touched."""


def _is_nowhere(path: Any) -> bool:
    """The null device; or a file that is open already, and is given another face."""
    return type(path) is int or path in (os.devnull, os.fsencode(os.devnull))


def _path(path: Any) -> str:
    """A path as a person would say it: from here, or its last part."""
    try:
        text = os.fsdecode(path)
        text = text.removeprefix(os.getcwd() + os.sep)
    except (TypeError, OSError):  # the number of an open file; a directory that is no more
        return ""
    return _text(text if len(text) <= _LONGEST else os.path.join("...", os.path.basename(text)))


def _text(text: str) -> str:
    text = "".join(each if each.isprintable() else "?" for each in text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
