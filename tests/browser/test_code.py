"""Going back with the code: the notebook's cells as they were, in one step of the editor's own undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nbformat
import pytest

pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from .conftest import OpenLab, Shoot
    from .lab import LabPage, Server

DOT = "R0lGODdhAQABAIAAAP8AAAAAACwAAAAAAQABAAACAkQBADs="  # red
FIRST = "x = 1\nprint('one')"
EDITED = "x = 10\nprint('ten')"
DRAFT = "y = 1  # not run yet"


def notes() -> nbformat.NotebookNode:
    attachments = {"dot.gif": {"image/gif": DOT}}
    return nbformat.v4.new_markdown_cell("# Notes\n![dot](attachment:dot.gif)", attachments=attachments)


def cells(page: Page) -> list[dict[str, Any]]:
    """The cells of the open notebook, without their ids, as a save would write them."""
    made: list[dict[str, Any]] = page.evaluate(
        """() => [...jupyterapp.shell.currentWidget.content.model.cells].map(cell => {
            const {id, ...rest} = cell.toJSON();
            return rest;
        })"""
    )
    return made


def sources(page: Page) -> list[str]:
    return [each["source"] for each in cells(page)]


def write(notebook: LabPage, number: int, text: str, run: bool = True) -> None:
    """Replaces the text of a code cell."""
    notebook.cells.nth(number).locator(".cm-content").click()
    notebook.page.keyboard.press("Control+A")
    notebook.page.keyboard.insert_text(text)
    if run:
        notebook.page.keyboard.press("Control+Enter")


def go_with_code(notebook: LabPage, name: str) -> None:
    notebook.menu("go-with-code").click()
    notebook.dialog.locator("input").fill(name)
    notebook.page.keyboard.press("Enter")


def test_back_with_the_code(lab: OpenLab, server: Server, shoot: Shoot) -> None:
    notebook = lab(name=server.notebook([notes(), FIRST, "y = 1"]))
    page = notebook.page
    failed: list[str] = []
    page.on("pageerror", lambda error: failed.append(str(error)))
    file = (server.files / notebook.name).read_bytes()
    write(notebook, 0, FIRST)
    expect(notebook.status).to_have_text("main · In [1]")
    write(notebook, 1, "y = 1")
    write(notebook, 0, EDITED)
    expect(notebook.status).to_have_text("main · In [3]")
    page.locator(".jp-MarkdownCell").click(position={"x": 3, "y": 3})
    page.keyboard.press("d")
    page.keyboard.press("d")
    notebook.run("z = 3")
    expect(notebook.status).to_have_text("main · In [4]")
    write(notebook, 1, DRAFT, run=False)
    newer = cells(page)

    go_with_code(notebook, "In [1]")
    expect(notebook.dialog).to_contain_text("Go to In [1] with the code")
    expect(notebook.dialog.locator(".jp-kishu-never-run")).to_contain_text(DRAFT)
    expect(notebook.dialog.locator(".jp-kishu-removed", has_text="x = 10")).to_be_visible()
    expect(notebook.dialog.locator(".jp-kishu-added", has_text="x = 1")).to_be_visible()
    expect(notebook.dialog.locator("article")).to_have_count(4)
    shoot("code-dialog")
    page.set_viewport_size({"width": 760, "height": 860})
    shoot("code-dialog-narrow")
    page.set_viewport_size({"width": 1280, "height": 860})
    page.keyboard.press("Escape")
    expect(notebook.status).to_have_text("main · In [4]")
    assert cells(page) == newer

    go_with_code(notebook, "In [1]")
    notebook.dialog.get_by_role("button", name="Go with the code").click()
    notebook.told("Edit > Undo Cell Operation brings the newer cells back.")
    expect(notebook.status).to_have_text("main · In [1]")
    notebook.wait(lambda: sources(page) == [notes().source, FIRST, "y = 1", ""])
    older = cells(page)
    assert older[0]["attachments"] == notes().attachments
    assert [each["execution_count"] for each in older[1:]] == [1, None, None]
    assert [output["text"] for output in older[1]["outputs"]] == ["one\n"]
    assert older[2]["outputs"] == []
    expect(page.locator(".jp-MarkdownCell img")).to_be_visible()
    assert [each["metadata"] for each in older] == [{}, *[{"trusted": True}] * 3]
    assert page.evaluate("[...jupyterapp.shell.currentWidget.content.model.cells].slice(1).every(cell => cell.trusted)")
    expect(notebook.ahead).to_have_count(0)
    shoot("code-gone-back")

    notebook.keys("z")
    notebook.wait(lambda: cells(page) == newer)  # one step, and nothing that was typed is lost
    expect(notebook.ahead).to_have_count(3)  # ran after this state
    shoot("code-newer-cells")
    notebook.keys("Shift+Z")
    notebook.wait(lambda: cells(page) == older)
    expect(notebook.ahead).to_have_count(0)
    notebook.keys("z")
    expect(notebook.ahead).to_have_count(3)

    notebook.cells.nth(0).locator(".cm-content").click()
    page.locator("[data-jp-item-name='kishu-after-cell']:visible").click()
    expect(notebook.status).to_have_text("main · In [3]")
    expect(notebook.ahead).to_have_count(1)
    notebook.cells.nth(0).locator(".jp-InputPrompt").click(button="right")
    shoot("code-cell-menu")
    page.locator(".lm-Menu-item", has_text="Go to before this cell").click()
    expect(notebook.status).to_have_text("main · In [2]")
    expect(notebook.ahead).to_have_count(2)
    notebook.menu("redo").click()
    expect(notebook.status).to_have_text("main · In [3]")
    assert cells(page) == newer  # these went without the code

    notebook.menu("undo-with-code").click()
    notebook.dialog.get_by_role("button", name="Go with the code").click()
    expect(notebook.status).to_have_text("main · In [2]")
    notebook.wait(lambda: sources(page) == [notes().source, FIRST, "y = 1", ""])
    expect(notebook.cells).to_have_count(3)
    notebook.shows("x", "1")

    page.evaluate("""async () => {
        const {shell, commands} = jupyterapp;
        const first = shell.currentWidget;
        await commands.execute('docmanager:clone');
        first.close();
    }""")
    expect(notebook.cells).to_have_count(4)
    notebook.run("w = 4")
    notebook.run("w = 5")
    notebook.keys("u", "w")
    expect(notebook.dialog.locator(".jp-kishu-removed", has_text="w = 5")).to_be_visible()
    page.keyboard.press("Enter")
    expect(notebook.status).to_have_text("main · In [6]")
    notebook.wait(lambda: sources(page)[-2:] == ["w = 4", ""])
    assert (server.files / notebook.name).read_bytes() == file  # nobody has saved
    assert not failed


def test_notebook_7_with_a_plain_kernel(lab: OpenLab, server: Server, shoot: Shoot) -> None:
    """All cells run at once, the notebook is renamed while it is open, a narrow window, a dark theme."""
    long = "\n".join(f"value_{number} = {number}" for number in range(60))
    themes = "@jupyterlab/apputils-extension/themes"
    server.set(themes, {"theme": "JupyterLab Dark"})
    try:
        name = server.notebook(["%load_ext kishu_kernel", long, "a = 2"])
        notebook = lab(name=name, kernel="python3", inside="notebooks")
        page = notebook.page
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        expect(notebook.cells.nth(2).locator(".jp-InputPrompt")).to_have_text("[3]:")
        page.locator("#jp-title h1").click()
        notebook.dialog.locator("input").fill(f"renamed-{name}")
        page.keyboard.press("Enter")
        expect(page.locator("#jp-title h1")).to_have_text(f"renamed-{name.removesuffix('.ipynb')}")
        page.set_viewport_size({"width": 760, "height": 860})
        write(notebook, 1, long.replace("value_30 = 30", "value_30 = 31"))
        expect(notebook.cells.nth(1).locator(".jp-InputPrompt")).to_have_text("[4]:")
        notebook.menu("undo-with-code").click()
        expect(notebook.dialog.locator(".jp-kishu-added")).to_have_text("value_30 = 30")
        expect(notebook.dialog.locator("article")).to_contain_text("lines stay")
        shoot("code-notebook-7")
        page.keyboard.press("Enter")
        expect(notebook.cells.nth(1).locator(".jp-InputPrompt")).to_have_text("[2]:")
        notebook.shows("value_30", "30")
        shoot("code-notebook-7-back")
    finally:
        server.set(themes, {})
