"""The tables of past candles: by contract, with what was fetched for good, with Greeks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from shared.store.pool import Connection, Pool

#: One candle; `oi` is -1 where there is none.
CANDLE_DTYPE: Final = np.dtype(
    [
        ("begins_s", "<i8"),
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("volume", "<i8"),
        ("oi", "<i8"),
    ]
)
#: The nine numbers of the solver, in its order.
GREEKS: Final = (
    "implied_vol",
    "delta",
    "gamma",
    "theta_per_day",
    "vega_per_vol_point",
    "rho_per_percent",
    "vanna",
    "vomma",
    "charm",
)
#: Greeks of one candle; numbers are NaN where there are none.
GREEKS_DTYPE: Final = np.dtype(
    [
        ("begins_s", "<i8"),
        ("parameters_id", "<i8"),
        ("price", "<f8"),
        ("forward", "<f8"),
        ("forward_source", "<i2"),
        ("time_to_expiry", "<f8"),
        ("status", "<i2"),
        ("flags", "<i2"),
        *((name, "<f8") for name in GREEKS),
    ]
)
_CANDLE_NAMES: Final = CANDLE_DTYPE.names or ()
_GREEKS_NAMES: Final = GREEKS_DTYPE.names or ()
_NULLED: Final = frozenset({"forward", *GREEKS})
#: A status that another look may change: the underlying's candle was not there yet.
_NO_UNDERLYING: Final = 30

_FIND: Final = """
INSERT INTO candle_series (exchange, tradingsymbol, expiry, "interval", continuous)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (exchange, tradingsymbol, expiry, "interval", continuous)
DO UPDATE SET exchange = excluded.exchange RETURNING series
"""
_STAGE: Final = "CREATE TEMP TABLE fetched ON COMMIT DROP AS SELECT * FROM candles WITH NO DATA"
_TAKE: Final = """
INSERT INTO candles SELECT * FROM fetched
ON CONFLICT (series, begins_s) DO UPDATE SET open = excluded.open, high = excluded.high,
    low = excluded.low, close = excluded.close, volume = excluded.volume, oi = excluded.oi
"""
_MERGE: Final = """
DELETE FROM candle_coverage WHERE series = $1 AND from_s <= $3 AND until_s >= $2
RETURNING from_s, until_s
"""
_UNPRICED: Final = """
SELECT c.begins_s, c.open, c.high, c.low, c.close, c.volume, coalesce(c.oi, -1) AS oi
FROM candles c LEFT JOIN candle_greeks g USING (series, begins_s)
WHERE c.series = $1 AND c.begins_s >= $2 AND c.begins_s < $3
AND (g.begins_s IS NULL OR g.parameters_id <> $4 OR g.price <> c.close OR g.status = $5)
ORDER BY c.begins_s
"""
_PRICED_COLUMNS: Final = ", ".join(("series", *_GREEKS_NAMES))
_STAGE_GREEKS: Final = (
    "CREATE TEMP TABLE priced ON COMMIT DROP AS SELECT * FROM candle_greeks WITH NO DATA"
)
_TAKE_GREEKS: Final = f"""
INSERT INTO candle_greeks ({_PRICED_COLUMNS}) SELECT {_PRICED_COLUMNS} FROM priced
ON CONFLICT (series, begins_s) DO UPDATE SET
{", ".join(f"{name} = excluded.{name}" for name in _GREEKS_NAMES if name != "begins_s")}
"""  # noqa: S608  # ours


class SeriesName(NamedTuple):
    """A contract at an interval; `expiry` is yyyymmdd, 0 where it has none."""

    exchange: str
    tradingsymbol: str
    expiry: int
    interval: str
    continuous: bool = False


class Range(NamedTuple):
    """Unix seconds from `from_s` to before `until_s`."""

    from_s: int
    until_s: int


class CandleTable:
    """Reads and writes of the tables; every method may raise StoreError."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, name: SeriesName) -> int:
        """Return the number of a series, a new one at first sight."""
        async with self._pool.connection() as connection:
            number: int = await connection.fetchval(_FIND, *name)
        return number

    async def covered(self, series: int) -> list[Range]:
        """Return what was fetched for good, in order, without overlaps."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                "SELECT from_s, until_s FROM candle_coverage WHERE series = $1 ORDER BY from_s",
                series,
            )
        return [Range(row["from_s"], row["until_s"]) for row in rows]

    async def put(
        self, series: int, candles: np.ndarray, *, final: Range | None, fetched_us: int
    ) -> None:
        """Write candles, shape (n,), with the range that they make complete, all or nothing."""
        rows = [(series, *row[:-1], row[-1] if row[-1] >= 0 else None) for row in candles.tolist()]
        async with self._pool.transaction() as connection:
            await connection.execute(
                "SELECT 1 FROM candle_series WHERE series = $1 FOR UPDATE", series
            )
            if rows:
                await connection.execute(_STAGE)
                columns = ("series", *_CANDLE_NAMES)
                await connection.copy_records_to_table("fetched", records=rows, columns=columns)
                await connection.execute(_TAKE)
            if final is not None and final.until_s > final.from_s:
                await _cover(connection, series, final, fetched_us)

    async def read(self, series: int, wanted: Range) -> np.ndarray:
        """Return the candles that begin within a range, oldest first, of CANDLE_DTYPE."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                "SELECT begins_s, open, high, low, close, volume, coalesce(oi, -1) AS oi "
                "FROM candles WHERE series = $1 AND begins_s >= $2 AND begins_s < $3 "
                "ORDER BY begins_s",
                series,
                *wanted,
            )
        return _array(rows)

    async def unpriced(self, series: int, wanted: Range, parameters_id: int) -> np.ndarray:
        """Return the candles of a range that have no Greeks, or none of these parameters.

        Candles that changed since, or had no underlying, are among them.
        """
        async with self._pool.connection() as connection:
            rows = await connection.fetch(_UNPRICED, series, *wanted, parameters_id, _NO_UNDERLYING)
        return _array(rows)

    async def put_greeks(self, series: int, greeks: np.ndarray) -> None:
        """Write Greeks, shape (n,), of GREEKS_DTYPE, over what was there."""
        columns = []
        for name in _GREEKS_NAMES:
            values = greeks[name].tolist()
            if name in _NULLED:
                # NaN differs from itself alone.
                values = [value if value == value else None for value in values]  # noqa: PLR0124
            columns.append(values)
        rows = [(series, *row) for row in zip(*columns, strict=True)]
        async with self._pool.transaction() as connection:
            await connection.execute(_STAGE_GREEKS)
            await connection.copy_records_to_table(
                "priced", records=rows, columns=("series", *_GREEKS_NAMES)
            )
            await connection.execute(_TAKE_GREEKS)


async def _cover(connection: Connection, series: int, final: Range, fetched_us: int) -> None:
    merged = [
        final,
        *(Range(*row.values()) for row in await connection.fetch(_MERGE, series, *final)),
    ]
    await connection.execute(
        "INSERT INTO candle_coverage (series, from_s, until_s, fetched_us) VALUES ($1, $2, $3, $4)",
        series,
        min(each.from_s for each in merged),
        max(each.until_s for each in merged),
        fetched_us,
    )


def _array(rows: Sequence[object]) -> np.ndarray:
    return np.array([tuple(row.values()) for row in rows], dtype=CANDLE_DTYPE)  # type: ignore[attr-defined]  # rows are mappings
