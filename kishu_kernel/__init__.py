"""kishu-kernel: a Jupyter kernel for Python that travels in time.

A checkpoint follows every cell; any of them can be checked out again in the same running kernel.
The package itself imports nothing, so that `python -m kishu_kernel` can mend `sys.path` first.
"""

__version__ = "0.1.0"
__all__ = ["__version__", "load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(shell: object) -> None:
    """`%load_ext kishu_kernel`: time travel in a kernel that is not ours."""
    from kishu_kernel.frontend.kernel.extension import load

    load(shell)


def unload_ipython_extension(shell: object) -> None:
    """`%unload_ext kishu_kernel`: no more checkpoints; the history stays."""
    from kishu_kernel.frontend.kernel.extension import unload

    unload(shell)
