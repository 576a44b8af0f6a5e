"""dateutil: time zones."""

from __future__ import annotations

from kishu_kernel.objects.library import Library


class Dateutil(Library):
    """Time zones are values."""

    values = {"dateutil.tz.tz.*"}
    whole = {"dateutil.*"}
    harmless = True
