"""Encrypted connections: a manager that wants them gets them, and what asks a kernel from outside works over them."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import zmq
from jupyter_client.manager import KernelManager
from zmq.utils.monitor import recv_monitor_message

from kishu_kernel.client import connect
from kishu_kernel.frontend.mcp.kernels import Kernels
from tests.client.test_client import Start, start
from tests.client.test_forks import key, text
from tests.client.test_spares import SPARE, spare_of
from tests.frontend.command.commanding import program

__all__ = ["key", "start"]  # fixtures

pytestmark = pytest.mark.skipif(
    not hasattr(KernelManager, "transport_encryption"), reason="this jupyter_client encrypts nothing"
)


def keys_of(file: str | None) -> str:
    info = json.loads(Path(str(file)).read_text("utf-8"))
    assert is_refused_without_keys(info)
    return str(info["curve_secretkey"])


def is_refused_without_keys(info: dict[str, object]) -> bool:
    """Whether a connection that is not encrypted ends before anything is heard."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as line, line.get_monitor_socket() as monitor:
        line.connect(f"tcp://{info['ip']}:{info['shell_port']}")
        failed = (zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
        ended = (*failed, zmq.EVENT_HANDSHAKE_SUCCEEDED, zmq.EVENT_DISCONNECTED)
        while (event := recv_monitor_message(monitor)["event"]) not in ended:
            pass
        line.disable_monitor()
        return event != zmq.EVENT_HANDSHAKE_SUCCEEDED


@pytest.mark.parametrize("policy", ["auto", "required"])
def test_all_our_clients_speak_to_a_kernel_that_encrypts(start: Start, tmp_path: Path, policy: str) -> None:
    kernel = start(SPARE, manager={"transport_encryption": policy})
    kernel.ok("xs = [1]")
    kernel.ok("xs.append(2)")
    kernel.ok("xs.append(3)")
    own = keys_of(kernel.manager.connection_file)
    with connect("book.ipynb") as k:
        assert text(k.run("print(xs)")) == "[1, 2, 3]\n"
        assert k.undo(3)["applied"]
        assert kernel.value("xs") == [1]
        spare = spare_of(k)
        with k.fork()[0] as fork:
            assert keys_of(fork.connection_file) != own
            assert text(fork.run("print(xs)")) == "[1]\n"
        os.kill(spare["spare_pid"], signal.SIGKILL)
        with k.fork()[0] as cold:
            assert keys_of(cold.connection_file) != own
            assert text(cold.run("print(xs)")) == "[1]\n"
    assert Kernels().answer(None, lambda client: client.status())["head"]
    assert program("status", "book.ipynb").returncode == 0
    kernel.restart()
    assert keys_of(kernel.manager.connection_file)
    with connect("book.ipynb") as k:
        assert k.resume()["applied"]
