"""What the kernel costs, and what others cost: `python -m benchmarks run | report | figures`.

figures/      what this kernel promises, each figure with its target, beside plain ipykernel
run_all/      all cells queued at once: what that costs beside plain ipykernel
comparison/   the paper's evaluation with every system: runs, records, and the page made of them
systems/      an adapter for each system; workloads/ what they all run
inside/       what is loaded into a measured kernel; environments the environments that systems run in
harness       real kernels, driven by their client
"""
