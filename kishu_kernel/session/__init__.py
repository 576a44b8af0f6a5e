"""A session in one kernel: checkpoints after cells, work in think time, checkouts.

In the way of the data:

- `session`: `Session`, which the frontend calls. It holds the gate: one thing after the other.
- A cell: `running_cells` (which cells run, what is still to be checked) -> `checkpointing` (takes checkpoints) ->
  `ledger` (which versions the variables are; judges, encodes, appends) -> `records` (makes the record) -> `timeline`
  (head, branches, tags; `lazy_timeline` opens it late).
- What is not stored: `keep_rules` (the user's rules), `recomputation` (a re-run is cheaper).
- The disk fails: `write_failures` (back to what is written; the cells that were lost).
- A checkout: `checkout` (the whole way; rebinds the names) -> `restore` (obtains all objects) -> `rerun` (re-runs
  cells), `lending` (what they read of what somebody has), `in_place` (changes live arrays instead of loading),
  `live_memory` (takes what lives yet); `namespace` (which names are the user's, and how they are rebound), `progress`
  (how far it is).
- Think time: `think_time` (what is next) -> `audit` (did something change that no code shows?), `trial_loads` (does
  what was stored come back?) -> `isolated_loads` (copies that nobody notices) -> `checker` (a process of its own).
- For others: `version_comparison` (how two versions differ), `bundle_extract` (what goes into a bundle).

What is found after a kernel was killed is not here: `store` says it.
"""
