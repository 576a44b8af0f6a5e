"""100,000 objects of a class of the notebook, in a list and a dictionary that share them."""

# %% parameters
SCALE = 1.0

# %%
COUNT = max(500, int(100_000 * SCALE))


class Item:
    """Something that is sold."""

    def __init__(self, name, price):
        self.name = name
        self.price = price
        self.tags = [name[:2]]


# %%
items = [Item(f"item {number}", number % 97) for number in range(COUNT)]
by_name = {item.name: item for item in items}

# %%
items[3].price

# %% undo
by_name["item 5"].price = 1000

# %%
sum(item.price for item in items)

# %% undo
items.pop()
