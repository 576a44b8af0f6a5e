"""LMDB and files: environments and their rules, reading and writing in bulk, locks, directories of the user's own."""
