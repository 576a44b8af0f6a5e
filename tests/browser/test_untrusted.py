"""A bundle whose outputs somebody exchanged: nothing in it runs in a browser, wherever they are shown."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright drives the browser")
pytest.importorskip("jupyterlab", reason="the pages are JupyterLab's")

from playwright.sync_api import BrowserContext, Page, expect

from kishu_kernel.store import LmdbStore
from kishu_kernel.store.catalog.receive_bundle import receive_bundle
from kishu_kernel.store.maintenance.bundle_export import export_history
from kishu_kernel.store.maintenance.bundle_format import ENTRIES, ROW, read_rows
from tests.harm.tampering import HOSTILE, displays
from tests.support.soak import each

from .conftest import OpenNotebook, Shoot
from .lab import NotebookPage, Server
from .test_panel import Panel

NOT_SHOWN = "(an output that is not shown: "
KEPT = {"text/plain": "a plain text", "text/html": "<b>a page</b><script>window.pwned = 1</script>"}


class Tampered:
    """A notebook whose history was imported from a bundle with other outputs than were exported.

    Attributes:
        id: of the checkpoint that has them.
    """

    def __init__(self, server: Server, made: NotebookPage) -> None:
        (store,) = (server.home / "stores").glob(f"{Path(made.name).stem}-*")
        bundle = server.home / "bundle.kishu"
        export_history(store, bundle)
        self.name = server.notebook()
        self.store, _ = receive_bundle(
            server.home / "stores", _with_other_outputs(bundle), str(server.files / self.name)
        )
        opened = LmdbStore(self.store, readonly=True)
        (self.id,) = (each.id for each in opened.checkpoints() if each.code.startswith("x = 1"))
        opened.close()


def _with_other_outputs(bundle: Path) -> Path:
    """The same bundle with hostile outputs, under the mark of those that were there."""
    target = bundle.with_name("tampered.kishu")
    with zipfile.ZipFile(bundle) as source, zipfile.ZipFile(target, "w") as archive:
        for name in sorted(source.namelist(), key=ENTRIES.index):
            data = source.read(name)
            if name == "outputs":
                with source.open(name) as entry:
                    found = list(read_rows(entry, len(data)))
                forged = displays(KEPT, *HOSTILE.values())[:-16]
                data = b"".join(_row(key, forged + value[-16:]) for key, value in found)
            archive.writestr(name, data)
    return target


def _row(key: bytes, value: bytes) -> bytes:
    return ROW.pack(len(key), len(value)) + key + value


@pytest.fixture(scope="module")
def tampered(server: Server, profile: BrowserContext) -> Tampered:
    page = profile.new_page()
    name = server.notebook()
    page.goto(server.address(f"lab/tree/{name}?reset"))
    made = NotebookPage(page, server, name).ready()
    made.run("x = 1\nprint('mine')")
    made.run("x")
    server.end_kernels()
    page.close()
    return Tampered(server, made)


def nothing_ran(page: Page) -> None:
    """No script, no handler, nothing to click on that would, and nothing that covers the page."""
    page.wait_for_timeout(300)  # what loads an image that is not there has failed by now
    for frame in page.frames:
        assert frame.evaluate("() => window.pwned") is None
        assert frame.locator("#pwned, #pwned-link, [onerror], [onload], [ontoggle]").count() == 0
        links = frame.eval_on_selector_all("a", "found => found.map(each => each.getAttribute('href') || '')")
        assert not [link for link in links if link.strip().lower().startswith("javascript:")]


def test_what_is_the_users_own_does_run(open_notebook: OpenNotebook) -> None:
    """Else the other tests would show nothing."""
    notebook = open_notebook()
    notebook.run("from IPython.display import HTML, display; display(HTML('<script>window.mine = 1</script>'))")
    notebook.page.evaluate("() => { delete window.mine }")
    notebook.run("%kishu show HEAD")
    notebook.wait(lambda: notebook.page.evaluate("() => window.mine") == 1)


@each("inside", ["lab/tree", "notebooks"], 1)
def test_in_the_notebook(open_notebook: OpenNotebook, tampered: Tampered, shoot: Shoot, inside: str) -> None:
    notebook = open_notebook(tampered.name, inside)
    shown = notebook.run(f"%kishu show {tampered.id}")
    expect(shown).to_contain_text("text and pictures only")
    expect(shown).to_contain_text(f"jupyter kishu trust {tampered.store}")
    expect(shown).to_contain_text("a plain text")
    expect(shown.get_by_text(NOT_SHOWN)).not_to_have_count(0)
    nothing_ran(notebook.page)
    shoot(f"untrusted-show-{inside.partition('/')[0]}")


def test_in_the_panel(open_notebook: OpenNotebook, tampered: Tampered, shoot: Shoot) -> None:
    notebook = open_notebook(tampered.name)
    panel = Panel(notebook)
    panel.row("x = 1").click()
    expect(panel.details.locator(".kishu-note")).to_contain_text("text and pictures only")
    expect(panel.details.locator(".kishu-note code")).to_have_text(f"jupyter kishu trust {tampered.store}")
    expect(panel.details).to_contain_text("a plain text")
    expect(panel.details.locator("iframe, .kishu-outputs img")).to_have_count(0)
    nothing_ran(notebook.page)
    panel.details.locator(".kishu-note").scroll_into_view_if_needed()
    shoot("untrusted-panel")


def test_in_the_sidebar(extension: None, open_notebook: OpenNotebook, tampered: Tampered, shoot: Shoot) -> None:
    notebook = open_notebook(tampered.name)
    notebook.page.locator(".lm-TabBar-tab[data-id='kishu-sidebar']").click()
    sidebar = notebook.page.locator("#kishu-sidebar")
    sidebar.get_by_role("option").filter(has_text="x = 1").click()
    expect(sidebar.locator(".kishu-note")).to_contain_text("text and pictures only")
    expect(sidebar).to_contain_text("a plain text")
    expect(sidebar.locator("iframe, .kishu-outputs img")).to_have_count(0)
    nothing_ran(notebook.page)
    sidebar.locator(".kishu-note").scroll_into_view_if_needed()
    shoot("untrusted-sidebar")


def test_in_an_exported_notebook(
    open_notebook: OpenNotebook, server: Server, tampered: Tampered, shoot: Shoot, tmp_path: Path
) -> None:
    """Opened as it is, then accepted as the user's own by Jupyter, then as a page."""
    notebook = open_notebook(tampered.name)
    exported = server.files / f"exported-{tampered.name}"
    notebook.run(f"%kishu export {exported} {tampered.id}")
    server.end_kernels()
    page = notebook.page
    for trusted in (False, True):
        if trusted:
            sign = "from nbformat.sign import TrustNotebookApp; TrustNotebookApp.launch_instance()"
            run = [sys.executable, "-c", sign, str(exported)]
            subprocess.run(run, check=True, env=server._environment, timeout=60)
        opened = open_notebook(exported.name)
        expect(page.locator(".jp-Notebook .jp-MarkdownCell")).to_contain_text("text and pictures only")
        expect(opened.cells.first).to_contain_text("a plain text")
        nothing_ran(page)
    shoot("untrusted-exported")
    pytest.importorskip("nbconvert")
    from nbconvert import HTMLExporter

    (tmp_path / "page.html").write_text(HTMLExporter(sanitize_html=False).from_filename(str(exported))[0])
    page.goto((tmp_path / "page.html").as_uri())
    expect(page.locator("body")).to_contain_text("a plain text")
    nothing_ran(page)
