"""A kernel's courier: the process that carries its history to a remote in the user's pauses, and from there at start.

- `courier`: what it does, and when. `process`: how it begins. `gate`: a remote that is used only while it may be.
- `places`: where below `c.KishuKernel.remote` a notebook's history lies.

Law: it takes nothing from whoever works. It has the lowest priority and memory for a few packs; while a cell runs it
begins no step. What it cannot do it says, and tries again later.
Neighbours: `remote` pushes and pulls; `frontend.shell.remote_courier` is the kernel's side.
"""
