"""The history of a live kernel from outside, for scripts and agents: `connect`.

    from kishu_kernel.client import connect

    with connect("analysis.ipynb") as k:
        k.run("df = df.dropna()")
        k.undo()

        for fork, fill in zip(k.fork(2), ("mean", "median")):
            with fork:
                fork.run(f"df = df.fillna(df.{fill}())")

`operations` has a method for each operation of the protocol, `client` sends them, and runs cells; `finding` knows
which kernel is meant, `connection` carries the messages; `forks` starts kernels that begin in a state of a history,
in the spare process of a kernel (`spares`) or where none is live (`at_rest`), as many as there is memory for
(`fork_limit`); `exploring` tries cells in them; `outputs` collects what a cell shows.
"""

from kishu_kernel.client.client import Client, Fork, connect
from kishu_kernel.client.exploring import Explored, explore
from kishu_kernel.client.operations import LOOKING, Replay, Target

__all__ = ["LOOKING", "Client", "Explored", "Fork", "Replay", "Target", "connect", "explore"]
