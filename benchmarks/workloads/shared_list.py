"""Shared references: ten 64 MB arrays, a share of them in one list; cells change one array (7.7.1)."""

# %% parameters
SCALE = 1.0
SHARE = 100  # percent of the arrays that are in the list

# %%
import numpy as np

rng = np.random.default_rng(7)
SIZE = max(1000, int(8_000_000 * SCALE))
together = SHARE // 10
shared = [rng.random(SIZE) for _ in range(together)]

# %%
for number in range(together, 10):
    globals()[f"alone_{number}"] = rng.random(SIZE)

# %%
print(len(shared), shared[0].nbytes)

# %% undo
shared[0][0] = 1.5

# %%
shared[0][:3]

# %% undo
shared[0][SIZE // 2] = 2.5
