"""A long session: 1,000 small cells of many kinds, on a little data (7.7.2)."""

# %% parameters
SCALE = 1.0
CELLS = 1000

# %%
import random

import numpy as np
import pandas as pd

random.seed(1)
rows = []
counts = {}
frame = pd.DataFrame({"a": range(1000), "b": np.linspace(0, 1, 1000)})
