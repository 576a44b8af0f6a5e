"""Distributed computing: schedulers, workers and their data. Everything runs on this machine."""

from __future__ import annotations

from tests.matrix.entry import DISTRIBUTED, library

dask = library(DISTRIBUTED, "dask")
ray = library(DISTRIBUTED, "ray")
pyspark = library(DISTRIBUTED, "pyspark")
optuna = library(DISTRIBUTED, "optuna")

_RAY = "import ray\nif not ray.is_initialized():\n    _ = ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level='ERROR')\n"
_SPARK = "import os, sys; os.environ['PYSPARK_PYTHON'] = sys.executable\nfrom pyspark.sql import SparkSession, functions as F\nspark = SparkSession.builder.master('local[1]').config('spark.ui.enabled', 'false').getOrCreate()\n"
_STUDY = "import optuna\noptuna.logging.set_verbosity(optuna.logging.ERROR)\nx = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=1))\nx.optimize(lambda trial: trial.suggest_float('v', 0, 1) ** 2, n_trials=3)\n"


def on_ray(kind: str, create: str, change: str, look: str) -> object:
    return ray(kind, create, change, look, before=_RAY, described=False, seconds=240)


def on_spark(kind: str, create: str, change: str, look: str) -> object:
    return pyspark(kind, create, change, look, before=_SPARK, described=False, seconds=240)


