"""Removes whole stores, with all that lies in them.

Law: no store goes that a running kernel has open, or will open for its notebook. What is gone cannot be had again, so
who calls this has asked, or knows that nobody would go back there (`session.upkeep`).
Neighbours: `disk.store_files` removes the files, `assignment` lists what there is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from kishu_kernel.errors import StoreError
from kishu_kernel.store.catalog import running_kernels
from kishu_kernel.store.catalog.about_file import ABOUT
from kishu_kernel.store.catalog.assignment import StoreListing, listing_of, locked


def is_live(listing: StoreListing, kernels: Sequence[running_kernels.LiveKernel]) -> bool:
    """Whether one of these kernels has a store open, or will have: it runs for its notebook."""
    path, notebook = os.path.realpath(listing.path), listing.notebook
    stores = {os.path.realpath(each.store) for each in kernels if each.store is not None}
    books = {os.path.realpath(each.notebook) for each in kernels if each.notebook is not None}
    return path in stores or (notebook is not None and os.path.realpath(notebook) in books)


def remove_store(path: Path) -> int:
    """Removes a store.

    Returns:
        The bytes that it occupied on the disk.

    Raises:
        StoreError: there is none, a process has it open or a kernel runs for its notebook, or the disk fails.
    """
    from kishu_kernel.store.disk import store_files

    with locked(path.parent):  # nobody claims it meanwhile
        listing = listing_of(path)
        if listing is None:
            raise StoreError(f"there is no store at {path}")
        if is_live(listing, running_kernels.live_kernels()):
            raise StoreError(f"a kernel is live on {listing.notebook or path.name}: shut it down, and try again")
        store_files.remove(path, ABOUT)
        return listing.bytes
