"""Figures: what the kernel's process uses for a notebook of plots, beside plain ipykernel, all cells queued at once.

Processor time, since who queues cells waits for it whatever else the machine does. Two sums: until the last reply, and
until nothing goes on any more.
"""

from __future__ import annotations

from benchmarks.harness import KISHU, PLAIN, Figure, Launch, Result, in_turns, ratio
from benchmarks.run_all.cases import Case
from benchmarks.run_all.drive import Spent, run_all

ROUNDS = 3
FIRST = "%matplotlib inline\nimport matplotlib.pyplot as plt\nimport numpy as np\nx = np.linspace(0, 6, 50)"
WORK = {
    "20 plots that nothing keeps": (20, "plt.plot(x, np.sin({n} * x))\nplt.title('{n}');"),
    "20 plots that a result keeps": (20, "plt.plot(x, np.sin({n} * x))\nplt.title('{n}')"),
    "20 plots that variables keep": (20, "fig{n}, ax{n} = plt.subplots()\nax{n}.plot(x, np.sin({n} * x));"),
    "6 figures of 3 x 3 axes that variables keep": (
        6,
        "fig{n}, axes{n} = plt.subplots(3, 3)\nfor each in axes{n}.flat:\n    each.plot(x, np.sin({n} * x))",
    ),
}
TARGET = 1.1


def measure() -> Result:
    """Each notebook in fresh kernels, in turns."""
    figures, samples = [], {}
    for name, (count, code) in WORK.items():
        case = Case(name, "workload that presses one point", tuple(code.format(n=n) for n in range(count)), (FIRST,))
        ours, plain = in_turns((KISHU, PLAIN), ROUNDS, lambda system, case=case: _used(system, case))
        for number, until in enumerate(("the last reply", "it is idle")):
            pairs = [each[number] for each in ours], [each[number] for each in plain]
            figures.append(Figure(f"{name}: processor time until {until}, of plain's", ratio(*pairs), "x", TARGET))
        samples[name] = {"kishu": ours, "ipykernel": plain}
    return Result(figures, samples)


def _used(system: Launch, case: Case) -> tuple[float, float]:
    """Seconds until the last reply, and until nothing goes on, of the kernel and what it started for itself."""
    spent: Spent = run_all(system, case)
    first = spent.process + spent.helpers
    return first, first + spent.later_process + spent.later_helpers


if __name__ == "__main__":
    from benchmarks.figures.run import main

    raise SystemExit(main(["plots"]))
