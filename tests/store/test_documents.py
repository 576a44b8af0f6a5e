"""The cells of a notebook as they are stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from kishu_kernel.errors import LoadError
from kishu_kernel.model import DOCUMENT, NotebookCell, Payload, Version
from kishu_kernel.store import LmdbStore, MemoryStore
from kishu_kernel.store.format.documents import STREAM, decode_document, encode_document
from kishu_kernel.store.maintenance.bundle_export import export_history
from kishu_kernel.store.maintenance.bundle_import import import_history
from kishu_kernel.store.transfer import transfer

from .values import checkpoint_id, payload, trivial

CELLS = tuple(NotebookCell(f"id-{number}", "code", f"cell {number}") for number in range(100))


def groups(document: Payload) -> list[bytes]:
    return [bytes(buffer.data) for buffer in document.buffers]


def read(document: Payload) -> tuple[NotebookCell, ...]:
    return decode_document(document.stream, groups(document))


@pytest.mark.parametrize("cells", [(), CELLS[:1], CELLS, (NotebookCell("\ud800", "raw", "\ud800\x00\u2028"),)])
def test_what_is_encoded_is_decoded(cells: tuple[NotebookCell, ...]) -> None:
    assert read(encode_document(cells)) == cells


@pytest.mark.parametrize("at", [0, 50, 99])
def test_an_edit_makes_one_new_group(at: int) -> None:
    before = set(groups(encode_document(CELLS)))
    edited = (*CELLS[:at], NotebookCell(CELLS[at].id, "markdown", "edited"), *CELLS[at + 1 :])
    assert len(set(groups(encode_document(edited))) - before) == 1
    longer = (*CELLS[:at], NotebookCell("new", "code", "put in"), *CELLS[at:])
    assert len(set(groups(encode_document(longer))) - before) <= 2


@pytest.mark.parametrize(
    ("stream", "data"),
    [(b"another", b"[]"), (STREAM, b"x"), (STREAM, b"[1]"), (STREAM, b'[["a", "b"]]'), (STREAM, b'[["a", "no", "c"]]')],
)
def test_what_is_damaged_is_told(stream: bytes, data: bytes) -> None:
    with pytest.raises(LoadError):
        decode_document(stream, [data])


def test_it_moves_with_the_history(tmp_path: Path) -> None:
    source, target = LmdbStore(tmp_path / "one"), MemoryStore()
    source.commit(trivial(1), [payload(b"s")], {"branch/main": checkpoint_id(1)})
    source.attach(checkpoint_id(1), encode_document(CELLS))
    transfer(source, target)
    assert target.load(Version(DOCUMENT, checkpoint_id(1))).stream == STREAM
    source.close()
    export_history(tmp_path / "one", tmp_path / "bundle")
    import_history(tmp_path / "bundle", tmp_path / "two")
    again = LmdbStore(tmp_path / "two", readonly=True)
    assert again.load(Version(DOCUMENT, checkpoint_id(1))).stream == STREAM
    again.close()
