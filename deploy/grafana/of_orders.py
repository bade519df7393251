"""The dashboards about money: the executor, and orders and risk over all accounts."""

from __future__ import annotations

from typing import Final

from deploy.grafana.panels import Dashboard, Line, Number, Panel, Row
from deploy.grafana.queries import gained, gauge, quantiles, rate, shown

EXECUTOR: Final = Dashboard(
    name="executor",
    title="tickflow: executor",
    note="Order commands in, order events out; one worker an account.",
    job="executor",
    rows=(
        Row(
            "Commands",
            (
                shown(
                    "Not at rest",
                    "short",
                    gauge("tickflow_executor_open_commands", "open"),
                    gauge("tickflow_executor_backlog_commands", "not sent yet"),
                    gauge("tickflow_executor_unknown_commands", "outcome unknown"),
                    gauge("tickflow_executor_cancels_unfinished_commands", "cancels unfinished"),
                ),
                shown(
                    "Oldest of unknown outcome",
                    "s",
                    gauge("tickflow_executor_unknown_age_seconds"),
                    note="An order may take 90 s to show; after three looks a person has it.",
                ),
                shown(
                    "Claimed, a minute",
                    "short",
                    gained("tickflow_executor_commands_claimed_total", "kind"),
                    gained("tickflow_executor_commands_repeated_total", "outcome"),
                ),
                shown(
                    "Refused by our rules, a minute",
                    "short",
                    gained("tickflow_executor_commands_refused_total", "code"),
                ),
                quantiles(
                    "From the claim to the wire", "tickflow_executor_received_to_wire_seconds"
                ),
                quantiles("The broker's answer", "tickflow_executor_answer_seconds"),
                shown(
                    "Requests by outcome, a minute",
                    "short",
                    gained("tickflow_executor_requests_total", "outcome"),
                ),
            ),
        ),
        Row(
            "What keeps commands back",
            (
                shown("Bars", "bool", gauge("tickflow_executor_bar_closed_info", "{{bar}}")),
                shown(
                    "Failures, a minute", "short", gained("tickflow_executor_failures_total", "of")
                ),
                shown("Circuit open", "bool", gauge("tickflow_executor_circuit_open_ratio")),
                shown(
                    "The broker's clock",
                    "s",
                    gauge("tickflow_executor_broker_clock_ahead_seconds", "ahead, at a guess"),
                    gauge("tickflow_executor_broker_clock_off_seconds", "off for certain"),
                ),
                shown(
                    "Order books read, a minute",
                    "short",
                    gained("tickflow_executor_looks_total", "outcome"),
                ),
                shown("429s, a minute", "short", gained("tickflow_executor_throttled_total")),
                shown(
                    "Budgets of order requests used",
                    "percentunit",
                    gauge("tickflow_executor_order_budget_used_ratio", "{{window}}"),
                    note="The fullest second and minute of the last 15 s; the day: its placements.",
                ),
                shown(
                    "Modifications of one living order",
                    "short",
                    gauge("tickflow_executor_modifications_used_changes", "most"),
                    gauge("tickflow_executor_modifications_max_changes", "allowed"),
                    note="The broker takes 25; the last is kept for getting out.",
                ),
                shown(
                    "Waited for a price, a minute",
                    "short",
                    gained("tickflow_executor_price_questions_total", "outcome"),
                ),
            ),
        ),
        Row(
            "Streams and the journal",
            (
                shown(
                    "Events",
                    "ops",
                    rate("tickflow_executor_events_published_total"),
                    rate("tickflow_executor_events_pruned_total"),
                ),
                shown(
                    "Dead letters",
                    "short",
                    gauge("tickflow_executor_dead_letters_entries", "{{stream}}"),
                    gained("tickflow_executor_entries_dead_total", "stream"),
                ),
                shown(
                    "Age of the oldest dead letter",
                    "s",
                    gauge("tickflow_executor_dead_letters_age_seconds", "{{stream}}"),
                ),
                shown(
                    "Postbacks, a minute",
                    "short",
                    gained("tickflow_executor_postbacks_total", "proof"),
                ),
                quantiles(
                    "Wait for a connection to PostgreSQL",
                    "tickflow_postgres_connection_wait_seconds",
                    "Long: raise TICKFLOW_POSTGRES__CONNECTIONS_MAX, or the server is slow.",
                ),
            ),
        ),
        Row(
            "Reads for others",
            (
                shown("Queries", "ops", rate("tickflow_executor_queries_total", "outcome")),
                shown(
                    "In flight",
                    "short",
                    gauge("tickflow_executor_queries_in_flight_queries", "{{rate}}"),
                ),
                quantiles("Query to reply", "tickflow_executor_query_seconds"),
            ),
        ),
    ),
)

