"""A real S3 server on loopback."""

from __future__ import annotations

import http.client
import importlib.util
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

MISSING = importlib.util.find_spec("moto") is None
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
}


@contextmanager
def s3_server(bucket: str = "team") -> Iterator[int]:
    """The port of a server with one bucket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(number)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stderr is not None
        while "Running on" not in (line := server.stderr.readline()):
            assert line, "the S3 server has ended"
        reader = threading.Thread(target=server.stderr.read)
        reader.start()  # it would wait once a pipe that nobody reads is full
        asked = http.client.HTTPConnection("127.0.0.1", number)
        asked.request("PUT", f"/{bucket}")
        assert asked.getresponse().status == 200
        asked.close()
        try:
            yield number
        finally:
            server.terminate()
            reader.join()
