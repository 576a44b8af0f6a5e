"""The journey of a person who uses all of it, in one notebook: by the mouse, then by keys alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
from playwright.sync_api import Locator, Page, expect

from .accessibility import violations
from .lab import LabPage, Server

if TYPE_CHECKING:
    from .conftest import Shoot

FRAME = """\
import pandas as pd
df = pd.DataFrame({'city': ['Oslo', 'Bergen', 'Molde'], 'rain': [3.1, 7.4, 5.2]})
display(df)"""
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
        _for_everybody(notebook, shoot)
        _a_copy(notebook, server, shoot)
    finally:
        server.end_kernels()
        for name in ("Untitled.ipynb", "Untitled-Copy1.ipynb"):  # the next ones are called so, too
            if (server.files / name).exists():
                server.api(f"contents/{name}", "DELETE")
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

    notebook.run("df = df.head(1); note = 'newer'")
    expect(rows).to_have_count(6)  # the list moves no more
    row = rows.filter(has_text="import pandas")
    row.click()
    sidebar.get_by_role("button", name="Bring back only df").click()
    here = sidebar.locator("[role=option].kishu-head")
    expect(here).to_contain_text("took df from")
    notebook.shows("len(df), note", "(3, 'newer')")
    cells = notebook.cells.count()
    row.click(button="right")
    notebook.page.get_by_role("menuitem", name="Go here with the code").click()
    assert violations(notebook.page, ".jp-Dialog") == []
    notebook.dialog.get_by_role("button", name="Go with the code").click()
    expect(notebook.cells).not_to_have_count(cells)
    notebook.shows("'note' in globals()", "False")


def _by_keys(notebook: LabPage, shoot: Shoot) -> None:
    press = notebook.page.keyboard.press
    notebook.run("df = None")
    notebook.keys("u", "u")
    notebook.told("ow at In [4]")
    notebook.keys("u", "r")
    notebook.told("ow at In [5]")
    notebook.keys("0", "0")
    expect(notebook.dialog).to_be_visible()
    press("Enter")
    back = notebook.sidebar.get_by_role("button", name="Bring it back")
    expect(back).to_be_visible()
    notebook.keys("u", "l")
    _tab_to(back)
    press("Enter")
    expect(back).to_have_count(0)
    notebook.shows("df is None", "True")

    notebook.keys("u", "l")
    notebook.page.keyboard.insert_text("import pandas")
    press("ArrowDown")
    press(" ")
    _tab_to(notebook.sidebar.get_by_role("button", name="Bring back only df"))
    press("Enter")
    expect(notebook.status).to_contain_text("took df from")
    press("Escape")
    press("Escape")
    expect(notebook.sidebar.get_by_role("searchbox")).to_have_value("")
    notebook.shows("len(df)", "3")
    notebook.palette("Go with the code").click(trial=True)
    press("Enter")
    expect(notebook.dialog.locator("input")).to_be_focused()
    notebook.page.keyboard.insert_text("import pandas")
    press("Enter")
    expect(notebook.dialog.get_by_role("button", name="Go with the code")).to_be_visible()
    press("Enter")
    notebook.told("brings the newer cells back")


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
    notebook.page.locator(".Toastify__toast").get_by_role("button", name="Take back In").click()
    notebook.told("Took back In")
    notebook.shows("'slow' in globals()", "False")

    notebook.begin("slow = 2\n" + wait.format("second-may-end"))
    sidebar = notebook.sidebar
    sidebar.get_by_title("Take back the last cell").click()
    expect(sidebar).to_contain_text("waiting for the running cell")
    (server.files / "second-may-end").touch()
    not_meant = sidebar.locator(".kishu-notice", has_text="has ended meanwhile, and nothing was undone.")
    expect(not_meant).to_be_visible()
    shoot("journey-not-meant-sidebar")
    notebook.shows("slow", "2")
    expect(not_meant).to_have_count(0)  # it was about the cell before


def _for_everybody(notebook: LabPage, shoot: Shoot) -> None:
    """What is on the screen can be seen, heard and found, in light and dark, and in a narrow window."""
    page = notebook.page
    notebook.run("%kishu panel")
    expect(page.locator(".jp-OutputArea .kishu-timeline")).to_be_visible()
    parts = ("#kishu-sidebar", ".jp-OutputArea .kishu-timeline", ".jp-kishu-status")
    found = {"light": violations(page, *parts)}
    notebook.sidebar.get_by_role("option").first.click()
    page.evaluate("void window.jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Dark' })")
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    shoot("journey-dark")
    found["dark"] = violations(page, *parts)
    page.set_viewport_size({"width": 760, "height": 860})
    shoot("journey-760")
    assert not [f"{theme}: {each}" for theme, those in found.items() for each in those]
    page.evaluate("void window.jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Light' })")
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", "true")


def _a_copy(notebook: LabPage, server: Server, shoot: Shoot) -> None:
    """A state opened in a notebook of its own goes on beside this one, in the same history."""
    page = notebook.page
    page.set_viewport_size({"width": 1280, "height": 860})
    notebook.run("here = 'first'")
    branch = (notebook.status.text_content() or "").partition(" ")[0]
    notebook.sidebar.get_by_role("option").filter(has_text="import pandas").last.click(button="right")
    page.get_by_role("menuitem", name="Open a copy from here").click()
    notebook.told("Untitled-Copy1.ipynb begins in In [1].")
    copy = LabPage(page, server, "Untitled-Copy1.ipynb")
    copy.cells = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-CodeCell")
    expect(copy.cells.first).to_contain_text("import pandas as pd")
    expect(copy.status).to_have_text(re.compile(r"fork-\w+ · In \[1\]"))
    if copy.cells.last.locator(".cm-content").inner_text().strip():
        page.keyboard.press("Escape")
        page.evaluate("void window.jupyterapp.commands.execute('notebook:insert-cell-below')")
    copy.shows("len(df), 'here' in globals(), 'rain' in df", "(3, False, True)")
    shoot("journey-copy")
    page.locator(".lm-TabBar-tab[data-type='document-title']", has_text="Untitled.ipynb").click()
    expect(notebook.status).to_contain_text(branch)
    expect(notebook.sidebar.get_by_role("option").filter(has_text="len(df), 'here'")).to_have_count(1)  # of the copy


def _tab_to(button: Locator) -> None:
    """Presses Tab until it has the focus, as far as a person would."""
    expect(button).to_be_visible()
    for _ in range(40):
        if button.evaluate("node => node === document.activeElement"):
            return
        button.page.keyboard.press("Tab")
    raise AssertionError("Tab does not lead there")


def _toasts(notebook: LabPage) -> Locator:
    """What is told on the screen at the moment."""
    return notebook.page.locator(".Toastify__toast")


def _said(notebook: LabPage) -> list[str]:
    said: list[str] = notebook.page.evaluate("[...window.said]")
    return said
