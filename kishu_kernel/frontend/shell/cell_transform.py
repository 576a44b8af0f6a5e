"""What IPython turns a cell into before it compiles it: made once for each cell.

Transformers can be the user's and do anything, so they must not run a second time because of us.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def transformed(shell: Any, code: str) -> str | None:
    """Returns the Python that a cell becomes; None where it cannot be transformed: the run will say why."""
    try:
        return str(shell.transform_cell(code))
    except Exception:
        return None


@contextmanager
def reuse_transformed(shell: Any, code: str, text: str | None) -> Iterator[None]:
    """Within this context, the shell's first `transform_cell(code)` returns `text` and runs no transformer.

    Args:
        shell: an IPython shell.
        code: the cell.
        text: what `transformed` returned for it; where that is None, nothing is replaced.
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
