"""`%kishu`: the operations for people who type."""
