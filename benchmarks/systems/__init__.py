"""The systems that are compared: one adapter each, behind `base.Subject`.

Neighbours: `environments`, which makes what they run in; `comparison`, which runs them.
"""
