"""PyTorch's tensors: their memory is stored as arrays' is, shared with what shares it, and gradients go along."""

from __future__ import annotations

import pytest

from tests.support.describer import differences
from tests.support.harness import Notebook

torch = pytest.importorskip("torch")

TRAIN = """
model = torch.nn.Sequential(torch.nn.Linear(10, 20), torch.nn.ReLU(), torch.nn.Linear(20, 2))
optimizer = torch.optim.Adam(model.parameters())
model(torch.ones(3, 10)).sum().backward()
optimizer.step();
"""


@pytest.fixture
def notebook() -> Notebook:
    notebook = Notebook()
    notebook.ok("import torch, numpy as np")
    return notebook


def undone(notebook: Notebook, code: str) -> list[str]:
    """What an undo of this cell does not bring back."""
    was = notebook.describe()
    notebook.ok(code)
    notebook.session.undo()
    assert notebook.reran == []
    return differences(was, notebook.describe())


@pytest.mark.parametrize(
    "value",
    [
        "torch.arange(1000.)",
        "torch.randn(1000, dtype=torch.bfloat16)",
        "torch.tensor([True, False])",
        "torch.randn(40, dtype=torch.complex64).conj()",
        "torch.empty(0)",
        "torch.arange(12).reshape(3, 4).t()[1:]",
        "torch.nn.Parameter(torch.ones(3), requires_grad=False)",
        "torch.sparse_coo_tensor([[0], [1]], [2.], (2, 2), check_invariants=False)",
        "torch.tensor(3.0, requires_grad=True)",
    ],
)
def test_values(notebook: Notebook, value: str) -> None:
    notebook.ok(f"value = {value}")
    assert undone(notebook, "del value") == []


@pytest.mark.parametrize(
    ("make", "check"),
    [
        ("a = np.arange(10.); b = torch.from_numpy(a)", "a[0] = 5; result = b[0].item()"),
        ("a = torch.arange(1000.); b = a[:10]", "b[0] = 5; result = a[0].item()"),
        ("a = torch.arange(1000.); b = a.view(torch.int32)", "a[1] = 5; result = b[1].item() == 1084227584 and 5"),
        ("a = torch.arange(1000.); b = a.numpy()", "b[0] = 5; result = a[0].item()"),
        ("pair = [torch.zeros(3)] * 2", "pair[0][0] = 5; result = pair[1][0].item()"),
    ],
)
def test_shared_memory(notebook: Notebook, make: str, check: str) -> None:
    notebook.ok(make)
    notebook.ok("a = b = pair = None")
    notebook.session.undo()
    notebook.ok(check)
    assert notebook["result"] == 5
    notebook.session.undo()
    notebook.ok(check)
    assert notebook["result"] == 5


def test_a_model_and_its_optimizer(notebook: Notebook) -> None:
    notebook.ok(TRAIN)
    assert undone(notebook, "model = optimizer = None") == []
    notebook.ok(
        "same = [id(p) for g in optimizer.param_groups for p in g['params']] == [id(p) for p in model.parameters()]"
    )
    assert notebook["same"] is True


@pytest.mark.parametrize("change", ["optimizer.zero_grad()", "next(model.parameters()).grad[0] = 9"])
def test_a_gradient_is_seen_and_comes_back(notebook: Notebook, change: str) -> None:
    notebook.ok(TRAIN)
    assert undone(notebook, f"{change};") == []


def test_a_large_tensor_is_stored_by_what_changes(notebook: Notebook) -> None:
    notebook.ok("big = torch.rand(8_000_000)")
    notebook.ok("big[5] = 2")
    notebook.session.timeline.store.flush()
    assert notebook.session.timeline.lookup(str(notebook.head)).written_bytes < 2_000_000


def test_gradients_of_what_a_cell_does_not_name(notebook: Notebook) -> None:
    notebook.ok("model = torch.nn.Linear(3, 1); loss = model(torch.ones(2, 3)).sum()")
    assert "model" in notebook.ok("loss.backward()").modified
    notebook.session.undo()
    assert notebook["model"].weight.grad is None


def test_a_step_of_a_computation_comes_back_as_its_value(notebook: Notebook) -> None:
    notebook.ok("model = torch.nn.Linear(3, 1); loss = model(torch.ones(2, 3)).sum(); value = loss.item()")
    notebook.ok("del loss")
    notebook.session.undo()
    notebook.ok("same = loss.item() == value, loss.requires_grad")
    assert notebook["same"] == (True, False)


def test_dtypes_of_which_torch_hands_out_the_bare_memory(notebook: Notebook) -> None:
    notebook.ok("a = np.arange(10, dtype='uint32'); b = torch.from_numpy(a); c = b.untyped_storage()")
    assert set(notebook.ok("a[0] = 5").modified) == {"a", "b", "c"}
    notebook.ok("a = b = c = None")
    notebook.session.undo()
    notebook.ok("b[1] = 7; seen = int(a[1]), c[4]")
    assert notebook["seen"] == (7, 7)


def test_a_default_device_that_is_not_the_processor(notebook: Notebook) -> None:
    notebook.ok("a = torch.arange(4.); torch.set_default_device('meta')")
    try:
        made = notebook.ok("a[0] = 9.0")
        assert made.record(("a",)).stored
    finally:
        torch.set_default_device("cpu")
    notebook.ok("a = None")
    notebook.session.undo()
    assert notebook["a"].tolist() == [9, 1, 2, 3]
