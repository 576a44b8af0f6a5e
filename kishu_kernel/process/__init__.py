"""What concerns the process as a whole, and knows nothing of notebooks: its memory, its side effects, its signals."""
