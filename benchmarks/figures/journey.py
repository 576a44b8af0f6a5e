"""How long a person waits after each click of a journey through JupyterLab: from the click until the page shows it.

Needs the extension, built, and a Chromium; the pages are those of the tests.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import BenchmarkError, Figure, Result

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser.lab import LabPage

TARGET = 0.5
FRAME = "import numpy as np, pandas as pd\ndf = pd.DataFrame(np.random.rand(1_000_000, 6), columns=list('abcdef'))"

_TOLD = "(document.querySelector('#kishu-sidebar .kishu-notice.kishu-done')?.innerText ?? '')"
_CELLS = "document.querySelectorAll('.jp-Notebook .jp-CodeCell').length"

_ARM = """
() => {{
    const holds = () => {condition};
    window.took = new Promise(resolve => {{
        const began = () => {{
            const clicked = performance.now();
            const look = () => (holds() ? resolve((performance.now() - clicked) / 1000) : requestAnimationFrame(look));
            look();
        }};
        document.addEventListener('click', began, {{ once: true, capture: true }});
    }});
}}
"""
_SIDEBAR = "document.querySelector('#kishu-sidebar').innerText"
_HERE = "(document.querySelector('#kishu-sidebar .kishu-row.kishu-head')?.innerText ?? '')"


def measure() -> Result:
    """Each step once, in a notebook with a frame of 48 MB."""
    with _lab() as notebook:
        steps = _walk(notebook)
    figures = [
        Figure(f"JupyterLab, a frame of 48 MB: {step}, from the click until it is shown", seconds, "s", TARGET)
        for step, seconds in steps
    ]
    return Result(figures)


def _walk(notebook: LabPage) -> list[tuple[str, float]]:
    page, sidebar = notebook.page, notebook.sidebar
    notebook.run(FRAME)
    notebook.run("df = df.drop(columns='f')")
    _until(page, f"{_HERE}.includes('drop')")
    steps: list[tuple[str, float]] = []

    def step(name: str, condition: str, act: Callable[[], object]) -> None:
        page.evaluate(_ARM.format(condition=condition))
        act()
        steps.append((name, page.evaluate("window.took")))

    step("undo", f"{_HERE}.includes('import')", notebook.undo_button.click)
    step("redo", f"{_HERE}.includes('drop')", sidebar.get_by_title("Bring back what undo took back").click)
    notebook.menu_item("Kernel", "Restart Kernel…").click()
    restart = notebook.dialog.get_by_text("Restart", exact=True)
    step("restart until the list says so", f"{_SIDEBAR}.includes('Kernel restarting')", restart.click)
    _until(page, f"{_SIDEBAR}.includes('Your session ended')")
    back = sidebar.get_by_role("button", name="Bring it back")
    step("bring the last session back, libraries too", f"{_HERE}.includes('drop')", back.click)
    row = sidebar.get_by_role("option").filter(has_text="import numpy")
    _until(page, f"{_TOLD}.length > 0")  # the list moves no more
    row.click()
    take = sidebar.get_by_role("button", name="Bring back only df")
    step("bring back one variable", f"{_HERE}.includes('took df')", take.click)
    _until(page, f"{_TOLD}.includes('df')")
    row.click(button="right")
    page.get_by_role("menuitem", name="Go here with the code").click()
    go = notebook.dialog.get_by_role("button", name="Go with the code")
    step("go back with the code", f"{_HERE}.includes('import') && {_CELLS} < 3", go.click)
    return steps


def _until(page: Page, condition: str) -> None:
    page.wait_for_function(f"() => {condition}")


@contextmanager
def _lab() -> Iterator[LabPage]:
    from playwright.sync_api import sync_playwright

    from tests.browser.chromium import ARGUMENTS, path_of_browser
    from tests.browser.lab import BUILT, LabPage, Server

    found = path_of_browser()
    if found is None or not (BUILT / "package.json").is_file():
        raise BenchmarkError("it needs a Chromium, and the extension: scripts/labextension builds it")
    with tempfile.TemporaryDirectory() as home, sync_playwright() as driver:
        server = Server(Path(home))
        try:
            server.add_extension()
            page = driver.chromium.launch(executable_path=found, args=list(ARGUMENTS)).new_page()
            name = server.notebook()
            page.goto(server.address(f"lab/tree/{name}?reset"))
            page.locator(".lm-TabBar-tab[data-id='kishu-sidebar']").click()
            yield LabPage(page, server, name).ready()
        finally:
            server.close()


if __name__ == "__main__":
    from benchmarks.figures.run import main

    raise SystemExit(main(["journey"]))
