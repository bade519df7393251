"""Instruments that somebody wants, kept over every restart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.store.pool import Pool, Row

#: Rows read; a want beyond them has no effect. All accounts of this world hold fewer.
WANTS_MAX: Final = 200_000
_COLUMNS: Final = "source, symbol, mode, priority, reason, expires_us, changed_us"


@dataclass(frozen=True, slots=True, kw_only=True)
class WantRow:
    """One want: `source` wants `EXCHANGE:TRADINGSYMBOL`; times in Unix microseconds."""

    source: str
    symbol: str
    mode: str = "full"
    priority: int = 50
    reason: str = ""
    expires_us: int | None = None
    changed_us: int = 0


class WantTable:
    """Reads and writes wants; all raise StoreError where PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def all(self, *, now_us: int) -> list[WantRow]:
        """Return the wants that are not over, the most important first."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM wants "  # noqa: S608  # our own names
                "WHERE expires_us IS NULL OR expires_us > $1 "
                "ORDER BY priority DESC, source, symbol LIMIT $2",
                now_us,
                WANTS_MAX,
            )
        return [_want(row) for row in rows]

    async def of(self, source: str, *, now_us: int) -> list[WantRow]:
        """Return one source's wants that are not over."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                f"SELECT {_COLUMNS} FROM wants "  # noqa: S608  # our own names
                "WHERE source = $1 AND (expires_us IS NULL OR expires_us > $2) "
                "ORDER BY symbol LIMIT $3",
                source,
                now_us,
                WANTS_MAX,
            )
        return [_want(row) for row in rows]

    async def put(self, wants: Sequence[WantRow]) -> int:
        """Add these, or replace those of the same source and symbol; return how many are new.

        Wants that are over are deleted on the way.
        """
        added = 0
        async with self._pool.transaction() as connection:
            over_us = max((want.changed_us for want in wants), default=0)
            await connection.execute("DELETE FROM wants WHERE expires_us <= $1", over_us)
            for want in wants:
                added += await connection.fetchval(
                    f"INSERT INTO wants ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7) "  # noqa: S608  # our own names
                    "ON CONFLICT (source, symbol) DO UPDATE SET mode = $3, priority = $4, "
                    "reason = $5, expires_us = $6, changed_us = $7 RETURNING (xmax = 0)::int",
                    want.source,
                    want.symbol,
                    want.mode,
                    want.priority,
                    want.reason,
                    want.expires_us,
                    want.changed_us,
                )
        return added

    async def remove(self, source: str, symbols: Sequence[str] | None = None) -> int:
        """Delete a source's wants of these symbols, None for all of them; return how many."""
        async with self._pool.connection() as connection:
            rows = await connection.fetch(
                "DELETE FROM wants WHERE source = $1 AND ($2::text[] IS NULL OR symbol = ANY($2)) "
                "RETURNING symbol",
                source,
                None if symbols is None else list(symbols),
            )
        return len(rows)


def _want(row: Row) -> WantRow:
    return WantRow(
        source=row["source"],
        symbol=row["symbol"],
        mode=row["mode"],
        priority=row["priority"],
        reason=row["reason"],
        expires_us=row["expires_us"],
        changed_us=row["changed_us"],
    )
