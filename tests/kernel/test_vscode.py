"""VS Code as a client: what its Jupyter extension does behind the user's back, replayed against the kernel.

The conversation is that of the extension's public source, and of several versions of it: code that runs before the
first cell, after each cell (the variables view), and in between (completions, the data viewer, the debugger). It is
done anew here, and no more of it than matters: which names it binds, how it is sent, on which thread it runs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Start
from .driver import Content, Kernel, Ran
from .test_execution import Debugger

# -- the extension's code -----------------------------------------------------------------------------------------

WIDGETS = """\
try:
    import ipywidgets as _VSCODE_ipywidgets
    print("marker" + _VSCODE_ipywidgets.__version__)
    del _VSCODE_ipywidgets
except:
    pass
"""

DIRECTORY = """\
import os as _VSCODE_os
import sys as _VSCODE_sys
%cd "{directory}"
if _VSCODE_os.getcwd() not in _VSCODE_sys.path:
    _VSCODE_sys.path.insert(0, _VSCODE_os.getcwd())
del _VSCODE_sys
del _VSCODE_os
"""

DIRECTORY_ONCE = """\
import os
import sys
%cd "{directory}"
if os.getcwd() not in sys.path:
    sys.path.insert(0, os.getcwd())
"""
"""In older versions: it leaves modules behind."""

SETTINGS = """\
__vsc_ipynb_file__ = "{notebook}"
%config Completer.use_jedi = False
"""

PLOTS = """\
try:
    import matplotlib
    %matplotlib inline
    _VSCode_defaultMatplotlib_Params = dict(matplotlib.rcParams)
    matplotlib.rcParams.update(_VSCode_defaultMatplotlib_Params)
    import matplotlib_inline.backend_inline
    _VSCode_matplotLib_FigureFormats = matplotlib_inline.backend_inline.InlineBackend.instance().figure_formats
    _VSCode_matplotLib_FigureFormats.add('svg')
    matplotlib_inline.backend_inline.set_matplotlib_formats(*_VSCode_matplotLib_FigureFormats)
except:
    print('no plots')
"""
"""Where the user wants plots in the colours of the editor, and as vector graphics."""

PREDICTED_NAMES = """\
import types as _VSCODE_types
import os
import hashlib as _VSCODE_hashlib
from IPython import get_ipython
__VSCODE_wrapped_run_cell = False
def __VSCODE_compute_hash(code, number=0):
    return "<ipython-input-%d-%s>" % (number, _VSCODE_hashlib.sha1(code.encode()).hexdigest()[:12])
def __VSCODE_wrap_run_cell(plain):
    def wrapper(*args, **kwargs):
        stored = args[2] if len(args) > 2 else kwargs["store_history"]
        if stored:
            os.environ["IPYKERNEL_CELL_NAME"] = __VSCODE_compute_hash(args[1], args[0].execution_count)
        try:
            return plain.__func__(*args, **kwargs)
        finally:
            os.environ.pop("IPYKERNEL_CELL_NAME", None)
    return _VSCODE_types.MethodType(wrapper, plain.__self__)
if get_ipython() and not __VSCODE_wrapped_run_cell:
    get_ipython().run_cell = __VSCODE_wrap_run_cell(get_ipython().run_cell)
"""
"""In the interactive window, so that its debugger knows what a cell's file is called."""

VARIABLES = """\
def _VSCODE_getVariable(what, debugging, *args):
    import json as _VSCODE_json
    import builtins as _VSCODE_builtins
    if what == "info":
        found = _VSCODE_builtins.type(args[0]).__name__
    else:
        found = {name: _VSCODE_builtins.type(globals()[name]).__name__ for name in args[0] if name in globals()}
    text = _VSCODE_json.dumps(found)
    return text if debugging else print(text)
"""

BACKGROUND = """\
def __jupyter_exec_background__():
    from IPython.display import display
    from threading import Thread
    from traceback import format_exc
    output = display({"application/x.bg": ""}, raw=True, display_id=True)

    def do_implementation():
BODY

    def bg_main():
        try:
            output.update({"application/x.bg.result": do_implementation()}, raw=True)
        except Exception:
            output.update({"application/x.bg.error": format_exc()}, raw=True)

    Thread(target=bg_main, daemon=True).start()

__jupyter_exec_background__()
del __jupyter_exec_background__
"""

