"""Every metric an enrichment worker declares."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

#: From a tenth of a millisecond to ten seconds: below it is noise, above it is an outage.
HOP_BUCKETS_S = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)

TICKS = Counter("tickflow_enrich_ticks_total", "Records written.")
ENTRIES = Counter("tickflow_enrich_entries_total", "Raw entries taken.")
STATUSES = Counter("tickflow_enrich_iv_status_total", "Records by status.", ["status"])
LEFT_OUT = Counter(
    "tickflow_enrich_left_out_total",
    "Packets not turned into records, entries given up, frames damaged.",
    ["cause"],
)
UNKNOWN_INSTRUMENTS = Counter(
    "tickflow_enrich_unknown_instruments_total", "Records of instruments that are not published."
)
REPEATED = Counter("tickflow_enrich_repeated_ticks_total", "Records that say nothing new.")
KEPT_OUT = Counter(
    "tickflow_enrich_kept_out_ticks_total",
    "Records that went out flagged, of values that cannot be or are older, and changed no state.",
    ["cause"],
)
CHAINS = Counter("tickflow_enrich_chains_total", "Chain messages made.")
BARS = Counter("tickflow_enrich_bars_total", "Bars closed.")
SOLVE_SECONDS = Histogram(
    "tickflow_enrich_entry_seconds", "Decoding and solving of one entry.", buckets=HOP_BUCKETS_S
)
HOP_SECONDS = Histogram(
    "tickflow_enrich_hop_seconds", "Raw entry written to records written.", buckets=HOP_BUCKETS_S
)
DEAD_LETTERS = Gauge(
    "tickflow_enrich_dead_letters_entries", "Entries of ticks given up, of the shards held here."
)
PENDING = Gauge(
    "tickflow_enrich_pending_entries", "Raw entries handed out and not acknowledged.", ["shard"]
)
PENDING_AGE_SECONDS = Gauge(
    "tickflow_enrich_pending_age_seconds", "Age of the oldest of them; 0: none.", ["shard"]
)
TRIMMED_UNREAD = Counter(
    "tickflow_enrich_trimmed_unread_total",
    "Raw entries that Redis deleted before whoever was handed them had acknowledged.",
)
SHARDS_HELD = Gauge("tickflow_enrich_shards_held", "Shards this worker owns now.")
SHARDS_PUBLISHED = Gauge("tickflow_enrich_shards_published", "Shards there are, held or not.")
LAG_SECONDS = Gauge("tickflow_enrich_stream_lag_seconds", "Age of the entries being read.")
INSTRUMENTS = Gauge("tickflow_enrich_instruments", "Instruments loaded.")

# With Kafka: what Faust's monitor says, what we know better.
KAFKA_LAG_SECONDS = Gauge(
    "tickflow_enrich_kafka_lag_seconds", "Age of what waits in a partition; 0: nothing.", ["shard"]
)
KAFKA_LAG_MESSAGES = Gauge(
    "tickflow_enrich_kafka_lag_messages", "Messages of a partition not delivered yet.", ["shard"]
)
KAFKA_UNCOMMITTED = Gauge(
    "tickflow_enrich_kafka_uncommitted_messages", "Delivered, not committed yet.", ["shard"]
)
KAFKA_MESSAGES = Gauge("tickflow_enrich_faust_messages_received", "Messages Faust took in.")
KAFKA_EVENTS = Gauge("tickflow_enrich_faust_events", "Events that went through Faust's streams.")
KAFKA_ACTIVE = Gauge("tickflow_enrich_faust_messages_active", "Messages being worked on.")
KAFKA_REBALANCES = Gauge("tickflow_enrich_faust_rebalances", "Rebalances since the start.")
KAFKA_REBALANCE_SECONDS = Gauge(
    "tickflow_enrich_faust_rebalance_seconds", "Mean time from a rebalance to streams resumed."
)
KAFKA_COMMIT_SECONDS = Gauge("tickflow_enrich_faust_commit_seconds", "Time of the last commit.")
KAFKA_BUFFER_FULL = Gauge("tickflow_enrich_faust_buffer_full", "Times a buffer was full.")
KAFKA_TAKEN_OVER = Counter(
    "tickflow_enrich_kafka_taken_over_total", "Partitions begun with state restored."
)
KAFKA_RESTORE_SECONDS = Histogram(
    "tickflow_enrich_kafka_restore_seconds", "State of a partition restored.", buckets=HOP_BUCKETS_S
)
KAFKA_TRUNCATED = Counter(
    "tickflow_enrich_kafka_truncated_total", "Messages deleted by retention before we read them."
)
KAFKA_SEEN = Counter(
    "tickflow_enrich_kafka_seen_total", "Messages handed out again, already delivered by us."
)
BRIDGED = Counter("tickflow_enrich_bridged_entries_total", "Raw entries carried from Redis.")
BRIDGE_LAG_SECONDS = Gauge(
    "tickflow_enrich_bridge_lag_seconds", "Age of what the bridge carried last; 0: all carried."
)
