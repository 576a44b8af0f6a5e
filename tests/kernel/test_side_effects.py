"""What cells did to the world, on a real kernel: recorded, kept with their checkpoints, told in plans."""

from __future__ import annotations

import pytest

from .conftest import Start
from .driver import Kernel


def effects(kernel: Kernel, code: str) -> list[str]:
    """What is kept of a cell."""
    kernel.run(code)
    checkpoint = kernel.done("log", limit=1)["checkpoints"][0]
    assert checkpoint["code"] == code
    return list(checkpoint["effects"])


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("open('a.csv', 'w').close()", ["writes files (a.csv)"]),
        ("%%writefile b.py\nx = 1", ["writes files (b.py)"]),
        ("import asyncio\nopen('c', 'w').close()\nawait asyncio.sleep(0)", ["writes files (c)"]),
        ("import asyncio\nawait asyncio.to_thread(open, 'd', 'w')", ["starts threads", "writes files (d)"]),
        (
            "import asyncio\nasync def later(): open('e', 'w').close()\nawait asyncio.create_task(later())",
            ["writes files (e)"],
        ),
        ("import subprocess; done = subprocess.run(['true', 'secret'])", ["starts processes (true)"]),
        ("open('f', 'w').close(); 1 / 0", ["writes files (f)"]),
        ("!true", ["starts processes"]),
    ],
)
def test_what_a_cell_did(shared: Kernel, code: str, told: list[str]) -> None:
    assert effects(shared, code) == told


@pytest.mark.parametrize(
    "code",
    [
        "1",
        "print('a')",
        "undefined",
        "len?",
        "import statistics, xml.dom.minidom",
        "%time y = 1",
        "%%capture caught\nprint(1)",
        "import asyncio\nawait asyncio.sleep(0.01)",
        "import warnings; warnings.warn('line')",
        "copied = [id(each) for each in range(10)]",
        "with open('/dev/null') as file: text = file.read()",
    ],
)
def test_cells_that_only_compute_did_nothing(shared: Kernel, code: str) -> None:
    assert effects(shared, code) == []


def test_a_plan_tells_what_a_cell_did_that_its_code_does_not_show(kernel: Kernel) -> None:
    kernel.ok("def helper(): open('hidden.csv', 'w').close()")
    kernel.ok("helper(); x = (i for i in range(3))")
    kernel.ok("next(x)")
    (step,) = kernel.done("undo", dry_run=True)["plan"]["replay"]
    assert step["side_effects"] == ["writes files (hidden.csv)"]
    asked = kernel.run("%kishu undo")
    assert "writes files (hidden.csv)" in asked.text + str(asked.reply)


def test_a_plan_does_not_suspect_what_a_cell_did_not_do(kernel: Kernel) -> None:
    kernel.ok("names = ['a', 'b']; names.remove('a'); x = (i for i in range(3))")
    kernel.ok("next(x)")
    (step,) = kernel.done("undo", dry_run=True)["plan"]["replay"]
    assert step["side_effects"] == []


def test_a_rerun_is_no_doing_of_the_cell_that_asks_for_it(kernel: Kernel) -> None:
    kernel.ok("open('once', 'w').close(); x = (i for i in range(3))")
    kernel.ok("next(x)")
    kernel.done("undo")
    assert effects(kernel, "y = next(x)") == []


def test_in_a_plain_kernel_too(start: Start) -> None:
    import sys

    kernel = start(command=(sys.executable, "-m", "ipykernel_launcher"))
    kernel.ok("%load_ext kishu_kernel")
    assert effects(kernel, "open('a.csv', 'w').close()") == ["writes files (a.csv)"]
    assert effects(kernel, "1") == []
