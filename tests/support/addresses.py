"""A loopback address for each process of tests: a port that is free when chosen is free when the kernel starts."""

from __future__ import annotations

import os
import socket
import sys

from jupyter_client import localinterfaces


def own_address() -> str:
    """Of this process alone, on a system that has all of 127.0.0.0/8."""
    if sys.platform != "linux":
        return "127.0.0.1"
    number = os.getpid()  # below 2 ** 22
    address = f"127.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
    if not localinterfaces.is_local_ip(address):  # all are, and few have a name
        localinterfaces.LOCAL_IPS.append(address)
    return address


def choose() -> None:
    """Kernels that this process starts have it, whoever starts them."""
    localinterfaces.LOCALHOST = own_address()


def free_port() -> int:
    """A port of this process's address that nobody listens on."""
    with socket.socket() as free:
        free.bind((own_address(), 0))
        return int(free.getsockname()[1])
