"""Walks are made of one of two twins: what is tested of one is tested of both."""

from __future__ import annotations

import pytest

from kishu_kernel.detect.walk import twins


@pytest.fixture(params=["native", "pure"])
def both_twins(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The test runs with the native twin, where there is one, and with the one in Python."""
    if request.param == "pure":
        monkeypatch.setattr(twins, "NATIVE", None)
    elif twins.NATIVE is None:
        pytest.skip("there is no native twin here")
    return str(request.param)
