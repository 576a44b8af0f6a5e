"""Pillow: images."""

from __future__ import annotations

import ctypes
import gc
import sys
from typing import Any

from kishu_kernel.objects.library import Library, Reduction
from kishu_kernel.objects.live_objects import live_objects
from kishu_kernel.objects.rebuild.instances import set_state_and_attributes
from kishu_kernel.objects.rebuild.libraries import pixels_of


def _image(image: Any) -> Reduction:
    # Its own reduction knows its pixels, and nothing of what else stood in a file.
    make, arguments, state, *_ = image.__reduce_ex__(5)
    told = {name: value for name, value in vars(image).items() if name not in _PARTS_OF_AN_IMAGE}
    return (
        make,
        arguments,
        (state, {k: v for k, v in told.items() if _is_plain(v)}),
        None,
        None,
        set_state_and_attributes,
    )


def _is_plain(value: Any) -> bool:
    if type(value) in (dict, list, tuple):
        return all(map(_is_plain, [*value, *value.values()] if type(value) is dict else value))
    return value is None or isinstance(value, (bool, int, float, str, bytes))


def _pixels(core: Any) -> tuple[Any, ...]:
    return core.mode, core.size, sys.modules["PIL.Image"].Image()._new(core).tobytes()


def _access(access: Any) -> Reduction:
    # It does not tell whose pixels it reads and writes. It has the address of their core, behind what every object has.
    behind = object.__basicsize__
    if type(access).__basicsize__ < behind + ctypes.sizeof(ctypes.c_void_p):
        raise TypeError("of access to pixels it cannot be told whose they are")
    core = ctypes.c_void_p.from_address(id(access) + behind).value
    # A variable holds it, mostly. To look at all objects that there are takes long.
    image = _image_of(core, list(live_objects.variables().values()))
    image = _image_of(core, gc.get_objects()) if image is None else image
    if image is None:
        raise TypeError("access to the pixels of an image that nothing holds cannot be stored")
    return pixels_of, (image,)


def _image_of(core: int | None, objects: list[Any]) -> Any:
    kind = sys.modules["PIL.Image"].Image
    images = (each for each in objects if issubclass(type(each), kind))
    return next((each for each in images if id(vars(each).get("_im", vars(each).get("im"))) == core), None)


_PARTS_OF_AN_IMAGE = frozenset(
    {"_im", "im", "_mode", "_size", "info", "palette", "readonly", "pyaccess"}  # told by its own reduction
    | {"_fp", "_exclusive_fp", "_close_exclusive_fp_after_loading"}  # of the file, which was read
)


class Pillow(Library):
    """What else stood in a file comes back with the pixels."""

    reductions = {"PIL.Image.Image": _image, "builtins.PixelAccess": _access}
    visible_state = {
        "builtins.ImagingCore": _pixels,
        "builtins.ImagingDraw": lambda _: (),  # draws in an image that the one beside it holds
    }