ENTRIES = (
    dask(
        "dask.array.Array", "import dask.array as da; x = da.arange(10, chunks=5)", "x = x + 1", "x.compute().tolist()"
    ),
    dask(
        "dask.dataframe.DataFrame",
        "import pandas as pd, dask.dataframe as dd; x = dd.from_pandas(pd.DataFrame({'a': [1, 2, 3, 4]}), npartitions=2)",
        "x['b'] = x.a * 2",
        "x.compute().to_dict()",
        needs=("dask", "pandas"),
    ),
    dask(
        "dask.bag.Bag",
        "import dask.bag as db; x = db.from_sequence([1, 2, 3], npartitions=2)",
        "x = x.map(lambda n: n * 2)",
        "x.compute(scheduler='sync')",
    ),
    dask("dask.delayed", "import dask; x = dask.delayed(sum)([1, 2])", "x = x + 1", "x.compute(scheduler='sync')"),
    dask(
        "dask.distributed.Client",
        "from dask.distributed import Client; x = Client(processes=False, dashboard_address=None)",
        "_ = x.submit(abs, -1).result(); x.close()",
        "x.status",
        described=False,
        needs=("distributed",),
        seconds=120,
    ),
    dask(
        "dask.distributed.Future",
        "from dask.distributed import Client; client = Client(processes=False, dashboard_address=None); x = client.submit(abs, -4); _ = x.result()",
        "x = client.submit(abs, -5); _ = x.result()",
        "x.result()",
        described=False,
        needs=("distributed",),
        seconds=120,
    ),
    optuna(
        "optuna.Study",
        _STUDY,
        "x.optimize(lambda trial: trial.suggest_float('v', 0, 1), n_trials=1)",
        "([trial.params for trial in x.trials], x.best_value)",
        described=False,
    ),
    optuna(
        "optuna.FrozenTrial", _STUDY + "x = x.best_trial", "x.user_attrs['k'] = 1", "(x.params, x.user_attrs, x.number)"
    ),
    optuna(
        "optuna.TPESampler",
        "import optuna; x = optuna.samplers.TPESampler(seed=3)",
        "x.reseed_rng()",
        "x._rng.rng.get_state()[1].tolist()[:5]",
    ),
    optuna(
        "optuna.FloatDistribution",
        "import optuna; x = optuna.distributions.FloatDistribution(0, 1)",
        "x.high = 2.0",
        "(x.low, x.high)",
    ),
    optuna(
        "optuna.MedianPruner",
        "import optuna; x = optuna.pruners.MedianPruner()",
        "x._n_startup_trials = 1",
        "x._n_startup_trials",
    ),
    on_ray("ray.ObjectRef", "x = ray.put([1, 2])", "x = ray.put([3])", "ray.get(x)"),
    on_ray(
        "ray.data.Dataset",
        "x = ray.data.from_items([{'a': n} for n in range(4)])",
        "x = x.map(lambda row: {'a': row['a'] * 2})",
        "sorted(row['a'] for row in x.take_all())",
    ),
    on_ray(
        "ray RemoteFunction",
        "@ray.remote\ndef x(n):\n    return n * factor\nfactor = 2",
        "@ray.remote\ndef x(n):\n    return n + factor",
        "ray.get(x.remote(4))",
    ),
    on_ray(
        "ray ActorHandle",
        "@ray.remote\nclass Counter:\n    def __init__(self):\n        self.n = 0\n    def add(self):\n        self.n += 1\n        return self.n\n    def get(self):\n        return self.n\nx = Counter.remote()\n_ = ray.get(x.add.remote())",
        "_ = ray.get(x.add.remote())",
        "ray.get(x.get.remote())",
    ),
    on_ray(
        "ray ActorClass",
        "@ray.remote\nclass x:\n    def get(self):\n        return 7",
        "@ray.remote\nclass x:\n    def get(self):\n        return 8",
        "ray.get(x.remote().get.remote())",
    ),
    on_ray(
        "ray.util.ActorPool",
        "from ray.util import ActorPool\n@ray.remote\nclass Doubler:\n    def get(self, n):\n        return n * 2\nx = ActorPool([Doubler.remote()])",
        "x.push(Doubler.remote())",
        "len(x._idle_actors)",
    ),
    on_spark(
        "pyspark.sql.SparkSession",
        "x = spark",
        "x.conf.set('spark.sql.shuffle.partitions', '3')",
        "x.conf.get('spark.sql.shuffle.partitions')",
    ),
    on_spark(
        "pyspark.sql.DataFrame",
        "x = spark.createDataFrame([(1, 'a'), (2, 'b')], ['n', 's'])",
        "x = x.withColumn('m', F.col('n') * 2)",
        "[tuple(row) for row in x.collect()]",
    ),
    on_spark("pyspark.sql.Column", "x = F.col('n') + 1", "x = x * 2", "str(x)"),
    on_spark(
        "pyspark.sql.Row",
        "from pyspark.sql import Row; x = Row(a=1, b='c')",
        "x = Row(a=2, b='c')",
        "(x.asDict(), x.a)",
    ),
    on_spark(
        "pyspark StructType",
        "from pyspark.sql.types import IntegerType, StringType, StructType; x = StructType().add('a', IntegerType())",
        "_ = x.add('b', StringType())",
        "x.json()",
    ),
    on_spark(
        "pyspark.RDD", "x = spark.sparkContext.parallelize([1, 2, 3], 2)", "x = x.map(lambda n: n + 1)", "x.collect()"
    ),
    on_spark(
        "pyspark Broadcast",
        "x = spark.sparkContext.broadcast({'a': 1})",
        "x = spark.sparkContext.broadcast({'a': 2})",
        "x.value",
    ),
    on_spark("pyspark Accumulator", "x = spark.sparkContext.accumulator(1)", "x += 4", "x.value"),
    on_spark(
        "pyspark udf",
        "x = F.udf(lambda n: n + 1, 'int')",
        "x = F.udf(lambda n: n + 2, 'int')",
        "[row[0] for row in spark.createDataFrame([(1,)], ['n']).select(x('n')).collect()]",
    ),
    on_spark(
        "pyspark.ml Pipeline",
        "from pyspark.ml import Pipeline; from pyspark.ml.feature import Tokenizer; x = Pipeline(stages=[Tokenizer(inputCol='s', outputCol='w')])",
        "_ = x.setStages([])",
        "len(x.getStages())",
    ),
    on_spark(
        "pyspark.ml VectorUDT",
        "from pyspark.ml.linalg import Vectors; x = Vectors.dense([1.0, 2])",
        "x.values[0] = 5",
        "x.toArray().tolist()",
    ),
)
