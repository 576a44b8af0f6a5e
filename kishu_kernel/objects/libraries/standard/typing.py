"""Type variables of the notebook."""

from __future__ import annotations

from typing import Any

import cloudpickle.cloudpickle as _cloud

from kishu_kernel.objects.library import Library, Reduction


def _variable(variable: Any) -> Reduction:
    # Made anew it would say that it is of the module that makes it.
    make, arguments, *_ = _cloud._typevar_reduce(variable)
    if make is not _cloud._make_typevar:
        return make, arguments
    return make, arguments, (None, {"__module__": variable.__module__})


class Typing(Library):
    """They know the module that made them."""

    packages = ("typing",)
    whole = {"typing.*"}
    exact_reductions = {"typing.TypeVar": _variable}
