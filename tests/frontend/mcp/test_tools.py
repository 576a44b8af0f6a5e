"""The tools for models: the SDK's own client, over stdio, with real kernels."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from kishu_kernel.frontend.mcp import TOOLS
from kishu_kernel.store.catalog.running_kernels import live_kernels
from kishu_kernel.store.format.signing import KEY_FILE
from tests.client.test_client import Start, kernel, start
from tests.frontend.command.commanding import write_notebook
from tests.kernel.driver import Kernel

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["kernel", "start"]  # fixtures

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"
SERVER = (sys.executable, "-m", "kishu_kernel.frontend.command.commands", "mcp")
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
MOST = 25_000
"""Characters of an answer, whatever it is about."""


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the kernel, which is the person's."""
    monkeypatch.delenv(KEY_FILE, raising=False)


class Agent:
    """A model's side: calls tools, and reads what they say."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def __call__(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What a tool answers; it did it."""
        failed, text = await self._called(tool, arguments)
        assert not failed, text
        answer: dict[str, Any] = json.loads(text)
        return answer

    async def refused(self, tool: str, **arguments: Any) -> str:
        """What a tool says that does not do it."""
        failed, text = await self._called(tool, arguments)
        assert failed, text
        return text

    async def _called(self, tool: str, arguments: dict[str, Any]) -> tuple[bool, str]:
        result = await self.client.call_tool(f"kishu_{tool}", arguments)
        text = result.content[0].text
        assert len(text) < MOST
        return bool(result.is_error), text


def play(story: Callable[[Agent], Awaitable[None]], *arguments: str) -> None:
    """Lets an agent do something, with a server of its own."""

    failures: list[BaseException] = []

    async def playing() -> None:
        command, *rest = (*SERVER, *arguments)
        async with Client(StdioServerParameters(command=command, args=rest, env=dict(os.environ))) as client:
            try:
                await story(Agent(client))
            except Exception as error:  # else it comes in groups within groups
                failures.append(error)

    asyncio.run(playing())
    if failures:
        raise failures[0]


def test_cells_states_and_variables(kernel: Kernel) -> None:
    async def story(agent: Agent) -> None:
        tools = {each.name: each for each in (await agent.client.list_tools()).tools}
        assert sorted(tools) == sorted(each.partition(":")[2] for each in TOOLS)
        assert [tools[each].annotations.read_only_hint for each in ("kishu_log", "kishu_run")] == [True, False]
        assert all(each.description.count("\n") > 2 and len(each.description) < 1600 for each in tools.values())

        first = await agent("run", code="x = [1, 2]; y = x; print('made')\nx")
        assert (first["status"], first["created"], first["output"]) == ("ok", ["x", "y"], "made\n[1, 2]")
        slip = await agent("run", code="x.append(3)\n1 / 0")
        assert (slip["status"], slip["modified"]) == ("error", ["x", "y"])
        assert slip["error"] == "ZeroDivisionError: division by zero"
        assert slip["output"].endswith("----> 2 1 / 0\n\nZeroDivisionError: division by zero")
        undone = await agent("undo")
        assert undone["told"] == ["Took back In[2]: now at In[1]."] or "Took back In [2]" in undone["told"][0]
        assert (await agent("status"))["digest"] == first["digest"] != slip["digest"]
        assert kernel.value("x is y, x") == (True, [1, 2])

        [x] = (await agent("variables", names=["x"]))["variables"]
        assert (x["type"], x["shape"], x["shares_objects_with"]) == ("list", [2], ["y"])
        difference = await agent("diff", target=slip["state"])
        assert difference["modified"] == ["x", "y"]
        assert "there is no variable called 'z'" in await agent.refused("variables", names=["z"])
        assert "kishu_log with everywhere=true lists them" in await agent.refused("checkout", target="nowhere")
        await agent("tag", name="good")
        await agent("run", code="x = 5")

        planned = await agent("checkout", target="good")
        assert (planned["applied"], planned["told"][-1]) == (False, "Nothing has changed.")
        assert kernel.value("x") == 5
        assert (await agent("checkout", target="good", plan_only=False))["applied"]
        code = f"import base64; from IPython.display import Image; Image(base64.b64decode('{PNG}'))"
        plotted = await agent("run", code=code)
        assert plotted["pictures"].startswith(f"1: kishu_picture(target='{plotted['state']}')")
        [picture] = (await agent.client.call_tool("kishu_picture", {})).content
        assert (picture.mime_type, picture.data) == ("image/png", PNG)
        assert "displayed 1 picture, and no number 2" in await agent.refused("picture", number=2)
        await agent("undo")
        assert kernel.value("x") == [1, 2]
        listed = await agent("log", everywhere=True)
        assert [each["code"] for each in listed["states"]][-2:] == [
            "x.append(3)\n1 / 0",
            "x = [1, 2]; y = x; print('made')\nx",
        ]
        assert [each["cell"] for each in listed["states"] if each.get("here")] == ["In[1]"]
        assert [each["cell"] for each in (await agent("log", text="append"))["states"]] == ["In[2]"]
        taken = await agent("take", names=["x"], target=slip["state"], copies={"x": "longer"})
        assert taken["told"] == ["Took x as longer."]
        assert kernel.value("x, longer") == ([1, 2], [1, 2, 3])

    play(story)


