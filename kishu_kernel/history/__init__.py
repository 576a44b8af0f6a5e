"""The checkpoint graph and what follows from it. Pure: no disk, no IPython, no objects of the user."""
