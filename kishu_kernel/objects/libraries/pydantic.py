"""Pydantic: models, and the classes that it makes of generic ones."""

from __future__ import annotations

from kishu_kernel.objects.library import Library
from kishu_kernel.objects.registrations import Registrations, mapping


class Pydantic(Library):
    """Its models are classes of the notebook. `Page[int]` is the one that it has made, as long as it knows that."""

    class_memos = {"pydantic.main.BaseModel": ("__pydantic_setattr_handlers__",)}
    ambient = (
        Registrations(
            "generic models of pydantic",
            "pydantic._internal._generics",
            {"models": mapping("pydantic._internal._generics:_GENERIC_TYPES_CACHE")},
        ),
    )
