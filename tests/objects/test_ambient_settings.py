"""Settings as their providers read and write them: each for itself, as copies, and none by somebody's `==`."""

from __future__ import annotations

import locale
from typing import Any

import pytest

from kishu_kernel.objects.ambient_settings import Setting, Settings, hook
from kishu_kernel.objects.ambient_state import PartlyWrittenError
from kishu_kernel.objects.live_objects import live_objects
from kishu_kernel.objects.registry import registry


class _Library:
    """Has two settings, one of which knows its own values only."""

    def __init__(self) -> None:
        self.width = 80
        self._style = "plain"
        self.names: dict[str, int] = {}

    @property
    def style(self) -> str:
        return self._style

    @style.setter
    def style(self, value: str) -> None:
        if value not in ("plain", "own"):
            raise ValueError(f"there is no style {value}")
        self._style = value


def _settings_of(library: _Library, *, usual: Any = None) -> Settings:
    def setting(name: str) -> Setting:
        return Setting(lambda: getattr(library, name), lambda value: setattr(library, name, value), usual)

    settings = Settings("settings", "", {name: setting(name) for name in ("style", "width", "names")})
    settings.start()
    return settings


def test_a_setting_that_cannot_be_set_is_told_and_the_others_are_set() -> None:
    library = _Library()
    settings = _settings_of(library)
    with pytest.raises(PartlyWrittenError, match=r"^style \(ValueError: there is no style mine\)$"):
        settings.write({"style": "mine", "width": 40})
    assert (library.style, library.width) == ("plain", 40)


def test_what_changes_in_place_changes_no_value() -> None:
    library = _Library()
    settings = _settings_of(library)
    library.names["a"] = 1
    recorded = settings.read()
    settings.write({})
    library.names["b"] = 2
    assert (recorded, settings.read()) == ({"names": {"a": 1}}, {"names": {"b": 2}})
    settings.write(recorded)
    library.names["c"] = 3
    assert (recorded, settings.read()) == ({"names": {"a": 1}}, {"names": {"a": 1, "c": 3}})
    settings.write({})
    assert library.names == {}


def test_a_library_that_does_not_say_what_is_usual_is_read() -> None:
    library = _Library()
    settings = Settings("settings", "", {"width": Setting(lambda: library.width, lambda _: None, lambda: 1 / 0)})
    assert settings.read() == {}
    library.width = 3
    assert settings.read() == {"width": 3}


def test_a_hook_that_is_not_set_is_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    library = _Library()
    called: list[Any] = []
    library.names = None  # type: ignore[assignment]
    monkeypatch.setattr(live_objects, "_namespace", {"best": None})
    at = hook(Setting(lambda: library.names, called.append, lambda: None))
    settings = Settings("hooks", "", {"call": at}, refers=True)
    assert settings.read() == {}
    monkeypatch.setattr(live_objects, "_namespace", {"best": 5})
    assert settings.read() == {}
    library.names = print  # type: ignore[assignment]
    assert settings.read() == {"call": ("global", "builtins", "print")}  # also where it is read for the first time
    settings.write({})
    assert called == [None]


def test_a_locale_that_this_machine_does_not_have_is_told_before() -> None:
    interpreter = registry.providers()["settings of the interpreter"]
    now = locale.setlocale(locale.LC_ALL)
    assert interpreter.lacking({"locale": "xx_YY.UTF-8"}) == "the locale xx_YY.UTF-8 is not on this machine"
    assert interpreter.lacking({"locale": "C"}) is None
    assert locale.setlocale(locale.LC_ALL) == now
    with pytest.raises(PartlyWrittenError, match="locale"):
        interpreter.write({**interpreter.read(), "locale": "xx_YY.UTF-8"})


def test_formatters_of_numpy_that_are_added_in_place_are_seen() -> None:
    import numpy as np

    settings = registry.providers()["settings of NumPy"]
    mine: dict[str, Any] = {"float": str}
    try:
        np.set_printoptions(formatter=mine)
        before = settings.read()
        mine["int"] = repr
        assert settings.read() != before
    finally:
        settings.write({})


LIBRARIES = {
    "a template of Plotly": (
        "import plotly.io as pio, plotly.graph_objects as go\n"
        "pio.templates['mine'] = go.layout.Template(); pio.templates.default = 'mine'",
        ("registrations with plotly", "defaults of Plotly"),
    ),
    "a renderer of Plotly": ("import plotly.io as pio\npio.renderers.default = 'iframe'", ("defaults of Plotly",)),
    "an option of xarray": (
        "import xarray\nxarray.set_options(use_bottleneck=not xarray.get_options()['use_bottleneck'])",
        ("options of xarray",),
    ),
    "an option of Polars": ("import polars\npolars.Config.set_tbl_rows(3)", ("options of Polars",)),
    "an option of JAX": ("import jax\njax.config.update('jax_enable_x64', True)", ("options of JAX",)),
}


@pytest.mark.parametrize("case", LIBRARIES)
def test_set_in_the_cell_that_imports_it(case: str) -> None:
    code, names = LIBRARIES[case]
    pytest.importorskip(code.split()[1].partition(".")[0])
    exec(code, {})
    providers = [registry.providers()[name] for name in names]
    changed = [each.read() for each in providers]
    assert all(changed)
    for each in providers:
        each.write(each.initial())
    assert [each.read() for each in providers] == [each.initial() for each in providers]
    for each, value in zip(providers, changed, strict=True):
        each.write(value)
    assert [each.read() for each in providers] == changed
    for each in providers:
        each.write(each.initial())
