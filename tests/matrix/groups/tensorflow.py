"""Deep learning with TensorFlow and Keras, on the CPU."""

from __future__ import annotations

from tests.matrix.entry import DEEP, library

tensorflow = library(DEEP, "tensorflow-cpu", "tensorflow")
keras = library(DEEP, "keras", "tensorflow", "keras")

_KERAS = "import numpy as np, keras\nkeras.utils.set_random_seed(0)\n"
_MODEL = (
    _KERAS
    + "x = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(4, activation='relu'), keras.layers.Dense(1)])\n"
)
_WEIGHTS = "[weight.tolist() for weight in x.get_weights()]"


def tf(kind: str, create: str, change: str, look: str) -> object:
    return tensorflow(kind, create, change, look, before="import tensorflow as tf", described=False, seconds=180)


def kr(kind: str, create: str, change: str, look: str) -> object:
    return keras(kind, create, change, look, described=False, seconds=180)


ENTRIES = (
    tf("tf.Tensor", "x = tf.range(6)", "x = tf.reshape(x, (2, 3))", "x.numpy().tolist()"),
    tf("tf.Variable", "x = tf.Variable([1.0, 2])", "x.assign_add([1.0, 1])", "(x.numpy().tolist(), x.trainable)"),
    tf("tf.RaggedTensor", "x = tf.ragged.constant([[1], [2, 3]])", "x = x + 1", "x.to_list()"),
    tf(
        "tf.SparseTensor",
        "x = tf.sparse.from_dense([[0, 1], [2, 0]])",
        "x = x * 2",
        "tf.sparse.to_dense(x).numpy().tolist()",
    ),
    tf("tf.data.Dataset", "x = tf.data.Dataset.range(5)", "x = x.map(lambda n: n * 2)", "[int(n) for n in x]"),
    tf("tf.random.Generator", "x = tf.random.Generator.from_seed(1)", "_ = x.normal([2])", "x.state.numpy().tolist()"),
    tf(
        "tf.function",
        "@tf.function\ndef x(n):\n    return n * factor\nfactor = 2",
        "@tf.function\ndef x(n):\n    return n + factor",
        "int(x(tf.constant(3)))",
    ),
    tf(
        "tf.Module",
        "class M(tf.Module):\n    def __init__(self):\n        super().__init__()\n        self.w = tf.Variable(2.0)\nx = M()",
        "x.w.assign(5.0)",
        "(float(x.w), len(x.trainable_variables))",
    ),
    tf("tf.TensorShape", "x = tf.TensorShape([None, 3])", "x = x.concatenate([4])", "x.as_list()"),
    tf(
        "tf.lookup.StaticHashTable",
        "x = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(['a'], [1]), -1)",
        "x = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(['a'], [2]), -1)",
        "x.lookup(tf.constant(['a', 'b'])).numpy().tolist()",
    ),
    tf("tf.train.Checkpoint", "v = tf.Variable(1.0); x = tf.train.Checkpoint(v=v)", "v.assign(2.0)", "float(x.v)"),
    kr("keras.Sequential", _MODEL, "x.layers[0].kernel.assign(x.layers[0].kernel * 2)", _WEIGHTS),
    kr(
        "keras.Model (functional)",
        _KERAS + "i = keras.Input((2,)); x = keras.Model(i, keras.layers.Dense(1)(i))",
        "x.set_weights([weight + 1 for weight in x.get_weights()])",
        _WEIGHTS,
    ),
    kr(
        "keras.Model (compiled, fitted)",
        _MODEL + "x.compile('adam', 'mse'); _ = x.fit(np.ones((4, 3)), np.ones(4), verbose=0)",
        "_ = x.fit(np.ones((4, 3)), np.ones(4), verbose=0)",
        f"({_WEIGHTS}, x.optimizer.iterations.numpy().tolist())",
    ),
    kr(
        "keras.layers.Dense",
        _KERAS + "x = keras.layers.Dense(2); x.build((None, 3))",
        "x.kernel.assign(x.kernel + 1)",
        "(x.kernel.numpy().tolist(), x.units)",
    ),
    kr(
        "keras.optimizers.Adam",
        "import keras; x = keras.optimizers.Adam(0.1)",
        "x.learning_rate = 0.5",
        "float(x.learning_rate.numpy())",
    ),
    kr(
        "keras.callbacks.History",
        _MODEL + "x.compile('sgd', 'mse'); x = x.fit(np.ones((4, 3)), np.ones(4), verbose=0)",
        "x.history['loss'].append(9.0)",
        "x.history",
    ),
    kr(
        "keras.losses.MeanSquaredError",
        "import keras; x = keras.losses.MeanSquaredError()",
        "x.name = 'other'",
        "(x.name, float(x([[1.0]], [[3.0]])))",
    ),
    kr(
        "keras.metrics.Mean",
        "import keras; x = keras.metrics.Mean()",
        "x.update_state([2.0, 4.0])",
        "float(x.result())",
    ),
    kr(
        "keras.layers.TextVectorization",
        "import keras; x = keras.layers.TextVectorization(vocabulary=['cat', 'dog'])",
        "x.set_vocabulary(['bird'])",
        "x.get_vocabulary()",
    ),
    kr("keras.Variable", "import keras; x = keras.Variable([1.0, 2])", "x.assign([5.0, 6])", "x.numpy().tolist()"),
    kr(
        "keras.random.SeedGenerator",
        "import keras; x = keras.random.SeedGenerator(3)",
        "_ = x.next()",
        "x.state.numpy().tolist()",
    ),
    kr(
        "keras.callbacks.EarlyStopping",
        "import keras; x = keras.callbacks.EarlyStopping(patience=2)",
        "x.patience = 5",
        "(x.patience, x.monitor)",
    ),
)
