"""OpenCV."""

from __future__ import annotations

from typing import Any

from kishu_kernel.objects.library import Library, Reduction


def _key_point(point: Any) -> Reduction:
    return type(point), (*point.pt, point.size, point.angle, point.response, point.octave, point.class_id)


def _match(match: Any) -> Reduction:
    return type(match), (match.queryIdx, match.trainIdx, match.imgIdx, match.distance)


def _getters(obj: Any) -> tuple[Any, ...]:
    """All that OpenCV says of an algorithm: what it was told."""
    names = [name for name in dir(obj) if name.startswith("get") and name != "getDefaultName"]
    return ({name: getattr(obj, name)() for name in names},)


def _what_can_be_set(obj: Any) -> tuple[Any, ...]:
    names = [name for name in dir(obj) if not name.startswith("_")]
    return ({name: value for name in names if not callable(value := getattr(obj, name))},)


class OpenCV(Library):
    """Points and matrices are made of what they tell; algorithms are seen by what they were told."""

    exact_reductions = {
        "KeyPoint": _key_point,
        "DMatch": _match,
        "UMat": lambda matrix: (type(matrix), (matrix.get(),)),
    }
    visible_state = {"Feature2D": _getters, "CLAHE": _getters, "KalmanFilter": _what_can_be_set}