DESCRIBE = """\
import json
def describe(name):
    value = globals()[name]
    return {"name": name, "type": type(value).__name__, "value": repr(value), "size": getattr(value, "__len__", int)()}
return json.dumps([describe(name) for name in NAMES])
"""

COMPLETE = """\
import json
return json.dumps(get_ipython().kernel.do_complete(CODE, len(CODE))["matches"])
"""

WAIT = """\
import os, time
while not os.path.exists(GATE):
    time.sleep(0.005)
return "{}"
"""

FRAME = """\
def _VSCODE_getDataFrame(what, debugging, frame, *args):
    import pandas as _VSCODE_pd
    def _VSCODE_rows(frame, start, end):
        return _VSCODE_pd.DataFrame(frame).iloc[start:end].to_json(orient="split")
    print(_VSCODE_rows(frame, *args))
"""


class Code:
    """A window of VS Code on one notebook."""

    def __init__(self, kernel: Kernel, notebook: Path) -> None:
        self.kernel = kernel
        self.notebook = notebook
        self.cells = 0

    def hidden(self, code: str) -> Ran:
        """As the extension runs its own code, and the start-up commands of the user."""
        return self.kernel.ok(code, store_history=False, stop_on_error=False)

    def begin(self, *further: str, directory: str = DIRECTORY) -> None:
        """From the first contact until the first cell can run."""
        self.kernel.message("kernel_info_request")
        self.hidden(WIDGETS)
        code = directory.replace("{directory}", str(self.notebook.parent))
        settings = SETTINGS.replace("{notebook}", str(self.notebook))
        self.hidden("\n".join([*further, code, settings]))
        self.kernel.message("kernel_info_request")

    def cell(self, code: str) -> Ran:
        """As the user runs a cell; afterwards all views of variables look again."""
        self.cells += 1
        ran = self.kernel.run(code, stop_on_error=False, metadata={"cellId": f"cell-{self.cells}"})
        self.look()
        return ran

    def look(self) -> dict[str, str]:
        """The variables view: names and types; then what they are, on a thread. Returns the types."""
        asked = (
            f"{VARIABLES}\n_VSCODE_rwho_ls = %who_ls\n_VSCODE_getVariable('types', False, _VSCODE_rwho_ls)\n"
            "try:\n    del _VSCODE_getVariable\nexcept:\n    pass\ntry:\n    del _VSCODE_rwho_ls\nexcept:\n    pass\n"
        )
        types: dict[str, str] = json.loads(self.hidden(asked).stdout)
        names = [name for name, kind in types.items() if kind not in ("module", "function", "type")]
        self.thread(f"NAMES = {names}\n{DESCRIBE}")
        return types

    def thread(self, body: str) -> Any:
        """Runs code on a thread of its own, as views and completions do."""
        return self.end(self.begin_thread(body))

    def begin_thread(self, body: str) -> str:
        code = BACKGROUND.replace("BODY", "\n".join("        " + line for line in body.splitlines()))
        ran = self.kernel.begin(code, store_history=False, stop_on_error=False)
        assert self.kernel.reply(ran)["status"] == "ok"
        return ran

    def end(self, ran: str) -> Any:
        """What the thread found: the display is updated, before the cell's end or after it."""
        shown = None
        for kind, content in self.kernel.heard(ran):
            if kind == "display_data":
                shown = content["transient"]["display_id"]
            if kind == "update_display_data" and content["transient"]["display_id"] == shown:
                assert "application/x.bg.result" in content["data"], content
                return json.loads(content["data"]["application/x.bg.result"])
        raise AssertionError


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    return tmp_path / "study.ipynb"


@pytest.fixture
def code(start: Start, notebook: Path) -> Code:
    """A window that has not begun yet."""
    return Code(start(), notebook)


def log(kernel: Kernel) -> list[Content]:
    """The oldest first."""
    return list(reversed(kernel.done("log", all=True)["checkpoints"]))


def variables(kernel: Kernel, target: str = "HEAD") -> list[str]:
    return [each["name"] for each in kernel.done("show", target=target)["variables"]]


