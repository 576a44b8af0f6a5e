"""LightGBM."""

from __future__ import annotations

from typing import Any

from kishu_kernel.objects.library import Library


def _dataset(dataset: Any) -> tuple[Any, ...]:
    own = {name: value for name, value in vars(dataset).items() if name != "_handle"}
    made = vars(dataset).get("_handle") is not None
    return own, {name: dataset.get_field(name) for name in ("label", "weight", "init_score", "group") if made}


class LightGBM(Library):
    """What a dataset was made of can be asked of it."""

    visible_state = {"Dataset": _dataset}
