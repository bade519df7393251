"""The table of instruments: every contract ever listed, the newest good dump among them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import numpy as np

from shared.store.instrument_bytes import (
    COLUMNS,
    COPY_HEAD,
    COPY_TAIL,
    TERMS,
    contracts,
    copied,
    pieces,
    received,
    selected,
    unlike,
)
from shared.store.pool import Connection, Pool

_NAMES: Final = ", ".join(COLUMNS)
#: Any number, as long as every program of this project uses the same.
_LOCK: Final = 7_426_004
_SAME_CONTRACT: Final = (
    "i.exchange = d.exchange AND i.tradingsymbol = d.tradingsymbol AND i.expiry = d.expiry"
)
_DIFFERS: Final = (
    "(" + ", ".join(f"i.{name}" for name in TERMS) + ", i.delisted) IS DISTINCT FROM ("
    + ", ".join(f"d.{name}" for name in TERMS) + ", NULL::bigint)"
)  # fmt: skip
_STAGE: Final = f"""
CREATE TEMP TABLE dump ON COMMIT DROP AS SELECT {_NAMES} FROM instruments WITH NO DATA
"""  # noqa: S608  # ours
#: What a day changes is looked up by the key; the history of the others is not read for it.
_BY_KEY: Final = "SET LOCAL random_page_cost = 1.1"
_REMEMBER: Final = f"""
INSERT INTO instrument_changes
SELECT i.exchange, i.tradingsymbol, i.expiry, $1, i.instrument_token, i.tick_size, i.lot_size,
       i.delisted
FROM instruments i JOIN dump d ON {_SAME_CONTRACT} WHERE {_DIFFERS}
ON CONFLICT DO NOTHING
"""  # noqa: S608  # ours
_CHANGE: Final = f"""
UPDATE instruments i SET changed = $1, delisted = NULL,
       {", ".join(f"{name} = d.{name}" for name in TERMS)}
FROM dump d WHERE {_SAME_CONTRACT} AND {_DIFFERS}
"""  # noqa: S608  # ours
_LIST: Final = f"""
INSERT INTO instruments ({_NAMES}, listed, changed)
SELECT {", ".join(f"d.{name}" for name in COLUMNS)}, $1, $1
FROM dump d WHERE NOT EXISTS (SELECT 1 FROM instruments i WHERE {_SAME_CONTRACT})
"""  # noqa: S608  # ours
_DELIST: Final = f"""
UPDATE instruments i SET delisted = $1, changed = $1
FROM unnest($2::text[], $3::text[], $4::integer[]) AS d (exchange, tradingsymbol, expiry)
WHERE {_SAME_CONTRACT} AND i.delisted IS NULL
AND NOT EXISTS (SELECT 1 FROM dump d WHERE {_SAME_CONTRACT})
"""  # noqa: S608  # ours
_LISTED: Final = f"SELECT {selected()} FROM instruments WHERE delisted IS NULL"  # noqa: S608  # ours
#: Contracts that left the exchange longer ago are forgotten, as are changes and dumps of then.
KEPT_DAYS: Final = 750
#: Rows of one kind forgotten with one dump: a backlog goes over some days, not in one lock.
FORGOTTEN_MAX: Final = 50_000
_FORGET: Final = (
    ("instruments", "delisted < $1"),
    ("instrument_changes", "version < $1"),
    ("instrument_dumps", "version < $1"),
)


@dataclass(frozen=True, slots=True)
class Stored:
    """What a dump did to the table, in contracts; `forgotten` are rows of long ago."""

    listed: int
    delisted: int
    changed: int
    forgotten: int = 0


class InstrumentTable:
    """Reads and writes of the table; every method may raise StoreError."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def put(self, version: int, records: np.ndarray, *, fetched_us: int) -> Stored:
        """Make the table say what a dump of INSTRUMENT_DTYPE says, shape (n,), all or nothing.

        Contracts that are missing stay as delisted; what changed is kept as it was, too. Both are
        forgotten `KEPT_DAYS` later.

        Raises:
            ValueError: an empty dump would delist the whole market.
        """
        if not len(records):
            raise ValueError("a dump without instruments is none")
        async with self._pool.transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            if await connection.fetchval("SELECT EXISTS (SELECT FROM instruments)"):
                stored = await _merge(connection, version, records)
            else:
                stored = await _fill(connection, version, records)
            await connection.execute(
                "INSERT INTO instrument_dumps (version, fetched_us, rows) VALUES ($1, $2, $3) "
                "ON CONFLICT (version) DO UPDATE SET fetched_us = $2, rows = $3",
                version,
                fetched_us,
                len(records),
            )
            forgotten = [
                await connection.execute(
                    f"DELETE FROM {table} WHERE ctid IN "  # noqa: S608  # ours
                    f"(SELECT ctid FROM {table} WHERE {when} LIMIT $2)",
                    kept_from(version),
                    FORGOTTEN_MAX,
                )
                for table, when in _FORGET
            ]
        return replace(stored, forgotten=sum(map(_count, forgotten)))

    async def current(self) -> np.ndarray:
        """Return what is listed by the newest dump, of INSTRUMENT_DTYPE, shape (n,), by token."""
        async with self._pool.connection() as connection:
            return await _listed(connection)


