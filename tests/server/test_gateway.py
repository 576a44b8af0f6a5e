"""Kernels behind a real kernel gateway: they know whose they are, and none takes the history of another one."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kernel.driver import environment_of
from tests.support.addresses import free_port, own_address

from .servers import Reached, Server, write_specs

if importlib.util.find_spec("kernel_gateway") is None:
    pytest.skip("a gateway needs jupyter_kernel_gateway", allow_module_level=True)

LET_PASS = ("HOME", "IPYTHONDIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "KISHU_STORE_DIR", "PYTHONPATH")


@contextmanager
def gateway(home: Path) -> Iterator[Reached]:
    """A gateway whose kernels have its home."""
    write_specs(home / "jupyter_data")
    port = free_port()
    command = [
        *(sys.executable, "-m", "kernel_gateway", f"--KernelGatewayApp.ip={own_address()}"),
        *(f"--KernelGatewayApp.port={port}", "--JupyterWebsocketPersonality.list_kernels=True"),
        *(f"--KernelGatewayApp.env_process_whitelist={name}" for name in LET_PASS),
    ]
    with (home / "gateway.log").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=home, env=environment_of(home, {"HOME": str(home)}), stdout=output, stderr=subprocess.STDOUT
        )
    reached = Reached(f"http://{own_address()}:{port}/", "", home, home / "jupyter_runtime", home / "gateway.log")
    try:
        reached.awaited(lambda: reached.get("api"))
        yield reached
    finally:
        process.terminate()
        process.wait()


def run(server: Server, far: Reached, name: str, *cells: str) -> tuple[str, str]:
    """Runs cells in a notebook as its user does, and ends its kernel. Its store, and what the cells show."""
    kernel = server.open(name)
    shown = []
    with far.client(kernel) as client:
        for code in cells:
            ran = client.run(code)
            assert ran["status"] == "ok", ran
            shown += [str(each.get("text") or each.get("data")) for each in ran["outputs"]]
        store = str(client.status()["store"]["path"])
    (session,) = server.get("api/sessions")
    server.ask(f"api/sessions/{session['id']}", method="DELETE")
    return store, "".join(shown)


def test_a_notebook_finds_its_history_through_a_gateway(tmp_path: Path) -> None:
    there, home = tmp_path / "there", tmp_path / "home"
    for each in (there, home):
        each.mkdir()
    with gateway(there) as far:
        told = f"--gateway-url={far.url}"
        with Server(home, told) as server:
            store, _ = run(server, far, "book.ipynb", "x = [1]; y = x")
            again, shown = run(server, far, "book.ipynb", "%kishu resume", "print(y is x)")
            assert again == store
            assert "True" in shown
            # what has its cells is another notebook, for all that can be seen there: it is offered the history
            shutil.copy(home / "book.ipynb", home / "copy.ipynb")
            copied, shown = run(server, far, "copy.ipynb", "pass")
            assert copied != store
            assert f"%kishu attach {Path(store).name}" in shown
        # another user has a notebook at the same path, from the same image
        (home / "jupyter_data" / "kishu" / "server-id").unlink()
        with Server(home, told) as server:
            theirs, shown = run(server, far, "book.ipynb", "print('x' in vars())")
            assert theirs not in (store, copied)
            assert "False" in shown
