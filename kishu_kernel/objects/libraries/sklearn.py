"""scikit-learn. Estimators are compared by their convention, whosever they are: `compare/objects`."""

from __future__ import annotations

from kishu_kernel.objects.library import Library


class ScikitLearn(Library):
    """Its objects are memory of their own."""

    harmless = True
