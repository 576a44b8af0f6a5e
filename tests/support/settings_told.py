"""What a process is set to, told by somebody who knows nothing of the package.

The other half of a state: `describer` tells what variables hold, this what their code will meet: loggers, the decimal
context, the recursion limit, where modules are looked for, how NumPy prints and errs, which figure is the current one.

Law: as the describer's: standard library only, no code in common with `kishu_kernel`, and to look changes nothing (no
library is imported for it). Works in a kernel whose `PYTHONPATH` leads here, by the expression `IN_KERNEL`.
"""

from __future__ import annotations

import decimal
import json
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

IN_KERNEL = "__import__('settings_told').of_shell()"

LOGGERS = "book"
"""Loggers whose names begin so are told: those of libraries, and the tests' own, are not the programs' doing."""

PLACES = "/nowhere/"
"""Where programs look for modules, and nobody else."""

Settings = dict[str, str]


def settings(variables: Mapping[str, Any]) -> Settings:
    """What is told, in one flat mapping. What is as in a new process is left out where one cannot tell it from made."""
    context = decimal.getcontext()
    traps = sorted(signal.__name__ for signal, trapped in context.traps.items() if trapped)
    found = {
        "recursion limit": str(sys.getrecursionlimit()),
        "decimal context": f"{context.prec} {context.rounding} {context.Emin} {context.Emax} {traps}",
        "module search path": repr([place for place in sys.path if str(place).startswith(PLACES)]),
        "logging is disabled below": str(logging.root.manager.disable),
        "level of the root logger": str(logging.root.level),
    }
    found |= _loggers({id(obj): name for name, obj in sorted(variables.items(), reverse=True)})
    numpy = sys.modules.get("numpy")
    if numpy is not None and hasattr(numpy, "geterr"):
        options = {name: value for name, value in numpy.get_printoptions().items() if name != "override_repr"}
        found |= {"how NumPy prints": repr(sorted(options.items())), "how NumPy errs": repr(numpy.geterr())}
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        found["figures of pyplot"] = repr(pyplot.get_fignums())
    return found


def of_shell() -> str:
    """Those of the running kernel, as JSON."""
    from IPython import get_ipython

    return json.dumps(settings(get_ipython().user_ns))


def _loggers(names: Mapping[int, str]) -> Settings:
    made = logging.root.manager.loggerDict
    each = {name: made[name] for name in sorted(made) if name.startswith(LOGGERS)}
    told = {name: _logger(obj, names) for name, obj in each.items() if isinstance(obj, logging.Logger)}
    return {f"logger {name}": what for name, what in told.items() if what != "0 True False [] []"}


def _logger(obj: logging.Logger, names: Mapping[int, str]) -> str:
    handlers = [_handler(handler, names) for handler in obj.handlers]
    filters = [names.get(id(each), type(each).__name__) for each in obj.filters]
    return f"{obj.level} {obj.propagate} {obj.disabled} {handlers} {filters}"


def _handler(obj: logging.Handler, names: Mapping[int, str]) -> str:
    """What a handler does, and by which variable one knows it: another one that does the same is another one."""
    form = getattr(obj.formatter, "_fmt", None)
    return (
        f"{type(obj).__name__} {obj.level} {form!r} {len(obj.filters)} filters, called {names.get(id(obj), 'nothing')}"
    )


def remembered() -> Callable[[], None]:
    """Remembers what this process is set to. Returns what sets it so again, as if it were a new one."""
    limit, places, context = sys.getrecursionlimit(), list(sys.path), decimal.getcontext().copy()
    disabled, level = logging.root.manager.disable, logging.root.level
    numpy = sys.modules.get("numpy")
    options = None if numpy is None else (numpy.get_printoptions(), numpy.geterr())

    def set_again() -> None:
        sys.setrecursionlimit(limit)
        sys.path[:] = places
        decimal.setcontext(context.copy())
        logging.root.manager.disable = disabled
        logging.root.setLevel(level)
        for name in [name for name in logging.root.manager.loggerDict if name.startswith(LOGGERS)]:
            logger = logging.getLogger(name)
            logger.level, logger.propagate, logger.disabled = 0, True, False
            logger.handlers, logger.filters = [], []
            logger.manager._clear_cache()  # type: ignore[attr-defined]
        if numpy is not None and options is not None:
            numpy.set_printoptions(**options[0])
            numpy.seterr(**options[1])
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")

    return set_again
