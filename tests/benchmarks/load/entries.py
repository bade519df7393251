"""Raw entries of the load's market as ingest would write them, without a socket in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ingest.sharding import assign, balanced
from shared.market.instruments import parse
from shared.streams.writer import Append
from shared.wire.segments import segment
from shared.wire.shards import ShardMap
from shared.wire.ticks import RAW_HEADER_DTYPE
from shared.wire.topics import RAW_TICKS
from tests.benchmarks.load import market

FRAME_PACKETS = 200
#: Time that passes from entry to entry of a shard: bars close, chains are due as in a real day.
ENTRY_NS = 10_000_000
#: Prices go up and down by so many ticks, so that every packet says something new.
WALK = 3


@dataclass(frozen=True, slots=True)
class Listed:
    """What ingest would publish of the load's market."""

    records: np.ndarray
    shard_map: ShardMap


class Tape:
    """Entries of every shard in turn, each with frames of `FRAME_PACKETS`; never the same twice.

    Every instrument ticks as often as any other; or, `uneven`, the n-th an n-th as often as the
    first, which is nearer to a market where some contracts are traded and most are only quoted.
    """

    def __init__(self, shards: int, now_s: int, *, uneven: bool = False) -> None:
        contracts = market.contracts(now_s)
        found = parse(market.dump(market.indices() + contracts)).records
        names = {f"LOAD{n:02d}": 1 for n in range(market.UNDERLYINGS)}
        shard_map = balanced(names, shards, 1)
        self.listed = Listed(assign(found, shard_map), shard_map)
        self._packets = [
            market.packets([c for c in contracts if shard_map.shard_of(c.name) == shard], now_s)
            for shard in range(shards)
        ]
        self._now_ns = now_s * 1_000_000_000
        self._entries = self._sent = 0
        self._chance = np.random.default_rng(7) if uneven else None

    def entries(self, count: int, ticks: int) -> Iterator[Append]:
        """Yield `count` entries of each shard with `ticks` packets each."""
        for _ in range(count):
            self._entries += 1
            at_ns = self._now_ns + self._entries * ENTRY_NS
            for shard in range(len(self._packets)):
                yield self._entry(shard, ticks, at_ns)
            self._sent += ticks

    def _entry(self, shard: int, ticks: int, at_ns: int) -> Append:
        header = np.zeros(1, dtype=RAW_HEADER_DTYPE)
        header["account"], header["shard"], header["packets"] = b"BENCH1", shard, ticks
        header["sequence"] = header["epoch"] = self._entries
        body = bytearray()
        for start in range(self._sent, self._sent + ticks, FRAME_PACKETS):
            size = min(FRAME_PACKETS, self._sent + ticks - start)
            body += segment(at_ns, self._frame(self._packets[shard], start, size))
        return Append(RAW_TICKS, shard, {b"h": header.tobytes(), b"s": bytes(body)})

    def _frame(self, packets: np.ndarray, start: int, size: int) -> bytes:
        numbers = np.arange(start, start + size)
        # Not np.resize: it gives the machine's byte order, and Kite's is the other one.
        rows = packets[self._picked(numbers, len(packets))]
        rounds = numbers // len(packets)
        rows["volume_traded"] = rounds
        steps = (rounds % WALK * 5).astype(np.uint32)
        rows["last_price"] += steps
        rows["depth"]["price"] += steps[:, None]
        return size.to_bytes(2, "big") + rows.tobytes()

    def _picked(self, numbers: np.ndarray, count: int) -> np.ndarray:
        if self._chance is None:
            return numbers % count
        shares = 1.0 / np.arange(1, count + 1)
        return self._chance.choice(count, len(numbers), p=shares / shares.sum())
