"""What a Redis says of its memory and its disk, for alerts that come before it refuses writes."""

from __future__ import annotations

import math
from typing import Final, Literal

from prometheus_client import Gauge

from shared.errors import StreamError
from shared.streams.client import Connection, call

Server = Literal["ticks", "orders"]

#: How often whoever watches should look.
LOOK_S: Final = 15.0

MEMORY: Final = Gauge(
    "tickflow_redis_memory_used_ratio",
    "Memory in use, of maxmemory or else of the machine's; NaN: it does not answer.",
    ["server"],
)
APPENDING: Final = Gauge(
    "tickflow_redis_append_only_info",
    "1 while every write reaches an append-only file, 0 while it is off or failing.",
    ["server"],
)


async def observe(redis: Connection, server: Server) -> None:
    """Ask a server how it is, set its metrics; one that is away has none."""
    try:
        memory = await call(redis, "INFO of Redis", "INFO", "memory")
        disk = await call(redis, "INFO of Redis", "INFO", "persistence")
    except StreamError:
        MEMORY.labels(server).set(math.nan)
        APPENDING.labels(server).set(math.nan)
        return
    limit = memory["maxmemory"] or memory["total_system_memory"]
    MEMORY.labels(server).set(memory["used_memory"] / limit)
    is_written = disk["aof_enabled"] and disk["aof_last_write_status"] == "ok"
    APPENDING.labels(server).set(bool(is_written))
