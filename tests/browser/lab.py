"""A Jupyter server with JupyterLab and Notebook 7, and notebooks in a browser, as small as the tests allow.

Nothing of the person who runs the tests is read or written: all lies under one temporary directory.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Error, Locator, Page, expect

from tests.kernel.driver import environment_of

PATIENCE = 20.0
"""Seconds after which a server or a page that does not answer is taken for hung."""

BUILT = Path(__file__).resolve().parents[2] / "kishu_kernel" / "labextension"
"""The extension, where it is built."""

_NUMBERED = re.compile(r"\[\d+\]:")

expect.set_options(timeout=PATIENCE * 1000)

_SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
    "@jupyterlab/codemirror-extension/plugin": {"defaultConfig": {"autoClosingBrackets": False}},
}


class Server:
    """A Jupyter server; ended by `close`.

    Attributes:
        files: what notebooks and files lie in.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.files = home / "notebooks"
        self.files.mkdir()
        own = {"HOME": str(home), "JUPYTERLAB_SETTINGS_DIR": str(home / "settings")}
        # What the tests put into the home goes before what is installed in the environment.
        self._environment = environment_of(home, {**own, "JUPYTER_PREFER_ENV_PATH": "0"})
        for name, values in _SETTINGS.items():
            self.set(name, values)
        specs = home / "jupyter_data" / "kernels" / "kishu"
        specs.mkdir(parents=True)
        argv = [sys.executable, "-m", "kishu_kernel", "-f", "{connection_file}"]
        spec = {"argv": argv, "display_name": "Python 3 (Kishu)", "language": "python"}
        (specs / "kernel.json").write_text(json.dumps(spec))
        self._token = uuid.uuid4().hex
        self._output = (home / "server.log").open("wb")
        command = [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"),
            *("--ServerApp.port=0", f"--IdentityProvider.token={self._token}", f"--ServerApp.root_dir={self.files}"),
            *("--ServerApp.terminals_enabled=False", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"),
        ]
        self._process = subprocess.Popen(
            command, cwd=self.files, env=self._environment, stdout=self._output, stderr=subprocess.STDOUT
        )
        self.url = self._when_ready()

    def set(self, plugin: str, values: dict[str, Any]) -> None:
        """What a person would choose in the settings, before the page is opened."""
        file = self.home / "settings" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))

    def add_extension(self) -> Path:
        """Adds the extension as it is built to what the server's user has installed; the link."""
        link = self.home / "jupyter_data" / "labextensions" / "kishu-kernel"
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(BUILT)
        return link

    def notebook(
        self, cells: Sequence[str | nbformat.NotebookNode] = (), name: str | None = None, kernel: str = "kishu"
    ) -> str:
        """Makes the file of a notebook, not run yet, with an empty cell at its end; its name."""
        name = name or f"{uuid.uuid4().hex[:8]}.ipynb"
        made = nbformat.v4.new_notebook(cells=[_cell(each) for each in [*cells, ""]])
        made.metadata["kernelspec"] = {"name": kernel, "display_name": "Python 3 (Kishu)", "language": "python"}
        nbformat.write(made, self.files / name)
        return name

    def address(self, path: str) -> str:
        """A page of the server, with the right to see it. `path` may have a query."""
        return f"{self.url}{path}{'&' if '?' in path else '?'}token={self._token}"

    def api(self, path: str, method: str = "GET", content: Any = None) -> Any:
        """What the server answers."""
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(self.address(f"api/{path}"), data, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.loads(answer.read() or "null")

    def sessions(self, name: str) -> list[Any]:
        """The sessions of a notebook: one, when its kernel has started."""
        return [each for each in self.api("sessions") if each["path"] == name]

    def start_kernel(self, name: str, kernel: str = "kishu") -> None:
        """Starts the kernel of a notebook that no page shows yet."""
        session = {"path": name, "name": name, "type": "notebook", "kernel": {"name": kernel}}
        self.api("sessions", "POST", session)

    def connection_file(self, name: str) -> str:
        """Of the kernel of a notebook, for a second client."""
        (session,) = self.sessions(name)
        return str(self.home / "jupyter_runtime" / f"kernel-{session['kernel']['id']}.json")

    def end_kernels(self) -> None:
        """Ends all kernels."""
        for each in self.api("sessions"):
            self.api(f"sessions/{each['id']}", "DELETE")

    def close(self) -> None:
        """Ends the server and its kernels."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()

    def _when_ready(self) -> str:
        runtime = self.home / "jupyter_runtime"
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert self._process.poll() is None, (self.home / "server.log").read_text()
            for file in runtime.glob(f"jpserver-{self._process.pid}.json"):
                try:
                    url = str(json.loads(file.read_text())["url"])
                    with urllib.request.urlopen(f"{url}api?token={self._token}", timeout=5):
                        return url
                except (ValueError, OSError):
                    continue
            time.sleep(0.05)
        raise AssertionError((self.home / "server.log").read_text())


class NotebookPage:
    """A notebook in the browser, in JupyterLab or Notebook 7: the same cells in both."""

    def __init__(self, page: Page, server: Server, name: str) -> None:
        self.page = page
        self.server = server
        self.name = name
        self.cells = page.locator(".jp-Notebook .jp-CodeCell")

    def ready(self) -> NotebookPage:
        """Waits until there is a kernel that can run cells: before that the page would ask for one."""
        expect(self.cells.first).to_be_visible()
        self.wait(lambda: any(map(_is_connected, self.server.sessions(self.name))))
        return self

    def run(self, code: str) -> Locator:
        """Writes a cell into the last one, which is empty, runs it to its end, and returns it."""
        cell = self.begin(code)
        expect(cell.locator(".jp-InputPrompt").first).to_have_text(_NUMBERED)
        return cell

    def begin(self, code: str) -> Locator:
        """Writes and starts a cell."""
        number = self.cells.count()
        cell = self.cells.nth(number - 1)
        cell.locator(".cm-content").click()
        self.page.keyboard.insert_text(code)
        self.page.keyboard.press("Shift+Enter")
        expect(self.cells).to_have_count(number + 1)
        return cell

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until it holds, of what no `expect` can see."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline
            self.page.wait_for_timeout(20)


class LabPage(NotebookPage):
    """A notebook, and what the extension adds around it."""

    @property
    def undo_button(self) -> Locator:
        return self.page.locator(".jp-NotebookPanel .jp-kishu-undo:visible")

    @property
    def status(self) -> Locator:
        return self.page.locator(".jp-kishu-status:visible")

    def told(self, text: str) -> None:
        """Waits until a notification on the screen says so."""
        expect(self.page.locator(".Toastify__toast", has_text=text)).to_be_visible()

    @property
    def dialog(self) -> Locator:
        return self.page.locator(".jp-Dialog")

    @property
    def sidebar(self) -> Locator:
        return self.page.locator("#kishu-sidebar")

    @property
    def here(self) -> Locator:
        """The row of the state that the session is in."""
        return self.sidebar.locator("[role=option].kishu-head")

    @property
    def ahead(self) -> Locator:
        return self.page.locator(".jp-CodeCell.jp-kishu-ahead")

    def menu(self, command: str) -> Locator:
        """An item of the menu, which is opened."""
        item = self.page.locator(f".lm-Menu-item[data-command='kishu:{command}']")
        if not item.is_visible():
            self.page.locator(".lm-MenuBar-item", has_text="Kishu").click()
        return item

    def menu_item(self, menu: str, text: str) -> Locator:
        """An item of another menu, which is opened."""
        self.page.locator(".lm-MenuBar-item", has_text=menu).first.click()
        return self.page.locator(".lm-Menu-item", has_text=text).first

    def palette(self, text: str) -> Locator:
        """An entry of the palette, which is opened and searched."""
        self.page.keyboard.press("Control+Shift+C")
        self.page.locator(".lm-CommandPalette-input").fill(f"kishu {text}")
        return self.page.locator(".lm-CommandPalette-item", has_text=text).first

    def keys(self, *keys: str) -> None:
        """Pressed beside a cell, not in it."""
        self.cells.last.locator(".cm-content").click()
        for key in ("Escape", *keys):
            self.page.keyboard.press(key)

    def shows(self, code: str, result: str) -> None:
        """What a cell that is run now displays."""
        expect(self.run(code).locator(".jp-OutputArea-output")).to_contain_text(result)


def _cell(cell: str | nbformat.NotebookNode) -> nbformat.NotebookNode:
    return nbformat.v4.new_code_cell(cell) if isinstance(cell, str) else cell


def _is_connected(session: Any) -> bool:
    kernel = session["kernel"]
    return bool(kernel["connections"] and kernel["execution_state"] == "idle")


def screenshot(page: Page, file: Path) -> None:
    """Keeps what is to be seen; never a reason for a test to fail."""
    try:
        page.screenshot(path=file)
    except Error as error:
        print(f"no screenshot: {error}", file=sys.stderr)


__all__ = ["LabPage", "NotebookPage", "Server", "screenshot"]
