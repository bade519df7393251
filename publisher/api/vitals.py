"""How the pipeline does, sampled from the newest entry of each shard."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from publisher import metrics
from publisher.api.shapes import Hop, ShardVitals, Vitals
from publisher.feeds.batches import decode_batch
from publisher.session.desk import Desk
from shared.clock import Clock
from shared.errors import MessageError, StreamError
from shared.runtime.supervise import pause
from shared.streams import published, replies
from shared.streams.client import Connection, call
from shared.wire import topics

SAMPLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The newest entry of a shard: when it was written, what its records say of their way."""

    shard: int
    written_ms: int
    received_ns: int
    exchange_s: int
    fence: int


class VitalSigns:
    """Looks once a second while it runs; `newest` is what it saw last."""

    name = "vitals"

    def __init__(self, ticks: Connection, desk: Desk, clock: Clock) -> None:
        self._ticks = ticks
        self._desk = desk
        self._clock = clock
        self._sequence = (desk.hub.sequence, clock.monotonic_s())
        self._ages = _ages()
        self.newest = self._told([])

    async def run(self, stopping: asyncio.Event) -> None:
        """Sample until `stopping` is set; while Redis is away nothing is told of its shards."""
        while not await pause(stopping, SAMPLE_S):
            try:
                samples = await self._look()
            except (StreamError, MessageError):
                samples = []
            self.newest = self._told(samples)

    async def _look(self) -> list[Sample]:
        shard_map = await published.get_shard_map(self._ticks)
        found = []
        for shard in range(shard_map.shards if shard_map else 1):
            stream = topics.ENRICHED_TICKS.name(shard)
            reply = await call(
                self._ticks, f"newest of {stream}", "XREVRANGE", stream, "+", "-", "COUNT", "1"
            )
            for entry in replies.of_range(stream, reply):
                batch = decode_batch(entry.fields)
                if len(batch.records):
                    found.append(sample(shard, entry.id.ms, batch.fence, batch.records))
        return found

    def _told(self, samples: list[Sample]) -> Vitals:
        hub, now_ns = self._desk.hub, self._clock.now_ns()
        rate = self._rate()
        before, ages = self._ages, _ages()
        self._ages = ages
        here_s = (ages[0] - before[0]) / (ages[1] - before[1]) if ages[1] > before[1] else None
        found = hops(samples, here_s)
        for hop in found:
            metrics.HOP_SECONDS.labels(hop.hop).set(math.nan if hop.mean_s is None else hop.mean_s)
        return Vitals(
            at_us=now_ns // 1000,
            upstream=self._desk.has_upstream,
            records_per_s=round(rate, 1),
            subscribers=hub.subscribers,
            instruments=hub.instruments,
            hops=found,
            shards=[
                ShardVitals(
                    shard=each.shard,
                    age_s=round(max(0.0, now_ns / 1e9 - each.written_ms / 1e3), 4),
                    fence=each.fence,
                )
                for each in samples
            ],
            order_sequences=dict(self._desk.order_sequences),
        )

    def _rate(self) -> float:
        now = (self._desk.hub.sequence, self._clock.monotonic_s())
        before, self._sequence = self._sequence, now
        return max(0, now[0] - before[0]) / max(1e-3, now[1] - before[1])


def sample(shard: int, written_ms: int, fence: int, records: NDArray[np.void]) -> Sample:
    """Return what an entry says of its newest record."""
    newest = records[int(np.argmax(records["received_at_ns"]))]
    return Sample(
        shard=shard,
        written_ms=written_ms,
        received_ns=int(newest["received_at_ns"]),
        exchange_s=int(newest["exchange_timestamp_s"]),
        fence=fence,
    )


def hops(samples: list[Sample], here_s: float | None) -> list[Hop]:
    """Return how long each step took, in seconds; `here_s` from ingest to this process, as mean.

    The exchange stamps whole seconds, so the first hop is that coarse.
    """
    outward = [each.received_ns / 1e9 - each.exchange_s for each in samples if each.exchange_s]
    enriched = [each.written_ms / 1e3 - each.received_ns / 1e9 for each in samples]
    return [
        _hop("exchange_to_ingest", outward),
        _hop("ingest_to_enriched", enriched),
        _hop("ingest_to_publisher", [] if here_s is None else [here_s]),
    ]


def _hop(name: Any, seconds: list[float]) -> Hop:
    told = [round(max(0.0, each), 4) for each in seconds]
    return Hop(
        hop=name,
        mean_s=round(sum(told) / len(told), 4) if told else None,
        worst_s=max(told, default=None),
    )


def _ages() -> tuple[float, float]:
    """Return the sum and the number of the ages observed by this process since it began."""
    values = {
        each.name: each.value for metric in metrics.RECORD_AGE.collect() for each in metric.samples
    }
    name = "tickflow_publisher_record_age_seconds"
    return values.get(f"{name}_sum", 0.0), values.get(f"{name}_count", 0.0)