async def _fill(connection: Connection, version: int, records: np.ndarray) -> Stored:
    """Store the first dump of all: about in the order of the key, which then grows at its end."""
    order = await asyncio.to_thread(_by_key, records)
    await _copy(connection, "instruments", records, order, {"listed": version, "changed": version})
    return Stored(len(records), 0, 0)


def _by_key(records: np.ndarray) -> np.ndarray:
    # Sorting one array lets the loop go on meanwhile, which lexsort does not.
    return np.argsort(np.strings.add(records["exchange"], records["tradingsymbol"]))


async def _merge(connection: Connection, version: int, records: np.ndarray) -> Stored:
    """Store what a dump says otherwise than the table; the rest of it need not be sent."""
    listed = await _listed(connection)
    missing, news = await asyncio.to_thread(unlike, listed, records)
    await connection.execute(_STAGE)
    await connection.execute(_BY_KEY)
    changed = delisted = added = 0
    if news.any():
        await _copy(connection, "dump", records, np.flatnonzero(news), {})
        await connection.execute("ANALYZE dump")
        await connection.execute(_REMEMBER, version)
        changed = _count(await connection.execute(_CHANGE, version))
    if missing.any():
        tag = await connection.execute(_DELIST, version, *contracts(listed[missing]))
        delisted = _count(tag)
    if news.any():
        added = _count(await connection.execute(_LIST, version))
    return Stored(added, delisted, changed)


async def _copy(
    connection: Connection,
    table: str,
    records: np.ndarray,
    chosen: np.ndarray,
    versions: Mapping[str, int],
) -> None:
    """Write the chosen rows in one stream, made by the piece beside the loop, which has ticks."""

    async def stream() -> AsyncIterator[bytes]:
        yield COPY_HEAD
        for piece in pieces(len(chosen)):
            yield await asyncio.to_thread(copied, records[chosen[piece]], versions)
        yield COPY_TAIL

    names = (*COLUMNS, *versions)
    await connection.copy_to_table(table, source=stream(), columns=names, format="binary")


async def _listed(connection: Connection) -> np.ndarray:
    row = await connection.fetchrow(_LISTED)
    return await asyncio.to_thread(received, row or {"kind": None})


def kept_from(version: int) -> int:
    """Return the first version (yyyymmddnn) of which anything is still told at `version`."""
    year, month, day = version // 1_000_000, version // 10_000 % 100, version // 100 % 100
    try:
        since = date(year, month, day) - timedelta(days=KEPT_DAYS)
    except (ValueError, OverflowError):  # not a dump of a day: nothing is old beside it
        return 0
    return (since.year * 10_000 + since.month * 100 + since.day) * 100


def _count(tag: str) -> int:
    """Return the rows that a command tag such as `INSERT 0 5` tells of."""
    return int(tag.rsplit(" ", 1)[1])
