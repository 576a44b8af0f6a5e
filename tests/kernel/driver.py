"""A real kernel process and one client of it, as small as the tests allow.

The kernel is started through the arguments of the kernelspec, but by this interpreter and with no
kernelspec installed, so that the tests run from a checkout. It reads and writes nothing of the
person who runs them: everything of Jupyter, IPython and Kishu lies under one temporary directory.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from ast import literal_eval
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import IO, Any

import psutil
import zmq
from jupyter_client import BlockingKernelClient, KernelManager
from jupyter_client.jsonutil import json_default
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

import kishu_kernel
from kishu_kernel.frontend.kernel import launcher
from tests.support.addresses import own_address

_TRAVELS = frozenset({"undo", "redo", "checkout", "resume"})
PATIENCE = 30.0
"""Seconds after which a kernel that does not answer is taken for hung."""

COPIES = "import pandas as pd; pd.__version__ < '3' and pd.set_option('mode.copy_on_write', True)"
"""Code: pandas, where frames copy on write, as they do from 3 on. Python 3.10 has none but older ones."""

Content = dict[str, Any]


@dataclass
class Ran:
    """What a frontend has of an execution: the reply, and what went to the cell's output area."""

    reply: Content
    outputs: list[Content] = field(default_factory=list)

    @property
    def status(self) -> str:
        return str(self.reply["status"])

    @property
    def stdout(self) -> str:
        return self._stream("stdout")

    @property
    def stderr(self) -> str:
        return self._stream("stderr")

    @property
    def results(self) -> list[Content]:
        """The mime bundles that were shown, results and displays alike."""
        return [each["data"] for each in self.outputs if "data" in each]

    @property
    def text(self) -> str:
        """All that a console shows of it. What is printed in several messages is one text."""
        shown: list[str] = []
        before = None
        for each in self.outputs:
            stream = each.get("name") if "text" in each else None
            text = each["text"] if "text" in each else each["data"].get("text/plain", "")
            if stream is not None and stream == before:
                shown[-1] += text
            else:
                shown.append(text)
            before = stream
        return "\n".join(shown)

    def _stream(self, name: str) -> str:
        return "".join(each["text"] for each in self.outputs if each.get("name") == name)


@dataclass
class Held:
    """A cell that is running, for certain, until `let_go`."""

    kernel: Kernel
    running: str
    code: str
    gate: Path

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.touch()

    def let_go(self) -> Ran:
        """Lets it end; what it showed."""
        self.gate.touch()
        return self.kernel.end(self.running)


class KernelDied(AssertionError):
    """The process is gone though nobody asked it to go."""


