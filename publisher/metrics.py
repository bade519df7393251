"""Every metric the publisher declares."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from publisher.protocol.farewells import FAREWELLS as EVERY_FAREWELL

_AGE_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60)

RECORDS = Counter("tickflow_publisher_records_total", "Records taken from the streams.")
RECORDS_LEFT_OUT = Counter(
    "tickflow_publisher_records_left_out_total",
    "Records not used: older than what is held, no room for the instrument, a former owner's.",
    ["reason"],
)
RECORD_AGE = Histogram(
    "tickflow_publisher_record_age_seconds",
    "From ingest's receipt to the hub: the newest record of each batch.",
    buckets=_AGE_BUCKETS_S,
)
HOP_SECONDS = Gauge(
    "tickflow_publisher_hop_seconds",
    "Mean time of a step of the way, from the newest entry of each shard, once a second.",
    ["hop"],
)
PAIRS = Counter(
    "tickflow_publisher_pairs_total",
    "Deliveries if nothing were conflated: changes times those who want them.",
)
DELIVERIES = Counter(
    "tickflow_publisher_deliveries_total",
    "Ticks written to subscribers; the rest of the pairs was conflated or is owed.",
)
WAITED = Histogram(
    "tickflow_publisher_turn_wait_seconds",
    "From a tick in the hub to the end of the turn that writes it, for the first of each turn.",
    buckets=_AGE_BUCKETS_S,
)
MESSAGES = Counter("tickflow_publisher_messages_total", "Messages written to subscribers.")
SENT = Counter("tickflow_publisher_sent_bytes_total", "Bytes of messages written to subscribers.")
ENCODED = Gauge(
    "tickflow_publisher_payloads_encoded", "Payloads encoded since the start, shared by all."
)
INSTRUMENTS = Gauge("tickflow_publisher_instruments", "Instruments with a newest record or a want.")
CONNECTIONS = Gauge("tickflow_publisher_connections", "Authenticated connections.")
REFUSED = Counter(
    "tickflow_publisher_connections_refused_total", "Connections not let in.", ["reason"]
)
FAREWELLS = Counter(
    "tickflow_publisher_connections_ended_total", "Connections ended, by farewell.", ["reason"]
)
# Born at 0: what is born with its first event has no increase.
for _each in EVERY_FAREWELL:
    FAREWELLS.labels(reason=_each.name)
#: Up to 4 KiB is a message on its way, 4 MiB is where by default a subscriber is let go.
QUEUED_BOUNDS = (0, 4096, 65536, 262144, 1048576, 4194304)
QUEUED = Gauge(
    "tickflow_publisher_queued_subscribers",
    "Subscribers for whom at most `le` bytes wait: messages, and ticks where each is wanted.",
    ["le"],
)
SKIPPED = Counter(
    "tickflow_publisher_skipped_ticks_total",
    "Ticks left out and told as `skipped`, by the subscriber's policy.",
    ["policy"],
)
for _policy in ("skip", "strict"):
    SKIPPED.labels(policy=_policy)
INBOUND_PAUSES = Counter(
    "tickflow_publisher_inbound_pauses_total",
    "Pauses of reading a connection whose messages had cost more than their share.",
)
MALFORMED = Counter(
    "tickflow_publisher_entries_malformed_total", "Stream entries that do not decode.", ["stream"]
)
ORDER_EVENTS = Counter("tickflow_publisher_order_events_total", "Order events taken.")
BARS = Counter("tickflow_publisher_bars_total", "Closed bars taken.")
GAPS = Counter("tickflow_publisher_gaps_total", "Gaps taken.")
UPSTREAM_LOST = Counter(
    "tickflow_publisher_upstream_lost_total", "Reads of a stream that failed.", ["feed"]
)


class Tally:
    """Counts of the sending path, kept as plain numbers and handed over once a second."""

    def __init__(self) -> None:
        self.ticks = 0
        self.messages = 0
        self.bytes = 0

    def add(self, ticks: int, messages: int, size_bytes: int) -> None:
        """Count what was written."""
        self.ticks += ticks
        self.messages += messages
        self.bytes += size_bytes

    def hand_over(self) -> None:
        """Add what was counted since the last time to the counters."""
        DELIVERIES.inc(self.ticks)
        MESSAGES.inc(self.messages)
        SENT.inc(self.bytes)
        self.ticks = self.messages = self.bytes = 0


REQUESTS = Counter(
    "tickflow_publisher_http_requests_total",
    "Requests under /v1 answered, by the route's name and the status.",
    ["route", "status"],
)
POSTBACKS = Counter(
    "tickflow_publisher_postbacks_total", "HTTP postbacks, by what became of them.", ["outcome"]
)
WEBHOOKS = Counter(
    "tickflow_publisher_webhooks_total", "Attempts to deliver an event, by outcome.", ["outcome"]
)
WEBHOOKS_QUEUED = Gauge("tickflow_publisher_webhooks_queued", "Events that wait for a receiver.")
WEBHOOKS_DEAD = Gauge("tickflow_publisher_webhooks_dead", "Events that were given up.")