every_start = pytest.mark.parametrize(
    "further",
    [(), (PLOTS,), (PREDICTED_NAMES,), (PREDICTED_NAMES, PLOTS)],
    ids=["as it comes", "with themed plots", "interactive window", "interactive window with plots"],
)


# -- a session ----------------------------------------------------------------------------------------------------


@every_start
@pytest.mark.parametrize("directory", [DIRECTORY, DIRECTORY_ONCE], ids=["newer", "older"])
def test_checkpoints_are_those_of_the_cells(code: Code, further: tuple[str, ...], directory: str) -> None:
    if PLOTS in further:
        pytest.importorskip("matplotlib")
    code.begin(*further, directory=directory)
    code.cell("xs = [1]; ys = xs")
    code.cell("xs.append(2)")
    code.cell("def grow():\n    xs.append(len(xs))")
    code.cell("grow(); n = 1")
    kernel = code.kernel
    assert [(each["created"], each["modified"]) for each in log(kernel)] == [
        (["xs", "ys"], []),
        ([], ["xs", "ys"]),
        (["grow"], []),
        (["n"], ["xs", "ys"]),
    ]
    assert [each["execution_count"] for each in log(kernel)] == [1, 2, 3, 4]
    assert variables(kernel) == ["grow", "n", "xs", "ys"]
    changed = kernel.done("diff", target="In[1]")
    assert (changed["created"], changed["modified"], changed["deleted"]) == ([], ["xs", "ys"], ["grow", "n"])
    assert kernel.done("status")["warnings"] == []


@every_start
def test_checkouts_leave_what_it_needs_alone(code: Code, further: tuple[str, ...]) -> None:
    if PLOTS in further:
        pytest.importorskip("matplotlib")
    code.begin(*further, directory=DIRECTORY_ONCE)
    kernel = code.kernel
    mine = "sorted(name for name in globals() if name.startswith(('__vsc', '_VSC', '__VSC')) or name in ('os', 'sys'))"
    there = kernel.value(mine)
    code.cell("xs = [1]")
    code.cell("xs.append(2)")
    code.cell("g = (i for i in range(3))")
    code.cell("n = next(g)")
    for travel in (
        lambda: kernel.done("undo"),  # replays
        lambda: kernel.done("checkout", target="In[1]"),
        lambda: kernel.done("undo"),  # to before the first cell
        lambda: kernel.done("checkout", target="main"),
    ):
        travel()
        assert kernel.value(mine) == there
        code.look()
    assert kernel.value("xs, n") == ([1, 2], 0)
    assert len(log(kernel)) == 4


def test_nothing_to_undo_before_the_first_cell(code: Code) -> None:
    code.begin(PLOTS)
    code.look()
    assert log(code.kernel) == []
    refused = code.kernel.request("undo")
    assert refused["status"] == "error"


def test_a_module_that_it_left_behind_is_the_users_once_they_use_it(code: Code, start: Start) -> None:
    code.begin(directory=DIRECTORY_ONCE)
    code.cell("n = 1")
    code.cell("import os\ndef here():\n    return os.path.basename('a/b')")
    code.cell("where = here()")
    kernel = code.kernel
    assert [each["created"] for each in log(kernel)] == [["n"], ["here", "os"], ["where"]]
    kernel.done("checkout", target="In[1]")
    assert kernel.value("'here' in globals(), 'os' in globals()") == (False, True)  # VS Code's again
    code.look()
    code.cell("n = 2")
    assert log(kernel)[-1]["created"] == []
    kernel.done("checkout", target=log(kernel)[2]["id"])
    assert kernel.value("here()") == "b"
    while kernel.done("status")["pending"]:
        pass
    kernel.close()
    elsewhere = start(environment={"JPY_SESSION_NAME": str(code.notebook)})
    elsewhere.ok("%kishu resume")
    assert elsewhere.value("here()") == "b"


def test_start_up_commands_are_the_users_once_they_use_them(code: Code) -> None:
    code.begin()
    code.hidden("import math\nlimit = 10\nspare = 11")
    code.cell("n = math.floor(limit / 3)")
    assert log(code.kernel)[0]["created"] == ["limit", "math", "n"]


