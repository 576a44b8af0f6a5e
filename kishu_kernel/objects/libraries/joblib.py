"""joblib."""

from __future__ import annotations

from kishu_kernel.objects.class_shape import as_it_is
from kishu_kernel.objects.library import Library


class Joblib(Library):
    """Stored as it is: its own reduction forgets when an object was made."""

    reductions = {"joblib.logger.Logger": as_it_is}
