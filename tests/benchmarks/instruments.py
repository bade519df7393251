"""A dump of 100,000 rows parsed, compared with the one before, stored in PostgreSQL.

Clock: begins with the CSV's bytes in memory, ends when the transaction is committed with fsync on.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from deploy.local.servers import postgres_server
from ingest.dump import check, differences
from shared.market.instruments import HEADER, parse
from shared.store.instruments import InstrumentTable
from shared.store.migrate import migrate
from shared.store.pool import open_pool
from shared.store.settings import PostgresSettings

ROWS = 100_000
UNDERLYINGS = 200
#: Of the second day: so many contracts are new, as many are gone.
SHIFT = 2_000


def results() -> list[dict[str, Any]]:
    """Return seconds for the first dump of all and for the next day's."""
    with tempfile.TemporaryDirectory(prefix="tickflow-bench-") as directory:
        first_s, next_s = asyncio.run(_served(Path(directory)))
    context = f"{ROWS:,} rows parsed, compared, stored, committed"
    return [
        {"name": "instruments.first_dump_s", "value": first_s, "unit": "s", "context": context},
        {
            "name": "instruments.next_dump_s",
            "value": next_s,
            "unit": "s",
            "context": f"{context}; {SHIFT:,} listed, as many delisted",
        },
    ]


def dump(shift: int = 0) -> bytes:
    """Return a CSV of options; another shift names other contracts."""
    lines = [HEADER]
    for number in range(shift, ROWS + shift):
        name, strike = f"NAME{number % UNDERLYINGS}", 100 + 50 * (number // UNDERLYINGS)
        kind = "CE" if number % 2 else "PE"
        token = 1_000 + number
        lines.append(
            f"{token * 256 + 2},{token},{name}26SEP{strike}{kind},{name},0.0,2026-09-29,"
            f"{strike},0.05,65,{kind},NFO-OPT,NFO"
        )
    return ("\n".join(lines) + "\n").encode()


async def _served(directory: Path) -> tuple[float, float]:
    async with postgres_server(directory / "postgres", keep=False) as server:
        server.create_database("bench")
        return await _measure(PostgresSettings(url=server.url_of("bench")))


async def _measure(settings: PostgresSettings) -> tuple[float, float]:
    first, following = dump(), dump(SHIFT)
    async with open_pool(settings) as pool:
        await migrate(pool)
        table = InstrumentTable(pool)
        began_s = time.perf_counter()
        before = parse(first).records
        await table.put(1, before, fetched_us=1)
        first_s = time.perf_counter() - began_s
        began_s = time.perf_counter()
        after = parse(following).records
        check(before, after, 0.5)
        differences(before, after)
        await table.put(2, after, fetched_us=2)
        return first_s, time.perf_counter() - began_s
