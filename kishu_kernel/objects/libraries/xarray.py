"""xarray."""

from __future__ import annotations

from typing import Any

from kishu_kernel.objects.library import Library, Reduction


def _labelled(obj: Any) -> Reduction:
    # Who looks at its attributes, as a pickler does, makes them: then as now there are none.
    make, arguments, state, *rest = obj.__reduce_ex__(5)
    if not (isinstance(state, tuple) and isinstance(state[1], dict)):
        return NotImplemented
    made: dict[str, dict[str, Any]] = {
        name: {} for name in ("_attrs", "_encoding") if name in state[1] and state[1][name] is None
    }
    return make, arguments, (state[0], {**state[1], **made}), *rest


class Xarray(Library):
    """Of datasets and arrays."""

    reductions = {"xarray.core.dataset.Dataset": _labelled, "xarray.namedarray.core.NamedArray": _labelled}
    shapes = True
    data = True
