"""A list of one million strings: read one, append one, change one."""

# %% parameters
SCALE = 1.0

# %%
COUNT = max(1000, int(1_000_000 * SCALE))
lines = [f"line {number} of the text" for number in range(COUNT)]

# %%
lines[0]

# %% undo
lines.append("one more")

# %%
print(len(lines))

# %% undo
lines[COUNT // 2] = "another"
