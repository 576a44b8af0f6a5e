"""Benchmarks of what this kernel promises: each figure with its target."""
