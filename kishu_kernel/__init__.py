"""kishu-kernel: a Jupyter kernel for Python that travels in time.

A checkpoint follows every cell; any of them can be checked out again in the same running kernel.
The package itself imports nothing, so that `python -m kishu_kernel` can mend `sys.path` first.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
