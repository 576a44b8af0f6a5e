"""One variable at a time: brought back alone from the panel and the sidebar, looked at in the sidebar's second tab."""

from __future__ import annotations

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
pytest.importorskip("jupyterlab", reason="the pages are JupyterLab's")
from playwright.sync_api import expect

from .conftest import OpenNotebook, Shoot
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
    expect(panel.here).to_contain_text("took df from In[1]")
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