class Kernel:
    """A kernel process; closed by `close`, or on the way out of a `with`.

    Args:
        home: an existing directory for all that the process keeps.
        arguments: further ones of the command line.
        environment: further variables; None removes one.
        cwd: the working directory; `home` where not told.
        command: what to start; the kernel of this checkout where not told.
        patience: seconds after which it is taken for hung if it does not answer. Can be changed while it runs.
        output: an open file for what the process itself writes; that of this process where not told.
        manager: further options of the `KernelManager`.
    """

    def __init__(
        self,
        home: Path,
        *arguments: str,
        environment: dict[str, str | None] | None = None,
        cwd: Path | None = None,
        command: Sequence[str] = (sys.executable, "-m", "kishu_kernel"),
        patience: float = PATIENCE,
        output: IO[bytes] | None = None,
        manager: Content | None = None,
    ) -> None:
        self.home = home
        self.patience = patience
        self.stores = home / "stores"
        specs = OneSpec([*command, "-f", "{connection_file}", *arguments])
        self.manager = KernelManager(
            kernel_spec_manager=specs,
            connection_file=str(home / f"kernel-{uuid.uuid4()}.json"),
            ip=own_address(),
            **(manager or {}),
        )
        written = {} if output is None else {"stdout": output, "stderr": output}
        self.manager.start_kernel(env=environment_of(home, environment or {}), cwd=str(cwd or home), **written)
        self._connect()

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- cells -------------------------------------------------------------------------------------

    def run(self, code: str, *, answers: Sequence[str] = (), **how: Any) -> Ran:
        """Runs a cell to its end.

        Args:
            answers: to what it asks on stdin, in order.
            how: `silent`, `store_history`, `user_expressions`, `subshell` and the like.
        """
        if answers:
            self._await_stdin()
        running = self.begin(code, allow_stdin=bool(answers), **how)
        for answer in answers:
            self._get(self.client.stdin_channel)
            self.client.input(answer)
        return self.end(running)

    def _await_stdin(self) -> None:
        """A kernel drops what it asks where the client has no connection yet, which each channel makes by itself."""
        deadline = time.monotonic() + self.patience
        while self.client.transport == "tcp" and time.monotonic() < deadline:
            open_ = (each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_ESTABLISHED)
            if any(each.raddr and each.raddr.port == self.client.stdin_port for each in open_):
                return
            time.sleep(0.01)

    def ok(self, code: str, **how: Any) -> Ran:
        """Runs a cell that must end well."""
        ran = self.run(code, **how)
        assert ran.status == "ok", "\n".join(ran.reply.get("traceback", [])) or ran.reply
        return ran

    def library(self, name: str, source: str) -> None:
        """A library that cells can import: its code is not the user's."""
        place = self.home / "site-packages"
        place.mkdir(exist_ok=True)
        (place / f"{name}.py").write_text(source)
        self.ok("", silent=True, user_expressions={"path": f"__import__('sys').path.append({str(place)!r})"})

    def value(self, expression: str) -> Any:
        """The value of a literal, by its repr. Hidden from the history; changes nothing."""
        ran = self.ok("", silent=True, user_expressions={"value": expression})
        answer = ran.reply["user_expressions"]["value"]
        assert answer["status"] == "ok", answer
        return literal_eval(answer["data"]["text/plain"])

    def begin(
        self,
        code: str,
        *,
        subshell: str | None = None,
        metadata: Content | None = None,
        **how: Any,
    ) -> str:
        """Sends a cell off, and returns at once with what `end` takes."""
        content = {
            "code": code,
            "silent": False,
            "store_history": not how.get("silent", False),
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
            **how,
        }
        return self.send("execute_request", content, subshell=subshell, metadata=metadata)

    def end(self, running: str) -> Ran:
        """Waits for a cell to end."""
        reply = self.reply(running)
        outputs: list[Content] = []
        for kind, content in self.heard(running):
            if kind == "status" and content["execution_state"] == "idle":
                return Ran(reply, outputs)
            if kind in ("stream", "display_data", "execute_result", "error", "clear_output"):
                outputs.append({"output_type": kind, **content})
        raise AssertionError  # heard goes on until it is left

    def until(self, running: str, text: str) -> None:
        """Waits until a running cell has printed `text`."""
        self._until(running, lambda kind, content: kind == "stream" and text in content["text"])

    def taken_up(self, request: str) -> None:
        """Waits until the kernel has begun with a request: an interrupt before that would cost the request."""
        self._until(request, lambda kind, content: kind == "status" and content["execution_state"] == "busy")

    def _until(self, request: str, condition: Callable[[str, Content], bool]) -> None:
        seen: list[tuple[str, Content]] = []
        for kind, content in self.heard(request):
            seen.append((kind, content))
            if condition(kind, content):
                self._iopub[request] = [*seen, *self._iopub.get(request, [])]
                return

    def hold(self, before: str = "", after: str = "", **how: Any) -> Held:
        """Begins a cell: runs `before`, then waits until it is let go, then runs `after`."""
        gate = self.home / f"gate-{uuid.uuid4().hex}"
        waiting = f"while not os.path.exists({str(gate)!r}): time.sleep(0.005)"
        code = f"import os, time\n{before}\nprint('held')\n{waiting}\n{after}"
        held = Held(self, self.begin(code, **how), code, gate)
        self.until(held.running, "held")
        return held

    def interrupt(self) -> None:
        """What the stop button does."""
        self.manager.interrupt_kernel()

    # -- messages ----------------------------------------------------------------------------------

    def request(self, operation: str, channel: str = "shell", **parameters: Any) -> Content:
        """The reply to an operation of the protocol, whatever it says."""
        return self.ask({"operation": operation, **parameters}, channel)

    def done(self, operation: str, channel: str = "shell", **parameters: Any) -> Content:
        """The reply to an operation that must succeed. A travel accepts side effects: as a person does who agrees."""
        if operation in _TRAVELS:
            parameters.setdefault("replay", "auto")
        reply = self.request(operation, channel, **parameters)
        assert reply["status"] == "ok", reply
        return reply

    def ask(self, content: Any, channel: str = "shell") -> Content:
        """Sends a `kishu_request` with any content, however wrong; its one reply."""
        return self.reply(self.send("kishu_request", content, channel), channel)

    def message(self, kind: str, content: Any = None, channel: str = "shell") -> Content:
        """Sends a request of any kind; the content of its reply."""
        return self.reply(self.send(kind, {} if content is None else content, channel), channel)

    def send(
        self,
        kind: str,
        content: Any,
        channel: str = "shell",
        *,
        subshell: str | None = None,
        metadata: Content | None = None,
    ) -> str:
        """Sends a request; returns what `reply`, `end` and `idle` take."""
        if not isinstance(content, dict):
            content = _packed(content)  # jupyter_client sends what is packed already, whatever it is
        message = self.client.session.msg(kind, content, metadata=metadata)
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        self._channel(channel).send(message)
        return str(message["header"]["msg_id"])

    def reply(self, to: str, channel: str = "shell") -> Content:
        while to not in self._replies:
            message = self._get(self._channel(channel))
            answered = message["parent_header"]["msg_id"]
            assert answered not in self._replies, f"a second reply: {message['content']}"
            self._replies[answered] = message["content"]
        return self._replies.pop(to)

    def idle(self, request: str) -> list[tuple[str, Content]]:
        """Waits until a request has been dealt with, replied to or not; what iopub said of it."""
        heard = []
        for kind, content in self.heard(request):
            heard.append((kind, content))
            if kind == "status" and content["execution_state"] == "idle":
                break
        return heard

    def second_client(self) -> BlockingKernelClient:
        """Another frontend on the same kernel, not yet connected."""
        client = BlockingKernelClient(connection_file=self.manager.connection_file)
        client.load_connection_file()
        return client

    def nothing_more(self) -> None:
        """There is no message left on the channels of replies: nobody was answered twice."""
        self.message("kernel_info_request")
        self.message("kernel_info_request", channel="control")
        assert self._replies == {}

    # -- life --------------------------------------------------------------------------------------

    def restart(self, *, kill: bool = False) -> None:
        """A new process in the place of this one, after a shutdown or a kill -9."""
        self.client.stop_channels()
        process = self.manager.provisioner.process
        self.manager.restart_kernel(now=kill)
        process.wait()  # the manager does not wait for long, and Python warns of what nobody has waited for
        self._connect()

    def close(self, *, gracefully: bool = False) -> None:
        """Ends the process, if it still runs."""
        self.client.stop_channels()
        if self.manager.has_kernel:
            if not gracefully:  # the manager would look for its end every 0.1 s
                self.manager.provisioner.process.kill()
                self.manager.provisioner.process.wait()
            self.manager.shutdown_kernel(now=not gracefully)
        self.manager.context.destroy(linger=0)

    def _connect(self) -> None:
        self._replies: dict[str, Content] = {}
        self._iopub: dict[str, list[tuple[str, Content]]] = {}
        self.client = self.manager.client()
        self.client.session.pack = _packed
        self.client.start_channels(hb=False)
        try:
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    def _wait_until_ready(self) -> None:
        """Until it answers, and is heard on iopub. Nothing of that is left in the channels.

        As the client's `wait_for_ready`, which asks again while a slow kernel starts, and leaves the replies; and which
        waits 0.2 s for silence each time.
        """
        while True:
            request = self.send("kernel_info_request", {})
            self.reply(request)
            with suppress(Empty):
                while True:  # what is published before there is a connection never arrives
                    message = self._received(self.client.iopub_channel, 0.2)
                    state = message["content"].get("execution_state")
                    if message["parent_header"].get("msg_id") == request and state == "idle":
                        return

    def _channel(self, name: str) -> Any:
        return getattr(self.client, f"{name}_channel")

    def heard(self, parent: str) -> Iterator[tuple[str, Content]]:
        """What came, and comes, on iopub for a request; the rest is kept for who asks for it."""
        while True:
            mine = self._iopub.setdefault(parent, [])
            while mine:
                yield mine.pop(0)
            message = self._get(self.client.iopub_channel)
            of = message["parent_header"].get("msg_id", "")
            self._iopub.setdefault(of, []).append((message["msg_type"], message["content"]))

    def _get(self, channel: Any) -> Any:
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            try:
                return self._received(channel, 1)
            except Empty:
                if not self.manager.is_alive():
                    raise KernelDied("the kernel died") from None
        raise AssertionError(f"the kernel did not answer within {self.patience:.0f} s")

    def _received(self, channel: Any, seconds: float) -> Any:
        """The next message. Before jupyter_client 8 the sockets of a blocking client are asyncio's."""
        line = zmq.Socket.shadow(channel.socket)
        if not line.poll(int(1000 * seconds)):
            raise Empty
        return self.client.session.recv(line)[1]


