"""The JupyterLab extension as a person uses it: launcher, toolbar, menu, palette, keys, sidebar, dialogs."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
from playwright.sync_api import Page, expect

from .lab import LabPage, Server

if TYPE_CHECKING:
    from .conftest import OpenLab, Shoot

FRAME = "import pandas as pd\ndf = pd.DataFrame({'city': ['Oslo', 'Bergen', 'Molde'], 'rain': [3.1, 7.4, 5.2]})\ndf"
DROP = "df = df.drop(columns='rain')\ndf"
COMMANDS = ("undo", "redo", "checkout", "commit", "tag", "branch", "show-log")


def test_first_minutes(extension: None, server: Server, page: Page, shoot: Shoot) -> None:
    """Who has just installed it: start Lab, choose the kernel from the launcher, lose a column, get it back."""
    started = time.monotonic()
    page.goto(server.address("lab?reset"))
    page.locator(".jp-LauncherCard[data-category='Notebook']", has_text="Python 3 (Kishu)").click()
    notebook = LabPage(page, server, "Untitled.ipynb").ready()
    notebook.run(FRAME)
    dropped = notebook.run(DROP)
    expect(dropped.locator("th", has_text="rain")).to_have_count(0)
    notebook.undo_button.click()
    notebook.told("Took back In [2]: now at In [1].")
    again = notebook.run("df")
    expect(again.locator("th", has_text="rain")).to_be_visible()
    shoot("lab-first-minutes")
    assert time.monotonic() - started < 60
    server.end_kernels()


def test_menu_palette_and_keys_travel(lab: OpenLab) -> None:
    notebook = lab()
    for code in ("x = 1", "x = 2", "x = 3"):
        notebook.run(code)
    expect(notebook.status).to_have_text("main · In [3]")
    notebook.palette("Undo execution").click()
    expect(notebook.status).to_have_text("In [2]")
    notebook.menu("undo").click()
    expect(notebook.status).to_have_text("In [1]")
    notebook.menu("redo").click()
    expect(notebook.status).to_have_text("In [2]")
    # In a cell the keys are letters, beside it they are the command's.
    notebook.keys("u", "u")
    expect(notebook.status).to_have_text("In [1]")
    notebook.shows("x", "1")


@pytest.mark.soak
def test_a_new_session_resumes_the_last_one(lab: OpenLab) -> None:
    notebook = lab()
    notebook.run("x = 1")
    notebook.keys("0", "0")
    notebook.dialog.get_by_text("Restart", exact=True).click()
    expect(notebook.status).to_have_text("before the first cell")
    notebook.menu("resume").click()
    expect(notebook.status).to_contain_text("In [1]")
    notebook.told("Resumed the last session: now at In [1].")
    notebook.shows("x", "1")


def test_nothing_to_undo_is_one_sentence(lab: OpenLab) -> None:
    notebook = lab()
    expect(notebook.status).to_have_text("before the first cell")
    notebook.undo_button.click()
    notebook.told("There is nothing to undo.")


def test_sidebar_follows_and_travels(lab: OpenLab, shoot: Shoot) -> None:
    notebook = lab()
    notebook.menu("show-log").click()
    notebook.run("x = 1")
    rows = notebook.sidebar.get_by_role("option")
    expect(rows).to_have_count(1)
    notebook.run("x = 2")
    expect(rows).to_have_count(2)
    expect(rows.filter(has_text="HEAD")).to_contain_text("x = 2")
    notebook.sidebar.get_by_title("Take back the last cell").click()
    expect(notebook.status).to_have_text("In [1]")
    notebook.told("In [2] is not in this state.")
    shoot("lab-sidebar")
    notebook.shows("x", "1")
    expect(rows).to_have_count(3)


def test_branches_tags_and_messages(lab: OpenLab, shoot: Shoot) -> None:
    notebook = lab()
    notebook.run("model = 'linear'")

    def typed(command: str, text: str) -> None:
        notebook.menu(command).click()
        notebook.dialog.locator("input").fill(text)
        notebook.page.keyboard.press("Enter")

    typed("tag", "baseline")
    notebook.told("Tag baseline is now at In [1].")
    typed("branch", "forest")
    notebook.told("Branch forest is now at In [1].")
    notebook.page.get_by_role("button", name="Continue on forest").click()
    expect(notebook.status).to_have_text("forest · In [1]")
    notebook.run("model = 'random forest'")
    expect(notebook.status).to_have_text("forest · In [2]")
    typed("commit", "much better")
    expect(notebook.status).to_have_attribute("title", re.compile("much better"))

    notebook.menu("checkout").click()
    choices = notebook.dialog.get_by_role("option")
    expect(choices.filter(has_text="branch forest")).to_contain_text("In [2]  much better")
    notebook.dialog.locator("input").fill("baseline")
    expect(choices).to_have_count(1)
    shoot("lab-checkout")
    notebook.page.keyboard.press("Enter")
    expect(notebook.status).to_contain_text("In [1]")
    notebook.shows("model", "'linear'")

    notebook.menu("checkout").click()
    notebook.dialog.locator("input").fill("forest")
    notebook.page.keyboard.press("Enter")
    expect(notebook.status).to_have_text("forest · In [2]")
    notebook.shows("model", "'random forest'")

    typed("checkout", "forrest")
    notebook.told("forrest")


@pytest.mark.soak
def test_other_kernels_are_left_alone(lab: OpenLab, shoot: Shoot) -> None:
    notebook = lab(kernel="python3")
    notebook.run("x = 1")
    for command in COMMANDS:
        expect(notebook.menu(command)).to_have_class(re.compile("lm-mod-disabled"))
    notebook.page.keyboard.press("Escape")
    expect(notebook.palette("Undo execution")).to_have_class(re.compile("lm-mod-disabled"))
    notebook.page.keyboard.press("Escape")
    expect(notebook.undo_button).to_have_count(0)
    expect(notebook.status).to_have_count(0)
    notebook.page.locator(".lm-TabBar-tab[data-id='kishu-sidebar']").click()
    expect(notebook.sidebar).to_contain_text("This notebook runs in another one.")
    shoot("lab-other-kernel")
    notebook.sidebar.get_by_role("button", name="Change kernel...").click()
    expect(notebook.dialog).to_contain_text("Select Kernel")


def test_a_plain_kernel_that_loads_the_extension_is_followed(lab: OpenLab) -> None:
    notebook = lab(kernel="python3")
    notebook.run("%load_ext kishu_kernel")
    notebook.run("x = [1]")
    notebook.run("x.append(2)")
    expect(notebook.status).to_have_text("main · In [3]")
    notebook.undo_button.click()
    notebook.shows("x", "[1]")


def test_cells_are_marked_and_nothing_is_written(lab: OpenLab, server: Server, shoot: Shoot) -> None:
    notebook = lab()
    notebook.run(FRAME)
    notebook.run(DROP)
    notebook.undo_button.click()
    notebook.told("In [2] is not in this state.")
    expect(notebook.ahead).to_have_count(1)
    marked = notebook.cells.nth(1)
    expect(marked).to_have_class(re.compile("jp-kishu-ahead"))
    expect(marked.locator(".jp-InputPrompt")).to_have_attribute("title", re.compile("^Not in this state"))
    shoot("lab-marked")

    notebook.page.keyboard.press("Control+S")
    file = server.files / notebook.name
    notebook.wait(lambda: "drop" in file.read_text("utf-8"))
    assert "kishu" not in file.read_text("utf-8").replace('"name": "kishu"', "").replace("(Kishu)", "")

    notebook.menu("redo").click()
    expect(notebook.ahead).to_have_count(0)  # the state has caught up

    notebook.shows("%kishu undo", "")
    expect(notebook.ahead).to_have_count(1)  # whoever travels
    marked.locator(".cm-content").click()
    notebook.page.keyboard.press("Shift+Enter")
    expect(marked.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d\]:"))
    expect(notebook.ahead).to_have_count(0)  # it was run again

    notebook.undo_button.click()
    expect(notebook.ahead).to_have_count(1)
    notebook.page.keyboard.press("Control+S")
    notebook.wait(lambda: "undo" in file.read_text("utf-8"))
    notebook.page.reload()
    expect(notebook.ahead).to_have_count(1)  # of what was done before the page was opened, too


def test_cells_with_effects_are_not_re_run_unasked(lab: OpenLab, server: Server, shoot: Shoot) -> None:
    notebook = lab()
    notebook.run("with open('runs.txt', 'a') as file:\n    file.write('x')\nrows = (n for n in range(3))")
    notebook.run("rows = None")
    runs = server.files / "runs.txt"
    assert runs.read_text() == "x"

    notebook.undo_button.click()
    expect(notebook.dialog).to_contain_text("Undo re-runs one cell")
    expect(notebook.dialog).to_contain_text("with open('runs.txt', 'a') as file:")
    shoot("lab-effects")
    notebook.dialog.get_by_role("button", name="Cancel").click()
    expect(notebook.status).to_have_text("main · In [2]")
    assert runs.read_text() == "x"

    notebook.undo_button.click()
    expect(notebook.dialog).to_contain_text("In [1] makes rows")
    notebook.dialog.get_by_role("button", name="Go without rows").click()
    expect(notebook.status).to_have_text("In [1]")
    notebook.shows("'rows' in dir()", "False")
    assert runs.read_text() == "x"

    notebook.undo_button.click()
    notebook.dialog.get_by_role("button", name="Re-run it").click()
    expect(notebook.status).to_have_text("In [1]")
    assert runs.read_text() == "xx"


WAIT = "import pathlib, time\nwhile not pathlib.Path('{}').exists():\n    time.sleep(0.01)"


@pytest.mark.soak
def test_undo_waits_for_the_running_cell(lab: OpenLab, server: Server) -> None:
    notebook = lab()
    notebook.run("x = 1")
    running = notebook.begin("x = 2\n" + WAIT.format("undo-may-go"))
    expect(running.locator(".jp-InputPrompt")).to_have_text("[*]:")
    notebook.undo_button.click()
    notebook.told("Undo waits for the running cell.")
    expect(notebook.menu("redo")).to_have_class(re.compile("lm-mod-disabled"))  # one after the other
    notebook.page.keyboard.press("Escape")
    (server.files / "undo-may-go").touch()
    expect(notebook.status).to_have_text("In [1]")
    notebook.told("Took back In [2]: now at In [1].")
    notebook.shows("x", "1")


@pytest.mark.soak
def test_sidebar_moves_on_while_cells_run(lab: OpenLab, server: Server) -> None:
    """Of cells that were started together the first is seen before the last ends, and Lab shows the kernel as busy."""
    notebook = lab(cells=["x = 1", WAIT.format("cells-may-end")])
    notebook.menu("show-log").click()
    notebook.page.get_by_role("menuitem", name="Run", exact=True).click()
    notebook.page.get_by_text("Run All Cells", exact=True).click()
    rows = notebook.sidebar.get_by_role("option")
    expect(rows).to_have_count(1)
    expect(notebook.status).to_have_text("main · In [1]")
    indicator = notebook.page.locator(".jp-NotebookPanel .jp-Notebook-ExecutionIndicator")
    expect(indicator).to_have_attribute("data-status", "busy")
    (server.files / "cells-may-end").touch()
    expect(rows).to_have_count(2)


@pytest.mark.soak
def test_in_the_dark(lab: OpenLab, server: Server, shoot: Shoot) -> None:
    themes = "@jupyterlab/apputils-extension/themes"
    server.set(themes, {"theme": "JupyterLab Dark"})
    try:
        notebook = lab()
        notebook.run(FRAME)
        notebook.run(DROP)
        notebook.menu("show-log").click()
        expect(notebook.sidebar.get_by_role("option")).to_have_count(2)
        notebook.undo_button.click()
        expect(notebook.ahead).to_have_count(1)
        shoot("lab-dark")
        for place in (notebook.sidebar.locator(".kishu-timeline"), notebook.status):
            ink, paper = place.evaluate(
                "node => [getComputedStyle(node).color, getComputedStyle(document.body).background]"
            )
            assert _light(ink) > 150 > 100 > _light(paper)
    finally:
        server.set(themes, {})


def test_notebook_7(lab: OpenLab, shoot: Shoot) -> None:
    notebook = lab(inside="notebooks")
    notebook.run("x = 1")
    notebook.run("x = 2")
    notebook.undo_button.click()
    notebook.told("Took back In [2]: now at In [1].")
    notebook.menu("show-log").click()
    rows = notebook.sidebar.get_by_role("option")
    expect(rows).to_have_count(2)
    shoot("notebook-sidebar")
    notebook.sidebar.get_by_title("Bring back what undo took back").click()
    expect(rows.filter(has_text="HEAD")).to_contain_text("x = 2")
    notebook.shows("x", "2")


def _light(colour: str) -> float:
    """How light a CSS colour is, 0 to 255."""
    red, green, blue = (int(each) for each in re.findall(r"\d+", colour)[:3])
    return 0.3 * red + 0.59 * green + 0.11 * blue
