"""What a person sees and does in the panel of `%kishu panel`, in JupyterLab and Notebook 7."""

from __future__ import annotations

import re
import sys

import pytest

pytest.importorskip("playwright", reason="playwright drives the browser")
pytest.importorskip("jupyterlab", reason="the pages are JupyterLab's")

from jupyter_client import BlockingKernelClient
from playwright.sync_api import Locator, Page, expect

from .conftest import OpenLab, OpenNotebook, Shoot
from .lab import NotebookPage, Server

FRAME = "import pandas as pd\ndf = pd.DataFrame({'price': [1, 2, 3], 'amount': [4, 5, 6]})\ndf"


class Panel:
    """The panel in a page."""

    def __init__(self, notebook: NotebookPage) -> None:
        self.notebook = notebook
        self.page = notebook.page
        notebook.run("%kishu panel")
        self.region = self.page.get_by_role("region", name="Timeline of this notebook")
        expect(self.region).to_be_visible()
        self.list = self.region.get_by_role("listbox")
        self.rows = self.region.get_by_role("option")
        self.details = self.region.get_by_role("region", name="Details")

    def button(self, name: str) -> Locator:
        return self.region.get_by_role("button", name=name, exact=True)

    def row(self, text: str) -> Locator:
        return self.rows.filter(has_text=text)

    def told(self, text: str | re.Pattern[str]) -> None:
        """It says so."""
        expect(self.region.locator(".kishu-notice")).to_contain_text(text)

    @property
    def here(self) -> Locator:
        """The row that a person stands on."""
        return self.region.locator("[role=option].kishu-head")

    @property
    def selected(self) -> Locator:
        return self.region.locator("[role=option][aria-selected=true]")


def test_a_column_comes_back_by_a_button(open_notebook: OpenNotebook, shoot: Shoot) -> None:
    notebook = open_notebook()
    notebook.run(FRAME)
    many = "; ".join(f"name_of_{letter} = 1" for letter in "abcdefghijk")
    notebook.run(f"df = df.drop(columns='price')\n{many}; import math\nmath.pi")
    panel = Panel(notebook)
    expect(panel.rows).to_have_count(2)
    expect(panel.here).to_contain_text("df = df.drop(columns='price')")
    chips = panel.here.locator(".kishu-chips")
    expect(chips).to_contain_text("more")  # what there is no room for is counted, and nothing is cut
    fits = "list => list.scrollWidth <= list.clientWidth && [...list.children].filter(each => !each.hidden).length > 1"
    assert chips.evaluate(fits)
    expect(panel.details).to_contain_text("and 2 results, 2 modules")
    expect(panel.details.locator("th", has_text="math")).to_be_hidden()
    shoot("panel-first-look")
    notebook.page.set_viewport_size({"width": 760, "height": 860})
    expect(chips).to_contain_text("more")
    assert chips.evaluate(fits)
    shoot("panel-first-look-760")
    notebook.page.set_viewport_size({"width": 1280, "height": 860})

    panel.button("Undo").click()
    panel.told("Took back In [2]: now at In [1].")
    panel.told("In [2] is not in this state.")
    expect(panel.here).to_contain_text("In [1]")
    expect(panel.details.locator("tr", has_text="df").first).to_contain_text("3 x 2: price, amount")
    assert "price" in notebook.run("print(list(df.columns))").inner_text()
    shoot("panel-after-undo")


@pytest.mark.soak
def test_a_branch_is_made_left_and_taken_up_again(open_notebook: OpenNotebook, shoot: Shoot) -> None:
    notebook = open_notebook()
    notebook.run("x = 1")
    notebook.run("x = 'kept'")
    panel = Panel(notebook)
    panel.row("x = 'kept'").click()
    panel.button("Branch").click()
    panel.page.keyboard.insert_text("idea")
    panel.page.keyboard.press("Enter")
    panel.told("Branch idea is now at In [2].")
    expect(panel.row("x = 'kept'")).to_contain_text("idea")

    panel.row("x = 1").click()
    panel.button("Go here").click()
    panel.told("Now at In [1].")
    notebook.run("x = 'other'")
    expect(panel.here).to_contain_text("x = 'other'")
    assert panel.row("x = 'kept'").get_attribute("aria-label").find("not in this state") > 0
    shoot("panel-branches")

    panel.row("x = 'kept'").click()
    expect(panel.details.locator("tr", has_text="x").first).to_contain_text("'kept'")
    panel.button("Go here").click()
    panel.told("Now at In [2].")
    assert "'kept'" in notebook.run("x").inner_text()


