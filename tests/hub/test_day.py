"""The day of a hub: two users at once, a hub that is killed, idle servers that end, homes that move, and all wakes.

KISHU_TEST_DAY says how many MB each has, 8 if it does not.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from tests.kernel.test_resume import write_notebook
from tests.server.servers import Reached
from tests.support.s3 import CREDENTIALS, MISSING, s3_server

from .hubs import PROXY, Hub

MODULES = ("jupyterhub", "jupyterhub_idle_culler", "obstore")
if MISSING or not all(map(importlib.util.find_spec, MODULES)):
    pytest.skip("a hub needs jupyterhub and jupyterhub-idle-culler; S3 needs obstore and moto", allow_module_level=True)
if PROXY is None:
    pytest.skip("a hub needs npm's configurable-http-proxy", allow_module_level=True)

Result = TypeVar("Result")

USERS = ("ada", "bob")
MORNING = """
import os, threading, numpy
frame = numpy.random.default_rng(7).random({size})
view, lock = frame[10:20], threading.Lock()
class Point:
    def __init__(self, at): self.at = at
points = [Point(each) for each in range(10)]
def total(): return frame.sum() + sum(each.at for each in points)
os.environ["MY_TOKEN"] = "-".join(["not", "to", "be", "kept"])
"""
NOON = "view[:] = -1; points.append(points[0]); alias = points"
EVENING = "late = numpy.random.default_rng(8).bytes(8 * {size})"
LOOK = """print(float(total()), numpy.shares_memory(view, frame), view[0], points[-1] is points[0], alias is points,
      type(points[0]) is Point, lock.locked(), hash(late[:99]) and len(late), late[-5:].hex())"""
SECRET = "not-to-be-kept"


def run(server: Reached, *cells: str) -> str:
    """Runs cells in a user's notebook; what the last one prints, without what Kishu says."""
    with server.client(server.open("book.ipynb")) as client:
        for code in cells:
            ran = client.run(code)
            assert ran["status"] == "ok", ran["outputs"]
    return "".join(each["text"] for each in ran["outputs"] if each.get("name") == "stdout")


def command(home: Path, *words: str, **environment: str) -> str:
    """What `jupyter kishu` prints in a home."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("KISHU_", "JUPYTER"))}
    code = "from kishu_kernel.frontend.command.commands import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env={**mine, "HOME": str(home), **environment},
        cwd=home,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def processes_in(homes: Path) -> list[int]:
    found = []
    for each in psutil.process_iter():
        with suppress(psutil.Error):
            if homes in Path(each.cwd()).parents:
                found.append(each.pid)
    return found


@pytest.mark.parametrize("size", [int(os.environ.get("KISHU_TEST_DAY", 8)) << 17], ids=["of each user"])
@pytest.mark.timeout(600)
def test_the_day_of_a_hub(tmp_path: Path, size: int) -> None:
    homes, others = tmp_path / "homes", tmp_path / "others"
    place = tmp_path / "hub"
    for each in (homes, others, place):
        each.mkdir()
    for user in USERS:
        (homes / user).mkdir()
        write_notebook(homes / user / "book.ipynb", [user])
    morning, evening = MORNING.format(size=size), EVENING.format(size=size)
    with s3_server() as port, Hub(place, homes) as hub, ThreadPoolExecutor(len(USERS)) as threads:

        def both(do: Callable[[str], Result]) -> dict[str, Result]:
            return dict(zip(USERS, threads.map(do, USERS), strict=True))

        # they work; the hub is killed and comes back, and nobody notices
        servers = both(hub.server)
        both(lambda user: run(servers[user], morning))
        hub.stop(signal.SIGKILL)
        both(lambda user: run(servers[user], NOON))
        hub.start(homes)
        assert all(map(hub.running, USERS))

        # an orchestrator asks: with the hub's rights, and no secrets are told
        for server in servers.values():
            (kernel,) = server.kernels()
            told = json.dumps([server.get(f"kishu/kernels/{kernel}"), server.get("kishu/histories")])
            assert "MY_TOKEN" not in told
            assert SECRET not in told
            assert server.ask(f"kishu/kernels/{kernel}", headers={"Authorization": "token wrong"})[0] == 403

        # ada has a second server, and the same notebook there: what runs is not brought there by itself
        second = hub.server("ada", "second")
        assert run(second, "print('frame' in globals())") == "False\n"
        hub.end("ada", "second")
        assert servers["ada"].kernels()

        # they leave in the middle of things: the idle culler ends their servers, and all memory is free
        looks = both(lambda user: run(servers[user], evening, LOOK))
        hub.cull(*USERS)
        assert processes_in(homes) == []

        # the next day on this machine
        servers = both(hub.server)
        assert both(lambda user: run(servers[user], LOOK)) == looks
        both(lambda user: run(servers[user], "points.append(Point(99)); frame[0] = 5"))
        looks = both(lambda user: run(servers[user], LOOK))
        hub.stop()
        assert processes_in(homes) == []

        # their homes move: ada takes her key along, bob has but his notebook
        aws = {**CREDENTIALS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        both(lambda user: command(homes / user, "push", "book.ipynb", f"s3://team/{user}", **aws))
        key = Path(".local", "share", "jupyter", "kishu", "key")
        for user in USERS:
            (others / user).mkdir()
            shutil.copy(homes / user / "book.ipynb", others / user)
        (others / "ada" / key).parent.mkdir(parents=True)
        shutil.copy(homes / "ada" / key, others / "ada" / key)
        shutil.rmtree(homes)
        told = both(
            lambda user: command(others / user, "clone", f"s3://team/{user}", "--notebook", "book.ipynb", **aws)
        )
        assert ["none of its values are loaded" in told[user] for user in USERS] == [False, True]
        command(others / "bob", "trust", "book.ipynb", "--yes")
        hub.start(others)
        servers = both(hub.server)
        assert both(lambda user: run(servers[user], LOOK)) == looks
    assert "not everything is stored" not in hub.log.read_text()
