"""What is installed: entry points of others and modules of ours, for next to nothing where nobody names any.

`importlib.metadata` parses the files of all packages: 10 ms with 150 of them. Here their bytes are looked through first
(1 ms), where it would look. It is asked only if the name of the group stands in one.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_FOLDERS = (".dist-info", ".egg-info")
_FILE = "entry_points.txt"


def entry_points(group: str) -> list[EntryPoint]:
    """All of a group. Raises what `importlib.metadata` raises where something that is installed cannot be read."""
    if not _may_be_named(group.encode()):
        return []
    import importlib.metadata  # slow: only where somebody says something

    return list(importlib.metadata.entry_points(group=group))


def modules_of(package: ModuleType) -> list[str]:
    """The names of the modules in a package of ours, without what packages it has."""
    try:
        files = os.listdir(package.__path__[0])
    except OSError:  # we are in an archive
        import pkgutil

        return [each.name for each in pkgutil.iter_modules(package.__path__) if not each.ispkg]
    names = {name.partition(".")[0] for name in files if name.endswith((".py", ".pyc"))}
    return sorted(names - {"__init__"})


def _may_be_named(group: bytes) -> bool:
    """Whether a package names something in the group; or it cannot be told here, as with archives and import hooks."""
    if any(hasattr(each, "find_distributions") and each is not PathFinder for each in sys.meta_path):
        return True
    return any(type(folder) is not str or _may_be_named_in(folder or ".", group) for folder in list(sys.path))


def _may_be_named_in(folder: str, group: bytes) -> bool:
    try:
        names = os.listdir(folder)
    except NotADirectoryError:  # an archive
        return True
    except OSError:
        return False
    an_egg = folder.lower().rstrip("/\\").endswith(".egg")
    for name in names:
        if name.endswith(_FOLDERS) or name.lower().endswith(_FOLDERS) or (an_egg and name.lower() == "egg-info"):
            path = f"{folder}/{name}/{_FILE}"
            try:
                if os.access(path, os.R_OK):  # most have none, which is told five times faster than by an exception
                    with open(path, "rb", buffering=0) as file:
                        if group in file.read():
                            return True
            except OSError:
                return True
    return False
