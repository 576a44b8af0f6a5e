"""Stores that are looked after from outside a kernel; only the command line needs it.

- `fsck`: is a store whole? `inspection` looks, `repair` mends, `salvage` reads what is left of a broken file.
- `trust`: accept a store that somebody else wrote.
- `bundle_export`, `bundle_import`: a history as one file (`bundle_format`) for another machine.
"""
