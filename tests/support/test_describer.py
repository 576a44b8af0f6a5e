"""The judge itself: it sees a change of any value, and nothing else.

Each object of a library is described twice, after it was used (which fills caches), after a part of it was changed,
and in another process that got a copy. Libraries that are not installed are skipped.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from tests.support import describer
from tests.support.describer import Description, describe, differences, values_of

HERE = Path(__file__).parent
IN_ANOTHER_PROCESS = """
import sys, pickle, json, warnings
import describer
def told(data):  # in a function of a function: statsmodels looks for its caller
    return describer.describe({"x": pickle.loads(data)})
def main():
    warnings.simplefilter("ignore")
    with open(sys.argv[1], "rb") as file:
        print(json.dumps([told(data) for data in pickle.load(file)]))
main()
"""


@dataclass(frozen=True)
class Case:
    """Lines of code about `x`.

    Attributes:
        libraries: that it needs.
        make: it.
        change: something inside of it that its user would notice.
        use: it without a change.
        copies: it can be pickled, and pickling loses nothing of it.
    """

    libraries: str
    make: str
    change: str
    use: str = "repr(x)"
    copies: bool = True

    def __str__(self) -> str:
        return f"{self.libraries}: {self.make.splitlines()[-1][:50]}"


FRAME = """
x = pd.DataFrame({"n": np.arange(6.0), "s": list("ababac"), "d": pd.date_range("2020", periods=6)})
x["c"] = x["s"].astype("category"); x["i"] = pd.array([1, None, 3, 4, 5, 6], "Int64")
x["o"] = pd.Series([1, "a", None, 2.0, (1,), pd.NA], dtype=object)
x["z"] = x["d"].dt.tz_localize("UTC"); x["p"] = x["d"].dt.to_period("M"); x["v"] = pd.interval_range(0, 6)
"""
FOREST = "x = RandomForestClassifier(3, random_state=0).fit(np.arange(20.0).reshape(10, 2), [0, 1] * 5)"
PIPELINE = "x = make_pipeline(StandardScaler(), KMeans(2, random_state=0)).fit(np.eye(4))"
AXES = "fig, ax = plt.subplots(); "
NET = "x = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))"
STEP = "o.zero_grad(); n(torch.ones(2, 3)).sum().backward(); o.step(); o.zero_grad()"
OLS = "x = sm.OLS(np.arange(9.0) ** 2, np.column_stack([np.ones(9), np.arange(9.0)])).fit()"
CIRCUIT = (
    "t = Parameter('t'); x = QuantumCircuit(2, 2); x.h(0); x.cx(0, 1); x.rx(t, 0); x.rz(0.5, 1); x.measure([0], [0])"
)

IMPORTS = {
    "numpy": "import numpy as np",
    "pandas": "import pandas as pd",
    "pyarrow": "import pyarrow",
    "scipy": "import scipy.sparse",
    "sklearn": "from sklearn.ensemble import RandomForestClassifier\nfrom sklearn.pipeline import make_pipeline\n"
    "from sklearn.preprocessing import StandardScaler\nfrom sklearn.cluster import KMeans\n"
    "from sklearn.feature_extraction.text import TfidfVectorizer",
    "matplotlib": "import matplotlib\nmatplotlib.use('agg')\nimport matplotlib.pyplot as plt",
    "seaborn": "import seaborn as sns",
    "torch": "import torch\nfrom torch import nn\nfrom torch.utils.data import DataLoader, TensorDataset",
    "statsmodels": "import statsmodels.api as sm\nimport statsmodels.formula.api as smf",
    "qiskit": "from qiskit import QuantumCircuit\nfrom qiskit.circuit import Parameter\n"
    "from qiskit.quantum_info import SparsePauliOp, Statevector",
}

CASES = (
    Case("numpy", "x = np.random.default_rng(1)", "x.random()"),
    Case("numpy", "x = np.random.RandomState(1)", "x.random()"),
    Case("numpy", "x = np.zeros((100, 100))", "x[99, 50] = -0.0"),
    Case("numpy", "x = np.asfortranarray(np.arange(1e4).reshape(100, 100))", "x[99, 50] = 1"),
    Case("numpy", "x = np.zeros(3, [('a', 'u1'), ('b', 'f8')])", "x['b'][2] = 1"),
    Case("numpy", "x = np.array(['2020', 'NaT'], 'M8[s]')", "x[0] += 1"),
    Case("numpy", "x = [np.float64(1.5)] * 10", "x[3] = 1.5"),
    Case("numpy", "x = np.ma.array([1.0, 2], mask=[False, True])", "x.mask[0] = True"),
    Case("numpy", "x = np.longdouble([1, 2, 3])", "x[1] += 1e-18"),
    Case("numpy pandas", FRAME, "x.iloc[5, 0] = -1", "x.describe(); x.groupby('s').size(); repr(x)"),
    Case("numpy pandas", FRAME, "x.iloc[5, 1] = 'b'"),
    Case("numpy pandas", FRAME, "x.loc[5, 'd'] = pd.Timestamp('2021')"),
    Case("numpy pandas", FRAME, "x['c'] = x['c'].cat.reorder_categories(list('cba'))"),
    Case("numpy pandas", FRAME, "x.loc[1, 'i'] = 1"),
    Case("numpy pandas", FRAME, "x.at[5, 'o'] = None"),
    Case("numpy pandas", FRAME, "x['z'] = x['z'].dt.tz_convert('Asia/Tokyo')"),
    Case("numpy pandas", FRAME, "x.loc[0, 'v'] = x.loc[1, 'v']"),
    Case("numpy pandas", FRAME, "x.index = list('abcdef')"),
    Case("pandas", "x = pd.Series(['a', None, 'bc'] * 1000)", "x[2999] = 'bd'", "x.value_counts()"),
    Case("pandas", "x = pd.Series(['a', None, 'bc'] * 1000, dtype='string')", "x[2999] = 'b'"),
    Case("pandas pyarrow", "x = pd.Series(['a', None, 'bc'] * 1000, dtype='string[pyarrow]')", "x[2999] = None"),
    Case("pandas pyarrow", "x = pd.Series([1, None, 3], dtype='int64[pyarrow]')", "x[1] = 2"),
    Case("pandas", "x = pd.Series([0.0, 1], dtype='Sparse[float]')", "x = x * 2"),
    Case("pandas", "x = pd.MultiIndex.from_product([list('ab'), pd.date_range('2020', periods=2)])", "x = x[::-1]"),
    Case("numpy pandas", FRAME + "x = x.groupby('s')", "x.obj.iloc[0, 0] = 9"),
    Case("numpy pandas", FRAME + "x = x.groupby('s')", "x.groups; x.n.mean()"),  # it goes on with what it has kept
    Case("numpy pandas", FRAME + "x = x[['n']].rolling(2)", "x.obj.iloc[0, 0] = 9"),
    Case("numpy pandas", FRAME + "x = x[['n']].rolling(2)", "x.mean()"),
    Case(
        "numpy scipy",
        "x = scipy.sparse.random(50, 50, 0.1, 'csr', random_state=0)",
        "x.data[7] = 0",
        "x.has_sorted_indices; x.has_canonical_format; x @ x",
    ),
    Case(
        "numpy scipy",
        "from scipy.spatial import KDTree\nx = KDTree(np.arange(9.0).reshape(3, 3))",
        "x = KDTree(np.arange(9.0).reshape(3, 3) * 2)",
        "x.query([1, 1, 1])",
    ),
    Case(
        "numpy sklearn",
        FOREST,
        "x.estimators_[1].tree_.value[0, 0, 0] += 1",
        "x.predict([[1, 2]]); x.feature_importances_",
    ),
    Case("numpy sklearn", FOREST, "x.estimators_[2].tree_.threshold[0] += 1"),
    Case(
        "numpy sklearn", PIPELINE, "x[1].cluster_centers_[0, 0] += 1", "x.predict(np.eye(4)); repr(x); x._repr_html_()"
    ),
    Case(
        "sklearn",
        "x = TfidfVectorizer(stop_words=['a', 'is']); x.fit(['a cat is here', 'a dog'])",
        "x.vocabulary_['cat'] = 7",
        "x.transform(['cat'])",
    ),
    Case("numpy matplotlib", AXES + "[x] = ax.plot(np.arange(9.0))", "x.get_ydata()[3] = 7", "fig.canvas.draw()"),
    Case(
        "numpy matplotlib",
        AXES + "x = fig; ax.fill_between([1, 2, 3], [1, 2, 1])",
        "ax.collections[0].get_paths()[0].vertices[2, 1] = 5",
        "fig.canvas.draw()",
    ),
    Case(
        "numpy matplotlib",
        AXES + "x = fig; ax.bar([1, 2], [3, 4], label='b'); ax.legend()",
        "ax.patches[1].set_height(5)",
    ),
    Case(
        "numpy matplotlib",
        AXES + "x = fig; ax.bar([1, 2], [3, 4], label='b'); ax.legend()",
        "ax.legend_.get_texts()[0].set_text('c')",
    ),
    Case(
        "numpy matplotlib",
        AXES + "x = fig; ax.imshow(np.eye(5)); fig.colorbar(ax.images[0])",
        "ax.images[0].get_array()[1, 2] = 3",
        "fig.canvas.draw()",
    ),
    Case("numpy matplotlib", AXES + "x = fig; ax.set_xticks([0, 1], ['a', 'b'])", "ax.set_xticks([0, 1], ['a', 'c'])"),
    Case(
        "numpy matplotlib",
        AXES + "x = fig; ax.scatter([1, 2], [3, 4], c=[0.5, 0.7], s=[3, 4])",
        "ax.collections[0].set_sizes([3, 5])",
        "fig.canvas.draw()",
    ),
    Case("matplotlib", "x = plt.get_cmap('viridis').copy()", "x.set_bad('red')", "x(0.5)"),
    Case(
        "matplotlib",
        "from matplotlib.colors import LinearSegmentedColormap as M; x = M.from_list('n', ['r', 'b'])",
        "x = M.from_list('n', ['r', 'g'])",
        "x(0.5)",
    ),
    Case(
        "pandas",
        "x = pd.offsets.CustomBusinessDay(holidays=['2020-01-01'])",
        "x = pd.offsets.CustomBusinessDay(holidays=['2020-01-02'])",
    ),
    Case("numpy matplotlib", AXES + "x = fig; ax.grid(True)", "ax.grid(False)"),
    Case(
        "numpy matplotlib", AXES + "x = ax; ax.spines['top'].set_visible(False)", "ax.spines['left'].set_visible(False)"
    ),
    Case(
        "numpy pandas matplotlib seaborn",
        FRAME + "x = sns.FacetGrid(x, col='s').map(plt.hist, 'n')",
        "x.axes[0, 1].patches[0].set_height(9)",
        "x.figure.canvas.draw()",
    ),
    Case(
        "numpy pandas matplotlib seaborn",
        FRAME + "x = sns.heatmap(np.eye(4))",
        "x.collections[0].get_array()[1, 1] = 0",
        "x.figure.canvas.draw()",
    ),
    Case("torch", "x = torch.arange(12.0).reshape(3, 4).T", "x[2, 1] = 7"),
    Case("torch", "x = torch.ones(5, dtype=torch.bfloat16)", "x[3] = 2"),
    Case("torch", "x = torch.eye(4).to_sparse()", "x.values()[2] = 3"),
    Case("torch", "x = torch.ones(3)", "x.requires_grad_(True)"),
    Case("torch", NET, "with torch.no_grad(): x[2].weight[0, 3] += 1", "x.eval(); x(torch.ones(2, 3)); x.train()"),
    Case("torch", NET, "x[1].eval()"),
    Case("torch", NET + "; x(torch.ones(2, 3)).sum().backward()", "x[0].weight.grad[0, 0] = 7", copies=False),
    Case(
        "torch",
        NET.replace("x", "n", 1) + "; x = o = torch.optim.Adam(n.parameters()); " + STEP,
        "x.state[n[0].weight]['exp_avg'][0, 0] += 1",
        "x.state_dict(); repr(x)",
    ),
    Case(
        "torch",
        NET.replace("x", "n", 1)
        + "; o = torch.optim.SGD(n.parameters(), momentum=0.9); "
        + STEP
        + "; x = torch.optim.lr_scheduler.StepLR(o, 5)",
        "o.step(); x.step()",
        "x.get_last_lr()",
    ),
    Case("torch", "x = torch.Generator(); x.manual_seed(3)", "torch.rand(1, generator=x)"),
    Case(
        "torch",
        "x = DataLoader(TensorDataset(torch.zeros(8, 2)), batch_size=2)",
        "x.dataset.tensors[0][7, 1] = 1",
        "list(x)",
    ),
    Case("torch", "x = nn.Linear(2, 2)(torch.ones(2))", "x = x.detach()", copies=False),
    Case("numpy statsmodels", OLS, "x.params[0] += 1", "x.summary(); x.resid; x.bse"),
    Case(
        "numpy pandas statsmodels",
        FRAME + "x = smf.ols('n ~ C(s)', x).fit()",
        "x._results.params = x._results.params * 2",
        "x.summary(); x.aic",
    ),
    Case(
        "numpy statsmodels",
        "from statsmodels.tsa.arima.model import ARIMA\nx = ARIMA(np.sin(np.arange(40.0)), order=(1, 0, 0)).fit()",
        "x.params[0] += 1",
        "x.summary(); x.forecast(3)",
    ),
    Case("qiskit", CIRCUIT, "x.x(1)", "x.draw(); x.depth(); x.count_ops()"),
    Case(
        "qiskit", CIRCUIT, "x.assign_parameters({t: 0.25}, inplace=True)", "x.parameters; x.assign_parameters({t: 1})"
    ),
    Case("qiskit", CIRCUIT, "x.data[3] = x.data[3].replace(params=[0.75])"),
    Case("numpy qiskit", "x = Statevector.from_label('01')", "x.data[2] = 1j", "x.probabilities()"),
    Case("numpy qiskit", "x = SparsePauliOp(['ZZ', 'XI'], [1, 0.5])", "x.coeffs[1] = 0.6", "x.to_matrix()"),
    Case("", "x = {i: [i] for i in range(9000)}", "x[8999].append(1)"),
    Case("", "x = [(i, str(i)) for i in range(9000)]", "x[8999] = (8999, 8999)"),
    Case("", "x = [1, True, 1.0, 10 ** 6000]", "x[1] = 1", "pass"),
    Case("", "x = {'a', ('b', 1), frozenset({2})}", "x.add('c')"),
    Case("", "x = b'1' * 10**6", "x = b'1' * 999_999 + b'2'"),
    Case("", "x = __import__('re').compile('a' * 500 + 'b')", "x = __import__('re').compile('a' * 501)"),
    Case("", "x = iter([1, 2, 3])", "next(x)"),
    Case("", "x = [globals(), 1]", "x[1] = 2", copies=False),
)


def made(case: Case) -> dict[str, Any]:
    for library in case.libraries.split():
        pytest.importorskip(library)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for library in case.libraries.split():
        run(IMPORTS[library], namespace)
    run(case.make, namespace)
    return namespace


def run(code: str, namespace: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(code, namespace)


def told(namespace: dict[str, Any]) -> Description:
    return describe({"x": namespace["x"]}, namespace)


def told_elsewhere(copies: list[bytes], place: Path) -> list[Description]:
    """By another process, of what it makes of pickles."""
    (place / "copies").write_bytes(pickle.dumps(copies))
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS, str(place / "copies")]
    environment = {**os.environ, "PYTHONPATH": str(HERE), "MPLBACKEND": "agg", "PYTHONHASHSEED": "random"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def copy_of(obj: object) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cloudpickle.dumps(obj)  # type: ignore[no-any-return]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_sees_a_change_and_no_use(case: Case) -> None:
    namespace = made(case)
    first = told(namespace)
    assert differences(first, told(namespace)) == []
    run(case.use, namespace)
    assert differences(first, told(namespace)) == []
    run(case.change, namespace)
    assert differences(first, told(namespace)) != []


@pytest.mark.parametrize("libraries", sorted({case.libraries for case in CASES}))
def test_a_copy_in_another_process_is_the_same(libraries: str, tmp_path: Path) -> None:
    originals = []
    copies = []
    for case in CASES:
        if case.libraries == libraries and case.copies:
            namespace = made(case)
            run(case.use, namespace)
            originals.append(told(namespace))
            copies.append(copy_of(namespace["x"]))
    for original, copy in zip(originals, told_elsewhere(copies, tmp_path), strict=True):
        assert differences(values_of(original), values_of(copy)) == []


def test_arrays_and_tensors_in_one_memory() -> None:
    np, torch = pytest.importorskip("numpy"), pytest.importorskip("torch")
    array = np.arange(10.0)
    tensor = torch.from_numpy(array)
    together = describe({"a": array, "b": tensor, "c": tensor[5:]})
    assert together["memory of c and a"] == "shared at 40"
    assert values_of(together) == values_of(describe({"a": array, "b": tensor.clone(), "c": tensor[5:].clone()}))


def test_many_views_of_one_memory() -> None:
    np = pytest.importorskip("numpy")
    array = np.zeros(3000)
    started = time.perf_counter()
    together = describe({"x": [array, *(array[n:] for n in range(1, 3000))]})
    assert time.perf_counter() - started < 10
    other = describe({"x": [array, *(array[n:] for n in range(1, 2999)), array[2999:].copy()]})
    assert differences(together, other) != []
    assert differences(values_of(together), values_of(other)) == []


def test_what_a_decorator_of_a_library_made_is_told() -> None:
    def told_of(number: int) -> Description:
        code = f"import contextlib\n@contextlib.contextmanager\ndef x():\n    yield {number}\n"
        namespace: dict[str, Any] = {"__name__": "__main__"}
        exec(code, namespace)
        main = sys.modules["__main__"]
        main.x = namespace["x"]  # type: ignore[attr-defined]
        try:
            return told(namespace)
        finally:
            del main.x  # type: ignore[attr-defined]

    assert differences(told_of(1), told_of(2)) != []


def test_much_is_told_in_few_words() -> None:
    objects = [[n, {"name": str(n)}, [n, [n]]] for n in range(30_000)]
    before = describe({"x": objects, "y": 1})
    assert len(json.dumps(before)) < 1_000_000
    objects[20_000][2][1].append(0)
    changed = differences(before, describe({"x": objects, "y": 1}))
    assert 1 <= len(changed) <= 3
    objects[20_000][2][1].pop()
    assert describe({"x": objects, "y": 1}) == before
    objects[20_000][2][1] = objects[0][2][1]
    assert describe({"x": objects, "y": 1}) != before


def test_ray_is_told_by_type() -> None:
    ray = pytest.importorskip("ray")
    namespace: dict[str, Any] = {"__name__": "__main__", "ray": ray}
    code = "@ray.remote\ndef x(n):\n    return n + {}\n@ray.remote\nclass C:\n    def get(self): return {}\n"
    run(code.format(1, 1), namespace)
    first = describe({name: namespace[name] for name in "xC"}, namespace)
    assert first["x"] == "some ray.remote_function.RemoteFunction"
    run(code.format(1, 1), namespace)
    assert differences(first, describe({name: namespace[name] for name in "xC"}, namespace)) == []
    run(code.format(1, 2), namespace)
    changed = differences(first, describe({name: namespace[name] for name in "xC"}, namespace))
    assert changed
    assert all(path.startswith("C") for path in changed)


def test_it_needs_no_library() -> None:
    code = "import sys, describer; print([n for n in ('numpy', 'pandas', 'torch', 'kishu_kernel') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=HERE, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert describer.IN_KERNEL


SHARED = {
    "itself": "class B(dict):\n    pass\nx = B(n=1); x.__dict__ = x",
    "another's": "class B:\n    pass\nx, y = B(), B(); y.__dict__ = x.__dict__; x.n = 1",
    "a variable's": "class B:\n    pass\nx = B(); x.n = 1; v = vars(x)",
    "a variable's that is met before": "class B:\n    pass\nz = B(); z.n = 1; v = vars(z)",
}


@pytest.mark.parametrize("whose", SHARED)
def test_whose_dictionary_the_attributes_are_is_told(whose: str) -> None:
    variables: dict[str, Any] = {"__name__": "__main__"}
    exec(SHARED[whose], variables)
    own = {name: obj for name, obj in variables.items() if not name.startswith("_")}
    was = describe(own, variables)
    assert describe(own, variables) == was
    changed = variables["y" if "y" in own else "z" if "z" in own else "x"]
    object.__setattr__(changed, "__dict__", dict(vars(changed)))
    assert describe(own, variables) != was


def test_what_somebody_adds_to_a_frame_is_told() -> None:
    pandas = pytest.importorskip("pandas")
    for each in (pandas.DataFrame({"n": [1]}), pandas.Series([1])):
        was = describe({"x": each})
        object.__setattr__(each, "note", [1])
        noted = describe({"x": each})
        assert noted != was
        each.note.append(2)
        assert describe({"x": each}) != noted


@pytest.mark.parametrize(
    "make", ["np.broadcast_to(np.arange(3.0), (2, 3))", "np.lib.stride_tricks.sliding_window_view(np.arange(9.0), 3)"]
)
def test_an_array_that_overlaps_itself_is_no_copy_of_it(make: str) -> None:
    numpy = pytest.importorskip("numpy")
    x = eval(make, {"np": numpy})
    own, copied = describe({"x": x}), describe({"x": x.copy()})
    assert "memory of x itself" in own
    assert "memory of x itself" not in copied