def test_what_is_large_is_cut_and_can_be_read_on(kernel: Kernel) -> None:
    async def story(agent: Agent) -> None:
        code = "big = list(range(100_000))\nfor i in range(3000): print('line', i)\n" + "# long\n" * 2000
        code += "".join(f"v{i} = {i}\n" for i in range(500))
        ran = await agent("run", code=code)
        whole = "\n".join(f"line {i}" for i in range(3000))
        assert ran["created"][-1] == "and 462 more"
        for what, parameter, expected in (("output", "start", whole), ("code", "code_start", code)):
            text, answer = "", await agent("show", target=ran["state"])
            while f"{what}_cut" in answer:
                text += answer[what]
                read_on = answer[f"{what}_cut"].partition(": ")[2]
                assert read_on.startswith(f"kishu_show(target='{ran['state']}', {parameter}=")
                answer = await agent("show", target=ran["state"], **{parameter: int(read_on.rpartition("=")[2][:-1])})
            assert text + answer[what] == expected
        assert (ran["output"], ran["output_end"]) == (whole[:6000], whole[-1000:])
        [listed] = (await agent("log"))["states"]
        assert "left out; kishu_show" in listed["code"]
        variables = await agent("variables")
        assert (len(variables["variables"]), variables["more"][:14]) == (50, "there are 502:")

    play(story, "book.ipynb")


def test_side_effects_and_losses_are_refused_unless_they_are_allowed(kernel: Kernel, tmp_path: Path) -> None:
    async def story(agent: Agent) -> None:
        await agent("run", code="x = 1")
        await agent("run", code="open('told', 'a').write('+'); lines = (line for line in 'ab')")
        await agent("undo")
        refusal = await agent.refused("redo")
        assert refusal.partition("SideEffectsError: ")[2].startswith("going there re-runs 1 cell, with side effects")
        assert "Call again with allow_side_effects=true to allow it, or with allow_lost=true to go there" in refusal
        assert '"gives": ["lines"]' in refusal
        assert '"side_effects": ["writes files (told)"]' in refusal
        without = await agent("redo", allow_lost=True)
        assert without["told"][-1] == "Lost: lines; `lost` says why."
        assert "nobody has agreed to re-run it" in without["lost"][0]["reason"]
        assert (tmp_path / "told").read_text() == "+"
        await agent("undo")
        assert [each["cell"] for each in (await agent("redo", allow_side_effects=True))["re_run"]] == ["In[2]"]
        assert (tmp_path / "told").read_text() == "++"
        assert kernel.value("list(lines)") == ["a", "b"]

    play(story)


