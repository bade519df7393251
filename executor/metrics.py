"""Every metric the executor declares."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_WAIT_BUCKETS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30, 180)

CLAIMED: Final = Counter(
    "tickflow_executor_commands_claimed_total", "Commands taken into the journal.", ["kind"]
)
REPEATED: Final = Counter(
    "tickflow_executor_commands_repeated_total",
    "Commands whose command_id was known: replayed, or in conflict.",
    ["outcome"],
)
DEAD: Final = Counter("tickflow_executor_entries_dead_total", "Entries given up.", ["stream"])
EVENTS: Final = Counter(
    "tickflow_executor_events_published_total", "Order events written to the stream."
)
SENT: Final = Counter(
    "tickflow_executor_requests_total", "Answers to order requests.", ["kind", "outcome"]
)
REFUSED: Final = Counter(
    "tickflow_executor_commands_refused_total", "Commands that our own rules ended.", ["code"]
)
HELD: Final = Counter(
    "tickflow_executor_strategies_held_total",
    "Strategies set to REDUCING because they ran away.",
    ["rule"],
)
ALERTS: Final = Counter(
    "tickflow_executor_alerts_total", "Events told because a person may want to act.", ["code"]
)
CIRCUIT: Final = Gauge(
    "tickflow_executor_circuit_open_ratio", "1 while too many order requests failed, else 0."
)
QUEUED: Final = Gauge("tickflow_executor_backlog_commands", "Claimed commands not sent yet.")
UNSETTLED: Final = Gauge(
    "tickflow_executor_unknown_commands", "Commands whose outcome is not known."
)
UNSETTLED_AGE: Final = Gauge(
    "tickflow_executor_unknown_age_seconds",
    "Since the oldest command was sent whose outcome is not known; 0: there is none.",
)
HANDED_OVER: Final = Counter(
    "tickflow_executor_commands_manual_total", "Commands that became MANUAL: a person ends them."
)
LIVING: Final = Gauge("tickflow_executor_open_commands", "Commands not at rest.")
LIMBO: Final = Gauge(
    "tickflow_executor_cancels_unfinished_commands",
    "Cancels the broker took more than 30 s ago whose orders live on.",
)
PRICE_QUESTIONS: Final = Counter(
    "tickflow_executor_price_questions_total",
    "Commands that waited for Kite's word on a last price nobody streams, by what came of it.",
    ["outcome"],
)
TO_WIRE: Final = Histogram(
    "tickflow_executor_received_to_wire_seconds",
    "From the claim to the request leaving.",
    buckets=_WAIT_BUCKETS_S,
)
ANSWER: Final = Histogram(
    "tickflow_executor_answer_seconds", "From the request to its answer.", buckets=_WAIT_BUCKETS_S
)
DEAD_LETTERS: Final = Gauge(
    "tickflow_executor_dead_letters_entries", "Entries given up that wait for a person.", ["stream"]
)
DEAD_AGE: Final = Gauge(
    "tickflow_executor_dead_letters_age_seconds", "Age of the oldest of them.", ["stream"]
)
PRUNED: Final = Counter(
    "tickflow_executor_events_pruned_total", "Old events deleted from the journal's outbox."
)
UNFILLED: Final = Counter(
    "tickflow_executor_market_orders_unfilled_total", "Market orders that did not fill in time."
)
SKEW: Final = Gauge(
    "tickflow_executor_broker_clock_ahead_seconds", "How far the broker's clock is ahead of ours."
)
CLOCK_OFF: Final = Gauge(
    "tickflow_executor_broker_clock_off_seconds",
    "How far our clock and the broker's are apart at the very least.",
)
POSTBACKS: Final = Counter(
    "tickflow_executor_postbacks_total", "HTTP postbacks by what was thought of them.", ["proof"]
)
PLACEMENTS_TODAY: Final = Gauge(
    "tickflow_executor_placements_today_orders", "Placements sent today, of those the day allows."
)
PLACEMENTS_MAX: Final = Gauge(
    "tickflow_executor_placements_max_orders", "Placements the day allows."
)
BUDGET_USED: Final = Gauge(
    "tickflow_executor_order_budget_used_ratio",
    "Used of the fullest second or minute of the last 15 s; of the day's placements.",
    ["window"],
)
CHANGES_MOST: Final = Gauge(
    "tickflow_executor_modifications_used_changes",
    "Modifications of that living order which was modified most often.",
)
CHANGES_MAX: Final = Gauge(
    "tickflow_executor_modifications_max_changes", "Modifications that an order may have."
)
THROTTLED_ANSWERS: Final = Counter(
    "tickflow_executor_throttled_total", "Order requests that the broker answered with 429."
)
EXTERNAL: Final = Counter(
    "tickflow_executor_external_orders_total", "Orders of the account that nobody here placed."
)
BARRED: Final = Gauge(
    "tickflow_executor_bar_closed_info", "1 while this keeps commands back, else 0.", ["bar"]
)
SWITCHES: Final = Gauge(
    "tickflow_executor_trading_switches",
    "Switches that are not ACTIVE: global, of the account, of strategies.",
    ["scope", "state"],
)
TRADES: Final = Counter(
    "tickflow_executor_trades_synced_total", "Fills of the account taken into the journal."
)
DAY_LOSS: Final = Gauge(
    "tickflow_executor_day_loss_rupees",
    "What the day has cost by the newest reading of positions, a profit negative; NaN: not told.",
)
DISAGREEING: Final = Gauge(
    "tickflow_executor_positions_disagreeing_instruments",
    "Instruments whose positions are not what the day's trades make them.",
)
POSITIONS_READ: Final = Gauge(
    "tickflow_executor_positions_read_timestamp_seconds",
    "When the newest reading of positions that could be believed began.",
)
LOOKS: Final = Counter("tickflow_executor_looks_total", "Order books read.", ["outcome"])
FAILURES: Final = Counter(
    "tickflow_executor_failures_total", "Failures of what the executor depends on.", ["of"]
)
QUERIES: Final = Counter(
    "tickflow_executor_queries_total",
    "Queries by kind, by what became of them.",
    ["kind", "outcome"],
)
QUERIES_WAITING: Final = Gauge(
    "tickflow_executor_queries_in_flight_queries", "Queries waiting or being asked.", ["rate"]
)
QUERY_S: Final = Histogram(
    "tickflow_executor_query_seconds",
    "From a query being read to its answer.",
    ["rate"],
    buckets=_WAIT_BUCKETS_S,
)
