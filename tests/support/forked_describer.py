"""What a session state is, told by a forked child of the kernel's process: there to look changes nothing.

`describer` asks objects for their `__dict__`, their length, their reduction, and some are others afterwards: an
instance has a dictionary that it had not, a library has filled a cache, a counter has gone on. The child is a copy of
the process that dies once it has told: whatever it does to what it looks at, the kernel keeps its own.

Law: standard library only, and no code in common with `kishu_kernel`. The child runs no destructor of the user's, and
nothing of its parent's loop: it writes into a pipe and leaves by `os._exit`. Works in a kernel whose `PYTHONPATH`
leads here, by the expression `IN_KERNEL`.
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import traceback
import warnings

IN_KERNEL = "__import__('forked_describer').of_shell()"
"""Evaluates in a kernel to JSON: its session's variables, and what its process is set to, as a child sees them."""

SEEN_HERE = "__import__('forked_describer').seen()"
"""The same, as the kernel's own process sees it."""


def of_shell() -> str:
    """What a child tells.

    Raises:
        RuntimeError: it could not, or did not live to tell.
    """
    numbers = random.getstate()  # a child draws others: the module sees to that when it is forked
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads, which are not there in the child: it waits for none
        child = os.fork()
    if child == 0:
        _tell(writing, numbers)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise RuntimeError(f"the child ended with {os.waitstatus_to_exitcode(status)}: {told}")
    return told


def seen() -> str:
    """What this process tells of itself."""
    import describer  # a module of its own there, where `tests` is no package
    import settings_told

    whole, alone, classes = describer.apart_of_shell()
    told = {"variables": whole, "alone": alone, "settings": json.loads(settings_told.of_shell())}
    return json.dumps({**told, "classes": dict.fromkeys(classes, "")})


def _tell(writing: int, numbers: object) -> None:
    """The child's life."""
    status = 1
    try:
        gc.disable()  # a cycle that is collected here may remove a file that the parent still has
        random.setstate(numbers)  # type: ignore[arg-type]
        text, status = seen(), 0
    except BaseException:
        text = traceback.format_exc()
    try:
        left = text.encode("utf-8", "surrogatepass")
        while left:
            left = left[os.write(writing, left) :]
    finally:
        sys.stdout = sys.stderr = None  # type: ignore[assignment]
        os._exit(status)
