"""A large frame: 5M rows, ten columns of floats and two of strings."""

# %% parameters
SCALE = 1.0

# %%
import numpy as np
import pandas as pd

ROWS = max(1000, int(5_000_000 * SCALE))
df = pd.DataFrame(np.random.default_rng(0).random((ROWS, 10)), columns=list("abcdefghij"))
df["distinct"] = pd.Series([f"string {i}" for i in range(ROWS)])
kinds = np.array(["kind " + letter for letter in "abcdefghij"], object)
df["few"] = pd.Series(list(kinds[np.random.default_rng(1).integers(0, 10, ROWS)]))

# %%
print(df.head())

# %%
df["added"] = df["a"] * 2

# %% undo
df.drop(columns=["d"], inplace=True)