def environment_of(home: Path, further: dict[str, str | None]) -> dict[str, str]:
    """The environment of a kernel whose every directory lies under `home`."""
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KISHU_", "JUPYTER", "JPY_", "IPYTHON"))
    }
    package = str(Path(kishu_kernel.__file__).resolve().parents[1])
    mine |= {
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "jupyter_config"),
        "JUPYTER_DATA_DIR": str(home / "jupyter_data"),
        "JUPYTER_RUNTIME_DIR": str(home / "jupyter_runtime"),
        "KISHU_STORE_DIR": str(home / "stores"),
        "PYTHONPATH": os.pathsep.join(filter(None, [package, mine.get("PYTHONPATH")])),
    }
    for name, value in further.items():
        if value is None:
            mine.pop(name, None)
        else:
            mine[name] = value
    return mine


_METADATA = json.loads((launcher.resources() / "kernel.json").read_text("utf-8"))["metadata"]


def _packed(content: Any) -> bytes:
    """Jupyter's own packer refuses what other clients can send: NaN, half a surrogate pair."""
    return json.dumps(content, default=json_default).encode("ascii")


class OneSpec(KernelSpecManager):
    """Knows one kernel, by whatever name; what it can is what our kernelspec says."""

    def __init__(self, argv: list[str]) -> None:
        super().__init__()
        self._argv = argv

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(argv=self._argv, display_name=kernel_name, language="python", metadata=_METADATA)
