"""What concerns the process as a whole and knows nothing of notebooks or checkpoints.

- Side effects: `audit_hook` records or forbids them; `side_effects` and `event_origins` say what an event means and
  who caused it.
- Interference with user code kept away: `muting` (output, warnings), `python_gc` (garbage collection), `interrupts`
  (SIGINT), `tracebacks` (frames that keep memory alive), `tracing` (debuggers).
- The process: `signals` (SIGTERM), `memory` (of arrays).
- `native`: the module in C, where there is one; each of its functions has a twin in Python.
- Code: `code_origins` (whose file it is), `cell_sources` (its text, for `linecache`).
"""
