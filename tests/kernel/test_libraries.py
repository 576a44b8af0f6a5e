"""A library that Kishu does not know is taught in one file: by a package that is installed, or by a call in a cell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.kernel.driver import Kernel

PAGE = (Path(__file__).parents[2] / "docs" / "libraries.md").read_text()
[FILE] = [each for each in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if each.startswith("# mensura/kishu.py")]
"""The example of the page, as it stands there."""

LIBRARY = """
class Registry:
    def __init__(self):
        self.units = {}
registry = Registry()

class Unit:
    def __init__(self, name):
        self.name = name
metre = Unit("m")

class Quantity:
    def __init__(self, number, unit):
        self.number, self.unit, self._registry = number, unit, registry
    def __reduce__(self):
        raise TypeError("a quantity knows its registry, which cannot be pickled")

class Sensor:
    def __init__(self):
        self.port = [7]

class Counter:
    def __init__(self):
        self.value, self._lock = 0, (each for each in ())
"""

BROKEN = {
    "it cannot be imported": "import nothing_of_this_name",
    "it is no library": "class Mensura: pass",
    "it asks what nobody asks": "from kishu_kernel.objects import Library\nclass Mensura(Library):\n    reduction = {}",
    "it fails": FILE.replace("return mensura.Quantity,", "return 1 / 0,"),
}


def install(site: Path, file: str) -> None:
    """As `pip install` does, without its seconds."""
    package, metadata = site / "mensura", site / "mensura-1.0.dist-info"
    package.mkdir(parents=True)
    metadata.mkdir()
    (package / "__init__.py").write_text(LIBRARY)
    (package / "kishu.py").write_text(file)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mensura\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[kishu_kernel.libraries]\nmensura = mensura.kishu:Mensura\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    site = tmp_path / "site"
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=":")
    return site


@pytest.fixture
def taught(request: pytest.FixtureRequest, site: Path) -> Kernel:
    """A kernel in which the library is installed."""
    install(site, FILE)
    return request.getfixturevalue("kernel")


def test_its_objects_come_back_and_are_known_again(taught: Kernel) -> None:
    taught.ok("import mensura")
    taught.ok("x = mensura.Quantity([3], mensura.metre)")
    taught.ok("x.number.append(4)")
    assert taught.done("log", limit=1)["checkpoints"][0]["modified"] == ["x"]
    taught.ok("print(x.number)")
    assert taught.done("log", limit=1)["checkpoints"][0]["modified"] == []
    plan = taught.done("undo", steps=2, dry_run=True)["plan"]
    assert [each["names"] for each in plan["load"]] == [["x"]]
    assert plan["replay"] == []
    taught.done("undo", steps=2)
    assert taught.value("(x.number, x.unit.name, x._registry is mensura.registry)") == ([3], "m", True)
    assert taught.done("status")["warnings"] == []


def test_it_is_shown_as_its_file_says(taught: Kernel) -> None:
    taught.ok("import mensura; x = mensura.Quantity(3, mensura.metre)")
    [shown] = [each for each in taught.done("show", target="HEAD")["variables"] if each["name"] == "x"]
    assert shown["summary"] == "3 m"


def test_what_is_shared_and_what_is_a_value(taught: Kernel) -> None:
    taught.ok("import mensura")
    taught.ok("u = mensura.Unit('s'); a = mensura.Quantity([1], u); b = mensura.Quantity([2], u); c = [a]")
    made = taught.done("log", limit=1)["checkpoints"][0]["covariables"]
    assert sorted(made) == [["a", "c"], ["b"], ["u"]]


def test_what_is_never_stored_says_why(taught: Kernel) -> None:
    taught.ok("import mensura")
    taught.ok("s = mensura.Sensor(); n = mensura.Counter()")
    taught.ok("n.value += 1")
    assert taught.done("log", limit=1)["checkpoints"][0]["modified"] == ["n"]
    taught.ok("print(n)")
    assert taught.done("log", limit=1)["checkpoints"][0]["modified"] == []
    made = taught.done("log", limit=10)["checkpoints"]
    lost = [each for checkpoint in made for each in checkpoint["not_stored"]]
    reason = "a Sensor holds on to a connection to a device, and cannot be stored"
    assert {"names": ["s"], "reason": reason} in lost
    taught.ok("s = n = None")
    taught.done("undo")
    assert taught.value("(s.port, n.value)") == ([7], 1)


def test_one_that_is_registered_in_a_cell(kernel: Kernel, tmp_path: Path) -> None:
    kernel.ok(f"import sys; sys.path.insert(0, {str(tmp_path)!r})")
    (tmp_path / "mensura.py").write_text(LIBRARY)
    kernel.ok("import mensura")
    kernel.ok("x = mensura.Quantity([3], mensura.metre)")
    kernel.ok("x.number.append(4)")
    assert kernel.done("undo", dry_run=True)["plan"]["load"] == []
    kernel.ok(FILE.replace("(Library):", "(Library):\n    packages = ('mensura',)"))
    kernel.ok("from kishu_kernel.objects import register; register(Mensura)")
    kernel.ok("x = mensura.Quantity([3], mensura.metre)")
    kernel.ok("x.number.append(4)")
    plan = kernel.done("undo", dry_run=True)["plan"]
    assert [each["names"] for each in plan["load"]] == [["x"]]
    kernel.done("undo")
    assert kernel.value("x.number") == [3]


AMBIENT = """
import decimal
from kishu_kernel.objects.ambient_state import Provider

class Broken(Provider):
    name = "calibration of mensura"
    module = "mensura"
    def read(self):
        return 1 / 0

class Precision(Provider):
    name = "precision of decimal"
    module = "mensura"
    def read(self):
        return decimal.getcontext().prec
    def write(self, value):
        decimal.getcontext().prec = value
"""


def test_ambient_state_that_cannot_be_read_is_told_once_and_harms_no_other(
    request: pytest.FixtureRequest, site: Path
) -> None:
    install(
        site, FILE.replace("class Mensura", AMBIENT + "\nclass Mensura") + "    ambient = (Broken(), Precision())\n"
    )
    kernel: Kernel = request.getfixturevalue("kernel")
    kernel.ok("import mensura, decimal")
    kernel.ok("decimal.getcontext().prec = 7")
    kernel.ok("decimal.getcontext().prec = 9")
    kernel.done("undo")
    assert kernel.value("decimal.getcontext().prec") == 7
    told = [each for each in kernel.done("status")["warnings"] if "calibration" in each]
    assert told == [
        "Kishu does not record the calibration of mensura: to read it fails (ZeroDivisionError: division by zero)."
    ]


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_one_is_told_once_and_harms_nothing(request: pytest.FixtureRequest, site: Path, how: str) -> None:
    install(site, BROKEN[how])
    kernel: Kernel = request.getfixturevalue("kernel")
    kernel.ok("import mensura; x = mensura.Quantity([3], mensura.metre); y = [1]")
    kernel.ok("x.number.append(4); y.append(2)")
    assert kernel.value("x.number") == [3, 4]
    warnings = [each for each in kernel.done("status")["warnings"] if "mensura" in each]
    assert len(warnings) == 1
    assert warnings[0].startswith("Kishu does not use what mensura.kishu")
    kernel.done("undo")
    assert kernel.value("(x.number, y)") == ([3], [1])