def test_forks_try_several_ways_at_the_same_time(kernel: Kernel) -> None:
    kernel.ok("x = [0]")

    async def story(agent: Agent) -> None:
        forks = (await agent("fork", number=2))["forks"]
        ran = await asyncio.gather(
            *(agent("run", code=f"x.append({n})", kernel=each["kernel"]) for n, each in enumerate(forks))
        )
        assert len({each["digest"] for each in ran}) == 2
        [detail] = (await agent("diff", target=forks[1]["branch"], base=forks[0]["branch"]))["details"]
        assert (detail["before"], detail["after"]) == ("list: [0, 0]", "list: [0, 1]")
        await agent("take", names=["x"], target=forks[1]["branch"])
        assert kernel.value("x") == [0, 1]
        assert "main goes on from" in (await agent("promote", target=forks[0]["branch"]))["told"][0]
        assert kernel.value("x") == [0, 0]
        assert forks[0]["branch"] in (await agent("end_fork", kernel=forks[0]["kernel"]))["told"]
        assert forks[1]["kernel"] in await agent.refused("end_fork", kernel=forks[0]["kernel"])
        assert "NoKernelError" in await agent.refused("run", code="x", kernel=forks[0]["kernel"])

    play(story)
    deadline = time.monotonic() + 30
    while len(live_kernels()) > 1:  # the other fork ends with the server
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_ways_are_explored_and_the_best_is_kept(kernel: Kernel) -> None:
    kernel.ok("x = [3, 1, 2]")

    async def story(agent: Agent) -> None:
        tried = (await agent("explore", cells=["x.sort(); x[0]", "x.pop()\n1 / 0", "print(x)"]))["explored"]
        assert [(each["status"], each.get("error")) for each in tried] == [
            ("ok", None),
            ("error", "ZeroDivisionError: division by zero"),
            ("ok", None),
        ]
        assert [each["output"].splitlines()[-1] for each in tried][::2] == ["1", "[3, 1, 2]"]
        assert kernel.value("x") == [3, 1, 2]
        await agent("promote", target=tried[0]["state"])
        assert kernel.value("x") == [1, 2, 3]
        assert "no cell to explore" in await agent.refused("explore", cells=[])

    play(story)


def test_which_kernel_is_meant(start: Start, tmp_path: Path) -> None:
    async def nobody(agent: Agent) -> None:
        assert (await agent("status"))["told"].startswith("No kernels with Kishu are running. Open the notebook")
        assert "Open the notebook in Jupyter with the kernel" in await agent.refused("run", code="1")

    play(nobody)
    one = start()
    other = write_notebook(tmp_path / "other.ipynb")

    async def story(agent: Agent) -> None:
        await agent("run", code="x = 1")
        start(notebook=other)
        assert (await agent("status"))["kernels"] == [str(other), str(tmp_path / "book.ipynb")]
        refusal = await agent.refused("run", code="1")
        assert "2 kernels are running: name one of them in `kernel`" in refusal
        assert str(other) in refusal
        await agent("run", code="x = 2", kernel=str(other))
        assert (await agent("variables", kernel="book.ipynb"))["variables"][0]["value"] == "1"
        one.restart()
        again = await agent("status", kernel="book.ipynb")
        assert "was restarted since your last call" in again["notice"]
        assert again["can_resume"].startswith("1 variables")
        assert (await agent("resume", kernel="book.ipynb"))["applied"]
        assert one.value("x") == 1
        busy = await agent.refused(
            "run", code="import time\nwhile True: time.sleep(0.01)", kernel="book.ipynb", timeout=0.5
        )
        assert "after 0.5 seconds this cell has not ended" in busy
        assert "Do not send it again" in busy
        stopped = await agent("interrupt", kernel="book.ipynb")
        assert (stopped["told"], stopped["last"]["failed"]) == ("No cell runs now.", "KeyboardInterrupt")

    play(story)


def test_without_the_sdk_one_sentence_says_what_to_install() -> None:
    code = "import sys; sys.modules['mcp'] = None\nfrom kishu_kernel.frontend.command.commands import main\nmain()"
    done = subprocess.run([sys.executable, "-c", code, "mcp"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "pip install 'kishu-kernel[mcp]'" in done.stderr


def test_others_find_the_functions_by_the_entry_point() -> None:
    """jupyter-server-mcp reads a list of `module:function`, what they are annotated with, and their docstrings."""
    declared = tomllib.loads(PYPROJECT.read_text())["project"]["entry-points"]["jupyter_server_mcp.tools"]
    module, _, name = declared["kishu"].partition(":")
    assert getattr(import_module(module), name) is TOOLS
    for tool in TOOLS:
        module, _, name = tool.partition(":")
        function = getattr(import_module(module), name)
        parameters = inspect.signature(function).parameters
        assert not [each for each in parameters.values() if isinstance(each.annotation, str)]
        described = re.findall(r"^        (\w+): ", function.__doc__, re.MULTILINE)
        assert described == list(parameters), name


def test_the_functions_need_no_sdk() -> None:
    code = (
        "import sys; from importlib import import_module\n"
        f"for each in {TOOLS!r}:\n"
        "    module, name = each.split(':'); assert callable(getattr(import_module(module), name))\n"
        "print([name for name in ('mcp', 'pydantic', 'zmq', 'lmdb', 'IPython') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
