"""The table of instruments: every contract ever listed, the newest good dump among them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from shared.store.pool import Pool
from shared.wire.instruments import INSTRUMENT_DTYPE

#: Columns as they are stored, in order.
_COLUMNS: Final = (
    "exchange",
    "tradingsymbol",
    "expiry",
    "instrument_token",
    "underlying_token",
    "underlying",
    "kind",
    "strike",
    "tick_size",
    "lot_size",
    "expiry_ns",
)
_NAMES: Final = ", ".join(_COLUMNS)
_TEXTS: Final = frozenset({"exchange", "tradingsymbol", "underlying"})
#: Any number, as long as every program of this project uses the same.
_LOCK: Final = 7_426_004
_SAME_CONTRACT: Final = (
    "i.exchange = d.exchange AND i.tradingsymbol = d.tradingsymbol AND i.expiry = d.expiry"
)
_TERMS: Final = ("instrument_token", "underlying_token", "tick_size", "lot_size", "expiry_ns")
_DIFFERS: Final = (
    "(" + ", ".join(f"i.{name}" for name in _TERMS) + ", i.delisted) IS DISTINCT FROM ("
    + ", ".join(f"d.{name}" for name in _TERMS) + ", NULL::bigint)"
)  # fmt: skip
_STAGE: Final = f"""
CREATE TEMP TABLE dump ON COMMIT DROP AS SELECT {_NAMES} FROM instruments WITH NO DATA
"""  # noqa: S608  # ours
_REMEMBER: Final = f"""
INSERT INTO instrument_changes
SELECT i.exchange, i.tradingsymbol, i.expiry, $1, i.instrument_token, i.tick_size, i.lot_size,
       i.delisted
FROM instruments i JOIN dump d ON {_SAME_CONTRACT} WHERE {_DIFFERS}
ON CONFLICT DO NOTHING
"""  # noqa: S608  # ours
_CHANGE: Final = f"""
UPDATE instruments i SET changed = $1, delisted = NULL,
       {", ".join(f"{name} = d.{name}" for name in _TERMS)}
FROM dump d WHERE {_SAME_CONTRACT} AND {_DIFFERS}
"""  # noqa: S608  # ours
_LIST: Final = f"""
INSERT INTO instruments ({_NAMES}, listed, changed)
SELECT {", ".join(f"d.{name}" for name in _COLUMNS)}, $1, $1
FROM dump d WHERE NOT EXISTS (SELECT 1 FROM instruments i WHERE {_SAME_CONTRACT})
"""  # noqa: S608  # ours
_DELIST: Final = f"""
UPDATE instruments i SET delisted = $1, changed = $1 WHERE i.delisted IS NULL
AND NOT EXISTS (SELECT 1 FROM dump d WHERE {_SAME_CONTRACT})
"""  # noqa: S608  # ours
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
        rows = _rows(records)
        async with self._pool.transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await connection.execute(_STAGE)
            await connection.copy_records_to_table("dump", records=rows, columns=_COLUMNS)
            await connection.execute("ANALYZE dump")
            await connection.execute(_REMEMBER, version)
            changed = await connection.execute(_CHANGE, version)
            delisted = await connection.execute(_DELIST, version)
            listed = await connection.execute(_LIST, version)
            await connection.execute(
                "INSERT INTO instrument_dumps (version, fetched_us, rows) VALUES ($1, $2, $3) "
                "ON CONFLICT (version) DO UPDATE SET fetched_us = $2, rows = $3",
                version,
                fetched_us,
                len(rows),
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
        gone = sum(map(_count, forgotten))
        return Stored(_count(listed), _count(delisted), _count(changed), gone)

    async def current(self) -> np.ndarray:
        """Return what is listed by the newest dump, of INSTRUMENT_DTYPE, shape (n,), by token."""
        async with self._pool.connection() as connection:
            found = await connection.fetch(
                f"SELECT {_NAMES} FROM instruments WHERE delisted IS NULL "  # noqa: S608  # ours
                "ORDER BY instrument_token"
            )
        records = np.zeros(len(found), dtype=INSTRUMENT_DTYPE)
        for name in _COLUMNS:
            column = [row[name] for row in found]
            records[name] = [text.encode() for text in column] if name in _TEXTS else column
        return records


def kept_from(version: int) -> int:
    """Return the first version (yyyymmddnn) of which anything is still told at `version`."""
    year, month, day = version // 1_000_000, version // 10_000 % 100, version // 100 % 100
    try:
        since = date(year, month, day) - timedelta(days=KEPT_DAYS)
    except (ValueError, OverflowError):  # not a dump of a day: nothing is old beside it
        return 0
    return (since.year * 10_000 + since.month * 100 + since.day) * 100


def _rows(records: np.ndarray) -> list[tuple[object, ...]]:
    columns = []
    for name in _COLUMNS:
        values = records[name].tolist()
        columns.append([value.decode() for value in values] if name in _TEXTS else values)
    return list(zip(*columns, strict=True))


def _count(tag: str) -> int:
    """Return the rows that a command tag such as `INSERT 0 5` tells of."""
    return int(tag.rsplit(" ", 1)[1])
