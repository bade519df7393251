"""Collects what `status` shows, each part within its limit."""

from __future__ import annotations

from shared.errors import StoreError, StreamError
from shared.ops.condition import Condition, ServerFacts
from shared.ops.probes import ask_all
from shared.ops.reach import Instance, instances, reach, url_of
from shared.ops.settings import OpsSettings
from shared.ops.stream_facts import LeaseFacts, StreamFacts, leases_of, streams_of
from shared.store.trading import TradingSwitch, get_trading
from shared.streams.client import Connection, call


async def look(settings: OpsSettings) -> Condition:
    """Look at servers, workers, streams, leases once.

    Raises:
        SettingsError: nobody named a Redis, and no pipeline runs here.
    """
    servers: list[ServerFacts] = []
    streams: list[StreamFacts] = []
    leases: list[LeaseFacts] = []
    switches: list[TradingSwitch] | None = None
    for instance in instances(settings):
        url_of(settings, instance)
        servers.append(await _redis(settings, instance, streams, leases))
    if settings.postgres.url:
        facts, switches = await _postgres(settings)
        servers.append(facts)
    return Condition(
        servers=servers,
        workers=await ask_all(settings.probes, timeout_s=settings.ops.probe_timeout_s),
        streams=streams,
        leases=leases,
        switches=switches,
        publisher_url=settings.ops.publisher_url,
    )


async def _redis(
    settings: OpsSettings,
    instance: Instance,
    streams: list[StreamFacts],
    leases: list[LeaseFacts],
) -> ServerFacts:
    name = f"redis {instance}"
    try:
        async with reach(settings, instance) as redis:
            detail = await _version(redis)
            used_ratio = await _memory_used_ratio(redis)
            streams += await streams_of(redis, instance)
            leases += await leases_of(redis, instance)
    except StreamError as error:
        return ServerFacts(name=name, ok=False, detail=str(error))
    return ServerFacts(name=name, ok=True, detail=detail, memory_used_ratio=used_ratio)


async def _version(redis: Connection) -> str:
    said = await call(redis, "INFO of Redis", "INFO", "server")
    return f"version {said.get('redis_version', 'unknown')}"


async def _memory_used_ratio(redis: Connection) -> float:
    said = await call(redis, "INFO of Redis", "INFO", "memory")
    if not (limit_bytes := said.get("maxmemory", 0)):
        return 0.0
    # The server leaves out what it has yet to write to its file, before it judges itself full.
    counted = said["used_memory"] - said.get("mem_not_counted_for_evict", 0)
    return float(counted / limit_bytes)


async def _postgres(settings: OpsSettings) -> tuple[ServerFacts, list[TradingSwitch] | None]:
    """Look at the database; its switches are None where it does not tell them."""
    # The driver takes a moment to import, and only this looks at the database.
    from shared.store.pool import open_pool

    try:
        async with open_pool(settings.postgres) as pool:
            async with pool.connection() as connection:
                version = await connection.fetchval("SHOW server_version")
                has_table = await connection.fetchval("SELECT to_regclass('trading_states')")
            # Before the first executor nothing can be halted.
            switches = await get_trading(pool) if has_table else []
    except StoreError as error:
        return ServerFacts(name="postgres", ok=False, detail=str(error)), None
    return ServerFacts(name="postgres", ok=True, detail=f"version {version}"), switches
