"""The paper's evaluation (section 7), with this kernel in it: runs, what they recorded, and the page made of it."""
