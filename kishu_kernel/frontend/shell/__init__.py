"""One IPython shell and its session, from the first cell to the end of the process."""
