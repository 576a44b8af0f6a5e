"""The journey of a person who uses all of it, in one notebook: by the mouse, then by keys alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
from playwright.sync_api import Locator, Page, expect

from .lab import LabPage, Server

if TYPE_CHECKING:
    from .conftest import Shoot

FRAME = "import pandas as pd\ndf = pd.DataFrame({'city': ['Oslo', 'Bergen', 'Molde'], 'rain': [3.1, 7.4, 5.2]})\ndf"
DROP = "df = df.drop(columns='rain')\ndf"
WATCH = """
() => {
    window.said = new Set();
    const note = () => window.said.add(document.querySelector('#kishu-sidebar').innerText);
    new MutationObserver(note).observe(document.querySelector('#kishu-sidebar'), {
        subtree: true, childList: true, characterData: true, attributes: true
    });
}
"""
"""Notes all that the sidebar says, however briefly."""


def test_the_journey(extension: None, server: Server, page: Page, shoot: Shoot) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(server.address("lab?reset"))
    page.locator(".lm-TabBar-tab[data-id='kishu-sidebar']").click()
    page.evaluate(WATCH)
    page.locator(".jp-LauncherCard[data-category='Notebook']", has_text="Python 3 (Kishu)").click()
    notebook = LabPage(page, server, "Untitled.ipynb").ready()
    try:
        _by_mouse(notebook, shoot)
        _by_keys(notebook, shoot)
        _while_a_cell_runs(notebook, server, shoot)
    finally:
        server.end_kernels()
        server.api("contents/Untitled.ipynb", "DELETE")  # the next one is called so, too
    assert errors == []


def _by_mouse(notebook: LabPage, shoot: Shoot) -> None:
    sidebar = notebook.sidebar
    rows = sidebar.get_by_role("option")
    redo = sidebar.get_by_title("Bring back what undo took back")
    notebook.run(FRAME)
    expect(notebook.run(DROP).locator("th", has_text="rain")).to_have_count(0)
    expect(rows).to_have_count(2)
    assert not any("another one" in each for each in _said(notebook))  # it was not known yet which kernel it is
    expect(redo).to_be_disabled()
    notebook.undo_button.click()
    notebook.told("Took back In [2]: now at In [1].")
    expect(redo).to_be_enabled()
    expect(notebook.run("df").locator("th", has_text="rain")).to_be_visible()
    notebook.run("total = df.rain.sum()")
    expect(rows).to_have_count(4)
    notebook.page.evaluate("window.said.clear()")
    notebook.menu_item("Kernel", "Restart Kernel…").click()
    notebook.dialog.get_by_text("Restart", exact=True).click()
    offer = sidebar.get_by_text(re.compile(r"Your session ended at In \[4\], just now, 3 variables, [\d.]+ k?B\."))
    expect(offer).to_be_visible()
    notebook.told("Your session ended at In [4], just now")
    expect(_toasts(notebook)).to_have_count(1)  # they do not pile up
    said = _said(notebook)
    assert any("Kernel restarting" in each for each in said)
    assert not any("No states yet" in each for each in said)
    assert all("total = df.rain.sum()" in each for each in said)  # the list stays
    shoot("journey-offer")
    sidebar.get_by_role("button", name="Bring it back").click()
    expect(offer).to_have_count(0)
    expect(notebook.page.locator(".Toastify__toast", has_text="Your session ended")).to_have_count(0)
    notebook.shows("round(total, 1)", "15.7")


def _by_keys(notebook: LabPage, shoot: Shoot) -> None:
    press = notebook.page.keyboard.press
    notebook.run("df = None")
    notebook.keys("u", "u")
    notebook.told("Took back In [2]: now at In [1].")
    notebook.keys("u", "r")
    notebook.told("Brought back In [2].")
    notebook.keys("0", "0")
    expect(notebook.dialog).to_be_visible()
    press("Enter")
    back = notebook.sidebar.get_by_role("button", name="Bring it back")
    expect(back).to_be_visible()
    notebook.keys("u", "l")
    for _ in range(8):  # from the field for searching on
        if back.evaluate("node => node === document.activeElement"):
            break
        press("Tab")
    press("Enter")
    expect(back).to_have_count(0)
    notebook.shows("df is None", "True")


def _while_a_cell_runs(notebook: LabPage, server: Server, shoot: Shoot) -> None:
    """An undo waits, can be given up, and does not take back what has ended only since."""
    wait = "import pathlib, time\nwhile not pathlib.Path('{}').exists():\n    time.sleep(0.01)"
    notebook.begin("slow = 1\n" + wait.format("first-may-end"))
    notebook.undo_button.click()
    notebook.told("Undo waits for the running cell.")
    shoot("journey-waits")
    notebook.page.locator(".Toastify__toast").get_by_role("button", name="Cancel").click()
    expect(_toasts(notebook)).to_have_count(0)
    notebook.undo_button.click()
    notebook.told("Undo waits for the running cell.")
    (server.files / "first-may-end").touch()
    notebook.told("has ended meanwhile, and nothing was undone.")
    shoot("journey-not-meant")
    notebook.page.locator(".Toastify__toast").get_by_role("button", name="Take back In [2]").click()
    notebook.told("Took back In [2]")
    notebook.shows("'slow' in globals()", "False")
    (server.files / "first-may-end").unlink()

    notebook.begin("slow = 2\n" + wait.format("second-may-end"))
    sidebar = notebook.sidebar
    sidebar.get_by_title("Take back the last cell").click()
    expect(sidebar).to_contain_text("waiting for the running cell")
    (server.files / "second-may-end").touch()
    expect(sidebar).to_contain_text("has ended meanwhile, and nothing was undone.")
    notebook.shows("slow", "2")


def _toasts(notebook: LabPage) -> Locator:
    """What is told on the screen at the moment."""
    return notebook.page.locator(".Toastify__toast")


def _said(notebook: LabPage) -> list[str]:
    said: list[str] = notebook.page.evaluate("[...window.said]")
    return said
