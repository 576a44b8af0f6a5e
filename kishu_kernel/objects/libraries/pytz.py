"""pytz: time zones."""

from __future__ import annotations

from kishu_kernel.objects.library import Library


class Pytz(Library):
    """Its objects are memory of their own."""

    harmless = True
