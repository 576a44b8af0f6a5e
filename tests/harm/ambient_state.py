"""The ambient state of a kernel, all that a notebook can see outside its variables: `taken()`, in the kernel itself.

To take it moves nothing: what is read here is read without an import that the kernel has not made.
"""

from __future__ import annotations

import atexit
import builtins
import codecs
import copyreg
import decimal
import gc
import hashlib
import json
import linecache
import locale
import logging
import mimetypes
import os
import pickle
import random
import signal
import sys
import threading
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any


class Canary(UserWarning):
    """Never shown: tells whether warnings that were shown once would be shown again."""


_registry: dict[Any, Any] = {"version": -1}
_kept: list[Any] = []

_OURS = (
    "kishu_kernel",
    "lmdb",
    "_lmdb",
    "lmdb_cffi",
    "xxhash",
    "_xxhash",
    "backports",
    "zstandard",
    "cloudpickle",
    "psutil",
)
"""Packages that ours needs, and that a notebook sees only in `sys.modules`."""

_LAZY = frozenset({"click", "anywidget", "ipywidgets", "nbformat", "fastjsonschema", "jsonschema", "psygnal"})


_OWN_FILES = ("/stores/", "kishu", "/profile_default")
"""Parts of the names of files that are our store's, and the history of IPython."""


def _digest(value: Any) -> str:
    return hashlib.blake2b(repr(value).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _same(obj: Any) -> str:
    """Which object it is. It is kept, so that no other one gets its address."""
    _kept.append(obj)
    return f"{getattr(obj, '__qualname__', type(obj).__qualname__)}@{id(obj):x}"


def _of(name: str, read: Callable[[Any], Any]) -> Any:
    """Of a module, where it is imported."""
    module = sys.modules.get(name)
    return None if module is None else read(module)


def _generators() -> dict[str, Any]:
    found: dict[str, Any] = {"random": _digest(random.getstate()), "random's own": _same(random._inst)}
    if "numpy.random" in sys.modules:
        legacy = sys.modules["numpy.random"].mtrand._rand
        found["numpy"] = _digest(legacy.get_state(legacy=False))
        names = vars(sys.modules["__main__"])
        found["generators"] = {
            name: _digest(each.bit_generator.state) for name, each in names.items() if hasattr(each, "bit_generator")
        }
    if "torch" in sys.modules:
        found["torch"] = _digest(sys.modules["torch"].get_rng_state().tolist())
    return found


def _warnings() -> dict[str, Any]:
    warnings.warn_explicit(Canary(""), None, "canary", 1, "canary", _registry)  # type: ignore[call-overload]
    registries = {
        name: sorted(map(repr, getattr(module, "__warningregistry__", None) or ()))
        for name, module in list(sys.modules.items())
        if name != "__main__"  # IPython clears it before each cell
        and isinstance(vars(module).get("__warningregistry__") if hasattr(module, "__dict__") else None, dict)
    }
    return {
        "filters": repr(warnings.filters),
        "how often the filters changed": _registry["version"],
        "showwarning": _same(warnings.showwarning),
        "_showwarnmsg_impl": _same(warnings._showwarnmsg_impl),  # type: ignore[attr-defined]
        "formatwarning": _same(warnings.formatwarning),
        "onceregistry": repr(warnings.onceregistry),  # type: ignore[attr-defined]
        "registries": registries,
    }


def _logging() -> dict[str, Any]:
    known = {name: each for name, each in logging.root.manager.loggerDict.items() if isinstance(each, logging.Logger)}
    tree = {
        name: (
            each.level,
            each.disabled,
            each.propagate,
            list(map(_same, each.handlers)),
            list(map(_same, each.filters)),
        )
        for name, each in {**known, "": logging.root}.items()
        if each.handlers or each.level or each.disabled or not each.propagate
    }
    return {
        "tree": tree,
        "disable": logging.root.manager.disable,
        "lastResort": _same(logging.lastResort),
        "captures warnings": logging._warnings_showwarning is not None,  # type: ignore[attr-defined]
        "factory": _same(logging.getLoggerClass()),
        "records": _same(logging.getLogRecordFactory()),
        "raises": logging.raiseExceptions,
    }


def _process() -> dict[str, Any]:
    umask = os.umask(0o77)
    os.umask(umask)
    import resource

    return {
        "cwd": os.getcwd(),
        "umask": umask,
        "environment": _digest(sorted(os.environ.items())),
        "environment, names": sorted(os.environ),
        "argv": sys.argv,
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if "RLIMIT_" in name},
        "nice": os.nice(0),
        "signals": {each: _same(signal.getsignal(each)) for each in sorted(signal.valid_signals())},
        "wakeup": _wakeup(),
        "mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "timers": signal.getitimer(signal.ITIMER_REAL),
        "locale": locale.setlocale(locale.LC_ALL),
    }


