"""Text of any origin, made safe to print: a store may be hostile, and a terminal obeys what it is sent."""


def printable(text: object) -> str:
    r"""Returns the text with every character that is not printable written out: `\x1b`, `\u202e`, and the like."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in str(text))
