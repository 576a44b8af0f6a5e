"""Many small variables: 2,000 names, and cells that touch a few of them."""

# %% parameters
SCALE = 1.0

# %%
COUNT = max(50, int(2000 * SCALE))
for number in range(COUNT):
    globals()[f"value_{number}"] = [number, str(number), {"square": number * number}]

# %%
total = len(value_0) + len(value_1)

# %% undo
value_7.append("changed")

# %%
value_8[0] + value_9[0]

# %%
first, second = value_10, value_11

# %%
first[2]["square"] += 1

# %%
print(value_12)

# %%
pairs = {number: number * 2 for number in range(10)}

# %%
pairs[3] = "three"

# %% undo
del value_20, value_21
