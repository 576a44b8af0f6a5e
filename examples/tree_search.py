"""Search a tree of ideas: three ways to clean a frame, two models on each, all from one state. The best is kept.

    python examples/tree_search.py                  # in a kernel of its own
    python examples/tree_search.py analysis.ipynb   # in a notebook that is open in JupyterLab: its sidebar has the tree

Each way to clean goes on in a fork, a kernel that begins in the same state, all at the same time. Within a fork an undo
takes the first model back before the second is fitted, so that both begin with the same frame. Nothing is run twice,
and each state is tagged with its score. At last the notebook goes to the best one: its variables are there, and the
others are a checkout away.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kishu_kernel.client import Client, Fork, connect

ROOT = """\
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

df = load_breast_cancer(as_frame=True).frame
train, test = train_test_split(df, test_size=0.4, random_state=0, stratify=df["target"])
holes = np.random.default_rng(0).random(train.shape) < 0.04
holes[:, train.columns.get_loc("target")] = False
train = train.mask(holes)
print(f"{int(holes.sum())} values of {len(train)} rows are missing")"""

CLEANINGS = {
    "drop": "train = train.dropna()",
    "median": "train = train.fillna(train.median())",
    "neighbours": """\
import pandas as pd
from sklearn.impute import KNNImputer
train = pd.DataFrame(KNNImputer().fit_transform(train), columns=train.columns)""",
}

MODELS = {
    "linear": """\
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
model = make_pipeline(StandardScaler(), LogisticRegression())""",
    "trees": """\
from sklearn.ensemble import RandomForestClassifier
model = RandomForestClassifier(50, random_state=0)""",
}

FIT = """
X, y = train.drop(columns="target"), train["target"]
score = model.fit(X, y).score(test.drop(columns="target"), test["target"])
print(score)"""


@dataclass(frozen=True)
class Leaf:
    """One way through the tree, and where it ended."""

    name: str
    score: float
    state: str


def main(notebook: str | None) -> None:
    with connect(notebook) if notebook else own_kernel() as k:
        print(text(cell(k, ROOT)))
        ways = list(zip(CLEANINGS.items(), k.fork(len(CLEANINGS)), strict=True))
        with ThreadPoolExecutor(len(ways)) as threads:
            leaves = [leaf for found in threads.map(lambda way: explore(*way[0], way[1]), ways) for leaf in found]
        leaves.sort(key=lambda leaf: leaf.score, reverse=True)
        for leaf in leaves:
            print(f"{leaf.score:.3f}  {leaf.name:20}  state {leaf.state}")
        print(*k.promote(leaves[0].state)["told"])
        k.tag("best")
        print("the notebook's own variables are those of the best:", text(k.run("print(len(train), model, score)")))


def explore(name: str, cleaning: str, fork: Fork) -> list[Leaf]:
    """Cleans the frame in a fork, and tries each model on it."""
    found = []
    with fork:
        cell(fork, cleaning)
        for model, code in MODELS.items():
            ran = cell(fork, code + FIT)
            leaf = Leaf(f"{name}-{model}", float(text(ran)), ran["checkpoint"]["id"])
            fork.tag(f"{leaf.name}-{leaf.score:.3f}", leaf.state)
            found.append(leaf)
            fork.undo()  # the next model finds the frame as this one did
    return found


def cell(k: Client, code: str) -> dict:
    """Runs a cell that must not fail."""
    ran = k.run(code)
    if ran["status"] != "ok":
        sys.exit(f"tree_search: this cell failed:\n{code}\n{text(ran)}")
    return ran


def text(ran: dict) -> str:
    """What a cell printed, or how it failed."""
    return "".join(each.get("text") or each.get("evalue", "") for each in ran["outputs"]).strip()


@contextmanager
def own_kernel() -> Iterator[Client]:
    """A kernel of its own, whose history goes when it goes."""
    from jupyter_client.manager import start_new_kernel

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        here = {"KISHU_STORE_DIR": place, "JPY_SESSION_NAME": str(Path(place, "search.ipynb"))}
        manager, client = start_new_kernel(
            kernel_name="kishu", env={**os.environ, **here}, extra_arguments=["--log-level=ERROR"]
        )
        try:
            with connect(client) as k:
                yield k
        finally:
            client.stop_channels()
            manager.shutdown_kernel()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
