"""Tabular playground: will an insurance claim be paid? A random forest, with scikit-learn.

Like the paper's TPS: 49 cells, 31 MB of data, 154 s there; fewer and smaller trees here.
"""

# %% parameters
SCALE = 1.0

# %%
import os

os.environ["OMP_NUM_THREADS"] = "1"  # sums of several threads differ in the last bits

import time

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

# %%
from sklearn.calibration import calibration_curve
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_selection import mutual_info_classif
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, roc_auc_score, roc_curve
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

# %%
SEED = 2021
TRAIN_ROWS = max(800, int(27_000 * SCALE))
TEST_ROWS = max(400, int(13_500 * SCALE))
TREES = max(5, int(50 * SCALE))
FOLDS = 3
TARGET = "claim"
plt.rcParams["figure.figsize"] = (8, 4)
started = time.time()


# %%
# what the competition's organisers would call an anonymised table
def make_table(rows, seed, with_target):
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(rows, 4))
    columns = {"id": np.arange(rows)}
    for number in range(1, 21):
        source = hidden[:, number % 4]
        noise = rng.normal(0, 0.5 + number / 10, rows)
        columns[f"f{number}"] = np.exp(source / 2 + noise / 4) if number % 5 == 0 else source + noise
    columns["region"] = rng.choice(["N", "E", "S", "W"], size=rows, p=[0.4, 0.3, 0.2, 0.1])
    columns["channel"] = rng.choice(["agent", "broker", "web"], size=rows)
    table = pd.DataFrame(columns)
    strength = hidden[:, 0] - 0.8 * hidden[:, 1] * (hidden[:, 2] > 0) + 0.3 * (table["region"] == "N")
    for name in ["f3", "f7", "f11", "f16"]:
        table.loc[rng.random(rows) < 0.03, name] = np.nan
    if with_target:
        table[TARGET] = (strength + rng.normal(0, 0.8, rows) > 0).astype(int)
    return table


# %% deterministic
train = make_table(TRAIN_ROWS, SEED, with_target=True)
test = make_table(TEST_ROWS, SEED + 1, with_target=False)

# %%
train.head()

# %%
test.head()

# %%
print("train:", train.shape, "test:", test.shape)

# %%
train.dtypes

# %%
train.describe().T

# %%
memory = {"train": train.memory_usage(deep=True).sum(), "test": test.memory_usage(deep=True).sum()}
{name: f"{size / 1e6:.1f} MB" for name, size in memory.items()}

# %%
train[TARGET].value_counts(normalize=True)

# %%
features = [column for column in train.columns if column.startswith("f")]
categories = ["region", "channel"]
len(features)

# %%
gaps = pd.DataFrame({"train": train[features].isna().mean(), "test": test[features].isna().mean()})
gaps[gaps["train"] > 0].round(4)

# %%
fig, axes = plt.subplots(4, 5, figsize=(15, 9))
for ax, name in zip(axes.ravel(), features):
    ax.hist(train[name].dropna(), bins=30, color="tab:blue")
    ax.set_title(name, fontsize=8)
fig.tight_layout()

# %%
correlation = train[[*features, TARGET]].corr()
correlation[TARGET].drop(TARGET).abs().sort_values(ascending=False).head(8)

# %% undo
fig, ax = plt.subplots(figsize=(9, 7))
sns.heatmap(correlation, cmap="coolwarm", center=0, ax=ax)
ax.set_title("Correlation of the features")

# %%
rates = {column: train.groupby(column)[TARGET].mean() for column in categories}
for rate in rates.values():
    print(rate.round(3).to_dict())

# %%
fig, axes = plt.subplots(1, 2)
for ax, (column, rate) in zip(axes, rates.items()):
    rate.plot.bar(ax=ax, title=column)
fig.tight_layout()

# %% deterministic
# an empty field says something by itself
for table in [train, test]:
    table["n_missing"] = table[features].isna().sum(axis=1)
train.groupby("n_missing")[TARGET].agg(["mean", "size"])

# %% deterministic
imputer = SimpleImputer(strategy="median")
train[features] = imputer.fit_transform(train[features])
test[features] = imputer.transform(test[features])
train[features].isna().sum().sum()


# %%
def add_features(table):
    table["f_mean"] = table[features].mean(axis=1)
    table["f_std"] = table[features].std(axis=1)
    table["f_max"] = table[features].max(axis=1)
    table["f1_f2"] = table["f1"] * table["f2"]
    for column in categories:
        for value in sorted(table[column].unique()):
            table[f"{column}_{value}"] = (table[column] == value).astype("int8")
    return table


# %% deterministic
train = add_features(train)
test = add_features(test)
train.shape, test.shape

# %% undo
train = train.drop(columns=categories)
train.columns[-10:]

# %%
test = test.drop(columns=categories)
inputs = [column for column in train.columns if column not in ("id", TARGET)]
print(len(inputs), "inputs")

# %% deterministic
X_train, X_valid, y_train, y_valid = train_test_split(
    train[inputs], train[TARGET], test_size=0.25, stratify=train[TARGET], random_state=SEED
)
X_train.shape, X_valid.shape

# %%
scores = {}


def note(name, predicted):
    scores[name] = {"auc": roc_auc_score(y_valid, predicted), "accuracy": accuracy_score(y_valid, predicted > 0.5)}
    print(f"{name:12s} auc {scores[name]['auc']:.4f}  accuracy {scores[name]['accuracy']:.4f}")


# %%
note("constant", np.full(len(y_valid), y_train.mean()))

