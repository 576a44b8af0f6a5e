"""An exception that a name is bound to, on a real kernel: what was set on it or noted, and what it came from.

A scenario is that of `test_exactness`: it is undone twice, and brought back in a kernel that was started anew. Nothing
is re-run for it.
"""

# ruff: noqa: E501 -- cells, whole

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from .driver import Kernel
from .test_exactness import Scenario, begun, holds, make
from .test_exactness_attributes import needed, with_libraries


def caught(code: str, then: str = "") -> str:
    """A cell that binds what this raises."""
    return f"try:\n    {code}\nexcept Exception as error:\n    e = error\n{then}"


SCENARIOS: dict[str, Scenario] = {
    "an attribute": (
        f"import json; tries = [1]\n{caught('json.loads(chr(91))', 'e.tries = tries')}",
        "tries.append(2)",
        "assert e.tries is tries == [1] and e.pos == 1 and type(e) is json.JSONDecodeError",
    ),
    "an attribute of its class's": (
        f"import json\n{caught('json.loads(chr(91))', 'e.lineno = 7')}",
        "e.lineno = 8",
        "assert e.lineno == 7 and e.doc == '['",
    ),
    "a note": (
        f"import json\n{caught('json.loads(chr(91))', 'e.__notes__ = [chr(97)]')}",
        "e.__notes__.append('b')",
        "assert e.__notes__ == ['a'] and str(e).startswith('Expecting value')",
    ),
    "other arguments": (
        f"import json\n{caught('json.loads(chr(91))', 'e.args += (1,)')}",
        "e.args = ()",
        "assert e.args[1:] == (1,) and e.colno == 2",
    ),
    "a cause": (
        f"import json\n{caught('json.loads(chr(91))', 'why = KeyError(1); e.__cause__ = why')}",
        "e.__cause__ = None",
        "assert e.__cause__ is why and e.__suppress_context__ and e.__context__ is not why",
    ),
    "a context that is not shown": (
        "import json\ntry:\n    json.loads('[')\nexcept ValueError as first:\n    a = first\n    try: raise KeyError(2) from None\n    except KeyError as second: e = second",
        "e.__suppress_context__ = False; a.n = 1",
        "assert e.__context__ is a and e.__cause__ is None and e.__suppress_context__ and not hasattr(a, 'n') and a.pos == 1",
    ),
    "a cycle": (
        "e = ValueError(1); f = KeyError(2); e.__context__ = f; f.e = e",
        "f.e = None",
        "assert e.__context__.e is e and e.__context__ is f",
    ),
    "a name": (caught("zork"), "e.name = 'x'", "assert e.name == 'zork'"),
    "an object": (
        f"x = [1]\n{caught('x.zork')}",
        "x.append(2)",
        "assert e.obj is x == [1] and e.name == 'zork'",
    ),
    "a module": (
        caught("from json import zork"),
        "e.name = e.msg = 'x'",
        "assert e.name == 'json' and 'zork' in e.msg",
    ),
    "a number": (
        caught("open('/none/zork')", "e.errno = 77"),
        "e.errno = 78",
        "assert e.errno == 77 and e.filename == '/none/zork' and len(e.args) == 2 and type(e) is FileNotFoundError",
    ),
    "no file": ("e = OSError(2, 'x')", "e.strerror = 'y'", "assert str(e) == '[Errno 2] x'"),
    "what was written": (
        "e = BlockingIOError(11, 'x', 5)",
        "e.characters_written = 6",
        "assert e.characters_written == 5 and e.errno == 11",
    ),
    "a value": ("e = StopIteration([1])", "e.value = 2", "assert e.value == [1] and e.value is e.args[0]"),
    "a place in a text": (
        caught("b'a\\xff'.decode()", "e.reason = 'why'"),
        "e.reason = 'x'",
        "assert e.reason == 'why' and e.start == 1 and e.object == b'a\\xff'",
    ),
    "a slot": (
        "class E(OSError):\n    __slots__ = ('a',)\ne = E(1, 'x', 'f'); e.a = [1]; e.filename = 'g'",
        "e.a.append(2); e.filename = 'h'",
        "assert e.a == [1] and e.filename == 'g' and type(e) is E",
    ),
    "a code": (
        f"import subprocess, sys\n{caught('subprocess.run([sys.executable, chr(45) + chr(99), chr(49) + chr(47) + chr(48)], check=True, stderr=-1)', 'e.k = [1]')}",
        "e.k.append(2)",
        "assert e.returncode == 1 and b'Zero' in e.stderr and e.k == [1]",
    ),
    "a parameter": (
        "import click; e = click.BadParameter('m', param_hint='h'); e.k = [1]",
        "e.k.append(2)",
        "assert e.param_hint == 'h' and e.message == 'm' and e.k == [1]",
    ),
    "a request": (
        "import requests; r = requests.Response(); r._content = b'['\n" + caught("r.json()", "e.k = [1]"),
        "e.k.append(2)",
        "assert e.k == [1] and e.doc == '[' and type(e) is requests.JSONDecodeError",
    ),
    "a model": (
        "import pydantic\nclass M(pydantic.BaseModel): a: int\n" + caught("M(a='x')", "e.k = [1]"),
        "e.k.append(2)",
        "assert e.k == [1] and e.errors()[0]['input'] == 'x' and e.args == ()",
    ),
    "a key": (
        "import pandas as pd\n" + caught("pd.DataFrame({'a': [1]})['b']", "e.k = [1]"),
        "e.k.append(2)",
        "assert e.k == [1] and e.args == ('b',) and e.__cause__ is e.__context__ and type(e.__cause__) is KeyError",
    ),
    "a matrix": (
        "import numpy as np\n" + caught("np.linalg.inv(np.zeros((2, 2)))", "e.k = np.arange(3)"),
        "e.k[0] = 7",
        "assert e.k.tolist() == [0, 1, 2] and type(e) is np.linalg.LinAlgError",
    ),
}
if sys.version_info >= (3, 11):
    SCENARIOS["a group"] = (
        "class G(ExceptionGroup):\n    def __new__(cls, m, held, code): return super().__new__(cls, m, held)\n"
        "    def __init__(self, m, held, code): self.code = code\nk = KeyError(1); e = G('m', [k], [5]); e.add_note('n')",
        "e.code.append(6); k.n = 1",
        "assert e.code == [5] and e.exceptions[0] is k and e.message == 'm' and e.__notes__ == ['n'] and not hasattr(k, 'n')",
    )


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Kernel, dict[str, str]]]:
    """A kernel, and where each scenario stood when it was made."""
    home = tmp_path_factory.mktemp("exact")
    with Kernel(home, environment=with_libraries(home)) as kernel:
        begun(kernel)
        yield kernel, {}


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_comes_back(exact: tuple[Kernel, dict[str, str]], name: str) -> None:
    scenario = _, change, check = SCENARIOS[name]
    needed(scenario)
    kernel, all_made = exact
    made = all_made[name] = make(kernel, scenario)
    assert holds(kernel, check), kernel.run(check).reply
    kernel.ok(change)
    changed = kernel.done("status")["head"]
    for _ in range(2):
        assert kernel.done("checkout", target=made)["plan"]["replay"] == []
        assert holds(kernel, check), kernel.run(check).reply
        kernel.done("checkout", target=changed)
        assert not holds(kernel, check), "the change does not matter to the check"


