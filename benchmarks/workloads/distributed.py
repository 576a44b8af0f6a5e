"""Distributed computing: remote functions, actors and object references, with Ray on this machine.

Like the paper's Ray: 20 cells, 92 MB of data, 2361 s there; its searches are short here. Object references and
handles of actors live in the session beside the arrays and frames that were fetched. Ray's own processes are
children of the kernel; its files lie in the temporary directory. From the first training on, the cells use only
references and actors that they make themselves: an older one may not outlive a checkout.
"""

# %% parameters
SCALE = 1.0

# %%
import itertools
import os
import time

# Nothing is sent, and no token is written: nobody else reaches this cluster
os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0", RAY_AUTH_MODE="disabled")

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import ray

# %% long
N_ROWS = max(20_000, int(800_000 * SCALE))
SEED = 11
context = ray.init(
    num_cpus=2,
    include_dashboard=False,
    ignore_reinit_error=True,
    configure_logging=False,
    log_to_driver=False,
    object_store_memory=400_000_000,
)
ray.cluster_resources()["CPU"]

# %%
rng = np.random.default_rng(SEED)
trips = pd.DataFrame(
    {
        "zone": rng.integers(0, 260, N_ROWS).astype("int16"),
        "hour": rng.integers(0, 24, N_ROWS).astype("int8"),
        "distance": rng.gamma(2.0, 2.1, N_ROWS),
        "passengers": rng.integers(1, 7, N_ROWS).astype("int8"),
        "traffic": rng.beta(2, 3, N_ROWS),
    }
)
trips["fare"] = 3 + 2.4 * trips["distance"] + 4 * trips["traffic"] + rng.normal(0, 1.5, N_ROWS)
trips.head()


# %%
@ray.remote
def square(x):
    return x * x


@ray.remote
def slow_square(x, seconds=0.05):
    time.sleep(seconds)
    return x * x


references = [square.remote(i) for i in range(8)]
ray.get(references)

# %%
# Two workers at a time: half of the time that a loop would take
started = time.perf_counter()
squares = ray.get([slow_square.remote(i) for i in range(16)])
elapsed = time.perf_counter() - started
squares, f"{elapsed:.2f} s"

# %%
# Once in the object store, many tasks read it without a copy
trips_ref = ray.put(trips)
trips_ref


# %%
@ray.remote
def zone_means(frame, hour):
    """Mean fare and distance of each zone, in one hour of the day."""
    part = frame[frame["hour"] == hour]
    return part.groupby("zone")[["fare", "distance"]].mean().assign(hour=hour)


by_hour = ray.get([zone_means.remote(trips_ref, hour) for hour in range(24)])
zones = pd.concat(by_hour).reset_index()
zones.describe().round(2)

# %% undo
zones["per_mile"] = zones["fare"] / zones["distance"]
zones.pop("distance")
zones.head()

# %% undo
fig_zones, ax = plt.subplots(figsize=(8, 3))
zones.groupby("hour")["fare"].mean().plot(ax=ax, marker="o")
ax.set(ylabel="mean fare")
fig_zones.tight_layout()