# %%
# which inputs say anything, taken one by one?
part = X_train.sample(min(len(X_train), max(400, int(4_000 * SCALE))), random_state=SEED).index
information = pd.Series(mutual_info_classif(X_train.loc[part], y_train.loc[part], random_state=SEED), index=inputs)
information.sort_values(ascending=False).head(10)

# %% fork deterministic
# first something simple
logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
logistic.fit(X_train, y_train)
note("logistic", logistic.predict_proba(X_valid)[:, 1])

# %% deterministic
tree = DecisionTreeClassifier(max_depth=6, min_samples_leaf=20, random_state=SEED).fit(X_train, y_train)
note("tree", tree.predict_proba(X_valid)[:, 1])

# %% deterministic long
forest = RandomForestClassifier(n_estimators=TREES, max_depth=10, min_samples_leaf=5, n_jobs=1, random_state=SEED)
forest.fit(X_train, y_train)
forest_valid = forest.predict_proba(X_valid)[:, 1]
note("forest", forest_valid)

# %%
importances = pd.Series(forest.feature_importances_, index=inputs).sort_values()
importances.tail(10)

# %%
fig, ax = plt.subplots(figsize=(7, 5))
importances.tail(15).plot.barh(ax=ax)
ax.set_title("What the forest looks at")

# %%
confusion = confusion_matrix(y_valid, forest_valid > 0.5)
confusion

# %% deterministic
extra = ExtraTreesClassifier(n_estimators=TREES, max_depth=10, min_samples_leaf=5, n_jobs=1, random_state=SEED)
extra.fit(X_train, y_train)
extra_valid = extra.predict_proba(X_valid)[:, 1]
note("extra", extra_valid)

# %% deterministic long
# how deep should the trees be?
depths = {}
for depth in [3, 6, 9, 12]:
    shallow = RandomForestClassifier(n_estimators=max(3, TREES // 6), max_depth=depth, n_jobs=1, random_state=SEED)
    shallow.fit(X_train, y_train)
    depths[depth] = (shallow.score(X_train, y_train), shallow.score(X_valid, y_valid))
    print(depth, [round(score, 4) for score in depths[depth]])

# %%
fig, ax = plt.subplots()
ax.plot(list(depths), [train_score for train_score, _ in depths.values()], marker="o", label="train")
ax.plot(list(depths), [valid_score for _, valid_score in depths.values()], marker="o", label="valid")
ax.set(xlabel="depth", ylabel="accuracy")
ax.legend()

# %% deterministic
boosting = HistGradientBoostingClassifier(max_iter=max(10, int(80 * SCALE)), learning_rate=0.1, random_state=SEED)
boosting.fit(X_train, y_train)
boosting_valid = boosting.predict_proba(X_valid)[:, 1]
note("boosting", boosting_valid)

# %% deterministic long
# the forest again, on folds: is its score luck?
folds = StratifiedKFold(n_splits=FOLDS, shuffle=True, random_state=SEED)
out_of_fold = np.zeros(len(train))
fold_models, fold_auc = [], []
for number, (inside, outside) in enumerate(folds.split(train[inputs], train[TARGET])):
    model = RandomForestClassifier(n_estimators=max(3, TREES // 3), max_depth=8, n_jobs=1, random_state=SEED + number)
    model.fit(train[inputs].iloc[inside], train[TARGET].iloc[inside])
    out_of_fold[outside] = model.predict_proba(train[inputs].iloc[outside])[:, 1]
    fold_auc.append(roc_auc_score(train[TARGET].iloc[outside], out_of_fold[outside]))
    fold_models.append(model)
    print(f"fold {number}: {fold_auc[-1]:.4f}")

# %%
f"{np.mean(fold_auc):.4f} +- {np.std(fold_auc):.4f}"

# %%
wrong = train.loc[(out_of_fold > 0.5) != train[TARGET]].copy()
wrong["predicted"] = out_of_fold[wrong.index]
wrong.nlargest(5, "predicted")[["id", "f1", "f2", "f_mean", TARGET, "predicted"]]

# %% deterministic
permuted = permutation_importance(
    boosting,
    X_valid.head(max(200, int(2_000 * SCALE))),
    y_valid.head(max(200, int(2_000 * SCALE))),
    n_repeats=1,
    n_jobs=1,
    random_state=SEED,
)
pd.Series(permuted.importances_mean, index=inputs).nlargest(5).round(4)

# %%
blend = {}
for weight in np.linspace(0, 1, 11):
    blend[round(weight, 1)] = roc_auc_score(y_valid, weight * boosting_valid + (1 - weight) * forest_valid)
best_weight = max(blend, key=blend.get)
best_weight, blend[best_weight]

# %%
table = pd.DataFrame(scores).T.sort_values("auc", ascending=False)
table.round(4)

# %%
fig, ax = plt.subplots(figsize=(6, 6))
curves = {"forest": forest_valid, "extra": extra_valid, "boosting": boosting_valid}
for name, predicted in curves.items():
    false_positives, true_positives, _ = roc_curve(y_valid, predicted)
    ax.plot(false_positives, true_positives, label=name)
ax.plot([0, 1], [0, 1], "k:")
ax.legend()

# %%
fraction, mean_predicted = calibration_curve(y_valid, boosting_valid, n_bins=10)
np.abs(fraction - mean_predicted).max()

# %% deterministic
predicted = best_weight * boosting.predict_proba(test[inputs])[:, 1]
predicted += (1 - best_weight) * forest.predict_proba(test[inputs])[:, 1]
submission = pd.DataFrame({"id": test["id"], TARGET: predicted})
submission.head()

# %%
print(f"{len(submission)} rows, mean {submission[TARGET].mean():.3f}, after {time.time() - started:.0f} s")
