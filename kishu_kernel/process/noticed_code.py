"""Whether code of the user's runs where none is called: when objects go, that of destructors and closed generators.

Law: a profiler of the user's is left alone. Where there is one, code may have run. Imports nothing but `code_origins`.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager

from kishu_kernel.process.code_origins import is_users_module


class NoticedCode:
    """What `noticing_code` has noticed.

    Attributes:
        ran: code of the user's ran, or may have.
    """

    def __init__(self) -> None:
        self.ran = False

    def look(self, frame: types.FrameType, event: str, argument: object) -> None:
        """Python calls this whenever a function is entered or left."""
        self.ran = self.ran or _is_users(frame)


@contextmanager
def noticing_code() -> Iterator[NoticedCode]:
    """Within this context it is noticed if code of the user's runs on this thread."""
    noticed = NoticedCode()
    if sys.getprofile() is not None:
        noticed.ran = True
        yield noticed
        return
    sys.setprofile(noticed.look)
    try:
        yield noticed
    finally:
        sys.setprofile(None)


def _is_users(frame: types.FrameType) -> bool:
    name = frame.f_globals.get("__name__")
    if name == "weakref":  # `finalize` calls what the user gave it; the other functions keep a container in order
        return frame.f_code.co_name == "__call__"
    return name == "__main__" or (isinstance(name, str) and is_users_module(name.partition(".")[0]))
