"""The JupyterLab extension as a person uses it: launcher, toolbar, menu, palette, keys, sidebar, dialogs."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

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
    expect(notebook.status).to_have_text("main · In [2]")
    notebook.menu("undo").click()
    expect(notebook.status).to_have_text("main · In [1]")
    notebook.menu("redo").click()
    expect(notebook.status).to_have_text("main · In [2]")
    # In a cell the keys are letters, beside it they are the command's.
    notebook.keys("u", "u")
    expect(notebook.status).to_have_text("main · In [1]")
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
    notebook.told("Brought back the last session: now at In [1].")
    notebook.shows("x", "1")


def test_nothing_to_undo_is_one_sentence_and_the_first_try_shows_what_undo_does(lab: OpenLab, shoot: Shoot) -> None:
    notebook = lab()
    expect(notebook.status).to_have_text("before the first cell")
    notebook.undo_button.click()
    notebook.told("There is nothing to undo.")
    notebook.menu("show-log").click()
    shoot("lab-first-use")
    notebook.sidebar.get_by_role("button", name="Try it").click()
    expect(notebook.cells.nth(1).locator(".jp-OutputArea-output")).to_have_text("[]")  # the slip
    expect(notebook.cells.nth(2).locator(".jp-OutputArea-output")).to_contain_text("[3.1, 7.4, 5.2]")
    expect(notebook.sidebar.get_by_role("option")).to_have_count(3)
    shoot("lab-first-try")

    notebook.page.locator(".lm-MenuBar-item", has_text="Help").click()
    notebook.page.locator(".lm-Menu-item[data-command='kishu:help']").click()
    expect(notebook.dialog.get_by_role("row", name="U U Undo execution")).to_be_visible()
    shoot("lab-help")
    notebook.page.keyboard.press("Escape")
    expect(notebook.palette("Undo execution").locator(".lm-CommandPalette-itemShortcut")).to_have_text("U, U")
    shoot("lab-palette")


def test_sidebar_follows_and_travels(lab: OpenLab, shoot: Shoot) -> None:
    notebook = lab()
    notebook.menu("show-log").click()
    notebook.run("x = 1")
    rows = notebook.sidebar.get_by_role("option")
    expect(rows).to_have_count(1)
    notebook.run("x = 2")
    expect(rows).to_have_count(2)
    expect(notebook.here).to_contain_text("x = 2")
    notebook.sidebar.get_by_title("Take back the last cell").click()
    expect(notebook.status).to_have_text("main · In [1]")
    notebook.told("In [2] is not in this state.")
    shoot("lab-sidebar")
    notebook.shows("x", "1")
    expect(rows).to_have_count(3)


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PLOT = f"import base64\nfrom IPython.display import Image\nImage(base64.b64decode('{PIXEL}'), width=9)"


def test_a_state_by_its_menu_by_two_clicks_and_by_keys(lab: OpenLab, shoot: Shoot) -> None:
    notebook = lab()
    page, sidebar = notebook.page, notebook.sidebar
    notebook.menu("show-log").click()
    for code in ("rain = [3.1, 7.4]", PLOT, "rain = None"):
        notebook.run(code)
    rows = sidebar.get_by_role("option")
    expect(rows).to_have_count(3)
    first, plot = rows.filter(has_text="rain = [3.1"), rows.filter(has_text="import base64")
    menu = page.get_by_role("menu", name="What can be done with")

    def chosen(row: Locator, entry: str, typed: str = "") -> None:
        row.click(button="right")
        menu.get_by_role("menuitem", name=entry).click()
        if typed:
            sidebar.locator(".kishu-question input").fill(typed)
            page.keyboard.press("Enter")

    plot.hover()
    preview = page.locator(".kishu-preview")
    expect(preview).to_contain_text("from IPython.display import Image")
    expect(preview.locator("img")).to_be_visible()
    shoot("lab-hover")

    first.click(button="right")
    expect(menu).to_be_visible()
    expect(preview).to_have_count(0)
    shoot("lab-state-menu")
    page.keyboard.press("Escape")
    expect(menu).to_have_count(0)
    chosen(first, "Tag", "baseline")
    expect(first).to_contain_text("baseline")
    chosen(first, "Rename tag baseline", "start")
    expect(first).to_contain_text("start")
    chosen(first, "Branch", "idea")
    expect(first).to_contain_text("idea")
    chosen(first, "Delete branch idea")
    sidebar.get_by_role("button", name="Delete").click()
    expect(first).not_to_contain_text("idea")
    chosen(first, "Bring back one variable", "rain")
    expect(notebook.here).to_contain_text("rain")
    expect(rows).to_have_count(4)

    first.dblclick()
    expect(notebook.status).to_have_text("main · In [1]")
    expect(sidebar).to_contain_text("Now at In [1].")
    sidebar.get_by_role("listbox").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(sidebar).to_contain_text("Now at In [3].")
    page.keyboard.press("Shift+F10")
    expect(menu.get_by_role("menuitem").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(sidebar.get_by_role("listbox")).to_be_focused()
    first.click(modifiers=["Control"])
    expect(sidebar.get_by_role("region", name="Details")).to_contain_text("From In [1] to In [3] (here)")

    sidebar.get_by_role("button", name="More").click()
    sidebar.get_by_role("menuitem", name="Show plots in the list").click()
    expect(plot.locator("img.kishu-thumbnail")).to_be_visible()
    shoot("lab-thumbnails")


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


def test_the_history_can_be_shown_while_the_kernel_starts(extension: None, server: Server, page: Page) -> None:
    """What a menu shows stays while it is open: it was opened, and the kernel answered later."""
    held: list[tuple[WebSocketRoute, str | bytes]] = []

    def silent(socket: WebSocketRoute) -> None:
        socket.connect_to_server().on_message(lambda message: held.append((socket, message)))

    page.route_web_socket(re.compile("/api/kernels/.*/channels"), silent)
    name = server.notebook()
    page.goto(server.address(f"lab/tree/{name}?reset"))
    notebook = LabPage(page, server, name).ready()
    expect(notebook.menu("undo")).to_have_class(re.compile("lm-mod-disabled"))
    notebook.menu("show-log").click()
    expect(notebook.sidebar.get_by_text("Kernel starting ...").first).to_be_visible()
    assert held
    server.end_kernels()


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
    notebook.cells.first.locator(".cm-content").click()
    toolbar = notebook.cells.first.locator("[data-jp-item-name]:visible")
    expect(toolbar.filter(has=notebook.page.locator("[data-command='notebook:move-cell-down']"))).to_have_count(1)
    expect(notebook.page.locator("[data-jp-item-name='kishu-after-cell']:visible")).to_have_count(0)
    notebook.page.locator(".lm-TabBar-tab[data-id='kishu-sidebar']").click()
    expect(notebook.sidebar).to_contain_text("This notebook runs in another one.")
    shoot("lab-other-kernel")
    notebook.sidebar.get_by_role("button", name="Change kernel...").click()
    expect(notebook.dialog).to_contain_text("Select Kernel")


def test_a_plain_kernel_records_from_where_a_person_says(lab: OpenLab, shoot: Shoot) -> None:
    notebook = lab(kernel="python3")
    older = "import kishu_kernel.frontend.protocol.operations as known\ndel known.OPERATIONS['document'], known\n"
    notebook.run(older + "before = 'kept with the first state'")
    notebook.page.locator(".lm-TabBar-tab[data-id='kishu-sidebar']").click()
    shoot("lab-record")
    notebook.sidebar.get_by_role("button", name="Record from here").click()
    expect(notebook.sidebar).to_contain_text("No states yet.")
    notebook.run("x = [1]")
    notebook.run("x.append(2)")
    expect(notebook.status).to_have_text("main · In [3]")
    expect(notebook.menu("undo-with-code")).to_have_class(re.compile("lm-mod-disabled"))  # it is told of no cells
    notebook.page.keyboard.press("Escape")
    notebook.undo_button.click()
    expect(notebook.status).to_have_text("main · In [2]")
    notebook.shows("x, before", "([1], 'kept with the first state')")


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
    expect(notebook.status).to_have_text("main · In [1]")
    notebook.shows("'rows' in dir()", "False")
    assert runs.read_text() == "x"

    notebook.undo_button.click()
    notebook.dialog.get_by_role("button", name="Re-run it").click()
    expect(notebook.status).to_have_text("main · In [1]")
    assert runs.read_text() == "xx"


WAIT = "import pathlib, time\nwhile not pathlib.Path('{}').exists():\n    time.sleep(0.01)"


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
    notebook.menu("show-variables").click()
    expect(notebook.sidebar.get_by_role("treeitem")).to_have_text(re.compile("x.*int.*1.*In"))
    shoot("notebook-variables")
    notebook.sidebar.get_by_role("tab", name="States").click()
    notebook.sidebar.get_by_title("Bring back what undo took back").click()
    expect(notebook.here).to_contain_text("x = 2")
    notebook.shows("x", "2")


def _light(colour: str) -> float:
    """How light a CSS colour is, 0 to 255."""
    red, green, blue = (int(each) for each in re.findall(r"\d+", colour)[:3])
    return 0.3 * red + 0.59 * green + 0.11 * blue
