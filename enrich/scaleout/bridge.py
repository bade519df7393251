"""`python -m enrich.scaleout.bridge`: raw ticks from Redis into Kafka, to cut over without a stop.

It resumes where it was: its consumer group in Redis moves on only once Kafka has what was read. An
entry carried twice is harmless; it keeps its id, hence its records keep their lineage.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Sequence

import msgspec

from enrich import metrics
from enrich.listing import LOOK_EVERY_S
from shared.clock import Clock
from shared.errors import EntryTooLarge, LeaseLost, SettingsError, StreamError
from shared.resilience.retry import RetryPolicy
from shared.runtime.logs import get_log
from shared.runtime.probe import PASSED, Check
from shared.runtime.resources import Resources
from shared.runtime.run import main
from shared.runtime.settings import LogSettings, ProbeSettings
from shared.runtime.supervise import pause
from shared.runtime.throttle import Throttle
from shared.streams import client, leases, published
from shared.streams.client import Connection
from shared.streams.entry import Entry
from shared.streams.kafka_entry import ID_FIELD
from shared.streams.kafka_settings import KafkaSettings
from shared.streams.kafka_writer import KafkaWriter, open_writer
from shared.streams.leases import Lease
from shared.streams.reader import GroupReader
from shared.streams.settings import RedisSettings
from shared.streams.writer import APPENDS_MAX, Append
from shared.wire.topics import RAW_TICKS

#: Its group, its one consumer: whoever starts it next takes over what was left unacknowledged.
GROUP = CONSUMER = "bridge"
LEASE_NAME = "enrich.bridge"
LEASE_S = 10.0
ENTRIES_MAX = 64
BLOCK_MS = 200
RETRY = RetryPolicy(base_s=0.05, factor=2.0, ceiling_s=1.0)

log = get_log()


class BridgeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting of `python -m enrich.scaleout.bridge`."""

    redis: RedisSettings
    kafka: KafkaSettings = KafkaSettings()
    log: LogSettings = LogSettings()
    probe: ProbeSettings = ProbeSettings()


class Bridge:
    """One loop: read, write to Kafka, acknowledge to Redis. One bridge at a time, by lease."""

    def __init__(self, redis: Connection, writer: KafkaWriter, owner: str, clock: Clock) -> None:
        self._redis = redis
        self._writer = writer
        self._owner = owner
        self._clock = clock
        self._reader = self._new_reader()
        self._lease: Lease | None = None
        self._due_s = 0.0
        self._trouble = "not begun"
        self._troubles = Throttle(1.0, clock=clock)

    async def run(self, stopping: asyncio.Event) -> None:
        """Carry until `stopping`; what was read is carried, or stays with the group."""
        failures = 0
        while not stopping.is_set():
            try:
                if await self._owns():
                    await self._carry(await self._reader.read())
                    failures, self._trouble = 0, ""
                else:
                    await pause(stopping, LEASE_S / 4)
            except (StreamError, LeaseLost) as error:
                failures += 1
                self._start_over(str(error))
                await pause(stopping, RETRY.delay_s(failures, 0.5))
        if self._lease is not None:
            await self._lease.release()

    async def ready(self) -> Check:
        """Say whether entries are being carried."""
        if self._lease is None:
            return Check(ok=True, reason="standing by: another bridge carries")
        return PASSED if not self._trouble else Check(ok=False, reason=self._trouble)

    async def _owns(self) -> bool:
        """Hold the lease and follow the shards; look at either only now and then."""
        now_s = self._clock.monotonic_s()
        if self._lease is not None and now_s < self._due_s:
            return True
        self._due_s = now_s + min(LOOK_EVERY_S, LEASE_S / 4)
        if self._lease is None:
            taken = await leases.acquire(
                self._redis, LEASE_NAME, self._owner, LEASE_S, clock=self._clock
            )
            if taken is None:
                return False
            self._lease = taken
        else:
            await self._lease.renew()
        shard_map = await published.get_shard_map(self._redis)
        for shard in range(shard_map.shards if shard_map is not None else 0):
            if RAW_TICKS.name(shard) not in self._reader.streams:
                await self._reader.add(RAW_TICKS.name(shard))
                while left := await self._reader.claim_abandoned(0):
                    await self._carry(left)
        return True

    async def _carry(self, entries: Sequence[Entry]) -> None:
        for start in range(0, len(entries), APPENDS_MAX):
            part = entries[start : start + APPENDS_MAX]
            if self._lease is None or not self._lease.holding():
                raise LeaseLost(f"the lease {LEASE_NAME} of {self._owner} is over")
            await self._carry_part(part)
        if entries:
            newest_s = entries[-1].id.ms / 1e3
            metrics.BRIDGE_LAG_SECONDS.set(max(0.0, self._clock.now_ns() / 1e9 - newest_s))
        else:
            metrics.BRIDGE_LAG_SECONDS.set(0.0)

    async def _carry_part(self, part: Sequence[Entry]) -> None:
        """Write, then acknowledge; an entry that Kafka will never take stays with the operator."""
        try:
            await self._writer.append([_append(entry) for entry in part])
        except EntryTooLarge as error:
            if (
                len(part) > 1
            ):  # a batch is refused as a whole; one by one it shows whose fault it is
                for entry in part:
                    await self._carry_part([entry])
                return
            metrics.LEFT_OUT.labels("too_large").inc()
            log.warning("entry.too_large", entry=str(part[0].id), reason=str(error))
            await self._reader.dead_letter(part[0], str(error), part[0].deliveries)
            return
        await self._reader.acknowledge(part)
        metrics.BRIDGED.inc(len(part))

    def _start_over(self, reason: str) -> None:
        """After a trouble begin anew: what was read and not acknowledged is read again, first."""
        self._trouble = reason
        self._lease = None
        self._reader = self._new_reader()
        if (suppressed := self._troubles.admit()) is not None:
            log.warning("bridge.troubled", reason=reason, suppressed=suppressed)

    def _new_reader(self) -> GroupReader:
        return GroupReader(
            self._redis, (), GROUP, CONSUMER, count_max=ENTRIES_MAX, block_ms=BLOCK_MS
        )


def _append(entry: Entry) -> Append:
    shard = int(entry.stream.rsplit(".", 1)[1])
    return Append(RAW_TICKS, shard, {**entry.fields, ID_FIELD: str(entry.id).encode()})


async def build(settings: BridgeSettings, resources: Resources) -> Bridge:
    """Wire the bridge.

    Raises:
        SettingsError: nobody said where Kafka is.
    """
    if not settings.kafka.servers.strip():
        raise SettingsError("kafka.servers is empty: a bridge has to know where to carry to")
    owner = f"{socket.gethostname()}-{os.getpid()}"
    redis = await resources.enter(
        client.connect(settings.redis.ticks_url, name="bridge", settings=settings.redis)
    )
    writer = await resources.enter(open_writer(settings.kafka, resources.clock, name="bridge"))
    bridge = Bridge(redis, writer, owner, resources.clock)
    resources.probe.register("ticks_redis", lambda: client.ping(redis))
    resources.probe.register("kafka", writer.ping)
    resources.probe.register("bridge", bridge.ready)
    return bridge


if __name__ == "__main__":
    sys.exit(main("bridge", BridgeSettings, build, drain_timeout_s=10))
