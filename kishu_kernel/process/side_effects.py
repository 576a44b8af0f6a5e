"""Which side effect an audit event of the interpreter stands for: its kind, and the file, host or program.

Law: pure. Of the objects that an event carries only the text is read. The kinds are those of `history.effects`, which
guesses them from code. An event that reaches nothing outside memory (a database in memory, the null device) is none.
Neighbour: `audit_hook` receives the events.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from kishu_kernel.model.dataclass import dataclass

WRITES_FILES = "writes files"
REMOVES_FILES = "deletes or moves files"
READS_FILES = "reads files"
NETWORK = "talks to the network"
OTHER_PROCESSES = "talks to other processes"
DATABASE = "talks to a database"
STARTS_PROCESSES = "starts processes"
STARTS_THREADS = "starts threads"
SIGNALS = "signals processes"
PROCESS_SETTINGS = "changes the process's settings"

_LOOPBACK = ("::1", "::ffff:127.0.0.1")
_MAX_CHARACTERS = 40
"""Characters of a path, a host or a program that are shown."""


@dataclass(frozen=True, slots=True)
class SideEffect:
    """Something that code did outside its memory.

    Attributes:
        kind: one of the constants above.
        detail: the path, host or program; empty where it is not known.
    """

    kind: str
    detail: str = ""


Meaning = Callable[[tuple[Any, ...]], "SideEffect | None"]
"""Given the arguments of an event: the side effect that it stands for, or None. May raise on unknown arguments."""


def is_open_for_writing(arguments: tuple[Any, ...]) -> bool:
    """Whether an `open` event with these arguments opens the file for more than reading."""
    return bool(arguments[2] & WRITING)


def _open_to_write(arguments: tuple[Any, ...]) -> SideEffect | None:
    path = arguments[0]
    if not is_open_for_writing(arguments) or _is_no_new_file(path):
        return None
    if os.path.isdir(path):  # O_TMPFILE: a file without a name, in that directory
        return None
    return SideEffect(WRITES_FILES, _path(path))


def _open_to_read(arguments: tuple[Any, ...]) -> SideEffect | None:
    return None if _is_no_new_file(arguments[0]) else SideEffect(READS_FILES, _path(arguments[0]))


def _make_directory(arguments: tuple[Any, ...]) -> SideEffect | None:
    path = arguments[0]
    if os.path.isdir(path):  # `exist_ok=True`
        return None
    return SideEffect(WRITES_FILES, _path(path))


def _remove(arguments: tuple[Any, ...]) -> SideEffect | None:
    path, *_, directory = arguments
    if directory in (-1, None) and not os.path.lexists(path):  # `missing_ok=True`
        return None
    return SideEffect(REMOVES_FILES, _path(path))


def _on_path(kind: str, index: int = 0) -> Meaning:
    """A side effect of this kind on the path that is the event's argument at this index."""
    return lambda arguments: SideEffect(kind, _path(arguments[index]))


def _connect(arguments: tuple[Any, ...]) -> SideEffect | None:
    socket, address = arguments[0], arguments[-1]
    if isinstance(address, tuple) and len(address) > 1:
        return SideEffect(_reached(address[0]), _text(f"{address[0]}:{address[1]}"))
    family = getattr(socket, "family", None)
    if getattr(family, "name", "") == "AF_UNIX":
        return SideEffect(OTHER_PROCESSES, _path(address)) if address else None
    return SideEffect(NETWORK)


def _look_up_host(arguments: tuple[Any, ...]) -> SideEffect | None:
    host = arguments[0]
    if host is None:
        return None
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    return SideEffect(_reached(text), _text(text))


def _http_request(arguments: tuple[Any, ...]) -> SideEffect | None:
    host = str(getattr(arguments[0], "host", ""))
    return SideEffect(_reached(host), _text(host))


def _reached(host: Any) -> str:
    """Whom one reaches at a host: what is on this machine is no network."""
    here = isinstance(host, str) and (host == "localhost" or host.startswith("127.") or host in _LOOPBACK)
    return OTHER_PROCESSES if here else NETWORK


def _open_database(arguments: tuple[Any, ...]) -> SideEffect | None:
    name = arguments[0]
    return None if name in (":memory:", b":memory:", "", b"") else SideEffect(DATABASE, _path(name))


