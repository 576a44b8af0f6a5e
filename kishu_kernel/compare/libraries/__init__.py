"""How values of a library differ, where that is long: named by the library's file in `objects/libraries`.

A module is called as the library is, and is imported when two of its values are first compared. The library itself is
found where the session has imported it, and is not imported.
"""