#: Alike for every account: they are seen side by side.
_BY_WORKER: Final = "{{instance}}"


def _each(title: str, unit: str, *queries: tuple[str, str]) -> Panel:
    return Panel(title, unit, tuple(Line(query, name) for query, name in queries))


ORDERS: Final = Dashboard(
    name="orders",
    title="tickflow: orders and risk",
    note="Every account at a glance: what is in doubt, what the day has used.",
    rows=(
        Row(
            "Now",
            (
                Number(
                    "Outcome unknown", "short", "sum(tickflow_executor_unknown_commands)", bad=1
                ),
                Number(
                    "Switches closed", "short", "sum(tickflow_executor_trading_switches)", bad=1
                ),
                Number(
                    "Positions disagreeing",
                    "short",
                    "sum(tickflow_executor_positions_disagreeing_instruments)",
                    bad=1,
                ),
                Number(
                    "Orders from elsewhere, today",
                    "short",
                    "sum(increase(tickflow_executor_external_orders_total[12h]))",
                    bad=1,
                ),
                Number(
                    "Dead letters", "short", "sum(tickflow_executor_dead_letters_entries)", bad=1
                ),
                Number(
                    "Bars closed",
                    "short",
                    'sum(tickflow_executor_bar_closed_info{bar!="seat"})',
                    bad=1,
                    note="A spare executor has `start` closed.",
                ),
            ),
        ),
        Row(
            "The day",
            (
                Panel(
                    "Placements of those the day allows",
                    "percentunit",
                    (
                        Line(
                            "tickflow_executor_placements_today_orders"
                            " / tickflow_executor_placements_max_orders",
                            _BY_WORKER,
                        ),
                    ),
                    "The last hundred are kept for exits.",
                ),
                _each(
                    "Budgets of order requests used",
                    "percentunit",
                    (
                        'tickflow_executor_order_budget_used_ratio{window!="day"}',
                        "{{instance}} {{window}}",
                    ),
                ),
                _each(
                    "Modifications of one living order",
                    "short",
                    ("tickflow_executor_modifications_used_changes", _BY_WORKER),
                ),
                _each("Loss", "currencyINR", ("tickflow_executor_day_loss_rupees", _BY_WORKER)),
                _each(
                    "Fills, a minute",
                    "short",
                    ("increase(tickflow_executor_trades_synced_total[1m])", _BY_WORKER),
                ),
                _each(
                    "Age of the positions",
                    "s",
                    (
                        "time() - (tickflow_executor_positions_read_timestamp_seconds > 0)",
                        _BY_WORKER,
                    ),
                ),
                _each(
                    "Oldest of unknown outcome",
                    "s",
                    ("tickflow_executor_unknown_age_seconds", _BY_WORKER),
                ),
                _each(
                    "Outcome unknown, waiting, open",
                    "short",
                    ("tickflow_executor_unknown_commands", "{{instance}} unknown"),
                    ("tickflow_executor_backlog_commands", "{{instance}} waiting"),
                    ("tickflow_executor_open_commands", "{{instance}} open"),
                ),
                _each(
                    "Market orders unfilled, told, a minute",
                    "short",
                    ("increase(tickflow_executor_market_orders_unfilled_total[1m])", "unfilled"),
                    ("increase(tickflow_executor_commands_manual_total[1m])", "became MANUAL"),
                    ("sum by (code) (increase(tickflow_executor_alerts_total[1m]))", "{{code}}"),
                ),
            ),
        ),
        Row(
            "Refusals and switches",
            (
                _each(
                    "Refused by our rules, a minute",
                    "short",
                    (
                        "sum by (code) (increase(tickflow_executor_commands_refused_total[1m]))",
                        "{{code}}",
                    ),
                ),
                _each(
                    "The broker's answers, a minute",
                    "short",
                    (
                        "sum by (kind, outcome) (increase(tickflow_executor_requests_total[1m]))",
                        "{{kind}} {{outcome}}",
                    ),
                    ("sum(increase(tickflow_executor_throttled_total[1m]))", "429"),
                ),
                _each(
                    "Switches closed",
                    "short",
                    (
                        "max by (scope, state) (tickflow_executor_trading_switches)",
                        "{{scope}} {{state}}",
                    ),
                    (
                        "sum by (rule) (increase(tickflow_executor_strategies_held_total[1m]))",
                        "held by us: {{rule}}",
                    ),
                ),
            ),
        ),
    ),
)
