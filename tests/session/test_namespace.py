"""Whose names they are, and how they are rebound."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kishu_kernel.objects.own_modules import tracked_modules
from kishu_kernel.session.module_data import ModuleData
from kishu_kernel.session.namespace import UserNamespace


def test_what_a_function_of_a_module_has_cached_is_forgotten_when_all_is_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not by a checkout that fails, nor for a re-run."""
    (tmp_path / "caching.py").write_text("import functools\n@functools.lru_cache\ndef square(n): return [n * n]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    import caching  # type: ignore[import-not-found]

    monkeypatch.setitem(sys.modules, "caching", caching)
    names = UserNamespace({"caching": caching}, {}, ModuleData())
    kept = caching.square(3)
    assert "caching.square" in names.variables()
    bind = {"caching.square": caching.square}
    with pytest.raises(RuntimeError), names.rebinding(bind, (), {}):
        raise RuntimeError
    assert caching.square(3) is kept
    with names.swapping(names.variables()):
        assert caching.square(3) is kept
    assert caching.square(3) is kept
    with names.rebinding(bind, (), {}):
        assert caching.square(3) is kept
    assert caching.square(3) is not kept
    tracked_modules.discard("caching")