# %% long
@ray.remote
def sample_pi(points, seed):
    """How many random points of the square lie in the circle."""
    generator = np.random.default_rng(seed)
    inside = 0
    for _ in range(max(1, points // 500_000)):
        inside += int((np.hypot(*generator.random((2, min(points, 500_000)))) < 1).sum())
    return inside


POINTS = max(100_000, int(5_000_000 * SCALE))
hits = ray.get([sample_pi.remote(POINTS, seed) for seed in range(8)])
4 * sum(hits) / (8 * POINTS)


# %%
@ray.remote
class Tracker:
    """Remembers what the tasks report."""

    def __init__(self):
        self.records = []

    def report(self, task, value):
        self.records.append((task, value))
        return len(self.records)

    def fetch(self):
        return self.records


tracker = Tracker.remote()
ray.get([tracker.report.remote("start", 0.0) for _ in range(3)])

# %%
# The design matrix: its shards go to the store where they are needed
design = np.column_stack([np.ones(N_ROWS), trips[["distance", "traffic", "passengers", "hour"]]]).astype("float64")
target = trips["fare"].to_numpy()
bounds = np.linspace(0, N_ROWS, 9).astype(int)
design.nbytes / 1e6


# %%
@ray.remote
class ParameterServer:
    """Holds the weights; gradients are applied as they arrive."""

    def __init__(self, size, rate):
        self.weights, self.rate = np.zeros(size), rate

    def apply(self, *gradients):
        self.weights = self.weights - self.rate * np.mean(gradients, axis=0)
        return self.weights

    def get(self):
        return self.weights


@ray.remote
def gradient(weights, shard):
    features, truth = shard
    return 2 * features.T @ (features @ weights - truth) / len(truth)


# %% fork long
shards = [ray.put((design[a:b], target[a:b])) for a, b in itertools.pairwise(bounds)]
server = ParameterServer.remote(design.shape[1], 0.006)
weights = ray.get(server.get.remote())
losses = []
for _ in range(max(15, int(70 * SCALE))):
    weights = ray.get(server.apply.remote(*(gradient.remote(weights, shard) for shard in shards)))
    losses.append(float(np.mean((design[::50] @ weights - target[::50]) ** 2)))
weights.round(3)

# %%
fig_losses, ax = plt.subplots(figsize=(8, 3))
ax.semilogy(losses)
ax.set(xlabel="step", ylabel="squared error")
fig_losses.tight_layout()


# %% long
# A search: ridge regressions over penalties and folds, each task reports to the tracker
@ray.remote
def ridge_task(shards, penalty, fold, tracker):
    shards = ray.get(shards)
    held_x, held_y = shards[fold]
    rest = [shard for i, shard in enumerate(shards) if i != fold]
    gram = sum(x.T @ x for x, _ in rest) + penalty * np.eye(held_x.shape[1])
    solution = np.linalg.solve(gram, sum(x.T @ t for x, t in rest))
    error = float(np.mean((held_x @ solution - held_y) ** 2))
    ray.get(tracker.report.remote("ridge", error))
    return penalty, fold, error, solution


tracker = Tracker.remote()
penalties = np.geomspace(1e-3, 1e6, max(3, int(6 * SCALE)))
pending = [ridge_task.remote(shards, p, fold, tracker) for p in penalties for fold in range(8)]
results = []
while pending:
    done, pending = ray.wait(pending, num_returns=1)
    results += ray.get(done)
search = pd.DataFrame([row[:3] for row in results], columns=["penalty", "fold", "error"])
search = search.sort_values(["penalty", "fold"], ignore_index=True)
search.groupby("penalty")["error"].mean()

# %%
best_penalty = search.groupby("penalty")["error"].mean().idxmin()
solutions = {(p, fold): solution for p, fold, _, solution in results}
best_solution = np.mean([solutions[best_penalty, fold] for fold in range(8)], axis=0)
trips["predicted"] = design @ best_solution
trips[["fare", "predicted"]].corr().iloc[0, 1]


# %%
# The bootstrap: a matrix of resampled means, fetched in blocks
@ray.remote
def resample(frame, seed, repeats):
    fares = frame["fare"].to_numpy()
    generator = np.random.default_rng(seed)
    return np.stack([generator.choice(fares, 5_000).reshape(-1, 50).mean(axis=1) for _ in range(repeats)])


trips_ref = ray.put(trips)
blocks = ray.get([resample.remote(trips_ref, seed, max(4, int(1800 * SCALE))) for seed in range(16)])
bootstrap = np.vstack(blocks)
del blocks
bootstrap.shape, np.quantile(bootstrap.mean(axis=1), [0.025, 0.975]).round(4)

# %%
records = pd.DataFrame(ray.get(tracker.fetch.remote()), columns=["task", "value"])
records.groupby("task")["value"].agg(["size", "mean", "min"]).round(4)
