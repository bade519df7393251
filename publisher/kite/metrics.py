"""What the door of Kite's dialect counts."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_WAIT_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)

CONNECTIONS = Gauge("tickflow_publisher_kite_connections", "Clients of Kite's dialect.")
REFUSED = Counter(
    "tickflow_publisher_kite_refused_total",
    "Upgrades refused, as Kite would: by HTTP status.",
    ["status"],
)
ENDED = Counter("tickflow_publisher_kite_ended_total", "Connections ended, by reason.", ["reason"])
PACKETS = Counter("tickflow_publisher_kite_packets_total", "Packets written to clients.")
SENT = Counter("tickflow_publisher_kite_sent_bytes_total", "Bytes of frames written to clients.")
WAITED = Histogram(
    "tickflow_publisher_kite_turn_wait_seconds",
    "From a packet on the shelf to the end of the turn that writes it, for the first of each turn.",
    buckets=_WAIT_BUCKETS_S,
)
PACKETS_LEFT_OUT = Counter(
    "tickflow_publisher_kite_packets_left_out_total",
    "Packets of the raw streams not kept: of no published instrument, or of no documented length.",
)
FRAMES_DAMAGED = Counter(
    "tickflow_publisher_kite_frames_damaged_total", "Frames of the raw streams that are not sound."
)
ORDER_UPDATES = Counter("tickflow_publisher_kite_order_updates_total", "Order updates handed on.")
