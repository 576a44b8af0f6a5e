"""One variable at a time: brought back alone from the panel and the sidebar, looked at in the sidebar's second tab."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
pytest.importorskip("jupyterlab", reason="the pages are JupyterLab's")
from playwright.sync_api import Page, expect

from .conftest import OpenLab, OpenNotebook, Shoot
from .lab import Server
from .test_lab import WAIT
from .test_panel import Panel

FRAME = """import pandas as pd
df = pd.DataFrame({'city': ['Oslo', 'Bergen', 'Molde'], 'rain': [3.1, 7.4, 5.2]})
note = 'mine'"""


def test_one_variable_from_the_panel(open_notebook: OpenNotebook, shoot: Shoot) -> None:
    notebook = open_notebook()
    notebook.run(FRAME)
    notebook.run("a = [1]; b = [a]")
    notebook.run("df = df.drop(columns='rain'); note = 'newer'; a = b = None")
    panel = Panel(notebook)
    panel.row("import pandas").click()
    expect(panel.button("Bring back only df")).to_be_visible()
    shoot("take-panel")
    panel.button("Bring back only df").click()
    panel.told("Brought back df from In [1].")
    expect(panel.here).to_contain_text("took df from In [1]")
    shoot("take-panel-done")
    assert "rain newer" in notebook.run("print(df.columns[-1], note)").inner_text()

    panel.row("a = [1]").click()
    panel.button("Bring back only a").click()
    question = panel.region.get_by_role("alertdialog")
    expect(question).to_contain_text("b shares objects with a")
    shoot("take-panel-question")
    question.get_by_role("button", name="Bring both").click()
    panel.told("b came along: it shares objects with a.")
    assert "True" in notebook.run("print(b[0] is a)").inner_text()

    panel.button("Bring a as …").click()
    panel.page.keyboard.press("Control+A")
    panel.page.keyboard.insert_text("df")
    panel.page.keyboard.press("Enter")
    panel.told("There is a variable 'df' already")
    panel.button("Bring a as …").click()
    panel.page.keyboard.press("Enter")
    panel.told("Brought a of In [2] as a_old.")
    panel.button("Undo").last.click()
    panel.told("now at In [")
    assert "False" in notebook.run("print('a_old' in globals())").inner_text()


def test_the_variables_of_now(lab: OpenLab, server: Server, shoot: Shoot, page: Page) -> None:
    notebook = lab()
    notebook.run(FRAME)
    notebook.run("df = df.drop(columns='rain'); xs = [1]; ys = [xs]; evil = '<img src=x onerror=\"top.harmed=1\">'")
    page.evaluate("window.harmed = 0")
    notebook.menu("show-variables").click()
    tab = notebook.sidebar.get_by_role("tabpanel", name="Variables")
    rows = tab.get_by_role("treeitem")
    expect(rows).to_have_text([re.compile(name) for name in ("^df", "^evil", "^note", "^xs", "^ys", r"Modules \(1\)$")])
    expect(rows.filter(has_text="df")).to_contain_text(re.compile("DataFrame.*3 x 1.*city.*In \\[2\\]"))
    expect(rows.filter(has_text="note")).to_contain_text(re.compile("'mine'.*In \\[1\\]"))
    rows.filter(has_text="df").hover()
    card = page.get_by_role("tooltip")
    expect(card.locator("td", has_text="Bergen")).to_be_visible()
    shoot("variables")
    rows.filter(has_text="evil").hover()
    expect(card).to_contain_text("<img src=x")
    tab.get_by_role("searchbox").fill("xs")
    expect(rows).to_have_count(1)
    expect(card).to_have_count(0)
    tab.get_by_role("searchbox").fill("")
    rows.filter(has_text="Modules").click()
    expect(rows.filter(has_text="pd")).to_contain_text("In [1]")

    # The history of one, by keys.
    tab.get_by_role("tree").focus()
    for key in ("Home", "Enter"):
        page.keyboard.press(key)
    frames = tab.get_by_role("listitem")
    expect(frames).to_have_count(2)
    expect(frames.first).to_be_focused()
    expect(frames.first).to_contain_text(re.compile("In \\[2\\]now.*3 x 2 → 3 x 1, . rain"))
    page.keyboard.press("ArrowDown")
    expect(frames.last).to_be_focused()
    shoot("variables-film")
    frames.last.get_by_role("button", name="Bring back only this").click()
    notebook.told("Brought back df from In [1].")
    expect(frames.first).to_contain_text("took df from In [1]")
    expect(notebook.status).to_have_text("main · took df from In [1]")
    shoot("variables-taken")
    page.locator(".Toastify__toast").get_by_role("button", name="Undo").click()
    expect(notebook.status).to_contain_text("In [2]")
    expect(frames).to_have_count(2)

    # As a copy; refused in a sentence of the kernel.
    for name, told in (("note", "There is a variable 'note' already"), ("df_old", "Brought df of In [1] as df_old.")):
        frames.last.get_by_role("button", name="Bring as …").click()
        notebook.dialog.locator("input").fill(name)
        page.keyboard.press("Enter")
        notebook.told(told)
    page.keyboard.press("Escape")
    expect(rows.filter(has_text="df_old")).to_contain_text("3 x 2")
    notebook.shows("print(list(df_old), list(df))", "['city', 'rain'] ['city']")

    # What comes along is told before.
    notebook.run("xs = ys = None")
    rows.filter(has_text="ys").click()
    frames.last.get_by_role("button", name="Bring back only this").click()
    expect(notebook.dialog).to_contain_text("xs shares objects with ys")
    shoot("variables-along")
    notebook.dialog.get_by_role("button", name="Bring both").click()
    notebook.told("xs came along: it shares objects with ys.")
    notebook.shows("print(ys[0] is xs)", "True")
    page.keyboard.press("Escape")
    assert page.evaluate("window.harmed") == 0

    # Many are as fast as few, and a running cell is no reason to wait.
    running = notebook.begin("for n in range(500): globals()[f'v{n:03}'] = n\n" + WAIT.format("variables-may-go"))
    tab.get_by_role("button", name="All variables").click()
    notebook.menu("show-log").click()
    states = notebook.sidebar.get_by_role("tabpanel", name="States")
    states.get_by_role("option").filter(has_text="import pandas").click()
    expect(states.get_by_role("button", name="Bring back only df")).to_be_visible()
    shoot("variables-states")
    notebook.sidebar.get_by_role("tab", name="Variables").click()
    (server.files / "variables-may-go").touch()
    expect(running.locator(".jp-InputPrompt")).to_have_text(re.compile(r"\d"))
    expect(tab.get_by_role("status")).to_contain_text(re.compile("5[01][0-9] variables"))
    assert rows.count() < 40
    page.set_viewport_size({"width": 760, "height": 860})
    shoot("variables-760")
    page.set_viewport_size({"width": 1280, "height": 860})
