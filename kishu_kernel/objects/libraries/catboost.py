"""CatBoost: models."""

from __future__ import annotations

from typing import Any

from kishu_kernel.objects.library import Library, Reduction
from kishu_kernel.objects.rebuild.instances import set_state_and_attributes


def _boosted(model: Any) -> Reduction:
    # Its own reduction knows its trees and parameters, and nothing of what it was fitted to.
    make, arguments, state, *_ = model.__reduce_ex__(5)
    own = {name: value for name, value in vars(model).items() if name != "_object"}
    return make, arguments, (state, own), None, None, set_state_and_attributes


class CatBoost(Library):
    """What a model was fitted to comes back with its trees."""

    reductions = {"catboost.core._CatBoostBase": _boosted}
