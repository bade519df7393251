"""The dashboards of those who carry ticks: ingest, enrich, publisher."""

from __future__ import annotations

from typing import Final

from deploy.grafana.panels import Dashboard, Line, Row
from deploy.grafana.queries import gained, gauge, quantiles, rate, shown, spread

INGEST: Final = Dashboard(
    name="ingest",
    title="tickflow: ingest",
    note="WebSockets of the accounts in, raw ticks out.",
    job="ingest",
    rows=(
        Row(
            "Sockets",
            (
                shown("Open", "bool", gauge("tickflow_ingest_socket_connected", "{{socket}}")),
                shown(
                    "Silence of an open market",
                    "s",
                    gauge("tickflow_ingest_market_silence_seconds", "{{socket}}"),
                    gauge("tickflow_ingest_market_silence_allowed_seconds", "{{socket}} ordinary"),
                    note="Without a tick while one is to be expected.",
                ),
                shown(
                    "Age of the last frame",
                    "s",
                    gauge("tickflow_ingest_last_frame_age_seconds", "{{socket}}"),
                    note="Heartbeats come every second or two.",
                ),
                shown(
                    "Ended or refused, a minute",
                    "short",
                    gained("tickflow_ingest_reconnects_total", "cause"),
                ),
                shown("Frames", "ops", rate("tickflow_ingest_frames_total", "socket")),
                shown(
                    "Gaps told, a minute", "short", gained("tickflow_ingest_gaps_total", "cause")
                ),
            ),
        ),
        Row(
            "Instruments and accounts",
            (
                shown(
                    "Held, room",
                    "short",
                    gauge("tickflow_ingest_instruments_subscribed", "held"),
                    gauge("tickflow_ingest_instruments_capacity", "capacity"),
                    gauge("tickflow_ingest_instruments_headroom", "headroom"),
                    gauge("tickflow_ingest_instruments_left_out", "without room"),
                ),
                shown(
                    "Account usable", "bool", gauge("tickflow_ingest_account_usable", "{{account}}")
                ),
                shown(
                    "Published",
                    "short",
                    gauge("tickflow_ingest_instruments_published"),
                    gained("tickflow_ingest_dumps_refused_total"),
                    note="Instruments of the last good dump; dumps refused, a minute.",
                ),
            ),
        ),
        Row(
            "Out",
            (
                shown(
                    "Packets in, entries out",
                    "ops",
                    rate("tickflow_ingest_packets_total"),
                    rate("tickflow_ingest_entries_total"),
                ),
                quantiles("One write", "tickflow_ingest_write_seconds"),
                shown("Waiting for Redis", "bytes", gauge("tickflow_ingest_waiting_bytes")),
                shown(
                    "Not written",
                    "ops",
                    rate("tickflow_ingest_left_out_total", "cause"),
                    rate("tickflow_ingest_messages_lost_total", "cause"),
                    rate("tickflow_ingest_damaged_frames_total"),
                ),
                shown(
                    "Repaired after gaps, a minute",
                    "short",
                    gained("tickflow_ingest_repaired_total"),
                    gained("tickflow_ingest_unrepaired_total"),
                ),
            ),
        ),
    ),
)

