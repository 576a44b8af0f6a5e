"""What a process is set to, told by somebody who knows nothing of the package.

The other half of a state: `describer` tells what variables hold, this what their code will meet: loggers, the decimal
context, the recursion limit, where modules are looked for, how NumPy prints and errs, which figure is the current one.

Law: as the describer's: standard library only, no code in common with `kishu_kernel`, and to look changes nothing (no
library is imported for it). Works in a kernel whose `PYTHONPATH` leads here, by the expression `IN_KERNEL`.
"""

from __future__ import annotations

import _abc
import builtins
import collections.abc
import copyreg
import decimal
import fractions
import json
import logging
import numbers
import string
import sys
from collections.abc import Callable, Mapping
from typing import Any

IN_KERNEL = "__import__('settings_told').of_shell()"

LOGGERS = "book"
"""Loggers whose names begin so are told: those of libraries, and the tests' own, are not the programs' doing."""

PLACES = "/nowhere/"
"""Where programs look for modules, and nobody else."""

NAMED = "kishu"
"""Names of entries in registries begin so."""

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
    names = {id(obj): name for name, obj in sorted(variables.items(), reverse=True) if not name.startswith("_")}
    found |= _loggers(names) | _registrations(names) | _shell(names)
    numpy = sys.modules.get("numpy")
    if numpy is not None and hasattr(numpy, "geterr"):
        options = {name: value for name, value in numpy.get_printoptions().items() if name != "override_repr"}
        found |= {"how NumPy prints": repr(sorted(options.items())), "how NumPy errs": repr(numpy.geterr())}
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        figures = pyplot._pylab_helpers.Gcf.figs
        found["figures of pyplot"] = repr([_known(each.canvas.figure, names) for each in figures.values()])
    return found


def of_shell() -> str:
    """Those of the running kernel, as JSON."""
    from IPython import get_ipython

    return json.dumps(settings(get_ipython().user_ns))


def _known(obj: Any, names: Mapping[int, str]) -> str:
    """By which variable one knows it."""
    return names.get(id(obj), f"some {type(obj).__name__}")


def _entries(held: Mapping[Any, Any], names: Mapping[int, str]) -> str:
    """Of a registry those whose keys are variables, or named by the programs: which variable is registered."""
    return repr(sorted(f"{_key(key, names)}: {_known(each, names)}" for key, each in held.items() if _key(key, names)))


def _key(key: Any, names: Mapping[int, str]) -> str:
    if isinstance(key, tuple):
        key = key[0]
    if isinstance(key, str):
        return key if key.lower().startswith(NAMED) else ""
    return names.get(id(key), "") if isinstance(key, type) else ""


def _registrations(names: Mapping[int, str]) -> Settings:
    """What libraries that are imported know of the variables. What of them is no variable any more is nobody's."""
    found = {"ways to pickle": _entries(copyreg.dispatch_table, names)}
    if "sqlite3" in sys.modules:
        sqlite = sys.modules["sqlite3"]
        found |= {"adapters": _entries(sqlite.adapters, names), "converters": _entries(sqlite.converters, names)}
    if "shutil" in sys.modules:
        formats = {name: each[0] for name, each in sys.modules["shutil"]._ARCHIVE_FORMATS.items()}
        found["archives"] = _entries(formats, names)
    for owner in ("builtins", "string", "fractions.Fraction", "collections.UserDict"):
        module, _, name = owner.partition(".")
        obj = getattr(sys.modules.get(module), name, None) if name else sys.modules.get(module)
        if obj is not None:
            found[f"attributes of {owner}"] = _entries({each: vars(obj)[each] for each in list(vars(obj))}, names)
    for kind in (numbers.Number, collections.abc.Sized):
        registered = [each for reference in _abc._get_dump(kind)[0] if (each := reference()) is not None]  # type: ignore[attr-defined]
        known = sorted(names[id(each)] for each in registered if id(each) in names)
        found[f"virtual subclasses of {kind.__name__}"] = repr(known)
    pandas = sys.modules.get("pandas")
    if pandas is not None and hasattr(pandas, "DataFrame"):
        for kind in (pandas.DataFrame, pandas.Series):
            accessors = {name: vars(kind)[name] for name in kind._accessors if name in vars(kind)}
            made = {name: getattr(each, "_accessor", None) for name, each in accessors.items()}
            found[f"accessors of {kind.__name__}"] = _entries(made, names)
    return found


