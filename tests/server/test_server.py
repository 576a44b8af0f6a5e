"""The extension of Jupyter Server, in a real one: what orchestrators ask, and kernels that are ended when idle."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import psutil
import pytest

from .servers import Server

STATE = "import threading; x = [1]; y = x; big = bytes(5 << 20); lock = threading.Lock()"
LEFT = "open('f', 'a').write('a'); left = (each for each in [1])"
"""Makes what is not stored, in a cell that is not to be run again for it."""
LOST = """
from pathlib import Path
from jupyter_server.services.kernels.kernelmanager import ServerKernelManager

class Lost(ServerKernelManager):
    def get_connection_info(self, session=False):
        if Path(__file__).with_name(f"lost-{self.kernel_id}").exists():
            raise OSError("its address is lost")
        return super().get_connection_info(session)
"""
"""A manager of kernels that fails where a file says so."""


def text_of(outputs: list[dict[str, object]]) -> str:
    """All that the outputs of a cell say."""
    return json.dumps(outputs)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)])
def test_what_an_orchestrator_asks(tmp_path: Path, number: int) -> None:
    with Server(tmp_path) as server:
        kernel, other = server.open("book.ipynb"), server.open("other.ipynb", "plain")
        here = f"kishu/kernels/{kernel}"

        # who may ask: as for the server's own
        for path, content in (("kishu/histories", None), (here, None), (f"{here}/hibernate", {})):
            assert server.ask(path, content, headers={})[0] == 403
        jar = CookieJar()
        page = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        page.open(f"{server.url}?token={server.token}").close()
        cookies = {"Cookie": "; ".join(f"{each.name}={each.value}" for each in jar)}
        assert server.ask(here, headers=cookies)[0] == 200
        assert server.ask(f"{here}/hibernate", {}, cookies)[0] == 403  # without the token against forgery

        # what is wrong is told in JSON
        for path, content, status, name in (
            (f"kishu/kernels/{other}", None, 409, "NotKishuError"),
            ("kishu/kernels/1-2-3-4-5", None, 404, "NoKernelError"),
            ("kishu/histories?limit=0", None, 400, "RequestError"),
            (f"{here}/hibernate", {"timeout": "long"}, 400, "RequestError"),
            (f"{here}/hibernate", {"kill": True}, 400, "RequestError"),
            (f"{here}/resume", b"{", 400, "RequestError"),
            (f"{here}/resume", {"sesion": None}, 400, "RequestError"),
            (f"{here}/resume", {"session": "x" * (1 << 16)}, 400, "RequestError"),
        ):
            told, error = server.ask(path, content)
            assert (told, error["ename"]) == (status, name), error
            assert error["evalue"] == error["message"]
            assert error["hint"]

        # a kernel that does something is not ended; one that is durable is
        with server.client(kernel) as client:
            assert client.run(STATE)["status"] == client.run(LEFT)["status"] == "ok"
            head = client.status()["head"]
        (history,) = server.get("kishu/histories")["histories"]
        assert (history["notebook"], history["kernels"]) == (str(tmp_path / "book.ipynb"), [kernel])
        assert server.get(here)["status"]["head"] == head
        asleep = server.post(f"{here}/hibernate", {"timeout": 20})
        assert (asleep["durable"], asleep["ended"], asleep["head"]) == (True, False, head)
        assert server.post(f"{here}/hibernate", {"end": True})["ended"]
        assert kernel not in server.kernels()
        assert server.ask(here)[1]["ename"] == "NoKernelError"

        # opened again, it wakes: all at once, and what cannot come back is named
        again = server.open("book.ipynb")
        status, asked = server.ask(f"kishu/kernels/{again}/resume", {})
        assert (status, asked["ename"], asked["plan"]["replay"][0]["code"]) == (409, "SideEffectsError", LEFT)
        woken = server.post(f"kishu/kernels/{again}/resume", {"replay": "harmless"})
        assert [name for lost in woken["plan"]["lost"] for name in lost["names"]] == ["left"]
        with server.client(again) as client:
            told = client.run("print(x is y, len(big), lock.locked())")
            assert "True 5242880 False" in text_of(told["outputs"])

            # a server that ends leaves nothing to be written: with it may end a container
            (printed,) = client.run("import os; late = os.urandom(280 << 20); print(os.getpid())")["outputs"]
            store = Path(client.status()["store"]["path"])
        server.stop(number)
    assert not psutil.pid_exists(int(printed["text"]))
    assert not list(store.glob("unwritten-*"))


@pytest.mark.parametrize("who", ["KishuCuller", "MappingKernelManager"])
def test_idle_kernels_are_ended_and_wake_when_their_notebook_is_opened(tmp_path: Path, who: str) -> None:
    options = {
        "KishuCuller": ("--KishuCuller.idle_timeout=1", "--KishuCuller.interval=1"),
        "MappingKernelManager": (
            "--MappingKernelManager.cull_idle_timeout=1",
            "--MappingKernelManager.cull_interval=1",
        ),
    }[who]
    with Server(tmp_path, *options) as server:
        ended = server.run_in("book.ipynb", STATE, LEFT)
        if who == "KishuCuller":
            left = {server.run_in("memory.ipynb", "x = 1", kernel="forgetful"), server.open("other.ipynb", "plain")}
        server.await_end(ended)
        if who == "KishuCuller":
            server.await_log("memory.ipynb is not ended: this history is kept in memory only")
            assert left <= server.kernels()
    with Server(tmp_path, environment={"KISHU_AUTO_RESUME": "1"}) as server:
        with server.client(server.open("book.ipynb")) as client:
            told = text_of(client.run("print(x is y, len(big), lock.locked())")["outputs"])
        assert "True 5242880 False" in told
        assert "left" in told


def test_a_server_stops_though_a_kernel_cannot_be_asked(tmp_path: Path) -> None:
    (tmp_path / "lost.py").write_text(LOST)
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    manager = "--MappingKernelManager.kernel_manager_class=lost.Lost"
    with Server(tmp_path, manager, environment={"PYTHONPATH": path}) as server:
        for name in ("book.ipynb", "lost.ipynb"):
            kernel = server.run_in(name, "x = 1")
        (tmp_path / f"lost-{kernel}").touch()
        assert server.stop() == 0
    said = server.log.read_text()
    assert "lost.ipynb not everything is stored: its address is lost" in said
    assert "book.ipynb not everything" not in said