ENRICH: Final = Dashboard(
    name="enrich",
    title="tickflow: enrich",
    note="Raw ticks in, implied volatility and Greeks out.",
    job="enrich",
    rows=(
        Row(
            "Keeping up",
            (
                shown("Lag", "s", gauge("tickflow_enrich_stream_lag_seconds")),
                quantiles("Raw entry written to records written", "tickflow_enrich_hop_seconds"),
                quantiles("Decoding and solving one entry", "tickflow_enrich_entry_seconds"),
                shown(
                    "Shards held, shards there are",
                    "short",
                    gauge("tickflow_enrich_shards_held"),
                    gauge("tickflow_enrich_shards_published"),
                ),
                shown(
                    "Records, entries",
                    "ops",
                    rate("tickflow_enrich_ticks_total"),
                    rate("tickflow_enrich_entries_total"),
                ),
                shown(
                    "Left out",
                    "ops",
                    rate("tickflow_enrich_left_out_total", "cause"),
                    note="late: only the newest packet of an instrument was enriched.",
                ),
            ),
        ),
        Row(
            "Quality",
            (
                shown(
                    "Records by status", "ops", rate("tickflow_enrich_iv_status_total", "status")
                ),
                shown(
                    "Of no use",
                    "ops",
                    rate("tickflow_enrich_kept_out_ticks_total", "cause"),
                    rate("tickflow_enrich_unknown_instruments_total"),
                    rate("tickflow_enrich_repeated_ticks_total"),
                ),
                shown("Dead letters", "short", gauge("tickflow_enrich_dead_letters_entries")),
                shown(
                    "Handed out, not acknowledged",
                    "short",
                    gauge("tickflow_enrich_pending_entries", "{{shard}}"),
                ),
                shown(
                    "Age of the oldest not acknowledged",
                    "s",
                    gauge("tickflow_enrich_pending_age_seconds", "{{shard}}"),
                ),
                shown(
                    "Deleted unread, a minute",
                    "short",
                    gained("tickflow_enrich_trimmed_unread_total"),
                ),
                shown(
                    "Chains, bars",
                    "ops",
                    rate("tickflow_enrich_chains_total"),
                    rate("tickflow_enrich_bars_total"),
                ),
                shown("Instruments loaded", "short", gauge("tickflow_enrich_instruments")),
            ),
        ),
        Row(
            "Where ticks travel through Kafka",
            (
                shown(
                    "Lag",
                    "s",
                    gauge("tickflow_enrich_kafka_lag_seconds", "{{shard}}"),
                    gauge("tickflow_enrich_bridge_lag_seconds", "bridge"),
                ),
                shown(
                    "Not delivered, not committed",
                    "short",
                    gauge("tickflow_enrich_kafka_lag_messages", "{{shard}} behind"),
                    gauge("tickflow_enrich_kafka_uncommitted_messages", "{{shard}} uncommitted"),
                    gauge("tickflow_enrich_faust_messages_active", "active"),
                ),
                shown(
                    "Deleted unread, seen again, a minute",
                    "short",
                    gained("tickflow_enrich_kafka_truncated_total"),
                    gained("tickflow_enrich_kafka_seen_total"),
                ),
                shown(
                    "Faust: messages, events, bridged",
                    "ops",
                    Line(
                        'rate(tickflow_enrich_faust_messages_received{instance=~"$instance"}[1m])'
                    ),
                    Line('rate(tickflow_enrich_faust_events{instance=~"$instance"}[1m])'),
                    rate("tickflow_enrich_bridged_entries_total"),
                ),
                shown(
                    "Rebalances, partitions taken over, full buffers",
                    "short",
                    gauge("tickflow_enrich_faust_rebalances", "rebalances"),
                    gained("tickflow_enrich_kafka_taken_over_total"),
                    gauge("tickflow_enrich_faust_buffer_full", "buffers full"),
                ),
                shown(
                    "Commit, rebalance",
                    "s",
                    gauge("tickflow_enrich_faust_commit_seconds", "commit"),
                    gauge("tickflow_enrich_faust_rebalance_seconds", "rebalance"),
                ),
                quantiles("State of a partition restored", "tickflow_enrich_kafka_restore_seconds"),
            ),
        ),
    ),
)

_CONFLATED: Final = Line(
    '1 - sum by (instance) (rate(tickflow_publisher_deliveries_total{instance=~"$instance"}[1m]))'
    ' / sum by (instance) (rate(tickflow_publisher_pairs_total{instance=~"$instance"}[1m]))',
    "{{instance}}",
)

