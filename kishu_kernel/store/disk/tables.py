"""The tables of an environment that has just been opened: created, migrated to our format, or refused.

Law: what another program, or a newer kishu-kernel, wrote is left as it is.
Neighbours: `schema` names the tables and knows the formats; `environment` calls.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import lmdb

from kishu_kernel.errors import StoreError, StoreFormatError
from kishu_kernel.store.format import schema

if TYPE_CHECKING:
    from lmdb import _Database


def open_all(env: lmdb.Environment) -> dict[str, _Database]:
    """All tables, by name; created where they are missing, and migrated to our format.

    It takes a write transaction even where nothing is written: py-lmdb forgets tables opened in a read transaction.

    Raises:
        StoreFormatError: a newer kishu-kernel wrote them.
        StoreError: another program wrote them.
    """
    foreign = env.stat()["entries"] > 0
    with _begin_alone(env) as txn:
        meta = env.open_db(b"meta", txn=txn)
        found = txn.get(schema.FORMAT_KEY, db=meta)
        if found is not None:
            schema.check_format(found)
        elif foreign:
            raise StoreError(f"{env.path()} holds an LMDB environment of another program: name another directory")
        else:
            txn.put(schema.FORMAT_KEY, b"%d" % schema.FORMAT, db=meta)
        tables = {table: env.open_db(table.encode(), txn=txn) for table in schema.TABLES}
        schema.migrate(txn, tables)
        return tables


def open_to_read(env: lmdb.Environment) -> dict[str, _Database]:
    """The tables that exist, by name. Nothing is written.

    Raises:
        StoreFormatError: they have an older format, or a newer kishu-kernel wrote them.
        StoreError: another program wrote them, or there are none.
    """
    tables: dict[str, _Database] = {}
    while True:
        try:
            for table in schema.TABLES:
                with suppress(lmdb.NotFoundError):
                    tables[table] = env.open_db(table.encode(), create=False)
            with env.begin() as txn:
                found = txn.get(schema.FORMAT_KEY, db=tables["meta"]) if "meta" in tables else None
            break
        except lmdb.MapResizedError:  # another process grew it since it was opened
            env.set_mapsize(0)
    if found is None:
        raise StoreError(f"{env.path()} holds no store of kishu-kernel: name another directory")
    if schema.check_format(found) < schema.OLDEST_READ_AS_IS:
        raise StoreFormatError(f"{env.path()} has the format of an older kishu-kernel: open it for writing once")
    return tables


def _begin_alone(env: lmdb.Environment) -> lmdb.Transaction[bytes]:
    """A write transaction of an environment that no other thread uses yet."""
    while True:
        try:
            return env.begin(write=True)
        except lmdb.MapResizedError:  # another process grew it since it was opened
            env.set_mapsize(0)
