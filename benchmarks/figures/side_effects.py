"""What it costs a cell that its side effects are recorded: our audit hook sees every event.

`id()` and `sys._getframe()` raise one at every call, so code that does hardly anything else shows the cost of an event
that nobody listens for; what people run shows none. Under the kernel and under plain ipykernel, in turns, in several
pairs of fresh processes; processor time of the cell, and of each process the best round counts.
"""

from __future__ import annotations

from functools import partial

from benchmarks.harness import KISHU, PLAIN, Figure, Kernel, Result, in_turns, ratio, running

PROCESSES = 4
ROUNDS = 5

SESSION = """
import copy, io, logging, pathlib, tempfile, time
import matplotlib
matplotlib.use("agg")
import matplotlib.pyplot as plt
nested = [{"a": i, "b": [i]} for i in range(20_000)]
log = logging.getLogger("quiet")
log.addHandler(logging.NullHandler())
log.propagate = False
folder = pathlib.Path(tempfile.mkdtemp())
for i in range(500):
    (folder / str(i)).write_text("text")
def plot():
    figure, axes = plt.subplots(2, 2)
    for each in axes.flat:
        each.plot(range(100))
        each.scatter(range(50), range(50))
    figure.savefig(io.BytesIO())
    plt.close(figure)
plot()
"""
WORK = {
    "plotting with matplotlib": ("plot()", 1.05),
    "reading 500 files": ("for i in range(500): (folder / str(i)).read_text()", 1.05),
    "writing 500 files": ("for i in range(500): (folder / str(i)).write_text('new')", 1.05),
    "20,000 lines of logging": ("for i in range(20_000): log.warning('line')", 1.05),
    "deepcopy of 40,000 containers": ("copied = copy.deepcopy(nested); del copied", 1.05),
    "1M calls of id()": ("for i in range(1_000_000): id(i)", 1.05),
}
"""The cell, and its target. The last three raise an event with each call, and do little else."""


def measure() -> Result:
    """Times in the cell, as a ratio to ipykernel's."""
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in WORK}
    for _ in range(PROCESSES):
        with running(KISHU, PLAIN) as kernels:
            for kernel in kernels:
                kernel.run(SESSION)
            for name, (code, _) in WORK.items():
                ours, plain = in_turns(kernels, ROUNDS, partial(_seconds, code))
                pairs[name].append((min(ours), min(plain)))
    return Result(
        [
            Figure(f"side effects recorded: {name}, time in the cell / ipykernel's", _ratio(pairs[name]), "x", target)
            for name, (_, target) in WORK.items()
        ],
        {"pairs": pairs},
    )


def _seconds(code: str, kernel: Kernel) -> float:
    timed = f"started = time.thread_time()\n{code}\nprint(time.thread_time() - started)"
    return float(kernel.run(timed).stdout)


def _ratio(pairs: list[tuple[float, float]]) -> float:
    ours, plain = zip(*pairs, strict=True)
    return ratio(ours, plain)


if __name__ == "__main__":
    from benchmarks.figures.run import main

    raise SystemExit(main(["side_effects"]))
