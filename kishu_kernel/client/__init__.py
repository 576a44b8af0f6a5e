"""The history of a live kernel from outside, for scripts and agents: `connect`.

    from kishu_kernel.client import connect

    with connect("analysis.ipynb") as k:
        k.run("df = df.dropna()")
        k.undo()

`client` has a method for each operation of the protocol; `connection` finds the kernel and carries the messages.
"""

from kishu_kernel.client.client import LOOKING, Client, Replay, connect

__all__ = ["LOOKING", "Client", "Replay", "connect"]
