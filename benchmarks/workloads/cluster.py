"""Cluster analysis: a mall's customers, with seaborn.

Like the paper's Cluster: 24 cells, 43 MB of data, 1703 s there; its model fits are shortened here.
"""

# %% parameters
SCALE = 1.0

# %%
import os

os.environ["OMP_NUM_THREADS"] = "1"  # sums of several threads differ in the last bits

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from scipy.cluster.hierarchy import dendrogram, fcluster, linkage
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

sns.set_theme(style="whitegrid", palette="deep")

# %%
SEED = 11
ROWS = max(600, int(110_000 * SCALE))
SAMPLE = max(200, int(3_000 * SCALE**0.5))
MOST_CLUSTERS = 9
numbers = ["age", "income", "score", "visits", "minutes", "spent", "tenure"]


# %% deterministic
# the shops' loyalty cards of one year; five kinds of customers, who overlap
def read_cards(rows, seed):
    rng = np.random.default_rng(seed)
    kind = rng.choice(5, size=rows, p=[0.34, 0.22, 0.18, 0.16, 0.10])
    age = np.array([43, 33, 25, 41, 63])[kind] + rng.normal(0, 6, rows)
    income = np.array([55, 87, 26, 88, 40])[kind] + rng.normal(0, 8, rows)
    score = np.array([50, 82, 79, 17, 35])[kind] + rng.normal(0, 9, rows)
    visits = rng.poisson(np.array([18, 40, 31, 7, 52])[kind])
    minutes = rng.gamma(4.0, np.array([12, 20, 26, 9, 30])[kind] / 4.0)
    spent = np.clip(visits * score * rng.lognormal(-1.0, 0.4, rows), 0, None)
    tenure = np.clip(rng.exponential(1.5 + age / 20), 0.1, 30)
    frame = pd.DataFrame(
        {
            "customer": np.arange(1, rows + 1),
            "gender": rng.choice(["Female", "Male"], size=rows, p=[0.56, 0.44]),
            "district": rng.choice(["Harbour", "Old town", "Hill", "West", "Airport"], size=rows),
            "age": np.clip(age, 16, 90).round(),
            "income": np.clip(income, 8, 160).round(1),
            "score": np.clip(score, 1, 100).round(1),
            "visits": visits,
            "minutes": minutes.round(1),
            "spent": spent.round(2),
            "tenure": tenure.round(2),
            "till": rng.integers(1, 40, rows),
        }
    )
    frame.loc[rng.random(rows) < 0.02, "income"] = np.nan
    frame.loc[rng.random(rows) < 0.01, "minutes"] = np.nan
    return frame


raw = read_cards(ROWS, SEED)
raw.shape

# %%
raw.head()

# %%
raw.describe()

# %%
missing = raw.isna().sum()
missing[missing > 0]

# %% deterministic
customers = raw.copy()
for column in ["income", "minutes"]:
    customers[column] = customers[column].fillna(customers.groupby("gender")[column].transform("median"))
bands = [0, 25, 40, 60, 120]
customers["band"] = pd.cut(customers["age"], bins=bands, labels=["young", "adult", "middle", "senior"])
customers["per_visit"] = customers["spent"] / customers["visits"].clip(lower=1)

# %% undo
# the number of the till says nothing about a customer
del customers["till"]
customers.columns

# %%
fig, axes = plt.subplots(1, 3, figsize=(14, 4))
for ax, column in zip(axes, ["age", "income", "score"]):
    sns.histplot(customers[column], bins=40, ax=ax)
    ax.set_title(f"Distribution of {column}")
fig.tight_layout()

# %%
by_group = customers.groupby(["gender", "band"], observed=True)[["income", "score", "spent"]].agg(["mean", "median"])
by_group

# %%
sample = customers.sample(SAMPLE, random_state=SEED)
grid = sns.pairplot(sample, vars=["age", "income", "score"], hue="gender", height=2, plot_kws={"s": 8})

# %%
correlation = customers[numbers].corr()
fig, ax = plt.subplots(figsize=(7, 6))
sns.heatmap(correlation, annot=True, fmt=".2f", cmap="vlag", ax=ax)
ax.set_title("Correlation")

# %% deterministic
scaler = StandardScaler()
scaled = scaler.fit_transform(customers[numbers])
scaled[:3]

# %% deterministic
pca = PCA(n_components=3, random_state=SEED)
components = pca.fit_transform(scaled)
print("explained:", pca.explained_variance_ratio_.round(3))

# %% fork deterministic long
# how many clusters? inertia for each number of them
models = {}
inertias = []
for k in range(2, MOST_CLUSTERS + 1):
    models[k] = KMeans(n_clusters=k, n_init=10, max_iter=100, random_state=SEED).fit(scaled)
    inertias.append(models[k].inertia_)
    print(k, round(models[k].inertia_))

# %%
fig, ax = plt.subplots(figsize=(7, 4))
sns.lineplot(x=list(models), y=inertias, marker="o", ax=ax)
ax.set(xlabel="clusters", ylabel="inertia", title="Elbow")

# %% deterministic
rows = np.random.default_rng(SEED).choice(len(scaled), size=min(len(scaled), SAMPLE), replace=False)
silhouettes = {k: silhouette_score(scaled[rows], model.labels_[rows]) for k, model in models.items()}
best_k = max(silhouettes, key=silhouettes.get)
print({k: round(score, 3) for k, score in silhouettes.items()}, "best:", best_k)

# %% deterministic
chosen = models[5]
customers["segment"] = chosen.labels_
centers = pd.DataFrame(scaler.inverse_transform(chosen.cluster_centers_), columns=numbers)
centers.round(1)

# %%
profile = customers.groupby("segment")[[*numbers, "per_visit"]].mean()
profile["customers"] = customers["segment"].value_counts()
profile.round(1)

# %% undo
fig, ax = plt.subplots(figsize=(8, 6))
shown = customers.iloc[rows]
sns.scatterplot(data=shown, x="income", y="score", hue="segment", palette="deep", s=14, ax=ax)
ax.scatter(centers["income"], centers["score"], c="black", marker="x", s=90)
ax.set_title("Segments of the mall's customers")

# %% deterministic long
# soft clusters: a mixture of Gaussians, its size by BIC
bic = {}
for k in range(3, 7):
    mixture = GaussianMixture(n_components=k, max_iter=60, tol=1e-3, random_state=SEED).fit(components)
    bic[k] = mixture.bic(components)
    print(k, round(bic[k]))
mixture = GaussianMixture(n_components=5, max_iter=60, tol=1e-3, random_state=SEED).fit(components)
membership = mixture.predict_proba(components)

# %% deterministic
# a hierarchy is only affordable for a part
tree = linkage(scaled[rows], method="ward")
branches = fcluster(tree, t=5, criterion="maxclust")
agreement = {
    "mixture": adjusted_rand_score(chosen.labels_, membership.argmax(axis=1)),
    "hierarchy": adjusted_rand_score(chosen.labels_[rows], branches),
}
agreement

# %%
fig, ax = plt.subplots(figsize=(10, 4))
drawn = dendrogram(tree, truncate_mode="lastp", p=30, ax=ax)
ax.set_title("Ward's hierarchy")


# %%
def name_of(row):
    wealth = "rich" if row["income"] > profile["income"].mean() else "modest"
    return f"{wealth} {'spenders' if row['score'] > profile['score'].mean() else 'savers'}"


names = {segment: name_of(row) for segment, row in profile.iterrows()}
report = pd.crosstab(customers["segment"].map(names), customers["district"], normalize="index").round(3)
report
