"""What did a cell change? First what it may have touched, then which of that really differs.

In the way of the data:

- What code may touch: `access` (the verdict) from `bytecode` (what code spells), `definite_assignment` (what is bound
  before it is read) and `magic_access` (what a magic reaches). `memo_by_code` keeps verdicts while their code lives.
  `read_only_code` knows code that only looks, `self_contained` cells that run nothing but their own code, on plain
  data. `access_trackers` has other ways to learn it, for comparison.
- What may have changed: `candidates` (the variables to look at), by questions about all names at once (`name_tables`).
- What they are now: `fingerprint` (digest and links of one variable) by `walk` (over all that is reachable); `atoms`
  (how plain values are hashed), `sequence_cache` (long sequences seen before are not read again).
- What that means: `connections` (which variables are one co-variable), `detector` (`judge` compares, `adopt`
  remembers), `knowledge` (what it compares with).
"""
