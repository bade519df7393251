"""Every metric ingest declares."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

#: From a tenth of a millisecond to ten seconds: below it is noise, above it is an outage.
HOP_BUCKETS_S = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)

FRAMES = Counter("tickflow_ingest_frames_total", "WebSocket frames with packets.", ["socket"])
PACKETS = Counter("tickflow_ingest_packets_total", "Kite packets received.")
LEFT_OUT = Counter("tickflow_ingest_left_out_total", "Packets not written.", ["cause"])
MESSAGES_LOST = Counter(
    "tickflow_ingest_messages_lost_total", "Gaps and order updates not written.", ["cause"]
)
DAMAGED = Counter("tickflow_ingest_damaged_frames_total", "Frames refused whole.")
ENTRIES = Counter("tickflow_ingest_entries_total", "Stream entries written.")
WAITING_BYTES = Gauge("tickflow_ingest_waiting_bytes", "Segments that wait for Redis.")
WRITE_SECONDS = Histogram(
    "tickflow_ingest_write_seconds", "One pipelined write.", buckets=HOP_BUCKETS_S
)
CONNECTED = Gauge("tickflow_ingest_socket_connected", "1 while the socket is open.", ["socket"])
RECONNECTS = Counter(
    "tickflow_ingest_reconnects_total",
    "Connections ended or refused, to be tried again.",
    ["cause"],
)
FRAME_AGE_SECONDS = Gauge(
    "tickflow_ingest_last_frame_age_seconds", "Since the socket's last frame.", ["socket"]
)
SILENCE_SECONDS = Gauge(
    "tickflow_ingest_market_silence_seconds",
    "Without a tick while one is to be expected: from the opening, snapshots apart; else 0.",
    ["socket"],
)
SILENCE_ALLOWED_SECONDS = Gauge(
    "tickflow_ingest_market_silence_allowed_seconds",
    "Silence of what the socket holds that is ordinary now; +Inf: it may stand still.",
    ["socket"],
)
SUBSCRIBED = Gauge("tickflow_ingest_instruments_subscribed", "Instruments held.")
CAPACITY = Gauge("tickflow_ingest_instruments_capacity", "Instruments the accounts can hold.")
HEADROOM = Gauge(
    "tickflow_ingest_instruments_headroom", "Further instruments there is planned room for."
)
ACCOUNT_USABLE = Gauge(
    "tickflow_ingest_account_usable", "1 while instruments are given to the account.", ["account"]
)
NO_ROOM = Gauge("tickflow_ingest_instruments_left_out", "Wanted instruments without room.")
GAPS = Counter("tickflow_ingest_gaps_total", "Losses of coverage told.", ["cause"])
INSTRUMENTS = Gauge("tickflow_ingest_instruments_published", "Instruments in the last good dump.")
DUMPS_REFUSED = Counter(
    "tickflow_ingest_dumps_refused_total", "Instruments dumps not had, not read, or not whole."
)
REPAIRED = Counter("tickflow_ingest_repaired_total", "Packets made of quotes after a gap.")
UNREPAIRED = Counter(
    "tickflow_ingest_unrepaired_total", "Instruments whose state after a gap nobody would tell."
)
