"""Homework: linear regression by hand, with NumPy.

Like the paper's HW-LM: 81 cells, 1 MB of data, 13 s. Its loops are pure Python, as homework's are:
many short cells, some of about a second.
"""

# %% parameters
SCALE = 1.0

# %%
import math
import os
import random
import time

os.environ["OMP_NUM_THREADS"] = "1"  # small matrices: threads only cost

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

# %%
SEED = 3
HOUSES = max(120, int(800 * SCALE))
STEPS = max(30, int(5_200 * SCALE))
np.set_printoptions(precision=4, suppress=True)

# %%
# Problem 0: the data. What does it take to heat a house for a month?
names = ["area", "age", "windows", "insulation", "persons", "outside", "wind", "sun"]
true_weights = np.array([0.9, 0.25, 0.4, -1.1, 0.3, -1.6, 0.35, -0.5])


def make_houses(count, seed):
    generator = np.random.default_rng(seed)
    area = generator.normal(120, 35, count).clip(30)
    age = generator.gamma(2.0, 18.0, count)
    windows = np.round(area / 14 + generator.normal(0, 2, count)).clip(2)
    insulation = (12 - age / 10 + generator.normal(0, 2, count)).clip(1)
    persons = generator.integers(1, 7, count).astype(float)
    outside = generator.normal(6, 7, count)
    wind = generator.gamma(3.0, 1.6, count)
    sun = generator.uniform(0, 10, count)
    X = np.column_stack([area, age, windows, insulation, persons, outside, wind, sun])
    standard = (X - X.mean(axis=0)) / X.std(axis=0)
    y = 14 + 3 * standard @ true_weights + 0.6 * standard[:, 5] ** 2 + generator.normal(0, 1.5, count)
    return X, y


# %%
X, y = make_houses(HOUSES, SEED)
X.shape, y.shape

# %%
X[:3]

# %%
y[:10]

# %%
houses = pd.DataFrame(X, columns=names)
houses["energy"] = y
houses["meter"] = [f"M{number:05d}" for number in range(HOUSES)]
houses.head()

# %%
houses.describe().round(2)

# %% undo
del houses["meter"]
houses.columns

# %%
# Problem 1: training and test data, shuffled by hand
random.seed(SEED)
order = list(range(HOUSES))
random.shuffle(order)
split = int(0.75 * HOUSES)
train_rows, test_rows = order[:split], order[split:]

# %%
X_train, X_test = X[train_rows], X[test_rows]
y_train, y_test = y[train_rows], y[test_rows]

# %%
X_train.shape, X_test.shape

# %%
y_train[:10]

# %%
mean, deviation = X_train.mean(axis=0), X_train.std(axis=0)
mean, deviation


# %%
def standardize(values):
    return (values - mean) / deviation


# %% deterministic
Z_train, Z_test = standardize(X_train), standardize(X_test)
Z_train.mean(axis=0).round(6)


# %%
def with_ones(values):
    return np.hstack([np.ones((len(values), 1)), values])


# %% deterministic
A_train, A_test = with_ones(Z_train), with_ones(Z_test)
A_train[0]

# %%
fig = plt.figure(figsize=(12, 5))
for number in range(8):
    ax = fig.add_subplot(2, 4, number + 1)
    ax.plot(X_train[:200, number], y_train[:200], ".", markersize=2)
    ax.set_title(names[number])
fig.tight_layout()


# %%
# Problem 2: one input, with sums only
def mean_of(values):
    return sum(values) / len(values)


def covariance(left, right):
    left_mean, right_mean = mean_of(left), mean_of(right)
    return sum((a - left_mean) * (b - right_mean) for a, b in zip(left, right)) / len(left)


# %%
outside_train = Z_train[:, 5].tolist()
energy_train = y_train.tolist()
covariance(outside_train, energy_train)

# %%
slope = covariance(outside_train, energy_train) / covariance(outside_train, outside_train)
intercept = mean_of(energy_train) - slope * mean_of(outside_train)
slope, intercept

# %%
fig, ax = plt.subplots()
ax.plot(outside_train[:300], energy_train[:300], ".", markersize=3)
ends = np.array([-3.0, 3.0])
ax.plot(ends, intercept + slope * ends, "r")
ax.set_xlabel("outside (standardized)")


# %%
def mse(predicted, actual):
    return float(np.mean((predicted - actual) ** 2))


# %%
results = {}
results["mean only"] = mse(np.full(len(y_test), y_train.mean()), y_test)
results["one input"] = mse(intercept + slope * Z_test[:, 5], y_test)
results

