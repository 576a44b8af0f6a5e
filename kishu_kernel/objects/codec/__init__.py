"""Objects to bytes and back. Knows nothing of checkpoints, disks or notebooks."""
