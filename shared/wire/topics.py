"""Every stream, hash and key between processes: name, message, sharding, retention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from shared.wire import (
    bars,
    chains,
    control,
    instruments,
    orders,
    queries,
    shards,
    subscriptions,
    ticks,
)

Redis = Literal["ticks", "orders"]
Per = Literal["", "shard", "account", "client"]


@dataclass(frozen=True, slots=True)
class Topic:
    """One family of names in one of the two Redis instances.

    Retention: both bounds apply; 0 means no bound. `entries_max` is for small message streams.
    """

    stem: str
    version: int
    redis: Redis
    kind: Literal["stream", "hash", "string"]
    message: Any
    per: Per
    meaning: str
    retention_s: int = 0
    retention_bytes: int = 0
    entries_max: int = 0

    @property
    def prefix(self) -> str:
        """Return the name without its shard, account or client."""
        return f"{self.stem}.v{self.version}"

    def name(self, part: str | int = "") -> str:
        """Return the full name; `part` is the shard, account or client where the topic has one."""
        if bool(self.per) != (part != ""):
            raise ValueError(
                f"{self.prefix}: part {part!r}, but the topic is per {self.per or 'nothing'}"
            )
        return f"{self.prefix}.{part}" if self.per else self.prefix


MIB = 1024 * 1024

RAW_TICKS = Topic(
    "ticks.raw", 1, "ticks", "stream", ticks.RAW_HEADER, "shard",
    "Kite's own packets as segments; fields h (raw_header) and s (segments)",
    retention_s=120, retention_bytes=256 * MIB,
)  # fmt: skip
ENRICHED_TICKS = Topic(
    "ticks.enriched", 1, "ticks", "stream", ticks.TICK, "shard",
    "records with Greeks; fields h (batch_header) and r (tick records)",
    retention_s=120, retention_bytes=256 * MIB,
)  # fmt: skip
LAST_TICKS = Topic(
    "ticks.last", 1, "ticks", "hash", ticks.TICK, "shard",
    "newest record per instrument, refreshed every second; field: instrument_token in decimal",
)  # fmt: skip
CHAINS = Topic(
    "chains", 1, "ticks", "stream", chains.Chain, "",
    "option chains: every strike now and then, changes between, see chains.md",
    retention_s=120, retention_bytes=128 * MIB,
)  # fmt: skip
OPENING_OI = Topic(
    "chains.opening", 1, "ticks", "string", chains.OPENING_OI, "shard",
    "the day's first open interest per option, for whoever takes the shard over; records",
)  # fmt: skip
BARS = Topic(
    "bars", 1, "ticks", "stream", bars.BAR, "shard",
    "bars as they are closed; fields h (batch_header, of this layout) and r (bar records)",
    retention_s=900, retention_bytes=64 * MIB,
)  # fmt: skip
GAPS = Topic(
    "ticks.gaps", 1, "ticks", "stream", control.Gap, "",
    "every loss of coverage", retention_s=86_400, entries_max=100_000,
)  # fmt: skip
INSTRUMENTS = Topic(
    "instruments", 1, "ticks", "hash", instruments.INSTRUMENT, "",
    "the published instruments; fields version, count, layout, records",
)  # fmt: skip
SHARDS = Topic("shards", 1, "ticks", "string", shards.ShardMap, "", "underlying to shard, JSON")
WEIGHTS = Topic(
    "shards.weights", 1, "ticks", "hash", None, "",
    "packets by underlying on the last days, counted by enrich; field: its name, JSON by yyyymmdd",
)  # fmt: skip
LAYOUTS = Topic("layouts", 1, "ticks", "string", None, "", "every record layout, JSON")
CONTROL = Topic(
    "control", 1, "ticks", "stream", control.Control, "",
    "hints to look at a table again", retention_s=86_400, entries_max=10_000,
)  # fmt: skip
SUBSCRIPTIONS = Topic(
    "subscriptions", 1, "ticks", "hash", subscriptions.Subscriptions, "",
    "what each ingest holds on which socket, what does not fit; field: its name, JSON",
)  # fmt: skip
COMMANDS = Topic(
    "orders.commands", 1, "orders", "stream", orders.Command, "account",
    "one command an entry; trimmed only below what the journal has taken",
)  # fmt: skip
EVENTS = Topic(
    "orders.events", 1, "orders", "stream", orders.OrderEvent, "account",
    "what became of each command, step by step", entries_max=1_000_000,
)  # fmt: skip
UPDATES = Topic(
    "orders.updates", 1, "orders", "stream", orders.BrokerUpdate, "account",
    "what the broker says of its orders", entries_max=1_000_000,
)  # fmt: skip
POSTBACKS = Topic(
    "orders.postbacks", 1, "orders", "stream", orders.Postback, "account",
    "HTTP postbacks as they came, unproven", retention_s=7 * 86_400, entries_max=100_000,
)  # fmt: skip

QUERIES = Topic(
    "queries", 1, "orders", "stream", queries.Query, "account",
    "one read asked of the executor an entry; trimmed below what was answered",
    entries_max=10_000,
)  # fmt: skip
REPLIES = Topic(
    "replies", 1, "orders", "stream", queries.Reply, "client",
    "answers to one asker; forgotten when none came for so long, see queries.md",
    retention_s=300, entries_max=64,
)  # fmt: skip

TOPICS: tuple[Topic, ...] = (
    RAW_TICKS, ENRICHED_TICKS, LAST_TICKS, CHAINS, OPENING_OI, BARS, GAPS, INSTRUMENTS, SHARDS,
    WEIGHTS, LAYOUTS, CONTROL, SUBSCRIPTIONS, COMMANDS, EVENTS, UPDATES, POSTBACKS, QUERIES,
    REPLIES,
)  # fmt: skip

DEAD_SUFFIX = ".dead"


def dead(stream: str) -> str:
    """Return the dead-letter stream of a stream."""
    return stream + DEAD_SUFFIX
