"""XGBoost."""

from __future__ import annotations

from typing import Any

from kishu_kernel.objects.library import Library


def _matrix(matrix: Any) -> tuple[Any, ...]:
    data = matrix.get_data()
    fields = {name: matrix.get_float_info(name) for name in _FIELDS}
    groups = matrix.get_uint_info("group_ptr")
    names = (matrix.feature_names, matrix.feature_types)
    return (data.data, data.indices, data.indptr, data.shape, fields, groups, *names)


_FIELDS = ("label", "weight", "base_margin", "label_lower_bound", "label_upper_bound", "feature_weights")


class XGBoost(Library):
    """What a matrix was made of can be asked of it."""

    visible_state = {"DMatrix": _matrix}