def _wakeup() -> Any:
    if threading.current_thread() is not threading.main_thread():
        return None
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before, warn_on_full_buffer=False)
    return before


def _interpreter() -> dict[str, Any]:
    hooks = ("excepthook", "unraisablehook", "displayhook", "breakpointhook", "stdout", "stderr", "stdin")
    return {
        "hooks": {name: _same(getattr(sys, name)) for name in hooks},
        "path": list(sys.path),
        "finders": list(map(_same, sys.meta_path)),
        "path hooks": list(map(_same, sys.path_hooks)),
        "flags": repr(sys.flags),
        "recursion": sys.getrecursionlimit(),
        "switch": sys.getswitchinterval(),
        "digits": sys.get_int_max_str_digits() if hasattr(sys, "get_int_max_str_digits") else None,
        "trace": (sys.gettrace(), sys.getprofile(), threading._trace_hook, threading._profile_hook),  # type: ignore[attr-defined]
        "writes no bytecode": sys.dont_write_bytecode,
        "cache prefix": sys.pycache_prefix,
        "threads' hook": _same(threading.excepthook),
        "async hooks": tuple(map(_same, sys.get_asyncgen_hooks())),
        "coroutine origins": sys.get_coroutine_origin_tracking_depth(),
        "monitoring": [sys.monitoring.get_tool(each) for each in range(6)] if hasattr(sys, "monitoring") else None,
        "builtins": {name: _same(each) for name, each in sorted(vars(builtins).items()) if name != "_"},
        "displayed": _digest(getattr(builtins, "_", None)),
        "collector": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count(), gc.get_debug()),
        "collector's callbacks": list(map(_same, gc.callbacks)),
        "policy": _same(type(sys.modules["asyncio"].get_event_loop_policy())) if sys.version_info < (3, 14) else None,
        "children": _of("multiprocessing", lambda module: module.get_start_method(True)),
    }