PUBLISHER: Final = Dashboard(
    name="publisher",
    title="tickflow: publisher",
    note="Records and order events out to subscribers, each at its own pace.",
    job="publisher",
    rows=(
        Row(
            "Subscribers",
            (
                shown(
                    "Connections",
                    "short",
                    gauge("tickflow_publisher_connections"),
                    gauge("tickflow_publisher_kite_connections", "Kite's dialect"),
                ),
                shown(
                    "Ended, a minute",
                    "short",
                    gained("tickflow_publisher_connections_ended_total", "reason"),
                    gained("tickflow_publisher_kite_ended_total", "reason"),
                ),
                shown(
                    "Refused, a minute",
                    "short",
                    gained("tickflow_publisher_connections_refused_total", "reason"),
                    gained("tickflow_publisher_kite_refused_total", "status"),
                ),
                spread(
                    "Bytes that wait for one",
                    "bytes",
                    "tickflow_publisher_queued_subscribers",
                    note="Messages, and ticks of those that want each; conflated ticks cost none.",
                ),
                shown(
                    "Skipped ticks, by policy",
                    "ops",
                    rate("tickflow_publisher_skipped_ticks_total", "policy"),
                    note="Left out for want of room and told so.",
                ),
                shown(
                    "Connections read more slowly, a minute",
                    "short",
                    gained("tickflow_publisher_inbound_pauses_total"),
                    note="Their own messages had cost more than their share.",
                ),
            ),
        ),
        Row(
            "Ticks",
            (
                quantiles(
                    "From ingest's receipt to the hub", "tickflow_publisher_record_age_seconds"
                ),
                quantiles("From the hub to the socket", "tickflow_publisher_turn_wait_seconds"),
                shown("Steps of the way", "s", gauge("tickflow_publisher_hop_seconds", "{{hop}}")),
                shown(
                    "Records taken, left out",
                    "ops",
                    rate("tickflow_publisher_records_total"),
                    rate("tickflow_publisher_records_left_out_total", "reason"),
                ),
                shown(
                    "Deliveries, messages",
                    "ops",
                    rate("tickflow_publisher_deliveries_total"),
                    rate("tickflow_publisher_messages_total"),
                ),
                shown("Conflated", "percentunit", _CONFLATED),
                shown(
                    "Sent",
                    "Bps",
                    rate("tickflow_publisher_sent_bytes_total"),
                    rate("tickflow_publisher_kite_sent_bytes_total"),
                ),
                shown(
                    "Instruments, payloads encoded",
                    "short",
                    gauge("tickflow_publisher_instruments"),
                    Line('rate(tickflow_publisher_payloads_encoded{instance=~"$instance"}[1m])'),
                ),
                shown(
                    "Bars, gaps, order events",
                    "ops",
                    rate("tickflow_publisher_bars_total"),
                    rate("tickflow_publisher_gaps_total"),
                    rate("tickflow_publisher_order_events_total"),
                ),
            ),
        ),
        Row(
            "Kite's dialect",
            (
                shown(
                    "Packets",
                    "ops",
                    rate("tickflow_publisher_kite_packets_total"),
                    rate("tickflow_publisher_kite_packets_left_out_total"),
                    rate("tickflow_publisher_kite_frames_damaged_total"),
                ),
                quantiles(
                    "From the shelf to the socket", "tickflow_publisher_kite_turn_wait_seconds"
                ),
                shown(
                    "Order updates, a minute",
                    "short",
                    gained("tickflow_publisher_kite_order_updates_total"),
                ),
            ),
        ),
        Row(
            "HTTP, webhooks, streams",
            (
                shown("Requests", "reqps", rate("tickflow_publisher_http_requests_total", "route")),
                shown(
                    "By status", "reqps", rate("tickflow_publisher_http_requests_total", "status")
                ),
                shown(
                    "Postbacks, a minute",
                    "short",
                    gained("tickflow_publisher_postbacks_total", "outcome"),
                ),
                shown(
                    "Webhooks, a minute",
                    "short",
                    gained("tickflow_publisher_webhooks_total", "outcome"),
                ),
                shown(
                    "Webhooks waiting",
                    "short",
                    gauge("tickflow_publisher_webhooks_queued", "queued"),
                    gauge("tickflow_publisher_webhooks_dead", "dead"),
                ),
                shown(
                    "Reads that failed, entries malformed, a minute",
                    "short",
                    gained("tickflow_publisher_upstream_lost_total", "feed"),
                    gained("tickflow_publisher_entries_malformed_total", "stream"),
                ),
                quantiles(
                    "Wait for a connection to PostgreSQL",
                    "tickflow_postgres_connection_wait_seconds",
                ),
            ),
        ),
    ),
)