@pytest.mark.parametrize("cell", ["{}", "exec('' + {!r})"], ids=["plain", "dynamic"])
def test_a_cell_that_used_their_values_is_not_re_run_on_later_ones(code: Code, cell: str) -> None:
    code.begin()
    code.hidden("limit = [3]")
    code.cell(cell.format("g = (i for i in range(limit[0]))"))
    code.cell("n = next(g); limit[0] = 6")
    assert "g (generator objects cannot be stored; a re-run may" in code.kernel.request("undo")["evalue"]
    code.kernel.done("undo", allow_lost=True)
    assert code.kernel.value("limit, 'g' in globals()") == ([3], False)


def test_nothing_that_runs_hidden_is_the_users(code: Code) -> None:
    """The debugger, the interactive window, an export, and whoever else comes."""
    code.begin()
    kernel = code.kernel
    code.hidden("import ipykernel, debugpy, builtins\nfrom debugpy import trace_this_thread")
    code.hidden(f"__file__ = {str(code.notebook)!r}")
    code.hidden("import os;os.getcwd();")
    code.cell("n = 1")
    code.hidden("import os;os.getcwd()")  # shown, so that it is a result
    kernel.ok("loaded = ['of another editor']; exec('deep = 1')", silent=True)
    code.cell("import numpy as np\nn = 2; zeros = np.zeros(200_000)")
    while kernel.done("status")["pending"]:  # what is written is compressed, by a library
        pass
    assert [each["created"] for each in log(kernel)] == [["n"], ["np", "zeros"]]
    code.cell("del zeros")
    assert "environment variables" not in kernel.done("undo")["plan"]["ambient"]
    assert variables(kernel) == ["n", "np", "zeros"]
    code.cell("del np, zeros")
    assert [each["name"] for each in kernel.done("inspect")["variables"]] == ["n"]
    kernel.done("checkout", target="In[1]")
    assert kernel.value("n, loaded, __file__") == (1, ["of another editor"], str(code.notebook))


def test_the_store_is_that_of_the_notebook(code: Code, start: Start) -> None:
    code.begin()
    code.cell("xs = [1]")
    store = Path(code.kernel.done("status")["store"]["path"])
    assert store.name.startswith("study-")
    code.kernel.close(gracefully=True)
    second = Code(start(), code.notebook)
    second.begin()
    told = second.cell("%kishu resume")
    assert told.status == "ok"
    assert second.look() == {"xs": "list"}
    assert second.kernel.value("xs") == [1]
    assert Path(second.kernel.done("status")["store"]["path"]) == store


def test_a_renamed_notebook_and_a_restart(code: Code) -> None:
    code.begin()
    code.cell("xs = [1]")
    while code.kernel.done("status")["pending"]:
        pass
    code.kernel.restart()
    code.begin()
    assert "%kishu resume" in str(code.cell("n = 1").results)
    assert log(code.kernel)[-1]["created"] == ["n"]


# -- what runs beside the cells -----------------------------------------------------------------------------------


def test_its_threads_are_not_code_of_the_notebook(code: Code, tmp_path: Path) -> None:
    """Else a cell that runs while variables are shown could not be run again, and everything would be checked."""
    code.begin()
    kernel = code.kernel
    code.cell("untouched = [0]")
    gate = tmp_path / "gate"
    code.begin_thread(f"GATE = {str(gate)!r}\n{WAIT}")
    kernel.ok("g = (i for i in range(3))")
    kernel.ok("n = next(g)")
    kernel.done("undo")
    assert kernel.value("next(g)") == 0
    gate.touch()
    assert kernel.done("status")["warnings"] == []


def test_completions(code: Code) -> None:
    code.begin()
    code.cell("numbers = [1, 2]")
    assert "numbers" in code.thread(f"CODE = 'numb'\n{COMPLETE}")
    assert "%kishu" in code.thread(f"CODE = '%kis'\n{COMPLETE}")
    code.cell("numbers.append(3)")
    assert [(each["created"], each["modified"]) for each in log(code.kernel)] == [(["numbers"], []), ([], ["numbers"])]


