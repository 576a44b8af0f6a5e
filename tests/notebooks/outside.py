"""What a notebook changes outside of its variables, told inside of its kernel: a flat mapping, as the describer's.

Law: standard library only, and no code in common with `kishu_kernel`. `IN_KERNEL` evaluates in a kernel whose
`PYTHONPATH` leads here. It imports nothing that the notebook did not import, and binds no name.
"""

from __future__ import annotations

import json
import logging
import numbers
import random
import sys
from collections.abc import Callable, Mapping, Sized
from typing import Any

Told = dict[str, str]
Variables = Mapping[str, Any]

IN_KERNEL = "__import__('outside').of_shell({!r})"


def of_shell(notebook: str) -> str:
    """What there is to tell of a notebook, as JSON."""
    from IPython import get_ipython

    tell = _NOTEBOOKS.get(notebook, lambda variables: {})
    return json.dumps({f"outside: {what}": str(told) for what, told in tell(get_ipython().user_ns).items()})


def names_of(variables: Variables, obj: Any) -> list[str]:
    """The variables that are this very object."""
    return sorted(name for name, value in variables.items() if value is obj and not name.startswith("_"))


def _logging(variables: Variables) -> dict[str, Any]:
    untouched = (logging.NOTSET, True, False, [])
    told: dict[str, Any] = {"disabled below": logging.root.manager.disable, "level 25": logging.getLevelName(25)}
    for name in ("root", "shop", "shop.cart", "shop.quiet", "app"):
        logger = logging.root if name == "root" else logging.root.manager.loggerDict.get(name)
        if isinstance(logger, logging.Logger):
            handlers = [_handler(variables, each) for each in logger.handlers]
            state = (logger.level, logger.propagate, logger.disabled, handlers)
            if state != untouched:
                told[name] = state
    return told


def _handler(variables: Variables, handler: logging.Handler) -> tuple[Any, ...]:
    lines = getattr(handler.formatter, "_fmt", None)
    return type(handler).__name__, handler.level, lines, len(handler.filters), names_of(variables, handler)


def _plots(variables: Variables) -> dict[str, Any]:
    matplotlib, pyplot = sys.modules.get("matplotlib"), sys.modules.get("matplotlib.pyplot")
    if matplotlib is None or pyplot is None:
        return {}
    settings = {f"setting {name}": value for name, value in matplotlib.rcParams.items() if name != "backend"}
    return {**settings, "figures": pyplot.get_fignums(), "our colours": "ours" in list(matplotlib.colormaps)}


def _modules(variables: Variables) -> dict[str, Any]:
    told: dict[str, Any] = {"path": "lib" in sys.path}
    for name in ("recipes", "settings", "kitchen.stove", "spices"):
        for attribute, value in vars(sys.modules.get(name, object)).items():
            if attribute.startswith("__") or name not in sys.modules:
                continue
            names = names_of(variables, value) if type(value) not in (int, bool, str) else []
            told[f"{name}.{attribute}"] = value if isinstance(value, (int, str, dict)) else type(value), names
    recipe = getattr(sys.modules.get("recipes"), "Recipe", None)
    if recipe is not None:
        told["recipe"] = recipe.count, getattr(recipe, "unit", None)
    if "settings" in sys.modules:
        told["settings"] = sorted(vars(sys.modules["settings"].settings).items())
    return told


def _adventure(variables: Variables) -> dict[str, Any]:
    told: dict[str, Any] = {
        "a number": isinstance(variables.get("me"), numbers.Number),
        "sized": isinstance(variables.get("hall"), Sized),
    }
    if "use" in variables:
        told["use"] = [variables["use"].dispatch(variables[kind]).__name__ for kind in ("Lamp", "Key")]
    if "world" in variables:
        told["world"] = variables["World"]() is variables["world"], sorted(variables["world"].watch.values())
    if "cost" in variables:
        told["cost"] = variables["cost"].cache_info()
    return told


def _weather(variables: Variables) -> dict[str, Any]:
    told: dict[str, Any] = {}
    pandas, database = variables.get("pd"), variables.get("memory")
    if "Weather" in variables:
        told["Weather: accessor"] = _answer(lambda: pandas.Series.weather is variables["Weather"])
    if "CelsiusDtype" in variables:
        told["CelsiusDtype"] = _answer(
            lambda: type(pandas.Series([1.0]).astype("celsius").dtype) is variables["CelsiusDtype"]
        )
    if "gauge" in variables:
        told["gauge: adapter"] = _answer(lambda: database.execute("select ?", (variables["gauge"],)).fetchone())
    if database is not None:
        told["memory: rows"] = _answer(lambda: database.execute("select * from g").fetchall())
    if "np" in variables:
        told["options"] = variables["np"].get_printoptions()["precision"], pandas.get_option("display.max_rows")
    return told


def _answer(ask: Callable[[], Any]) -> Any:
    """What is answered, be it an error."""
    try:
        return ask()
    except Exception as error:
        return error


def _roster(variables: Variables) -> dict[str, Any]:
    told: dict[str, Any] = {name: str(variables[name]) for name in ("x", "y", "constraint", "red") if name in variables}
    for name in ("solver", "painter", "magic", "puzzle", "best"):
        if name in variables:
            told[name] = sorted(map(str, variables[name].assertions()))
    return told


def _bank(variables: Variables) -> dict[str, Any]:
    told: dict[str, Any] = {"next number": random.getstate()[1][:3]}
    if "clerks" in variables:
        env, clerks = variables["env"], variables["clerks"]
        told["clerks"] = env.now, len(env._queue), clerks.count, len(clerks.queue), clerks._env is env
    if "lorry" in variables:
        told["vault"] = variables["vault"].cash.level, variables["vault"].history, variables["lorry"].is_alive
    return told


_NOTEBOOKS: dict[str, Callable[[Variables], dict[str, Any]]] = {
    "logging_course": _logging,
    "own_modules": _modules,
    "plotting_course": _plots,
    "simpy_bank": _bank,
    "text_adventure": _adventure,
    "time_series": _weather,
    "z3_roster": _roster,
}
