"""The road of a checkpoint: what follows a cell, what waits for a pause, and the way to another state."""
