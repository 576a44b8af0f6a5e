"""The walk behind a fingerprint: over everything reachable from one object, each object once.

`state` has the loop and what is collected; `dispatch` says which function walks which kind of object. These functions
stand by subject: `containers`, `arrays`, `code`, `reductions` (objects that a pickler would take apart), `hubs` and
`opaque` (objects that cannot be walked). `result` is what comes out. `twins` says whether the native module
runs the loop, or Python does.
"""