def _libraries() -> dict[str, Any]:
    context = decimal.getcontext()
    found: dict[str, Any] = {
        "copyreg": {each.__qualname__: _same(way) for each, way in sorted(copyreg.dispatch_table.items(), key=repr)},
        "extensions": repr(copyreg._extension_registry),  # type: ignore[attr-defined]
        "pickle": {str(each): _same(way) for each, way in sorted(pickle._Pickler.dispatch.items(), key=repr)},  # type: ignore[attr-defined]
        "pickle's classes": (_same(pickle.Pickler), _same(pickle.Unpickler), _same(pickle.loads), _same(pickle.dump)),
        "error handlers": [_same(codecs.lookup_error(name)) for name in ("strict", "replace", "surrogateescape")],
        "codecs": {name: _same(codecs.lookup(name).encode) for name in ("utf-8", "latin-1", "ascii")},
        "mime types": (mimetypes.inited, _digest(sorted(mimetypes.types_map.items()))),
        "decimal": repr((context.prec, context.rounding, sorted(map(repr, context.traps.items())), context.flags)),
        "decimal's default": repr(decimal.DefaultContext),
        "json": (_same(json.JSONEncoder.default), _same(json._default_encoder), _same(json.dumps)),  # type: ignore[attr-defined]
        "source lines": sorted(
            name for name in linecache.cache if f"{os.sep}ipykernel_{os.getpid()}{os.sep}" not in name
        ),
        "linecache's functions": (_same(linecache.checkcache), _same(linecache.getlines), _same(linecache.updatecache)),
        "at exit": atexit._ncallbacks(),
        "finalizers": sum(each[1].atexit for each in _finalizers()),
    }
    found["numpy"] = _of(
        "numpy", lambda numpy: (repr(numpy.geterr()), numpy.getbufsize(), _digest(numpy.get_printoptions()))
    )
    if "pandas._config.config" in sys.modules:
        found["pandas"] = _digest(sys.modules["pandas._config.config"]._global_config)
    if "matplotlib" in sys.modules:
        found["matplotlib"] = _digest(sorted(dict.items(sys.modules["matplotlib"].rcParams)))
    if "matplotlib.pyplot" in sys.modules:
        found["figures"] = sys.modules["matplotlib.pyplot"].get_fignums()
    return found


def _finalizers() -> Iterable[Any]:
    return list(weakref.finalize._registry.items())  # type: ignore[attr-defined]


def _modules() -> dict[str, Any]:
    """Which packages a notebook could notice; in the order in which they came, those of the kernel aside."""
    roots = dict.fromkeys(name.partition(".")[0] for name in sys.modules)
    plain = [name for name in roots if name not in sys.stdlib_module_names and not name.startswith(("_", *_OURS))]
    return {"packages": [name for name in plain if name not in _LAZY]}


def _open() -> dict[str, Any]:
    """Descriptors, those of our stores and the line to our checker aside; threads, ours aside."""
    files = []
    line = _socket_of_the_checker()
    for each in os.listdir("/proc/self/fd"):
        try:
            if int(each) != line:
                files.append(os.readlink(f"/proc/self/fd/{each}"))
        except OSError:  # the one of the listing
            continue
    theirs = [each for each in files if not any(part in each for part in _OWN_FILES)]
    kinds = sorted(each.partition(":")[0] if ":[" in each else each for each in theirs)
    threads = sorted(each.name for each in threading.enumerate() if not each.name.startswith("kishu"))
    return {"files": kinds, "threads": threads}


def _socket_of_the_checker() -> int | None:
    client = sys.modules.get("kishu_kernel.session.checker.connection")
    checkers = [each for each in gc.get_objects() if client and type(each) is client.Checker]
    return next((each._socket.fileno() for each in checkers if each._socket is not None), None)


def armed() -> None:
    """Once, before anything is taken."""
    warnings.filterwarnings("ignore", category=Canary)


def taken() -> dict[str, Any]:
    """All of it: two are equal where nothing has moved."""
    parts = (_generators, _warnings, _logging, _process, _interpreter, _libraries, _modules, _open)
    return {f"{part.__name__[1:]}: {name}": each for part in parts for name, each in part().items()}


_before: dict[str, Any] = {}


def remember() -> None:
    """What is now is what is to be later."""
    _before.clear()
    _before.update(taken())


def moved() -> dict[str, tuple[str, str]]:
    """What is other than it was when it was remembered: in short what was, and what is."""
    now = taken()
    return {name: _difference(_before.get(name), now.get(name)) for name in now if now[name] != _before.get(name)}


def _difference(before: Any, after: Any) -> tuple[str, str]:
    if isinstance(before, dict) and isinstance(after, dict):
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        before, after = {n: before.get(n) for n in names}, {n: after.get(n) for n in names}
    elif isinstance(before, list) and isinstance(after, list):
        one, other = Counter(map(str, before)), Counter(map(str, after))
        before, after = list((one - other).elements()), list((other - one).elements())
    return repr(before)[:500], repr(after)[:500]
