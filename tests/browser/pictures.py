"""Makes the pictures and the recording of README.md and of docs/: `scripts/pictures`.

They are taken of a real JupyterLab with the extension as it is built, and of the panel; nothing is drawn by hand.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from .chromium import ARGUMENTS, path_of_browser
from .film import Film
from .lab import BUILT, LabPage, Server

DOCS = Path(__file__).resolve().parents[2] / "docs"
SIZE = {"width": 1180, "height": 700}
SIDEBAR = 430

DATA = """import pandas as pd
weather = pd.DataFrame({
    'city': ['Oslo', 'Bergen', 'Molde', 'Bodø'],
    'rain': [3.1, 7.4, 5.2, 4.4],
    'wind': [2.0, 6.1, 4.8, 7.7],
})"""
PLOT = "weather.plot.bar(x='city', y='rain', figsize=(4, 1.6), legend=False);"
SLIP = "weather = weather.drop(columns='rain')\nweather.columns.tolist()"
AGAIN = "weather.columns.tolist()"
NEXT = "wet = weather[weather.rain > 4]\nlen(wet)"


@contextmanager
def pages(browser: Browser, server: Server) -> Iterator[Page]:
    """A page of the size of the pictures."""
    context = browser.new_context(viewport=SIZE)  # type: ignore[arg-type]
    context.set_default_timeout(60_000)
    page = context.new_page()
    try:
        yield page
    finally:
        context.close()
        server.end_kernels()


def opened(page: Page, server: Server, name: str) -> LabPage:
    """A new notebook in Lab, with the sidebar."""
    page.goto(server.address(f"lab/tree/{server.notebook(name=name)}?reset"))
    lab = LabPage(page, server, name)
    lab.ready()
    expect(lab.undo_button).to_be_visible()
    lab.menu("show-log").click()
    edge = lab.sidebar.bounding_box()
    assert edge is not None
    page.mouse.move(edge["x"] + edge["width"] + 2, 300)  # a little more room for the first lines of cells
    page.mouse.down()
    page.mouse.move(SIDEBAR, 300)
    page.mouse.up()
    return lab


def shot(place: Page | Locator, name: str) -> Path:
    """A picture in docs/, in 192 colours, which are enough for a screen."""
    from PIL import Image

    picture = Image.open(io.BytesIO(place.screenshot())).convert("RGB")
    picture.quantize(192, dither=Image.Dither.NONE).save(DOCS / name, optimize=True)
    return DOCS / name


def typed(film: Film, lab: LabPage, code: str, seconds: float = 1.6) -> None:
    """Types a cell, and runs it to its end."""
    cell = lab.cells.last
    cell.locator(".cm-content").click()
    lab.page.keyboard.insert_text(code)
    film.take(1.2)
    number = lab.cells.count()
    lab.page.keyboard.press("Shift+Enter")
    expect(lab.cells).to_have_count(number + 1)
    expect(lab.cells.nth(number - 1).locator(".jp-InputPrompt").first).not_to_contain_text("*")
    lab.page.wait_for_timeout(600)
    film.take(seconds)


def recording(page: Page, server: Server) -> list[Path]:
    """A slip and its undo, another way, an older state with its code, a restart and back."""
    lab = opened(page, server, "weather.ipynb")
    film = Film(page)
    rows = lab.sidebar.get_by_role("option")
    film.tell("After each cell, the state of the variables is kept")
    typed(film, lab, DATA)
    typed(film, lab, PLOT)
    film.tell("A slip: a column is gone")
    typed(film, lab, SLIP, 2.0)
    film.tell("Undo: the variables are what they were, and nothing was run again")
    film.click(lab.undo_button)
    lab.told("In [2]")
    film.take(2.2)
    typed(film, lab, AGAIN, 2.0)
    film.tell("What was left stays beside it, as a side line")
    typed(film, lab, NEXT, 2.2)
    film.tell("The code and the plot of a state, under the pointer")
    film.point(rows.filter(has_text="weather.plot"), 0.4)
    expect(page.locator(".kishu-preview img")).to_be_visible()
    film.take(2.4)
    film.tell("Go there, with the code if you like; compare; name it")
    slip = rows.filter(has_text="weather = weather.drop")
    film.point(slip, 0.6)
    slip.click(button="right")
    film.take(2.6)
    page.keyboard.press("Escape")
    film.tell("What there is now; each value of a variable can be brought back by itself")
    film.click(lab.sidebar.get_by_role("tab", name="Variables"))
    variable = lab.sidebar.get_by_role("treeitem").filter(has_text="weather")
    expect(variable).to_be_visible()
    film.take(1.4)
    film.click(variable)
    page.mouse.move(700, 600)
    page.wait_for_timeout(800)
    film.take(3.0)
    lab.sidebar.get_by_role("tab", name="States").click()
    film.tell("The kernel is restarted: all variables are gone")
    lab.keys("0", "0")
    lab.dialog.get_by_text("Restart", exact=True).click()
    back = lab.sidebar.get_by_role("button", name="Bring it back")
    expect(back).to_be_visible()
    film.take(2.4)
    film.tell("... and are brought back by a click")
    film.click(back)
    expect(lab.here).to_contain_text("wet")
    film.take(1.8)
    typed(film, lab, AGAIN, 2.6)
    film.save(DOCS / "kishu.gif")
    print(f"the recording takes {film.seconds:.0f} s")
    return [DOCS / "kishu.gif"]


def lab_picture(page: Page, server: Server) -> list[Path]:
    """JupyterLab: the sidebar with a side line and a tag."""
    lab = opened(page, server, "analysis.ipynb")
    for code in (DATA, PLOT, SLIP):
        lab.run(code)
    lab.undo_button.click()
    expect(lab.here).to_contain_text("In [2]")
    lab.run(NEXT)
    lab.run("weather['dry'] = weather.rain < 5\nweather")
    row = lab.sidebar.get_by_role("option").filter(has_text="weather.plot")
    row.click(button="right")
    page.get_by_role("menuitem", name="Tag").click()
    page.keyboard.insert_text("baseline")
    page.keyboard.press("Enter")
    expect(row).to_contain_text("baseline")
    lab.sidebar.get_by_role("button", name="Dismiss").click()
    row.click()
    expect(lab.sidebar.locator(".kishu-outputs img")).to_be_visible()
    page.mouse.move(700, 650)
    expect(page.locator(".Toastify__toast")).to_have_count(0)
    return [shot(page, "lab.png")]


def panel_picture(page: Page, server: Server) -> list[Path]:
    """The panel in a dark theme: two states compared."""
    themes = "@jupyterlab/apputils-extension/themes"
    server.set(themes, {"theme": "JupyterLab Dark"})
    page.goto(server.address(f"lab/tree/{server.notebook(name='panel.ipynb')}?reset"))
    lab = LabPage(page, server, "panel.ipynb")
    lab.ready()
    for code in (DATA, "weather['wind'] *= 3.6", SLIP):
        lab.run(code)
    lab.run("%kishu panel")
    region = page.get_by_role("region", name="Timeline of this notebook")
    rows = region.get_by_role("option")
    rows.filter(has_text="import pandas").click()
    rows.filter(has_text="drop").click(modifiers=["Control"])
    expect(region.get_by_role("article").first.get_by_role("table").first).to_be_visible()
    page.mouse.move(10, 10)
    picture = shot(region, "panel-dark.png")
    server.set(themes, {})
    return [picture]


def tutorial_pictures(page: Page, server: Server) -> list[Path]:
    """The five steps of docs/tutorial.md."""
    lab = opened(page, server, "tutorial.ipynb")
    rows = lab.sidebar.get_by_role("option")

    pictures: list[Path] = []

    def step(*, pointer: bool = False) -> None:
        """A picture of the next step, with the pointer where it is or out of the way."""
        if not pointer:
            page.mouse.move(760, 660)
        pictures.append(shot(page, f"tutorial-{len(pictures) + 1}.png"))

    lab.run(DATA)
    lab.run(PLOT)
    rows.filter(has_text="weather.plot").hover()
    expect(page.locator(".kishu-preview img")).to_be_visible()
    step(pointer=True)
    lab.run(SLIP)
    lab.undo_button.click()
    lab.told("In [2]")
    lab.run(AGAIN)
    expect(page.locator(".Toastify__toast")).to_have_count(0)
    step()
    lab.run(NEXT)
    lab.run("%kishu tag wet-only")
    rows.filter(has_text="weather.plot").click(button="right")
    expect(page.get_by_role("menuitem", name="Tag")).to_be_visible()
    step(pointer=True)
    page.keyboard.press("Escape")
    lab.run("weather['wind'] *= 3.6")
    rows.filter(has_text="*= 3.6").click()
    details = lab.sidebar.get_by_role("region", name="Details")
    expect(details).to_contain_text("Variables")
    rows.filter(has_text="wet-only").click(modifiers=["Control"])
    expect(details).to_contain_text("From In [")
    expect(details.get_by_role("table").first).to_be_visible()
    step()
    page.keyboard.press("Escape")
    lab.keys("0", "0")
    lab.dialog.get_by_text("Restart", exact=True).click()
    expect(lab.sidebar.get_by_role("button", name="Bring it back")).to_be_visible()
    page.wait_for_timeout(1000)  # the notification comes sliding
    step()
    return pictures


PICTURES: dict[str, Callable[[Page, Server], list[Path]]] = {
    "lab": lab_picture,
    "panel": panel_picture,
    "tutorial": tutorial_pictures,
    "recording": recording,
}


def main() -> None:
    """Makes those that the command line names, or all of them."""
    browser_path = path_of_browser()
    if browser_path is None or not (BUILT / "package.json").is_file():
        sys.exit("the pictures need Chromium, and the extension, which scripts/labextension builds with Node.js")
    wanted = sys.argv[1:] or list(PICTURES)
    with tempfile.TemporaryDirectory() as home, sync_playwright() as driver:
        server = Server(Path(home))
        try:
            server.add_extension()
            browser = driver.chromium.launch(executable_path=browser_path, args=list(ARGUMENTS))
            for name in wanted:
                with pages(browser, server) as page:
                    for picture in PICTURES[name](page, server):
                        print(f"docs/{picture.name}  {picture.stat().st_size / 1000:,.0f} kB")
            browser.close()
        finally:
            server.close()


if __name__ == "__main__":
    main()
