"""A Jupyter server on loopback with our extension, and its kernels."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from kishu_kernel.client import Client, connect
from kishu_kernel.errors import KernelError
from tests.kernel.driver import environment_of
from tests.kernel.test_resume import write_notebook
from tests.support.addresses import own_address

Result = TypeVar("Result")

PATIENCE = 90.0
"""Seconds after which what is waited for does not come."""

NEW_PORTS = "--KernelRestarter.stable_start_time=60"
"""A kernel that finds its port taken ends, and begins anew, with other ports only where it did not run for so long yet:
10 s, if nobody says anything, which the start of one can take on a busy machine."""

EXTENSION = {"jpserver_extensions": {"kishu_kernel.server": True}}


class Reached:
    """A Jupyter server that runs, asked over HTTP; its kernels are asked by their connection files.

    Args:
        url: ends with a slash.
        home: where the notebooks lie.
        runtime: where it keeps connection files.
        log: what it says, and its kernels do.
    """

    def __init__(self, url: str, token: str, home: Path, runtime: Path, log: Path) -> None:
        self.url = url
        self.token = token
        self.home = home
        self.runtime = runtime
        self.log = log

    def why_not(self) -> str | None:
        """Why there is no sense in waiting for it any longer; None where there is."""
        return None

    def ask(
        self, path: str, content: Any = None, headers: dict[str, str] | None = None, method: str | None = None
    ) -> tuple[int, Any]:
        """The status of an answer, and what it says."""
        data = content if isinstance(content, bytes) or content is None else json.dumps(content).encode()
        own = {"Authorization": f"token {self.token}"} if headers is None else headers
        request = urllib.request.Request(f"{self.url}{path}", data, own, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def get(self, path: str) -> Any:
        """What the server answers."""
        status, content = self.ask(path)
        assert status == 200, content
        return content

    def post(self, path: str, content: Any) -> Any:
        """What the server answers to a request that has a body."""
        status, content = self.ask(path, content)
        assert status in (200, 201), content
        return content

    def open(self, name: str, kernel: str = "kishu") -> str:
        """Opens a notebook, as a page does; the id of its kernel."""
        path = self.home / name
        if not path.exists():
            write_notebook(path, [uuid.uuid4().hex[:8]])
        session = {"path": name, "name": name, "type": "notebook", "kernel": {"name": kernel}}
        return str(self.post("api/sessions", session)["kernel"]["id"])

    def client(self, kernel: str) -> Client:
        """A second client of a kernel."""
        return self.awaited(lambda: connect(self._connection_file(kernel)))

    def run_in(self, name: str, *cells: str, kernel: str = "kishu") -> str:
        """Runs cells in a notebook's kernel; the id of that. If it is ended meanwhile, being idle, another one does."""

        def ran() -> str:
            id = self.open(name, kernel)
            with connect(self._connection_file(id)) as client:
                assert {client.run(code)["status"] for code in cells} == {"ok"}
            return id

        return str(self.awaited(ran))

    def _connection_file(self, kernel: str) -> Path:
        return self.runtime / f"kernel-{kernel}.json"

    def kernels(self) -> set[str]:
        """The ids of those that run."""
        return {each["id"] for each in self.get("api/kernels")}

    def await_end(self, *kernels: str) -> None:
        """Waits until kernels are gone."""

        def gone() -> None:
            left = self.kernels() & set(kernels)
            if left:
                raise OSError(f"{left} still run")

        self.awaited(gone)

    def awaited(self, what: Callable[[], Result]) -> Result:
        """What comes of something, tried again and again for a while."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return what()
            except (OSError, ValueError, KernelError) as error:
                if self.why_not() or time.monotonic() > deadline:
                    said = self.log.read_text() if self.log.exists() else "nothing"
                    raise AssertionError(
                        self.why_not() or f"{error}; the server and its kernels say:\n{said}"
                    ) from error
                time.sleep(0.05)


class Server(Reached):
    """A server; ended by `close`.

    Args:
        environment: further variables, for its kernels, too.
    """

    def __init__(self, home: Path, *arguments: str, environment: dict[str, str | None] | None = None) -> None:
        write_specs(home / "jupyter_data")
        (home / "config.json").write_text(json.dumps({"ServerApp": EXTENSION}))
        token = uuid.uuid4().hex
        log = home / "server.log"
        command = [
            *(sys.executable, "-m", "jupyter_server", f"--config={home / 'config.json'}", "--allow-root"),
            *("--ServerApp.port=0", f"--ServerApp.ip={own_address()}", "--ServerApp.open_browser=False"),
            *("--ServerApp.terminals_enabled=False", f"--ServerApp.root_dir={home}", NEW_PORTS),
            *(f"--IdentityProvider.token={token}", *arguments),
        ]
        own = {"HOME": str(home), "JUPYTER_PREFER_ENV_PATH": "0", "JUPYTER_NO_CONFIG": "1", **(environment or {})}
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, cwd=home, env=environment_of(home, own), stdout=output, stderr=subprocess.STDOUT
            )
        runtime = home / "jupyter_runtime"
        super().__init__("", token, home, runtime, log)
        file = runtime / f"jpserver-{self._process.pid}.json"
        self.url = self.awaited(lambda: str(json.loads(file.read_text())["url"]))
        self.awaited(lambda: self.get("api/status"))

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ends it by a signal; its status, negative where it had to be killed."""
        self._process.send_signal(number)
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def await_log(self, sentence: str) -> None:
        """Waits until the server's log says something."""
        self.awaited(lambda: self.log.read_text().index(sentence))

    def why_not(self) -> str | None:
        return None if self._process.poll() is None else self.log.read_text()


def write_specs(data: Path) -> None:
    """Kernels of this checkout, in a data directory of Jupyter's."""
    for name, command in (
        ("kishu", ("-m", "kishu_kernel")),
        ("forgetful", ("-m", "kishu_kernel", "--KishuKernel.in_memory=True")),
        ("plain", ("-m", "ipykernel_launcher")),
    ):
        directory = data / "kernels" / name
        directory.mkdir(parents=True, exist_ok=True)
        spec = {"argv": [sys.executable, *command, "-f", "{connection_file}"], "display_name": name}
        (directory / "kernel.json").write_text(json.dumps({**spec, "language": "python"}))
