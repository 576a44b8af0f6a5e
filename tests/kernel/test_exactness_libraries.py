"""What must hold of objects of libraries: what their user added to them, what they belong to, and which of them are one.

Scenarios as in `test_exactness`. None of them waits for a pause: what a trial would find is too late here.
"""

# ruff: noqa: E501 -- cells, whole

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from .driver import Kernel
from .test_exactness import Scenario, begun, holds

ADDED: dict[str, Scenario] = {
    name: (
        f"{made}; xs = [1]; object.__getattribute__(x, '__dict__')['{attribute}'] = xs",
        "xs.append(2)",
        f"assert xs == [1] and vars(x)['{attribute}'] is xs",
    )
    for name, made, attribute in (
        ("a session of requests", "import requests; x = requests.Session()", "base"),
        ("a session, private", "import requests; x = requests.Session()", "_token"),
        ("a jar of cookies", "import requests; x = requests.Session().cookies", "note"),
        ("a frame", "import pandas as pd; x = pd.DataFrame({'a': [1]})", "note"),
        ("a frame, private", "import pandas as pd; x = pd.DataFrame({'a': [1]})", "_note"),
        ("a series", "import pandas as pd; x = pd.Series([1])", "note"),
        ("an index", "import pandas as pd; x = pd.Index([1, 2])", "note"),
        ("an index of ranges", "import pandas as pd; x = pd.RangeIndex(3)", "note"),
        ("groups", "import pandas as pd; x = pd.DataFrame({'a': [1]}).groupby('a')", "note"),
        ("an estimator", "from sklearn.linear_model import LinearRegression; x = LinearRegression()", "_note"),
        ("a bunch", "from sklearn.utils import Bunch; x = Bunch(a=1)", "_note"),
        ("a figure", "from matplotlib.figure import Figure; x = Figure()", "note"),
        ("axes", "from matplotlib.figure import Figure; x = Figure().subplots()", "_note"),
        ("a counter", "import collections; x = collections.Counter('ab')", "note"),
        ("an ordered dictionary", "import collections; x = collections.OrderedDict(a=1)", "note"),
        ("a user's dictionary", "import collections; x = collections.UserDict(a=1)", "_note"),
        ("random numbers", "import random; x = random.Random(1)", "note"),
        ("a partial", "import functools; x = functools.partial(int, base=2)", "note"),
        ("an error", "x = ValueError(1)", "note"),
        ("a parser", "import argparse; x = argparse.ArgumentParser()", "note"),
        ("a configuration", "import configparser; x = configparser.ConfigParser()", "note"),
        ("traits", "import traitlets.config as t; x = t.Configurable()", "base"),
    )
} | {
    "a bunch keeps its own": (
        "from sklearn.datasets import load_iris; x = load_iris(); n = 1",
        "n = 2; x.more = 1",
        "assert 'more' not in x and '_deprecated_key_to_warnings' in vars(x)",
    ),
    "caches stay caches": (
        "import pandas as pd; x = pd.DataFrame({'a': [1]}); x['a']; x.index.is_unique",
        "x['b'] = 2",
        "assert list(x) == ['a'] and x.index.is_unique",
    ),
}

ONE: dict[str, Scenario] = (
    {
        name: (
            f"import {module}; x = {path}; held = {{'k': [x]}}",
            "x = held = None",
            f"assert x is {path} is held['k'][0]",
        )
        for name, module, path in (
            ("dtype of floats", "numpy as np", "np.dtype('f8')"),
            ("dtype of long integers", "numpy as np", "np.dtype('q')"),
            ("dtype of truth", "numpy as np", "np.dtype(bool)"),
            ("dtype of objects", "numpy as np", "np.dtype(object)"),
            ("masked", "numpy as np", "np.ma.masked"),
            ("missing in pandas", "pandas as pd", "pd.NA"),
            ("no time", "pandas as pd", "pd.NaT"),
            ("settings of matplotlib", "matplotlib", "matplotlib.rcParams"),
            ("usual settings of matplotlib", "matplotlib", "matplotlib.rcParamsDefault"),
            ("the environment", "os", "os.environ"),
            ("the root logger", "logging", "logging.root"),
            ("no parameter", "inspect", "inspect._empty"),
            ("no default", "dataclasses", "dataclasses.MISSING"),
            ("a mock's sentinel", "unittest.mock", "unittest.mock.sentinel.kishu"),
            ("nothing of attrs", "attr", "attr.NOTHING"),
            ("the time zone of the world", "datetime", "datetime.timezone.utc"),
        )
    }
    | {
        f"the shell's {path}": (
            f"x = get_ipython().{path}; held = [x]",
            "x = held = None",
            f"assert x is get_ipython().{path} is held[0]",
        )
        for path in (
            *(
                "display_formatter",
                "display_formatter.formatters['text/plain']",
                "display_formatter.formatters['text/html']",
            ),
            *("history_manager", "events", "extension_manager", "magics_manager", "alias_manager"),
        )
    }
    | {
        "dtype of a scalar": (
            "import numpy as np; x = {'d': np.dtype('float64'), 's': np.float64(3)}",
            "x['s'] = 4",
            "assert x['s'] == 3 and x['d'] is x['s'].dtype is np.dtype('f8')",
        ),
        "dtypes that are not the one": (
            "import numpy as np; x = [np.dtype('>f8'), np.dtype('U5'), np.dtype('M8[ns]'), np.dtype('f8', metadata={'k': 1})]",
            "x.pop()",
            "assert [str(d) for d in x] == ['>f8', '<U5', 'datetime64[ns]', 'float64'] and dict(x[3].metadata) == {'k': 1}",
        ),
        "a copy of settings": (
            "import matplotlib; x = matplotlib.rcParams.copy(); x['lines.linewidth'] = 7.0",
            "x['lines.linewidth'] = 8.0",
            "assert x['lines.linewidth'] == 7.0 and x is not matplotlib.rcParams",
        ),
    }
)

