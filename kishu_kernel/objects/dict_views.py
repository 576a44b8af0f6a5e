"""Views of dictionaries: they come back as views of the same dictionary, which goes on to change beneath them.

Neighbours: `reducers`, whose table has them.
"""

from __future__ import annotations

import gc
import sys
import types
from typing import Any

from kishu_kernel.objects.library import Reduction
from kishu_kernel.objects.rebuild.code import dict_view, module_attribute


def reduction_of_view(view: Any) -> Reduction:
    """Of what `keys`, `values` or `items` gave."""
    return dict_view, (gc.get_referents(view)[0], type(view).__name__)


def reduction_of_proxy(proxy: types.MappingProxyType[Any, Any]) -> Reduction:
    """NotImplemented where it stands before something else than a dictionary.

    Raises:
        TypeError: it is the attributes of a class.
    """
    if proxy is getattr(sys.modules.get("dataclasses"), "_EMPTY_METADATA", None):  # of each field that has none
        return module_attribute, ("dataclasses", "_EMPTY_METADATA")
    behind = gc.get_referents(proxy)[0]  # cloudpickle would store a copy, which no longer follows
    if "__module__" in behind and "__doc__" in behind:
        raise TypeError("the attributes of a class cannot be stored by themselves")
    return (types.MappingProxyType, (behind,)) if type(behind) is dict else NotImplemented
