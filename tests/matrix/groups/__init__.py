"""One module for each group: what can be installed together, and is run together."""
