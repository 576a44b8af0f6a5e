"""What IPython makes of a cell before it compiles it, made once: transformers can be the user's, and do anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def transformed(shell: Any, code: str) -> str | None:
    """The Python that a cell becomes; None where IPython will say what is wrong with it, when the cell runs."""
    try:
        return str(shell.transform_cell(code))
    except Exception:
        return None


@contextmanager
def known(shell: Any, code: str, text: str | None) -> Iterator[None]:
    """Within this context, the shell asks for what this cell becomes, and has it: its transformers ran already.

    Args:
        text: what `transformed` gave.
    """
    own: dict[str, Any] = vars(shell)
    if text is None or "transform_cell" in own:  # the user has put another one there
        yield
        return

    def transform_cell(raw: str) -> Any:
        if own.get("transform_cell") is transform_cell:
            del own["transform_cell"]
        return text if raw == code else shell.transform_cell(raw)

    own["transform_cell"] = transform_cell
    try:
        yield
    finally:
        if own.get("transform_cell") is transform_cell:
            del own["transform_cell"]
