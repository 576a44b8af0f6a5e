"""A hot loop at module level: what a namespace that is not a plain dict costs."""

# %% parameters
SCALE = 1.0

# %%
TURNS = max(1000, int(3_000_000 * SCALE))
total, step = 0, 3

# %%
for number in range(TURNS):
    total = total + number * step

# %%
for number in range(TURNS):
    total = total - number
    if total % step == 0:
        total = total + 1

# %% undo
total = 0