# %% fork deterministic long
# Problem 3: gradient descent with one weight, in plain Python
b, w = 0.0, 0.0
path = []
rate = 0.001
for step in range(STEPS * 3):
    grad_b = grad_w = 0.0
    for x_i, y_i in zip(outside_train, energy_train):
        error = b + w * x_i - y_i
        grad_b += error
        grad_w += error * x_i
    b -= rate * 2 * grad_b / len(outside_train)
    w -= rate * 2 * grad_w / len(outside_train)
    if step % 20 == 0:
        path.append((b, w))
b, w

# %%
abs(b - intercept) < 1e-2, abs(w - slope) < 1e-2

# %%
path[:5]

# %%
fig, ax = plt.subplots()
ax.plot([point[0] for point in path], [point[1] for point in path], ".-", markersize=3)
ax.plot(intercept, slope, "r*")
ax.set(xlabel="b", ylabel="w", title="The way down")

# %% long
# the same from random beginnings
random.seed(SEED)
arrivals = []
rate = 0.004
for _ in range(6):
    b, w = random.uniform(-30, 30), random.uniform(-30, 30)
    for _ in range(STEPS // 3):
        errors = [b + w * x_i - y_i for x_i, y_i in zip(outside_train, energy_train)]
        b -= rate * 2 * sum(errors) / len(errors)
        w -= rate * 2 * sum(error * x_i for error, x_i in zip(errors, outside_train)) / len(errors)
    arrivals.append((round(b, 3), round(w, 3)))
arrivals

# %%
# Problem 4: all inputs; first with lists, to know what NumPy is good for
rows = A_train.tolist()
targets = y_train.tolist()


def predict_list(weights, row):
    total = 0.0
    for weight, value in zip(weights, row):
        total += weight * value
    return total


# %%
predict_list([1.0] * 9, rows[0])

# %% deterministic long
weights_list = [0.0] * len(rows[0])
losses_list = []
for _ in range(max(10, STEPS // 3)):
    gradient = [0.0] * len(weights_list)
    loss = 0.0
    for row, target in zip(rows, targets):
        error = predict_list(weights_list, row) - target
        loss += error * error
        for place, value in enumerate(row):
            gradient[place] += 2 * error * value
    weights_list = [weight - 0.05 * part / len(rows) for weight, part in zip(weights_list, gradient)]
    losses_list.append(loss / len(rows))
losses_list[-1]

# %%
losses_list[:3]


# %%
def gradient_descent(A, target, rate, steps, penalty=0.0):
    weights = np.zeros(A.shape[1])
    losses = []
    for step in range(steps):
        error = A @ weights - target
        shrink = np.r_[0.0, weights[1:]]
        weights = weights - rate * (2 * A.T @ error / len(target) + 2 * penalty * shrink)
        if step % 10 == 0:
            losses.append(float(np.mean(error**2)))
    return weights, losses


# %%
begun = time.perf_counter()
weights, losses = gradient_descent(A_train, y_train, 0.05, STEPS)
took = time.perf_counter() - begun
print(f"{STEPS} steps in {took:.3f} s")

# %%
weights

# %%
dict(zip(["one", *names], weights.round(3)))

# %%
results["gradient descent"] = mse(A_test @ weights, y_test)
results

# %% undo
fig, ax = plt.subplots()
ax.semilogy(losses, label="NumPy")
ax.semilogy(losses_list, label="lists")
ax.set(xlabel="step", ylabel="loss")
ax.legend()

# %%
# Problem 5: how large may the steps be?
rates = [0.001, 0.003, 0.01, 0.03, 0.1, 0.2]
by_rate = {}
for rate in rates:
    by_rate[rate] = gradient_descent(A_train, y_train, rate, STEPS)[1]
    print(rate, by_rate[rate][-1])

# %%
fig, ax = plt.subplots()
for rate, curve in by_rate.items():
    ax.semilogy(curve[:60], label=str(rate))
ax.legend()

# %%
eigenvalues = np.linalg.eigvalsh(2 * A_train.T @ A_train / len(A_train))
1 / eigenvalues.max(), eigenvalues.max() / eigenvalues.min()


# %%
# Problem 6: the normal equations, solved by hand
def solve(matrix, right):
    size = len(right)
    work = [[*row, value] for row, value in zip(matrix.tolist(), right.tolist())]
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(work[row][column]))
        work[column], work[pivot] = work[pivot], work[column]
        for row in range(column + 1, size):
            factor = work[row][column] / work[column][column]
            work[row] = [a - factor * b for a, b in zip(work[row], work[column])]
    found = [0.0] * size
    for row in reversed(range(size)):
        known = sum(work[row][place] * found[place] for place in range(row + 1, size))
        found[row] = (work[row][size] - known) / work[row][row]
    return np.array(found)


# %%
exact = solve(A_train.T @ A_train, A_train.T @ y_train)
exact

# %%
np.allclose(exact, np.linalg.lstsq(A_train, y_train, rcond=None)[0])

# %%
np.abs(exact - weights).max()

# %%
results["normal equations"] = mse(A_test @ exact, y_test)

# %%
residuals = y_train - A_train @ exact
residuals.mean(), residuals.std()

# %%
fig, ax = plt.subplots()
ax.plot(A_train[:, 6], residuals, ".", markersize=3)
ax.axhline(0, color="k")
ax.set_title("Something bends: what is left over against the temperature outside")


# %%
# Problem 7: squares and products
def expand(values):
    columns = [values]
    width = values.shape[1]
    for first in range(width):
        for second in range(first, width):
            columns.append((values[:, first] * values[:, second])[:, None])
    return np.hstack(columns)


# %%
expanded_names = names + [f"{a}*{b}" for place, a in enumerate(names) for b in names[place:]]
len(expanded_names), expanded_names[8:12]

# %% deterministic
P_train, P_test = with_ones(expand(Z_train)), with_ones(expand(Z_test))
P_train.shape

# %%
wide = solve(P_train.T @ P_train, P_train.T @ y_train)
results["squares"] = mse(P_test @ wide, y_test)
results["squares"]

# %%
largest = np.argsort(-np.abs(wide[1:]))[:6]
[(expanded_names[place], round(wide[place + 1], 3)) for place in largest]

# %% deterministic long
slow_weights, slow_losses = gradient_descent(P_train, y_train, 0.01, STEPS * 16)
slow_losses[-1], np.abs(slow_weights - wide).max()


# %%
# Problem 8: ridge
def ridge(A, target, penalty):
    size = A.shape[1]
    return np.linalg.solve(A.T @ A + penalty * len(target) * np.diag([0.0] + [1.0] * (size - 1)), A.T @ target)


# %%
penalties = np.logspace(-4, 1, 12)
ridge_path = np.array([ridge(P_train, y_train, penalty) for penalty in penalties])
ridge_path.shape

# %%
fig, ax = plt.subplots()
ax.semilogx(penalties, ridge_path[:, 1:9])
ax.set(xlabel="penalty", ylabel="weight")

# %% deterministic
# Problem 9: which penalty? Folds by hand
FOLDS = 5
fold_of = np.arange(len(P_train)) % FOLDS
fold_losses = np.zeros((len(penalties), FOLDS))
for place, penalty in enumerate(penalties):
    for fold in range(FOLDS):
        inside, outside = fold_of != fold, fold_of == fold
        fitted = ridge(P_train[inside], y_train[inside], penalty)
        fold_losses[place, fold] = mse(P_train[outside] @ fitted, y_train[outside])
fold_losses.mean(axis=1)

# %%
best_penalty = penalties[fold_losses.mean(axis=1).argmin()]
best_penalty

# %%
results["ridge"] = mse(P_test @ ridge(P_train, y_train, best_penalty), y_test)
results["ridge"]


# %% deterministic long
# Problem 10: the lasso, one coordinate after the other
def soft(value, threshold):
    return math.copysign(max(abs(value) - threshold, 0.0), value)


def lasso(A, target, penalty, sweeps):
    found = np.zeros(A.shape[1])
    left = target - A @ found
    norms = (A**2).mean(axis=0)
    for _ in range(sweeps):
        for place in range(A.shape[1]):
            left += A[:, place] * found[place]
            pull = float(A[:, place] @ left) / len(target)
            found[place] = pull / norms[place] if place == 0 else soft(pull, penalty) / norms[place]
            left -= A[:, place] * found[place]
    return found


lasso_path = {}
for penalty in [0.01, 0.03, 0.1, 0.3, 1.0]:
    lasso_path[penalty] = lasso(P_train, y_train, penalty, max(8, STEPS // 4))
    print(penalty, int(np.sum(lasso_path[penalty][1:] != 0)), "weights left")

# %%
results["lasso"] = min(mse(P_test @ found, y_test) for found in lasso_path.values())

# %%
kept = [name for name, weight in zip(expanded_names, lasso_path[0.3][1:]) if weight != 0]
kept


# %%
# Problem 11: one house at a time
def stochastic(rows, targets, epochs, rate, seed):
    generator = random.Random(seed)
    weights = [0.0] * len(rows[0])
    history = []
    places = list(range(len(rows)))
    for epoch in range(epochs):
        generator.shuffle(places)
        step = rate / (1 + epoch)
        for place in places:
            row = rows[place]
            error = sum(a * b for a, b in zip(weights, row)) - targets[place]
            weights = [weight - step * 2 * error * value for weight, value in zip(weights, row)]
        history.append(list(weights))
    return weights, history


# %% deterministic long
sgd_weights, sgd_history = stochastic(rows, targets, max(3, STEPS // 5), 0.01, SEED)
np.array(sgd_weights)

# %%
results["stochastic"] = mse(A_test @ np.array(sgd_weights), y_test)
results["stochastic"]

# %%
fig, ax = plt.subplots()
ax.plot([mse(A_test @ np.array(found), y_test) for found in sgd_history])
ax.set(xlabel="epoch", ylabel="test loss")

# %% deterministic long
# small batches, with momentum
batch_rng = np.random.default_rng(SEED)
batch_weights, speed = np.zeros(P_train.shape[1]), np.zeros(P_train.shape[1])
batch_losses = []
for _ in range(max(3, STEPS)):
    shuffled = batch_rng.permutation(len(P_train))
    for begin in range(0, len(shuffled), 16):
        picked = shuffled[begin : begin + 16]
        error = P_train[picked] @ batch_weights - y_train[picked]
        speed = 0.8 * speed - 0.0002 * 2 * P_train[picked].T @ error
        batch_weights = batch_weights + speed
    batch_losses.append(mse(P_train @ batch_weights, y_train))
batch_losses[0], batch_losses[-1]

# %% deterministic long
# Problem 12: how sure are we? Drawn again and again
bootstrap_rng = np.random.default_rng(SEED)
drawn = []
for _ in range(max(20, STEPS // 5)):
    again = bootstrap_rng.integers(0, len(A_train), len(A_train))
    drawn.append(solve(A_train[again].T @ A_train[again], A_train[again].T @ y_train[again]))
drawn = np.array(drawn)
intervals = np.percentile(drawn, [2.5, 97.5], axis=0)

# %%
for name, low, high in zip(["one", *names], *intervals):
    print(f"{name:12s} {low:7.3f} {high:7.3f}")


# %% deterministic long
# Problem 13: without gradients, only up and down
def climb(A, target, tries, seed):
    generator = np.random.default_rng(seed)
    found, width = np.zeros(A.shape[1]), 1.0
    lowest, trail = mse(A @ found, target), []
    for step in range(tries):
        candidate = found + generator.normal(0, width, len(found))
        loss = mse(A @ candidate, target)
        if loss < lowest:
            found, lowest = candidate, loss
            width *= 1.1
        else:
            width *= 0.98
        width = max(width, 1e-3)
        if step % 100 == 0:
            trail.append(lowest)
    return found, trail


climbed, trail = climb(A_train, y_train, STEPS * 24, SEED)
trail[-1]

# %%
results["climbing"] = mse(A_test @ climbed, y_test)
np.abs(climbed - exact).max()

# %% deterministic long
# Problem 14: leave one out, the slow way
left_out = {}
for penalty in penalties:
    errors = np.zeros(len(P_train))
    for place in range(0, len(P_train), max(1, 200 // STEPS)):
        others = np.arange(len(P_train)) != place
        errors[place] = P_train[place] @ ridge(P_train[others], y_train[others], penalty) - y_train[place]
    left_out[penalty] = float(np.mean(errors**2))
left_out

# %% deterministic
# ... and the fast way, with the hat matrix
hat = P_train @ np.linalg.solve(P_train.T @ P_train, P_train.T)
leverage = np.diag(hat).copy()
fast = float(np.mean(((y_train - P_train @ wide) / (1 - leverage)) ** 2))
del hat
fast

# %%
leverage.max(), train_rows[int(leverage.argmax())]


# %%
def r_squared(predicted, actual):
    return 1 - mse(predicted, actual) / float(np.var(actual))


# %%
noise = 1.5**2
{name: round(loss / noise, 2) for name, loss in results.items()}

# %%
best = min(results, key=results.get)
best, r_squared(P_test @ wide, y_test)

# %%
summary = pd.DataFrame({"test mse": results}).sort_values("test mse")
summary["rank"] = range(1, len(summary) + 1)
summary.round(4)
