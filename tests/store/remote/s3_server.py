"""A real S3 server on loopback, with one bucket."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
}


class S3Server(NamedTuple):
    """Where it is."""

    port: int
    bucket: str = "team"

    def variables(self, port: int | None = None) -> dict[str, str]:
        """What a client needs in its environment. `port`: of a proxy before the server."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port or self.port}"}

    @contextmanager
    def environment(self) -> Iterator[None]:
        """Within this context the environment of this process has them."""
        before = {name: os.environ.get(name) for name in self.variables()}
        os.environ.update(self.variables())
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Runs one, in a process of its own. It needs moto and flask."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found = S3Server(free.getsockname()[1])
    with subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(found.port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stderr is not None
        reader = threading.Thread(target=server.stderr.read)  # it would wait once a pipe that nobody reads is full
        try:
            while "Running on" not in (line := server.stderr.readline()):
                assert line, "the S3 server has ended"
            reader.start()
            asked = http.client.HTTPConnection("127.0.0.1", found.port)
            asked.request("PUT", f"/{found.bucket}")
            assert asked.getresponse().status == 200
            asked.close()
            yield found
        finally:
            server.terminate()
            if reader.ident is not None:
                reader.join()
