"""Whose code a file or a module is: that of Python and installed libraries, or the user's own."""

from __future__ import annotations

import functools
import os
import sys
import types
from typing import Any


def is_users_module(package: str) -> bool:
    """Whether an imported module or package is the user's own.

    That is: beside the notebook, on a path added since the start, or installed as editable. What an administrator puts
    on everybody's path (PYTHONPATH) is a library, and so is what lies in an archive, or was installed where it lies
    (`pip install --target`).
    """
    module = sys.modules.get(package)
    if package in _NOT_OWN or not issubclass(type(module), types.ModuleType):
        return False
    known: dict[str, Any] = _contents(module)
    file = known.get("__file__")
    if type(file) is not str:  # a package without a file of its own
        places = known.get("__path__")
        file = next((each for each in list(places or ()) if type(each) is str), None)
        file = None if file is None else os.path.join(file, "__init__.py")
    if file is None:
        return False
    answer = _answers.get(file)
    if answer is None:
        answer = _answers[file] = _is_users_file(file)
    return answer


def _is_users_file(file: str) -> bool:
    if is_of_a_library(file):
        return False
    home, name = os.path.split(os.path.abspath(file))
    if name.startswith("__init__."):
        home, name = os.path.split(home)
    if home not in _BESIDE and (home in _FOR_ALL or _is_in_archive(home)):
        return False
    return not _is_installed(home, name)


def _is_in_archive(home: str) -> bool:
    while not os.path.exists(home) and home != os.path.dirname(home):
        home = os.path.dirname(home)
    return os.path.isfile(home)


def _is_installed(home: str, name: str) -> bool:
    """Whether an installer says that it has put a package, or a module, into this directory.

    What is installed as editable is listed elsewhere; beside the source of a project there may be an `.egg-info`.
    """
    try:
        listings = [each for each in os.listdir(home) if each.endswith(".dist-info")]
    except OSError:
        return False
    return any(name in _names_listed(os.path.join(home, each, "RECORD")) for each in listings)


@functools.cache
def _names_listed(record: str) -> frozenset[str]:
    """The first part of the path of each file that an installer has listed."""
    try:
        with open(record, encoding="utf-8", errors="replace") as lines:
            return frozenset(line.partition(",")[0].partition("/")[0] for line in lines)
    except OSError:
        return frozenset()


def started_in() -> str:
    """The directory in which the kernel was started, which is where the notebook is."""
    return _START


def is_of_a_library(file: str) -> bool:
    """Whether a file of code belongs to Python or to an installed library, and is not the user's own."""
    return file.startswith(_STANDARD) or "site-packages" in file or "dist-packages" in file


def _directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it is gone
        return os.sep


_contents: Any = vars(types.ModuleType)["__dict__"].__get__
_STANDARD = "<frozen ", os.path.dirname(os.__file__) + os.sep
_START = _directory()
_BESIDE = frozenset({_START})
"""Where the kernel was started, which is where the notebook is."""
_FOR_ALL = frozenset(map(os.path.abspath, filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))))
_NOT_OWN = frozenset({"kishu_kernel", "__main__", "__mp_main__"})
_answers: dict[str, bool] = {}
"""File of a module -> whether it is the user's own."""