BELONGS: dict[str, Scenario] = {
    "units": (
        "import pint\nu = pint.UnitRegistry(); d = 3 * u.meter; t = 2 * u.second",
        "d = d * 4",
        "assert (d / t).magnitude == 1.5 and d._REGISTRY is u",
    ),
    "an element of a tree": (
        "import xml.etree.ElementTree as E; root = E.fromstring('<a><b/></a>'); b = root[0]",
        "b.set('k', '1')",
        "assert root[0] is b and not b.attrib",
    ),
    "a section": (
        "import configparser; c = configparser.ConfigParser(); c.read_string('[a]\\nn=1'); s = c['a']",
        "s['n'] = '2'",
        "assert c['a'] is s and s['n'] == '1'; s['n'] = '3'; assert c.get('a', 'n') == '3'",
    ),
    "groups of a frame": (
        "import pandas as pd; df = pd.DataFrame({'k': [1, 2], 'n': [3, 4]}); g = df.groupby('k')",
        "df['n'] = 0; g = df.groupby('k')",
        "assert g.obj is df and g['n'].sum().tolist() == [3, 4]",
    ),
    "a window of a frame": (
        "import pandas as pd; df = pd.DataFrame({'n': [3., 4.]}); w = df.rolling(2)",
        "df['n'] = 0; w = df.rolling(2)",
        "assert w.obj is df and w.sum()['n'].iloc[1] == 7",
    ),
    "places of a frame": (
        "import pandas as pd; df = pd.DataFrame({'n': [3, 4]}); at = df.loc",
        "at[0, 'n'] = 9",
        "assert at.obj is df and df['n'].tolist() == [3, 4]; at[0, 'n'] = 5; assert df['n'][0] == 5",
    ),
    "texts of a series": (
        "import pandas as pd; s = pd.Series(['a']); up = s.str",
        "s[0] = 'b'; up = s.str",
        "assert up._orig is s and up.upper().tolist() == ['A']",
    ),
    "cookies of a session": (
        "import requests; s = requests.Session(); jar = s.cookies",
        "jar.set('a', '1')",
        "assert s.cookies is jar and not list(jar)",
    ),
    "a step of a pipeline": (
        "from sklearn.pipeline import make_pipeline; from sklearn.preprocessing import StandardScaler\n"
        "scale = StandardScaler(); pipe = make_pipeline(scale)",
        "scale.set_params(with_mean=False)",
        "assert pipe[0] is scale and scale.with_mean",
    ),
}

SCENARIOS = ADDED | ONE | BELONGS


def needed(scenario: Scenario) -> None:
    for library in re.findall(r"^(?:import|from) (\w+)", scenario[0], re.MULTILINE):
        pytest.importorskip(library)


def make(kernel: Kernel, scenario: Scenario) -> str:
    kernel.done("checkout", target="begin")
    kernel.ok(scenario[0])
    return str(kernel.done("status")["head"])


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with Kernel(tmp_path_factory.mktemp("exact")) as kernel:
        begun(kernel)
        yield kernel


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_comes_back(exact: Kernel, name: str) -> None:
    scenario = _, change, check = SCENARIOS[name]
    needed(scenario)
    made = make(exact, scenario)
    assert holds(exact, check), exact.run(check).reply
    exact.ok(change)
    changed = exact.done("status")["head"]
    assert not holds(exact, check), "the change does not matter to the check"
    for _ in range(2):
        assert exact.done("undo")["head"] == made
        assert holds(exact, check), exact.run(check).reply
        exact.done("checkout", target=changed)
        assert not holds(exact, check)


@pytest.fixture(scope="module")
def anew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kernel, dict[str, str]]]:
    """A kernel on the history of all scenarios, and where each stood when it was made."""
    home = tmp_path_factory.mktemp("anew")
    with Kernel(home, environment={"JPY_SESSION_NAME": str(home / "book.ipynb")}) as kernel:
        begun(kernel)
        made = {}
        for name, scenario in SCENARIOS.items():
            try:
                needed(scenario)
            except pytest.skip.Exception:
                continue
            made[name] = make(kernel, scenario)
        while kernel.done("status")["pending"]:
            pass
        kernel.restart(kill=True)
        yield kernel, made


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_is_there_in_a_new_kernel(anew: tuple[Kernel, dict[str, str]], name: str) -> None:
    kernel, made = anew
    needed(SCENARIOS[name])
    reply = kernel.done("checkout", target=made[name])
    assert reply["plan"]["lost"] == []
    assert holds(kernel, SCENARIOS[name][2]), kernel.run(SCENARIOS[name][2]).reply
