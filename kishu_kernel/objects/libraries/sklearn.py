"""scikit-learn. Estimators are compared by their convention, whosever they are: `compare/objects`."""

from __future__ import annotations

import sys

from kishu_kernel.objects.ambient_settings import Setting, Settings
from kishu_kernel.objects.library import Library

_SETTINGS = {
    "all": Setting(
        lambda: sys.modules["sklearn"].get_config(),
        lambda options: sys.modules["sklearn"].set_config(**options),
        lambda: dict(sys.modules["sklearn._config"]._global_config),
    )
}


class ScikitLearn(Library):
    """Its objects are memory of their own."""

    harmless = True
    ambient = (Settings("settings of scikit-learn", "sklearn._config", _SETTINGS),)
