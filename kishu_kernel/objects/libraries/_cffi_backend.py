"""The part of cffi that is written in C."""

from __future__ import annotations

from kishu_kernel.objects.library import Library


class Cffi(Library):
    """What it makes is addresses."""

    external_handles = {"_CDataBase": "an address", "Lib": "a loaded library", "Library": "a loaded library"}
