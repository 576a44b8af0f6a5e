"""Attacks on a kernel and its store, many times over: `scripts/attack`. CI runs a quick share of each.

A module here is one attack: what it does is in its docstring. It has `attack`, which makes its own real kernels or
stores under a directory of its own, and `TIMES`, how often it is done in CI and by `scripts/attack`.
"""
