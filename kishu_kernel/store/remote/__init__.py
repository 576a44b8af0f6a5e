"""A history kept beyond this machine: pushed to an object store, pulled from it, cloned by another machine.

- `objects`: the contract `Objects`, and the one place that knows obstore. `layout`: what stands there, byte by byte.
- `holdings`: what a remote holds, read. `lacking`: what it lacks. `link`: what a store remembers of its remote.
- `encrypted_objects`, `recipients`: what nobody but some people can read, and who these are.
- `head_seals`: who vouches for what it held. `names`: whose branches and tags are whose.
- `merging`: what has become many small parts. `row_checks`: what is sent and taken is such as a history has.
- `push`, `pull`, `clone`: the three ways. `collect`: what a remote no longer needs, removed.

Law: nothing that a remote says is believed: each object has the digest in its name, each row is checked as one of a
bundle is, and signatures travel as they are. Nothing in a remote is ever written over: what a reader sees is a head
whole, or the head before it.
"""