def test_the_data_viewer(code: Code) -> None:
    pytest.importorskip("pandas")
    code.begin()
    code.cell("import pandas as pd\ndf = pd.DataFrame({'a': [1, 2, 3]})")
    asked = f"{FRAME}\n_VSCODE_getDataFrame('rows', False, df, 0, 2)\ndel _VSCODE_getDataFrame"
    assert json.loads(code.hidden(asked).stdout)["data"] == [[1], [2]]
    code.cell("df['b'] = df.a * 2")
    assert [(each["created"], each["modified"]) for each in log(code.kernel)] == [(["df", "pd"], []), ([], ["df"])]


def test_data_wrangler(code: Code) -> None:
    """Another extension, that looks at frames from a scope of its own."""
    code.begin()
    code.cell("rows = [1, 2]")
    code.hidden("import json\n__DW_SCOPE__ = {'one': {'locals': {'rows': rows}}}")
    code.cell("rows.append(3)")
    assert (log(code.kernel)[-1]["created"], log(code.kernel)[-1]["modified"]) == ([], ["rows"])
    assert variables(code.kernel) == ["rows"]
    code.kernel.done("undo")
    assert code.kernel.value("rows, '__DW_SCOPE__' in globals()") == ([1, 2], True)


def test_variables_at_a_breakpoint(code: Code) -> None:
    pytest.importorskip("debugpy")
    code.begin()
    kernel = code.kernel
    code.cell("xs = [1]")
    debugger = Debugger(kernel)
    text = "def f():\n    local = 2\n    return local\nxs.append(f())"
    source = debugger("dumpCell", code=text)["body"]["sourcePath"]
    stop = debugger("setBreakpoints", breakpoints=[{"line": 3}], source={"path": source}, sourceModified=False)
    assert stop["success"], stop
    assert debugger("configurationDone")["success"]
    running = kernel.begin(text)
    while not (stopped := debugger("debugInfo")["body"]["stoppedThreads"]):
        pass
    stacks = {thread: debugger("stackTrace", threadId=thread)["body"]["stackFrames"] for thread in stopped}
    [(thread, frames)] = [(thread, frames) for thread, frames in stacks.items() if frames and frames[0]["name"] == "f"]

    def evaluate(expression: str) -> Content:
        done = debugger("evaluate", expression=expression, frameId=frames[1]["id"], context="repl")  # the cell's
        assert done["success"], done["message"]
        return done["body"]  # type: ignore[no-any-return]

    evaluate(VARIABLES)
    assert "list" in evaluate("_VSCODE_getVariable('info', True, xs)")["result"]
    assert debugger("continue", threadId=thread)["success"]
    assert kernel.end(running).status == "ok"
    assert (log(kernel)[-1]["created"], log(kernel)[-1]["modified"]) == (["f"], ["xs"])
    assert variables(kernel) == ["f", "xs"]


def test_plots_are_kept_as_they_are_shown(code: Code) -> None:
    pytest.importorskip("matplotlib")
    code.begin(PLOTS)
    code.cell("import matplotlib.pyplot as plt\nfigure = plt.figure(figsize=(1, 1)); _ = plt.plot([1, 2])")
    [output] = code.kernel.done("show", target="HEAD")["outputs"]
    assert {"image/png", "image/svg+xml"} <= output["data"].keys()
    assert {"figure", "plt"} <= set(log(code.kernel)[0]["created"]) <= {"_", "figure", "plt"}


def test_the_variable_inspector_of_jupyterlab(kernel: Kernel) -> None:
    """Another frontend's helper with the same habits."""
    script = (
        "import json\nfrom sys import getsizeof\nfrom IPython import get_ipython\n"
        "_jupyterlab_variableinspector_Jupyter = get_ipython()\n"
        "def _jupyterlab_variableinspector_dict_list():\n    return json.dumps([getsizeof(1)])\n"
    )
    kernel.ok(script, silent=False, store_history=False)
    kernel.ok("n = 1")
    kernel.ok("_jupyterlab_variableinspector_dict_list()", store_history=False)
    kernel.ok("n = 2")
    assert [each["created"] for each in log(kernel)] == [["n"], []]
    kernel.done("undo", steps=2)
    assert "json" in kernel.value("sorted(globals())")
