"""The checkpoint graph and what follows from it. Pure: no disk, no IPython, no objects of the user.

- `graph`: checkpoints and their parents; the state at one of them. `last_state` finds it from the one asked for before.
- `targets`: which checkpoint a word of the user's means.
- `plan`: what a checkout keeps, loads, re-runs and loses. It asks `effects` (which side effects a re-run may have) and
  `annotations` (what a cell says of itself in a comment).
- `retention`: what goes first where the store is over its limit.
- `graph_layout`: where each checkpoint is drawn; `drawing_order`: in which order, kept from one look to the next.
"""
