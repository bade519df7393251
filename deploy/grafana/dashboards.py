"""Every dashboard there is, and the overview of a market that opens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from deploy.grafana.of_orders import EXECUTOR, ORDERS
from deploy.grafana.of_ticks import ENRICH, INGEST, PUBLISHER
from deploy.grafana.panels import Dashboard, Line, Number, Panel, Row, rendered

_READY: Final = Row(
    "Before it opens",
    (
        Number(
            "Workers that do not answer",
            "short",
            'sum(up{job=~"ingest|enrich|executor|publisher"} == bool 0)',
            bad=1,
        ),
        Number(
            "Accounts without a token",
            "short",
            "sum(max by (account) (tickflow_accounts_token_missing_info))",
            bad=1,
        ),
        Number(
            "Sockets open", "short", "sum(tickflow_ingest_socket_connected)", bad=1, is_low_bad=True
        ),
        Number(
            "Instruments published",
            "short",
            "max(tickflow_ingest_instruments_published)",
            bad=1,
            is_low_bad=True,
        ),
        Number(
            "Bars closed",
            "short",
            'sum(tickflow_executor_bar_closed_info{bar!="seat"})',
            bad=1,
            note="What keeps executors from sending.",
        ),
        Number("Alerts", "short", 'count(ALERTS{alertstate="firing"}) or vector(0)', bad=1),
    ),
)
_OPENING: Final = Row(
    "As it opens",
    (
        Panel(
            "Segments open",
            "bool",
            (
                Line("max by (segment) (tickflow_market_open_info)", "{{segment}}"),
                Line("max by (segment) (tickflow_market_trading_day_info)", "{{segment}} today"),
            ),
        ),
        Panel(
            "Silence of an open market",
            "s",
            (Line("tickflow_ingest_market_silence_seconds", "socket {{socket}}"),),
        ),
        Panel(
            "Packets, records, deliveries",
            "ops",
            (
                Line("sum(rate(tickflow_ingest_packets_total[1m]))", "packets received"),
                Line("sum(rate(tickflow_enrich_ticks_total[1m]))", "records written"),
                Line("sum(rate(tickflow_publisher_records_total[1m]))", "records published"),
                Line("sum(rate(tickflow_publisher_deliveries_total[1m]))", "ticks delivered"),
            ),
        ),
        Panel(
            "Lag",
            "s",
            (
                Line(
                    "max by (instance) (tickflow_enrich_stream_lag_seconds"
                    " or tickflow_enrich_kafka_lag_seconds)",
                    "{{instance}}",
                ),
            ),
        ),
        Panel(
            "Steps of the way",
            "s",
            (Line("max by (hop) (tickflow_publisher_hop_seconds)", "{{hop}}"),),
        ),
        Panel(
            "Instruments held, wanted without room",
            "short",
            (
                Line("sum(tickflow_ingest_instruments_subscribed)", "held"),
                Line("sum(tickflow_ingest_instruments_left_out)", "without room"),
            ),
        ),
    ),
)
_AROUND: Final = Row(
    "Around it",
    (
        Panel(
            "Tokens live on for",
            "s",
            (
                Line(
                    "min by (account) (tickflow_accounts_token_expires_timestamp_seconds) - time()",
                    "{{account}}",
                ),
            ),
            "Every token dies at 06:00 in India.",
        ),
        Panel(
            "State of tokens",
            "bool",
            (
                Line(
                    "max by (account, state) (tickflow_accounts_token_state_info) > 0",
                    "{{account}} {{state}}",
                ),
            ),
        ),
        Panel(
            "Accounts: changes, trouble, a minute",
            "short",
            (
                Line(
                    "sum by (account) (increase(tickflow_accounts_changes_total[1m]))",
                    "{{account}}",
                ),
                Line(
                    "sum by (source) (increase(tickflow_accounts_refresh_failures_total[1m]))",
                    "{{source}} failed",
                ),
                Line("sum(increase(tickflow_accounts_messages_refused_total[1m]))", "refused"),
            ),
        ),
        Panel(
            "Memory of the two Redis",
            "percentunit",
            (Line("max by (server) (tickflow_redis_memory_used_ratio)", "{{server}}"),),
        ),
        Panel(
            "Orders are written to disk",
            "bool",
            (Line('min(tickflow_redis_append_only_info{server="orders"})', "orders"),),
        ),
        Panel(
            "Clock against the broker's",
            "s",
            (Line("tickflow_executor_broker_clock_off_seconds", "{{instance}}"),),
        ),
    ),
)
MARKET_OPEN: Final = Dashboard(
    name="market-open",
    title="tickflow: market open",
    note="One look from 08:30 to 09:20: is everything there, does everything flow?",
    rows=(_READY, _OPENING, _AROUND),
)

DASHBOARDS: Final = (MARKET_OPEN, ORDERS, INGEST, ENRICH, EXECUTOR, PUBLISHER)


def pages() -> Mapping[str, str]:
    """Return the JSON of every dashboard, by the name of its file."""
    return {f"{each.name}.json": rendered(each) for each in DASHBOARDS}
