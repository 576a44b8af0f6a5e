"""Which libraries made a payload, and what a load that fails elsewhere says of them."""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kishu_kernel.errors import LoadError
from kishu_kernel.model import Payload
from kishu_kernel.objects.codec.encoding import encode
from kishu_kernel.objects.codec.libraries_used import differences, library_versions
from kishu_kernel.objects.codec.pickling import decode
from kishu_kernel.objects.reduction_table import ReductionTable
from kishu_kernel.store.base import StoredPayload

PACKAGE = "kishu_test_shapes"
Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts a version of a package, with a module of this source, in the place of the one before."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def forget() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]
        importlib.invalidate_caches()

    def install(version: str, source: str) -> None:
        forget()
        folder = tmp_path / PACKAGE
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").write_text(f"__version__ = {version!r}\n", "utf-8")
        (folder / "solid.py").write_text(source, "utf-8")

    yield install
    forget()


def stored(payload: object) -> StoredPayload:
    assert isinstance(payload, Payload), payload
    return StoredPayload(payload.names, payload.codec, payload.stream, (), payload.made_by)


def cube() -> StoredPayload:
    """A cube of the package as it is installed now."""
    live: dict[str, Any] = {"__name__": "__main__", "__builtins__": builtins}
    exec(f"from {PACKAGE}.solid import Cube\nx = Cube()", live)
    return stored(encode(("x",), live, ReductionTable(live)))


# -- what is known of those loaded -------------------------------------------------------------------------


def test_a_payload_says_what_made_it() -> None:
    payload = encode(("x",), {"x": 1}, ReductionTable({}))
    assert isinstance(payload, Payload)
    assert payload.made_by["python"] == ".".join(map(str, sys.version_info[:3]))
    assert payload.made_by["numpy"] == np.__version__
    assert not {"re", "json", "logging", "__main__"} & payload.made_by.keys()
    assert all("." not in name for name in payload.made_by)


def test_it_is_the_same_object_until_something_is_imported(install: Install) -> None:
    install("1.0", "")
    before = library_versions()
    assert library_versions() is before
    assert PACKAGE not in before
    importlib.import_module(PACKAGE)
    assert library_versions()[PACKAGE] == "1.0"
    install("2.0", "")
    importlib.import_module(PACKAGE)
    importlib.import_module(f"{PACKAGE}.solid")
    assert library_versions()[PACKAGE] == "2.0"


def test_modules_that_load_themselves_when_touched_are_left_alone(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("1.0", "")
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None
    assert spec.loader is not None
    spec.loader = importlib.util.LazyLoader(spec.loader)
    lazy = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, PACKAGE, lazy)
    spec.loader.exec_module(lazy)
    ran: list[str] = []

    class Touchy(types.ModuleType):
        def __getattr__(self, name: str) -> Any:
            ran.append(name)
            raise RuntimeError

    monkeypatch.setitem(sys.modules, "touchy", Touchy("touchy"))
    monkeypatch.setitem(sys.modules, "no_module", object())  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "blocked", None)  # type: ignore[arg-type]
    found = library_versions()
    assert not {PACKAGE, "touchy", "no_module", "blocked"} & found.keys()
    assert ran == []
    assert "__version__" not in object.__getattribute__(lazy, "__dict__")


def test_versions_that_are_no_plain_strings(monkeypatch: pytest.MonkeyPatch) -> None:
    class Version(str):
        __slots__ = ()

        def __str__(self) -> str:
            raise RuntimeError

    for name, version in [("fancy", Version("2.8.0+cpu")), ("tuple_version", (1, 2))]:
        module = types.ModuleType(name)
        module.__version__ = version  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
    found = library_versions()
    assert found["fancy"] == "2.8.0+cpu"
    assert type(found["fancy"]) is str
    assert "tuple_version" not in found


# -- a load that fails -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "class Box: pass",  # the class was renamed
        "class Cube:\n    def __setstate__(self, state): raise TypeError('another layout')",
        "raise RuntimeError('broken')",
    ],
)
def test_another_version_is_named_where_a_load_fails(install: Install, source: str) -> None:
    install("1.0", "class Cube:\n    def __init__(self): self.side = 1")
    made = cube()
    install("2.0", source)
    with pytest.raises(LoadError, match=rf"^x: .*it was stored with {PACKAGE} 1\.0; here is 2\.0"):
        decode(made, {})


def test_a_package_that_is_missing_is_named(install: Install, tmp_path: Path) -> None:
    install("1.0", "class Cube: pass")
    made = cube()
    install("1.0", "")
    (tmp_path / PACKAGE / "__init__.py").unlink()
    (tmp_path / PACKAGE / "solid.py").unlink()
    (tmp_path / PACKAGE).rmdir()
    with pytest.raises(LoadError, match=rf"ModuleNotFoundError.*{PACKAGE} 1\.0, which is not installed here"):
        decode(made, {})


def test_what_loads_in_another_version_is_not_complained_of(install: Install) -> None:
    install("1.0", "class Cube: pass")
    made = cube()
    install("2.0", "class Cube: pass")
    assert type(decode(made, {})["x"]).__name__ == "Cube"


def test_libraries_that_have_nothing_to_do_with_it_are_not_named(install: Install) -> None:
    install("1.0", "class Cube: pass")
    made = cube()
    install("1.0", "class Box: pass")
    made = replace(made, made_by={**made.made_by, "numpy": "0.1"})
    with pytest.raises(LoadError, match="does not load") as caught:
        decode(made, {})
    assert "stored with" not in str(caught.value)


def test_another_python_is_named_from_its_second_number_on() -> None:
    major, minor, patch = sys.version_info[:3]
    assert differences({"python": f"{major}.{minor}.{patch + 1}"}, ()) == ""
    assert f"python {major}.{minor + 1}.0; here is {major}.{minor}." in differences(
        {"python": f"{major}.{minor + 1}.0"}, ()
    )
    assert differences({}, {"numpy"}) == ""
