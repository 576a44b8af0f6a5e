"""A browser and a Jupyter server for the tests that look at what a person sees.

Skipped where there is no Chromium. Screenshots are kept in the directory that KISHU_TEST_ARTIFACTS names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .chromium import ARGUMENTS, BROWSERS, path_of_browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

    from .lab import LabPage, NotebookPage, Server

OpenLab = Callable[..., "LabPage"]
OpenNotebook = Callable[..., "NotebookPage"]
Shoot = Callable[[str], None]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A headless Chromium. For this package only: while playwright is at hand, an event loop runs in this thread."""
    found = path_of_browser()
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Jupyter server with JupyterLab and Notebook 7."""
    pytest.importorskip("jupyterlab", reason="the pages are JupyterLab's")
    from .lab import Server

    running = Server(tmp_path_factory.mktemp("jupyter"))
    yield running
    running.close()


@pytest.fixture(scope="package")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots are kept."""
    named = os.environ.get("KISHU_TEST_ARTIFACTS")
    directory = Path(named) if named else tmp_path_factory.mktemp("artifacts")
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@pytest.fixture(scope="package")
def profile(browser: Browser) -> Iterator[BrowserContext]:
    """One for all tests, so that JupyterLab is loaded once and then comes from the cache."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    context.set_default_timeout(60_000)
    yield context
    context.close()


@pytest.fixture
def page(profile: BrowserContext) -> Iterator[Page]:
    """A page of this test's own."""
    page = profile.new_page()
    yield page
    page.close()


@pytest.fixture
def shoot(page: Page, artifacts: Path, request: pytest.FixtureRequest) -> Iterator[Shoot]:
    """Keeps a screenshot under a name; one more when the test ends, however it ends."""
    from .lab import screenshot

    def shooting(name: str) -> None:
        screenshot(page, artifacts / f"{name}.png")

    yield shooting
    shooting(f"end-of-{request.node.name}")


@pytest.fixture
def open_notebook(server: Server, page: Page, shoot: Shoot) -> Iterator[OpenNotebook]:
    """Opens a notebook, in JupyterLab or with `inside="notebooks"` in Notebook 7, and waits for its kernel."""
    from .lab import NotebookPage

    def opening(name: str | None = None, inside: str = "lab/tree", **how: Any) -> NotebookPage:
        name = name or server.notebook(**how)
        page.goto(server.address(f"{inside}/{name}?reset"))
        return NotebookPage(page, server, name).ready()

    yield opening
    server.end_kernels()


@pytest.fixture(scope="module")
def extension(server: Server) -> Iterator[None]:
    """The extension as it is built, among what the server's user has installed."""
    from .lab import BUILT

    if not (BUILT / "package.json").is_file():
        reason = "the JupyterLab extension is not built: scripts/labextension does it, with Node.js"
        if os.environ.get("KISHU_LABEXTENSION") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    link = server.add_extension()
    yield
    link.unlink()


@pytest.fixture
def lab(extension: None, open_notebook: OpenNotebook) -> OpenLab:
    """Opens a notebook, and waits until the extension knows its kernel."""
    from playwright.sync_api import expect

    from .lab import LabPage

    def opening(**how: object) -> LabPage:
        opened = open_notebook(**how)
        page = LabPage(opened.page, opened.server, opened.name)
        if how.get("kernel", "kishu") == "kishu":
            expect(page.undo_button).to_be_visible()
        return page

    return opening