def test_that_a_traceback_is_left_out_is_told(exact: tuple[Kernel, dict[str, str]]) -> None:
    kernel, _ = exact
    for made in (
        "errors = [e]; del e",
        "class E(Exception):\n    def __init__(self): pass\ntry: raise E\nexcept E as x: e = x",
    ):
        kernel.done("checkout", target="begin")
        kernel.ok(f"{caught('zork')}\n{made}")
        kernel.ok("errors = None; e = None; plain = ValueError(1)")
        kernel.ok("plain = None")
        assert kernel.done("undo")["plan"]["notes"] == []
        for _ in range(2):
            name = "errors" if "errors" in made else "e"
            note = f"{name} comes back without tracebacks: these cannot be stored."
            reply = kernel.done("undo")
            assert (reply["plan"]["notes"], reply["plan"]["replay"]) == ([note], [])
            kernel.done("redo")


def test_they_are_there_in_a_new_kernel(exact: tuple[Kernel, dict[str, str]]) -> None:
    kernel, all_made = exact
    while kernel.done("status")["pending"]:
        pass
    kernel.restart(kill=True)
    for name, made in all_made.items():
        plan = kernel.done("checkout", target=made)["plan"]
        assert (plan["lost"], plan["replay"]) == ([], []), name
        assert bool(plan["notes"]) == ("try:" in SCENARIOS[name][0]), name
        check = SCENARIOS[name][2]
        assert holds(kernel, check), (name, kernel.run(check).reply)
