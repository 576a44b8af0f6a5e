"""Clients of engines (Dask, Ray, Spark): their cells make them again, and what they hold elsewhere is never copied.

With real clusters on this machine; skipped where the library is not installed.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from .conftest import Start
from .driver import Content, Kernel
from .test_resume import on, write_notebook

DASK = (
    "import dask.array as da\nfrom dask.distributed import Client, LocalCluster",
    "client = Client(LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None))",
    "kept = da.ones((1000, 1000), chunks=500).persist()",
    "future = client.submit(sum, [1, 2]); total = future.result()",
    "class Job:\n    pass",
    "import time; job = Job(); job.client = client; bag = {'clients': [client]}; stamp = [client, time.time()]",
)
RAY = (
    "import ray",
    "ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level='ERROR', resources={'own': 1})",
    "put = ray.put([1, 2])",
    "@ray.remote(resources={'own': 0.1}, num_cpus=0)\ndef more(x):\n    return x + 1\n"
    "future = more.remote(1); total = ray.get(future)",
    "held = {'first': put, 'others': [future], 'context': _2}",
)
SLOWLY = {"RAY_agent_register_timeout_ms": "120000", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
"""Ray may start on a machine that has much else to do."""

SPARK = (
    "import os, sys; os.environ['PYSPARK_PYTHON'] = sys.executable\n"
    "from pyspark.sql import SparkSession, functions as F",
    "spark = SparkSession.builder.master('local[1]').config('spark.ui.enabled', 'false').getOrCreate()",
    "frame = spark.createDataFrame([(1, 'a'), (2, 'b')], ['n', 's'])",
    "more = frame.withColumn('m', F.col('n') * 2).cache(); total = more.count()",
    "sent = spark.sparkContext.broadcast([7])\nparts = spark.sparkContext.parallelize([1, 2]).map(lambda n: n + 1)",
    "held = [spark, {'frame': frame, 'views': [more]}]",
)


@pytest.fixture
def begin(start: Start, tmp_path: Path) -> Any:
    """Starts a kernel on the notebook of this test."""
    book = write_notebook(tmp_path / "book.ipynb")
    with (tmp_path / "said").open("wb") as said:

        def beginning() -> Kernel:
            return start(environment={**on(book), **SLOWLY}, patience=200.0, output=said)

        yield beginning


def run_all(kernel: Kernel, cells: tuple[str, ...]) -> None:
    for cell in cells:
        kernel.ok(cell)


def not_stored(kernel: Kernel) -> list[list[str]]:
    """What its cells made, the oldest first."""
    return [found["names"] for each in log(kernel) for found in each["not_stored"]]


def log(kernel: Kernel) -> list[Content]:
    found: list[Content] = kernel.done("log", limit=0)["checkpoints"]
    return found[::-1]


def wake(kernel: Kernel, begin: Any, differing: str = "") -> tuple[Kernel, list[list[str]]]:
    """Another kernel, in the state that this one leaves. And what the cells that are re-run for it give.

    Args:
        differing: what has to be told as not the same as before.
    """
    assert kernel.done("hibernate", timeout=60.0)["durable"]
    kernel.close()
    other = begin()
    assert other.request("resume")["ename"] == "SideEffectsError"  # it starts processes: somebody has to agree
    plan = other.done("resume")["plan"]
    assert plan["lost"] == []
    assert ["total"] in [each["names"] for each in plan["load"]]
    told = [each.partition(". ")[0] for each in other.done("status")["warnings"]]
    assert told == ([f"Re-run, and not the same as before: {differing}"] if differing else [])
    return other, [step["gives"] for step in plan["replay"]]


@pytest.mark.skipif(find_spec("distributed") is None, reason="distributed is not installed")
def test_dask(begin: Any) -> None:
    kernel = begin()
    run_all(kernel, DASK)
    assert not_stored(kernel) == [["client"], ["kept"], ["future"], ["bag"], ["job"], ["stamp"]]
    assert sum(each["payload_bytes"] for each in log(kernel)) < 10_000  # 8 MB are there, and nowhere else
    client = kernel.value("client.id")
    kernel.done("undo", steps=4)
    kernel.done("redo", steps=4)
    assert kernel.value("future.result(), client.id, client.status") == (3, client, "running")
    assert kernel.value("future.client is bag['clients'][0] is job.client is client")  # and there is no second one
    other, rerun = wake(kernel, begin, differing="stamp")  # what else stands beside a client is compared
    assert rerun == [["client"], ["kept"], ["future"], ["Job", "bag", "job", "stamp"]]
    other.ok("print(job.client is stamp[0] is client, bag)")
    assert log(other)[-1]["modified"] == []  # they are called otherwise, and no cell has changed them
    assert other.value("float(kept.sum().compute()), future.result(), len(client.nthreads())") == (1e6, 3, 1)
    assert other.value("{type(each).__name__ for each in kept.__dask_graph__().values()} >= {'Future'}")
    client = other.value("client.id")
    other.ok("client.close()")
    other.done("undo")  # what is gone with a client is made again with it
    assert other.value(
        "float(kept.sum().compute()), future.result(), client.id != {client!r}".replace("{client!r}", repr(client))
    ) == (1e6, 3, True)
    assert other.value("bag['clients'][0] is job.client is client")


@pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")
def test_ray(begin: Any) -> None:
    kernel = begin()
    run_all(kernel, RAY)
    assert not_stored(kernel) == [["_2"], ["put"], ["future"], ["held"]]
    kernel.done("undo", steps=2)
    kernel.done("redo", steps=2)
    assert kernel.value("ray.get(held['others']), held['context'] is _2") == ([2], True)
    other, rerun = wake(kernel, begin)
    assert rerun == [["_2"], ["put"], ["future"], ["held"]]
    assert other.value("ray.get(held['first']), ray.get(future), ray.cluster_resources()['own']") == ([1, 2], 2, 1.0)
    other.ok("print(held['others'] == [future], held['context'] is _2)")
    assert log(other)[-1]["modified"] == []
    other.ok("ray.shutdown()")
    other.done("undo")
    assert other.value("ray.get(held['first']), ray.cluster_resources()['own']") == ([1, 2], 1.0)


@pytest.mark.skipif(find_spec("pyspark") is None, reason="pyspark is not installed")
def test_spark(begin: Any) -> None:
    kernel = begin()
    run_all(kernel, SPARK)
    assert not_stored(kernel) == [["spark"], ["frame"], ["more"], ["parts"], ["sent"], ["held"]]
    session = kernel.value("id(spark)")
    kernel.done("undo", steps=3)
    kernel.done("redo", steps=3)
    assert kernel.value("more.count(), sent.value, parts.collect(), id(spark)") == (2, [7], [2, 3], session)
    assert kernel.value("held[0] is spark and held[1]['views'][0] is more")
    other, rerun = wake(kernel, begin)
    assert rerun == [["spark"], ["frame"], ["more"], ["parts", "sent"], ["held"]]
    other.ok("print(held[0] is spark, held[1]['views'][0] is more)")
    assert log(other)[-1]["modified"] == []
    assert other.value("[tuple(row) for row in more.collect()]") == [(1, "a", 2), (2, "b", 4)]
    assert other.value("sent.value, parts.collect(), total") == ([7], [2, 3], 2)
