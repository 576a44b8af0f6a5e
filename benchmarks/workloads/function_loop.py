"""A function that reads and writes globals in a hot loop."""

# %% parameters
SCALE = 1.0

# %%
TURNS = max(1000, int(3_000_000 * SCALE))
weight, offset, calls = 3, 7, 0


def weigh(numbers):
    global calls
    result = 0
    for number in numbers:
        result += number * weight + offset
        calls += 1
    return result


# %%
first = weigh(range(TURNS))

# %%
second = weigh(range(TURNS))

# %% undo
weight = 4
