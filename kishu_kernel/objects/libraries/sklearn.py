"""scikit-learn."""

from __future__ import annotations

from kishu_kernel.objects.library import Library


class ScikitLearn(Library):
    """Its objects are memory of their own."""

    harmless = True
