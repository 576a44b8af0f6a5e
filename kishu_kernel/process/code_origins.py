"""Whose code a file or a module is: that of Python and installed libraries, or the user's own."""

from __future__ import annotations

import os
import sys
import types
from typing import Any


def is_users_module(package: str) -> bool:
    """Whether an imported module or package is the user's own.

    That is: beside the notebook, on a path added since the start, or installed as editable. What an administrator puts
    on everybody's path (PYTHONPATH) is a library.
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
        home = os.path.dirname(home)
    return home in _BESIDE or home not in _FOR_ALL


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
_BESIDE = frozenset({_directory()})
"""Where the kernel was started, which is where the notebook is."""
_FOR_ALL = frozenset(map(os.path.abspath, filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))))
_NOT_OWN = frozenset({"kishu_kernel", "__main__", "__mp_main__"})
_answers: dict[str, bool] = {}
"""File of a module -> whether it is the user's own."""