def _start_program(arguments: tuple[Any, ...]) -> SideEffect | None:
    """The name of the program, without its arguments, which may hold a password."""
    program = arguments[0]
    if program is None and len(arguments) > 1:
        program = arguments[1]
    while isinstance(program, (list, tuple)) and program:
        program = program[0]
    if not isinstance(program, (str, bytes, os.PathLike)):
        return SideEffect(STARTS_PROCESSES)
    return SideEffect(STARTS_PROCESSES, _text(os.path.basename(os.fsdecode(program))))


def _run_command(arguments: tuple[Any, ...]) -> SideEffect | None:
    words = os.fsdecode(arguments[0]).split()
    return SideEffect(STARTS_PROCESSES, _text(os.path.basename(words[0])) if words else "")


def _always(kind: str) -> Meaning:
    return lambda _: SideEffect(kind)


WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

SIDE_EFFECT_EVENTS: dict[str, Meaning] = {
    "open": _open_to_write,
    "os.mkdir": _make_directory,
    **dict.fromkeys(("os.truncate", "os.chmod", "os.chown", "os.utime"), _on_path(WRITES_FILES)),
    **dict.fromkeys(("os.setxattr", "os.removexattr", "shutil.chown"), _on_path(WRITES_FILES)),
    **dict.fromkeys(("os.link", "os.symlink", "shutil.copyfile", "shutil.copytree"), _on_path(WRITES_FILES, 1)),
    "shutil.make_archive": _on_path(WRITES_FILES),
    "shutil.unpack_archive": _on_path(WRITES_FILES, 1),
    **dict.fromkeys(("os.remove", "os.rmdir"), _remove),
    **dict.fromkeys(("os.rename", "shutil.move", "shutil.rmtree"), _on_path(REMOVES_FILES)),
    **dict.fromkeys(("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"), _connect),
    **dict.fromkeys(("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"), _look_up_host),
    **dict.fromkeys(("http.client.connect", "http.client.send"), _http_request),
    "sqlite3.connect": _open_database,
    **dict.fromkeys(("subprocess.Popen", "os.exec", "os.posix_spawn", "os.startfile"), _start_program),
    **dict.fromkeys(("os.system", "pty.spawn"), _run_command),
    "os.spawn": lambda arguments: _start_program(arguments[1:]),
    **dict.fromkeys(("os.fork", "os.forkpty"), _always(STARTS_PROCESSES)),
    **dict.fromkeys(("os.kill", "os.killpg", "signal.pthread_kill"), _always(SIGNALS)),
}
"""Events that a cell's side effects raise. Recorded for a cell; forbidden where side effects are forbidden."""

ACCESS_EVENTS: dict[str, Meaning] = {
    "open": _open_to_read,
    "socket.__new__": _always(NETWORK),
    **dict.fromkeys(("os.chdir", "os.fchdir", "os.putenv", "os.unsetenv"), _always(PROCESS_SETTINGS)),
    **dict.fromkeys(("builtins.input", "webbrowser.open"), _always("asks for input")),
    **dict.fromkeys(("_thread.start_new_thread", "_thread.start_joinable_thread"), _always(STARTS_THREADS)),
}
"""Events that reach outside memory and yet are no side effects of a cell. Not recorded, only forbidden."""


def _is_no_new_file(path: Any) -> bool:
    """Whether this is the null device, or the descriptor of a file that was open before."""
    return type(path) is int or path in (os.devnull, os.fsencode(os.devnull))


def _path(path: Any) -> str:
    """A path as it is shown: relative to the working directory; shortened to its last part where it is long."""
    try:
        text = os.fsdecode(path)
        text = text.removeprefix(os.getcwd() + os.sep)
    except (TypeError, OSError):  # a descriptor; a working directory that was removed
        return ""
    return _text(text if len(text) <= _MAX_CHARACTERS else os.path.join("...", os.path.basename(text)))


def _text(text: str) -> str:
    text = "".join(each if each.isprintable() else "?" for each in text)
    return text if len(text) <= _MAX_CHARACTERS else text[: _MAX_CHARACTERS - 3] + "..."
