"""A consumer of the enriched stream that decodes every record and checks sequence and truth.

`python -m tests.benchmarks.load.consumer URL NOW_S` obeys lines `EXPECTED TIMEOUT_S` on standard
input: it reads until that many ticks came or the time is up, and answers with one JSON line.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time

import numpy as np
import uvloop
from numba import njit

from shared.kite.codec.tokens import TokenTable, lookup
from shared.secret import Secret
from shared.streams import client, published
from shared.streams.reader import TailReader
from shared.streams.settings import RedisSettings
from shared.wire.ticks import TICK_DTYPE
from shared.wire.topics import ENRICHED_TICKS
from tests.benchmarks.load import market

ENTRIES_MAX = 64
LATENCIES_MAX = 20_000_000


@njit(cache=True, nogil=True)
def check(records, now_us, table, truth, following, latencies, tallies):
    """Check records, shape (n,): sequence per instrument, volatility against what was priced."""
    for row in range(records.size):
        record = records[row]
        index = lookup(table[0], table[1], record["instrument_token"])
        if index < 0:
            continue
        tallies[0] += 1
        sequence = np.int64(record["volume_traded"])
        if following[index] >= 0 and sequence != following[index]:
            tallies[1] += 1
        following[index] = sequence + 1
        high = np.int64(record["total_buy_quantity"]) << np.int64(32)
        intended_us = high | np.int64(record["total_sell_quantity"])
        latencies[tallies[0] % latencies.size] = now_us - intended_us
        if truth[index] > 0.0 and record["status"] == 0 and record["iv_tick"] < 0.5:
            tallies[2] += 1
            rupees = 0.03 + 0.12 * abs(record["delta"])
            tolerance = rupees / (100.0 * record["vega_per_vol_point"]) + 1e-6
            if not abs(record["implied_vol"] - truth[index]) <= tolerance:
                tallies[3] += 1


class Ledger:
    """What the consumer knows to be true, and what it has seen."""

    def __init__(self, now_s: int) -> None:
        listed = market.contracts(now_s)
        table = TokenTable.of({c.token: row for row, c in enumerate(listed)})
        self.table = (table.keys, table.values)
        self.truth = np.array([c.vol for c in listed])
        self.following = np.full(len(listed), -1, dtype=np.int64)
        self.latencies = np.zeros(LATENCIES_MAX, dtype=np.int64)
        self.tallies = np.zeros(4, dtype=np.int64)

    def take(self, body: bytes) -> None:
        """Check the records of one entry."""
        records = np.frombuffer(body, dtype=TICK_DTYPE)
        now_us = time.time_ns() // 1000
        check(records, now_us, self.table, self.truth, self.following, self.latencies, self.tallies)

    def report(self, started: int) -> dict[str, float]:
        """Return the figures since `started` ticks had been seen."""
        seen, breaks, checked, wrong = self.tallies.tolist()
        latencies = self.latencies[started + 1 : seen + 1] / 1000.0
        shares = np.percentile(latencies, [50, 99, 99.9]) if len(latencies) else [np.nan] * 3
        return {
            "received": seen - started, "sequence_breaks": breaks, "checked": checked, "wrong": wrong,
            "p50_ms": float(shares[0]), "p99_ms": float(shares[1]), "p999_ms": float(shares[2]),
        }  # fmt: skip


async def consume(url: str, now_s: int) -> None:
    """Read as told on standard input."""
    settings = RedisSettings(ticks_url=Secret(url), orders_url=Secret(url))
    ledger = Ledger(now_s)
    ledger.take(b"")
    loop = asyncio.get_running_loop()
    async with client.connect(
        settings.ticks_url, name="bench-consumer", settings=settings
    ) as redis:
        shards = await published.get_shard_map(redis)
        assert shards is not None
        positions = {ENRICHED_TICKS.name(shard): "$" for shard in range(shards.shards)}
        reader = TailReader(redis, positions, count_max=ENTRIES_MAX, block_ms=100)
        await reader.read()
        gc.freeze()  # a collector that looks through numba's objects would count as latency
        _say({"ready": shards.shards})
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            expected, timeout_s = line.split()
            ledger.tallies[:] = 0
            deadline_s = time.monotonic() + float(timeout_s)
            while ledger.tallies[0] < int(expected) and time.monotonic() < deadline_s:
                for entry in await reader.read():
                    ledger.take(entry.fields[b"r"])
            _say(ledger.report(0))


def _say(answer: dict[str, object] | dict[str, float]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(consume(sys.argv[1], int(sys.argv[2])))
