"""Whose code a file or a module is: that of Python and installed libraries, or the user's own."""

from __future__ import annotations

import os
import sys
import types


def is_users_module(package: str) -> bool:
    """Whether an imported module is the user's own: beside the notebook, or on a path added since the start."""
    module = sys.modules.get(package)
    file = vars(module).get("__file__") if type(module) is types.ModuleType else None
    if type(file) is not str or package == "kishu_kernel" or is_of_a_library(file):
        return False
    home, name = os.path.split(os.path.abspath(file))
    if name.startswith("__init__."):
        home = os.path.dirname(home)
    return home in _BESIDE or home in {os.path.abspath(each) for each in sys.path if type(each) is str} - _AT_START


def is_of_a_library(file: str) -> bool:
    """Whether a file of code belongs to Python or to an installed library, and is not the user's own."""
    return file.startswith(_STANDARD) or "site-packages" in file or "dist-packages" in file


def _directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it is gone
        return os.sep


_STANDARD = "<frozen ", os.path.dirname(os.__file__) + os.sep
_BESIDE = frozenset({_directory()})
"""Where the kernel was started, which is where the notebook is."""
_AT_START = frozenset(map(os.path.abspath, filter(None, sys.path)))