def _shell(names: Mapping[int, str]) -> Settings:
    """How IPython is set; nothing outside of a kernel."""
    core = sys.modules.get("IPython.core.interactiveshell")
    shell = None if core is None else core.InteractiveShell._instance
    if shell is None:
        return {}
    plain = shell.display_formatter.formatters["text/plain"]
    magics = shell.magics_manager.magics["line"]
    found = {
        "shows": shell.ast_node_interactivity,
        "precision": repr(plain.float_precision),
        "pretty": f"{plain.pprint} {plain.max_width}",
        "tracebacks": shell.InteractiveTB.mode,
        "automagic": str(shell.automagic),
        "extensions": repr(sorted(each for each in shell.extension_manager.loaded if each != "kishu_kernel")),
        "magics": _entries(
            {f"{NAMED} {name}": each for name, each in magics.items() if name.startswith("mine")}, names
        ),
        "aliases": repr(sorted(item for item in shell.alias_manager.aliases if item[0].startswith("al"))),
        "transformers": repr([names[id(each)] for each in shell.input_transformers_cleanup if id(each) in names]),
    }
    for event in ("pre_run_cell", "post_run_cell"):
        found[event] = repr([names[id(each)] for each in shell.events.callbacks[event] if id(each) in names])
    for kind in ("text/plain", "text/html"):
        formatter = shell.display_formatter.formatters[kind]
        found[f"formatters of {kind}"] = _entries(formatter.type_printers, names)
        made_up = {
            f"{NAMED} {key[1]}": each for key, each in formatter.deferred_printers.items() if key[0] == "made.up"
        }
        found[f"formatters of {kind} by name"] = _entries(made_up, names)
    if "autoreload" in magics:
        reloader = magics["autoreload"].__self__._reloader
        found["autoreload"] = f"{reloader.enabled} {reloader.check_all}"
    return found


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
    level, filters, formatter = (getattr(obj, name, None) for name in ("level", "filters", "formatter"))
    form, filtered = getattr(formatter, "_fmt", None), len(filters or ())
    return f"{type(obj).__name__} {level} {form!r} {filtered} filters, called {names.get(id(obj), 'nothing')}"


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
        _forget_registrations()
        if numpy is not None and options is not None:
            numpy.set_printoptions(**options[0])
            numpy.seterr(**options[1])
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")

    return set_again


def _forget_registrations() -> None:
    """Classes of notebooks are taken out of the registries of Python's own modules, and what the programs named."""
    held: list[Any] = [copyreg.dispatch_table]
    if "sqlite3" in sys.modules:
        held += [sys.modules["sqlite3"].adapters, sys.modules["sqlite3"].converters]
    if "shutil" in sys.modules:
        held.append(sys.modules["shutil"]._ARCHIVE_FORMATS)
    for each in held:
        for key in list(each):
            kind = key[0] if isinstance(key, tuple) else key
            if getattr(kind, "__module__", "") == "__main__" or str(kind).lower().startswith(NAMED):
                del each[key]
    for owner in (builtins, string, fractions.Fraction, collections.UserDict):
        for name in [each for each in vars(owner) if each.startswith(NAMED)]:
            delattr(owner, name)
    for name in ("DataFrame", "Series"):
        kind = getattr(sys.modules.get("pandas"), name, None)
        for accessor in [each for each in getattr(kind, "_accessors", ()) if each.startswith(NAMED)]:
            delattr(kind, accessor)
            kind._accessors.discard(accessor)  # type: ignore[union-attr]
