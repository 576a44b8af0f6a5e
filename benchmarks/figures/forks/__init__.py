"""Many kernels in one state: ours, and the other ways to have them, side by side.

From the call until each has answered a cell in the state; the memory and the processor time of that; and what of the
state is there. Each turn is kept when it is done: a run that was stopped goes on where it was.
"""

from benchmarks.figures.forks.figures import measure

__all__ = ["measure"]
