"""A JupyterHub on loopback, its proxy, its users' servers, and what the image for hubs configures."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from tests.kernel.driver import environment_of
from tests.server.servers import NEW_PORTS, PATIENCE, Reached, write_specs
from tests.support.addresses import free_port, own_address

PROXY = os.environ.get("KISHU_TEST_PROXY") or shutil.which("configurable-http-proxy")
"""npm's configurable-http-proxy."""
ROOT = Path(__file__).resolve().parents[2]
WHEEL = ROOT / "jupyter-config"
"""What each wheel has Jupyter Server load."""
IMAGE = ROOT / "deploy" / "hub"
"""What the image for hubs adds to the one for JupyterLab."""

PAGES = ("jupyterlab", "jupyter_lsp", "jupyter_server_terminals", "notebook", "notebook_shim")
WITHOUT_PAGES = {"jpserver_extensions": dict.fromkeys(PAGES, False)}
"""Nobody looks, and each costs seconds when a server starts."""

CONFIG = """
import sys
c = get_config()
c.JupyterHub.bind_url = "http://{address}:{ports[0]}"
c.JupyterHub.hub_bind_url = "http://{address}:{ports[1]}"
c.ConfigurableHTTPProxy.api_url = "http://{address}:{ports[2]}"
c.ConfigurableHTTPProxy.command = [{proxy!r}]
c.ConfigurableHTTPProxy.auth_token = {token!r}
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{homes}/{{username}}"
c.Spawner.ip = {address!r}
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root", "--ServerApp.terminals_enabled=False", {new_ports!r}]
c.Spawner.environment = {environment!r}
c.LocalProcessSpawner.interrupt_timeout = 60
c.JupyterHub.services = [{{"name": "tests", "api_token": {token!r}}}]
c.JupyterHub.load_roles = [
    {{"name": "tests", "scopes": ["admin:users", "admin:servers", "access:servers", "read:hub"], "services": ["tests"]}}
]
c.JupyterHub.last_activity_interval = 1
c.JupyterHub.allow_named_servers = True
"""


class Hub(Reached):
    """A hub; ended by `close`. Told to start again, it finds what it left.

    Args:
        home: for its files.
        homes: where the homes of its users are.
    """

    def __init__(self, home: Path, homes: Path) -> None:
        self._ports = [free_port() for _ in range(3)]
        url = f"http://{own_address()}:{self._ports[0]}/hub/api/"
        super().__init__(url, uuid.uuid4().hex, home, home, home / "hub.log")
        self._config = home / "image"
        shutil.copytree(IMAGE, self._config)
        shutil.copytree(WHEEL, self._config, dirs_exist_ok=True)
        (self._config / "jupyter_server_config.d" / "pages.json").write_text(json.dumps({"ServerApp": WITHOUT_PAGES}))
        (self._config / "profile_default").mkdir()
        (self._config / "ipython_kernel_config.py").rename(
            self._config / "profile_default" / "ipython_kernel_config.py"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.homes = homes

    def __enter__(self) -> Hub:
        try:
            self.start(self.homes)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for each in psutil.process_iter():  # what a hub that was killed has left
            with suppress(psutil.Error):
                if self.home in Path(each.cwd()).parents or each.cwd() == str(self.home):
                    each.kill()

    def start(self, homes: Path) -> None:
        """Starts it, and waits until it answers."""
        self.homes = homes
        environment = {
            "IPYTHONDIR": str(self._config),
            "JUPYTER_CONFIG_PATH": str(self._config),
            "JUPYTER_PREFER_ENV_PATH": "0",
            "JUPYTERHUB_ACTIVITY_INTERVAL": "1",
            "JUPYTERHUB_SINGLEUSER_APP": "jupyter_server.serverapp.ServerApp",
        }
        file = self.home / "jupyterhub_config.py"
        file.write_text(
            CONFIG.format(
                address=own_address(),
                ports=self._ports,
                proxy=PROXY,
                new_ports=NEW_PORTS,
                token=self.token,
                homes=homes,
                environment=environment,
            )
        )
        command = [sys.executable, "-m", "jupyterhub", "-f", str(file)]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                command, cwd=self.home, env=environment_of(self.home, {}), stdout=output, stderr=subprocess.STDOUT
            )
        self.awaited(lambda: self.get("info"))

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ends it by a signal. With SIGTERM its servers end, too."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(2 * PATIENCE)
            self._process = None

    def why_not(self) -> str | None:
        return self.log.read_text() if self._process is None or self._process.poll() is not None else None

    def server(self, user: str, name: str = "") -> Reached:
        """Starts a user's server, and waits until it is there.

        Args:
            name: of one of several.
        """
        home = self.homes / user
        data = home / ".local" / "share" / "jupyter"
        write_specs(data)
        self.ask(f"users/{user}", {})
        status, told = self.ask(f"users/{user}/servers/{name}" if name else f"users/{user}/server", {})
        assert status in (201, 202), told
        self.awaited(lambda: self._ready(user, name))
        url = self.url.removesuffix("hub/api/") + f"user/{user}/" + (f"{name}/" if name else "")
        return Reached(url, self.token, home, data / "runtime", self.log)

    def end(self, user: str, name: str = "") -> None:
        """Ends a server, as its user does on the hub's page."""
        status, told = self.ask(f"users/{user}/servers/{name}" if name else f"users/{user}/server", method="DELETE")
        assert status in (202, 204), told
        self.awaited(lambda: self._gone(user, name))

    def _gone(self, user: str, name: str) -> None:
        if name in self.get(f"users/{user}")["servers"]:
            raise OSError(f"the server {name!r} of {user} still runs")

    def running(self, user: str) -> bool:
        """Whether a user's server runs."""
        return bool(self.get(f"users/{user}")["servers"])

    def cull(self, *users: str) -> None:
        """Has jupyterhub-idle-culler end servers that nobody uses, and waits until it has."""
        command = [sys.executable, "-m", "jupyterhub_idle_culler", f"--url={self.url.rstrip('/')}", "--timeout=2"]
        environment = {**environment_of(self.home, {}), "JUPYTERHUB_API_TOKEN": self.token}
        with subprocess.Popen([*command, "--cull-every=1"], env=environment, cwd=self.home) as culler:
            try:
                self.awaited(lambda: self._ended(users))
            finally:
                culler.terminate()

    def _ended(self, users: Sequence[str]) -> None:
        left = [user for user in users if self.running(user)]
        if left:
            raise OSError(f"the servers of {left} still run")

    def _ready(self, user: str, name: str) -> None:
        servers = self.get(f"users/{user}")["servers"]
        if not (name in servers and servers[name]["ready"]):
            raise OSError(f"the server of {user} does not run yet: {servers}")
