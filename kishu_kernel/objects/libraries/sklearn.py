"""scikit-learn. Estimators are compared by their convention, whosever they are: `compare/objects`."""

from __future__ import annotations

import sys

from kishu_kernel.objects.ambient_settings import Setting, Settings
from kishu_kernel.objects.library import Library
from kishu_kernel.objects.registrations import Registrations, mapping

_SETTINGS = {
    "all": Setting(
        lambda: sys.modules["sklearn"].get_config(),
        lambda options: sys.modules["sklearn"].set_config(**options),
        lambda: dict(sys.modules["sklearn._config"]._global_config),
    )
}


class ScikitLearn(Library):
    """Its objects are memory of their own."""

    whole = {"sklearn.*", "sklearn.base.BaseEstimator"}
    harmless = True
    ambient = (
        Settings("settings of scikit-learn", "sklearn._config", _SETTINGS),
        Registrations(
            "registrations with scikit-learn",
            "sklearn.metrics._scorer",
            {"scorers": mapping("sklearn.metrics._scorer:_SCORERS")},
        ),
    )
