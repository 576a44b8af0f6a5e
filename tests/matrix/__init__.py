"""The library matrix: classes of real libraries, each made, changed, left alone and brought back by a real kernel.

As the paper's 7.2: `scripts/matrix` runs all groups, each in an environment of its own, and writes
`benchmarks/results/matrix.md`; `test_matrix` runs the light ones with what the tests' environment has.
"""