def test_it_follows_new_cells_and_keeps_what_was_chosen(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook()
    notebook.run("first = 1")
    notebook.run("second = 2")
    panel = Panel(notebook)
    expect(panel.rows).to_have_count(2)
    panel.row("first = 1").click()
    expect(panel.selected).to_contain_text("first = 1")
    notebook.run("third = 3")
    expect(panel.rows).to_have_count(3)
    expect(panel.here).to_contain_text("third = 3")
    expect(panel.selected).to_contain_text("first = 1")
    expect(panel.details).to_contain_text("In [1]")


@pytest.mark.soak
def test_it_can_be_used_by_keys_alone(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook()
    for number in range(1, 5):
        notebook.run(f"value_{number} = {number}")
    panel = Panel(notebook)
    press = panel.page.keyboard.press
    cells = notebook.cells.count()
    panel.list.focus()
    press("Home")
    press("ArrowDown")
    expect(panel.selected).to_contain_text("value_3 = 3")
    expect(panel.list).to_have_attribute("aria-activedescendant", panel.selected.get_attribute("id") or "")
    press("End")
    expect(panel.selected).to_contain_text("value_1 = 1")
    press("Space")
    expect(panel.details).to_contain_text("value_1 = 1")
    press("Escape")
    expect(panel.details).to_be_hidden()
    expect(panel.list).to_be_focused()

    press("/")
    expect(panel.region.get_by_role("searchbox")).to_be_focused()
    panel.page.keyboard.insert_text("value_2")
    expect(panel.rows).to_have_count(1)
    press("ArrowDown")
    expect(panel.selected).to_contain_text("value_2 = 2")
    press("Escape")
    expect(panel.rows).to_have_count(4)
    assert notebook.cells.count() == cells  # no key was a command for the notebook


@pytest.mark.soak
def test_two_states_are_compared(open_notebook: OpenNotebook, shoot: Shoot) -> None:
    notebook = open_notebook()
    notebook.run(FRAME)
    notebook.run("df = df.drop(columns='price'); extra = 7")
    panel = Panel(notebook)
    panel.button("Compare").first.click()
    panel.row("In [2]").click()
    panel.told("choose the second state")
    panel.row("In [1]").click()
    expect(panel.details).to_contain_text("From In [1] to In [2] (here)")
    difference = panel.details.get_by_role("article").filter(has_text="df")
    expect(difference).to_contain_text("3 x 2: price, amount")
    expect(difference).to_contain_text("3 x 1: amount")
    expect(difference.get_by_role("table").first).to_be_visible()  # the values have been loaded
    expect(panel.details.get_by_role("article").filter(has_text="extra")).to_contain_text("created")
    shoot("panel-compare")


def test_nothing_is_run_again_unasked(open_notebook: OpenNotebook, shoot: Shoot) -> None:
    notebook = open_notebook()
    notebook.run("log = []")
    notebook.run(
        "with open('written.txt', 'a') as file: file.write('once ')\nwritten = (each for each in 'ab'); del file"
    )
    notebook.run("del written")
    panel = Panel(notebook)
    panel.button("Undo").click()
    question = panel.region.get_by_role("alertdialog")
    expect(question).to_contain_text("1 cell must be re-run")
    expect(question).to_contain_text("writes files")
    shoot("panel-question")
    notebook.page.set_viewport_size({"width": 760, "height": 860})
    expect(question.get_by_role("button", name="Go without written")).to_be_in_viewport()
    shoot("panel-question-760")
    notebook.page.set_viewport_size({"width": 1280, "height": 860})
    question.get_by_role("button", name="Cancel").click()
    expect(question).to_have_count(0)
    expect(panel.here).to_contain_text("In [3]")

    panel.button("Undo").click()
    expect(question).to_contain_text("In [2] makes written")
    question.get_by_role("button", name="Go without written").click()
    panel.told("Went without written")
    assert "False once" in notebook.run("print('written' in dir(), open('written.txt').read())").inner_text()

    panel.button("Undo").click()
    question.get_by_role("button", name="Re-run and go").click()
    panel.told("Re-ran 1 cell for written")
    assert "once once" in notebook.run("print(open('written.txt').read())").inner_text().lower()


def test_a_cell_that_runs_while_a_question_waits_is_not_taken_back_by_its_answer(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook()
    notebook.run("open('written.txt', 'a').write('once '); written = (each for each in 'ab')")
    notebook.run("del written")
    panel = Panel(notebook)
    panel.button("Undo").click()
    question = panel.region.get_by_role("alertdialog")
    expect(question).to_contain_text("writes files")
    notebook.run("late = 1")
    question.get_by_role("button", name="Re-run and go").click()
    expect(panel.region.get_by_role("alert")).to_contain_text("this leads to another state")
    assert "1 once" in notebook.run("print(late, open('written.txt').read())").inner_text().lower()


LOSSY = """
class Lossy(dict):
    def __init__(self, own=None): pass
    def __reduce__(self): return Lossy, (vars(self).get('own'),)
"""


def test_what_is_found_between_cells_is_told_in_the_panel_and_in_no_cell(
    open_notebook: OpenNotebook, server: Server, shoot: Shoot
) -> None:
    library = server.home / "site-packages"
    library.mkdir(exist_ok=True)
    (library / "lossy_one.py").write_text(LOSSY)
    notebook = open_notebook()
    notebook.run("x = 1")
    _evaluate(server.connection_file(notebook.name), f"__import__('sys').path.append({str(library)!r})")
    panel = Panel(notebook)
    expect(panel.rows).to_have_count(1)
    notebook.run("from lossy_one import Lossy\nx = Lossy()\nx.own = [1, 2]")
    warning = panel.region.get_by_role("alert")
    expect(warning).to_contain_text("will be re-run instead")
    shoot("panel-warning")
    assert notebook.run("pass").locator(".jp-OutputArea-output").count() == 0
    warning.get_by_role("button", name="Dismiss").click()
    expect(warning).to_have_count(0)


def test_what_a_cell_displayed_is_shown_and_cannot_act(open_notebook: OpenNotebook, page: Page) -> None:
    notebook = open_notebook()
    notebook.run("harm = '<b>bold</b><img src=x onerror=\"top.harmed=1\"><script>top.harmed=1</script>'")
    notebook.run("from IPython.display import HTML, display\ndisplay(HTML('<p>shown</p>')); harm")
    page.evaluate("window.harmed = 0")
    panel = Panel(notebook)
    panel.row("In [2]").click()
    frame = panel.details.locator("iframe")
    assert frame.get_attribute("sandbox") == ""
    expect(frame.content_frame.get_by_text("shown")).to_be_visible()
    expect(panel.details.locator("tr", has_text="harm").first).to_contain_text("<b>bold</b>")
    assert page.evaluate("window.harmed") == 0


def test_the_first_look_fills_the_list(open_notebook: OpenNotebook, server: Server) -> None:
    name = server.notebook()
    server.start_kernel(name)
    _run_many(server.connection_file(name), [f"value = {number}" for number in range(12)])
    expect(Panel(open_notebook(name)).rows).to_have_count(12)


@pytest.mark.soak
def test_a_thousand_states(open_notebook: OpenNotebook, server: Server, shoot: Shoot) -> None:
    name = server.notebook()
    server.start_kernel(name)
    _run_many(server.connection_file(name), [f"value = {number}" for number in range(1001)])
    panel = Panel(open_notebook(name))
    expect(panel.region).to_contain_text("1,001 states")
    assert panel.rows.count() < 40
    panel.list.focus()
    panel.page.keyboard.press("End")
    expect(panel.selected).to_contain_text("value = 0")
    expect(panel.selected).to_be_in_viewport()
    assert panel.rows.count() < 40
    shoot("panel-thousand")
    panel.list.evaluate("list => { list.scrollTop = list.scrollHeight / 2 }")
    expect(panel.row("value = 500")).to_be_visible()
    took = panel.list.evaluate(
        """async list => {
            const started = performance.now();
            for (let step = 0; step < 100; step++) {
                list.scrollTop = step * 480;
                await new Promise(requestAnimationFrame);
            }
            return (performance.now() - started) / 100;
        }"""
    )
    print(f"{took:.1f} ms for each step of scrolling", file=sys.stderr)
    assert took < 200  # a machine that does other things besides; alone it takes a frame
    panel.notebook.run("value = 'last'")
    expect(panel.region).to_contain_text("1,002 states")


@pytest.mark.soak
def test_the_dark_theme(open_notebook: OpenNotebook, server: Server, shoot: Shoot) -> None:
    themes = "@jupyterlab/apputils-extension/themes"
    server.set(themes, {"theme": "JupyterLab Dark"})
    try:
        notebook = open_notebook()
        notebook.run(FRAME)
        panel = Panel(notebook)
        expect(panel.here).to_be_visible()
        dark, light = panel.region.evaluate(
            """root => {
                const grey = (text) => {
                    const [red, green, blue] = text.match(/[\\d.]+/g).map(Number);
                    return (red + green + blue) / 3;
                };
                const style = getComputedStyle(root);
                return [grey(style.backgroundColor), grey(style.color)];
            }"""
        )
        assert dark < 80
        assert light > 180
        shoot("panel-dark")
    finally:
        server.set(themes, {})


@pytest.mark.soak
def test_in_notebook_7(open_notebook: OpenNotebook, shoot: Shoot) -> None:
    pytest.importorskip("notebook", reason="Notebook 7 is another application")
    notebook = open_notebook(inside="notebooks")
    notebook.run("x = 'before'")
    notebook.run("x = 'after'")
    panel = Panel(notebook)
    expect(panel.here).to_contain_text("x = 'after'")
    panel.button("Undo").click()
    panel.told("Took back In [2]: now at In [1].")
    expect(panel.details.locator("tr", has_text="x").first).to_contain_text("'before'")
    assert "'before'" in notebook.run("x").inner_text()
    expect(panel.here).to_contain_text("In [4]")
    shoot("panel-notebook-7")


def test_a_cell_costs_the_panel_no_question(open_notebook: OpenNotebook) -> None:
    sent: list[str | bytes] = []
    notebook = open_notebook()
    notebook.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    notebook.page.reload()
    notebook.ready()
    notebook.run("x = 0")
    panel = Panel(notebook)
    expect(panel.details.locator("tr", has_text="x").first).to_contain_text("0")
    asked = len(_questions(sent))
    assert asked
    for number in (111, 222, 333):
        notebook.run(f"x = {number}")
        expect(panel.here).to_contain_text(f"x = {number}")
        expect(panel.details.locator("tr", has_text="x").first).to_contain_text(str(number))
    assert len(_questions(sent)) == asked
    panel.row("x = 111").click()
    expect(panel.details.locator("tr", has_text="x").first).to_contain_text("111")
    assert len(_questions(sent)) == asked + 1


def _questions(sent: list[str | bytes]) -> list[bytes]:
    frames = [each.encode() if isinstance(each, str) else each for each in sent]
    return [each for each in frames if b'"kind":"request"' in each]


def test_the_panel_after_a_restart(lab: OpenLab, server: Server, shoot: Shoot) -> None:
    """It says that its kernel is gone; the new one's offers what the session had, and no cell's output repeats it."""
    notebook = lab()
    notebook.run("x = 1")
    panel = Panel(notebook)
    expect(panel.here).to_have_count(1)
    notebook.menu_item("Kernel", "Restart Kernel…").click()
    notebook.dialog.get_by_text("Restart", exact=True).click()
    expect(panel.region.locator(".kishu-notice")).to_contain_text("Run %kishu panel again")
    panel.row("x = 1").click()
    expect(panel.here).to_have_count(0)
    expect(panel.rows).to_have_count(1)

    expect(notebook.run("print('unrelated')")).not_to_contain_text("has a history")
    notebook.run("%kishu panel")
    again = notebook.page.get_by_role("region", name="Timeline of this notebook").last
    expect(again).to_contain_text("Your session ended at In [1]")
    shoot("panel-offer")
    again.get_by_role("button", name="Bring it back").click()
    expect(again.get_by_role("option").filter(has=notebook.page.locator(".kishu-here"))).to_contain_text("x = 1")
    notebook.shows("x", "1")


def _evaluate(connection_file: str, expression: str) -> None:
    """Hidden from the history, as a frontend does it."""
    client = BlockingKernelClient(connection_file=connection_file)
    client.load_connection_file()
    client.start_channels(hb=False)
    try:
        client.wait_for_ready(timeout=60)
        client.execute("", silent=True, user_expressions={"_": expression}, reply=True, timeout=60)
    finally:
        client.stop_channels()


def _run_many(connection_file: str, cells: list[str]) -> None:
    client = BlockingKernelClient(connection_file=connection_file)
    client.load_connection_file()
    client.start_channels(hb=False)
    try:
        client.wait_for_ready(timeout=60)
        for code in cells:
            last = client.execute(code)
        while client.get_shell_msg(timeout=60)["parent_header"]["msg_id"] != last:
            pass
    finally:
        client.stop_channels()
