"""Which store belongs to which notebook, where stores lie, and which kernels are running.

- `assignment`: the store of a notebook, found again after a rename, a move or a copy. `about_file`: what a store says
  of its notebook. `paths`: where a store lies if nothing speaks against it.
- `elsewhere`: a notebook that lies on another machine than its kernel.
- `filesystems`: on which disk stores can lie.
- `named_stores`: the store that a person names, by its notebook, its name or its directory.
- `removal`: a store goes, unless a kernel runs for it.
- `running_kernels`: which kernels are alive, and what they have open.
- `receive_bundle`, `receive_clone`: where the history of a bundle, or of a remote, goes.
"""
