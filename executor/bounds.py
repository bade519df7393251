"""What settings mean as the account's limits."""

from __future__ import annotations

from executor.rules.facts import Limits
from executor.rules.risk import Risk
from executor.rules.runaway import RunawayLimits
from executor.settings import BehaviourSettings, ExecutorSettings, has_hours
from shared.resilience.breaker import BreakerPolicy
from shared.resilience.retry import RetryPolicy


def limits_of(settings: ExecutorSettings) -> Limits:
    """Return what a command is judged by."""
    behaviour = settings.executor
    return Limits(
        risk=risk_of(settings),
        placements_per_day_max=behaviour.placements_per_day_max,
        placements_per_day_reserved=behaviour.placements_per_day_reserved,
        modifications_max=behaviour.modifications_max,
        target_wait_us=round(behaviour.target_wait_s * 1e6),
        positions_age_us=round(behaviour.positions_age_s_max * 1e6),
        has_funds=behaviour.mutual_fund_writes,
    )


def risk_of(settings: ExecutorSettings) -> Risk:
    """Return what one order, and a day, may be worth."""
    behaviour = settings.executor
    return Risk(
        order_quantity_max=behaviour.order_quantity_max,
        order_notional_max=behaviour.order_notional_max,
        day_quantity_max=behaviour.day_quantity_max,
        day_turnover_max=behaviour.day_turnover_max,
        day_loss_max=behaviour.day_loss_max,
        products=behaviour.allowed_products,
        instruments=behaviour.allowed_instruments,
        price_band_percent=behaviour.price_band_percent,
        price_band_rupees_min=behaviour.price_band_rupees_min,
        is_price_needed=behaviour.last_price_required,
        is_session_needed=has_hours(settings),
    )


def runaway_of(behaviour: BehaviourSettings) -> RunawayLimits:
    """Return when a strategy is held."""
    return RunawayLimits(
        orders_max=behaviour.runaway_orders_max,
        window_s=behaviour.runaway_window_s,
        rejections_max=behaviour.runaway_rejections_max,
        cancels_max=behaviour.runaway_cancels_max,
        alike_s=behaviour.duplicate_window_s,
    )


def breaker_of(behaviour: BehaviourSettings) -> BreakerPolicy:
    """Return when the broker is left alone."""
    return BreakerPolicy(
        failures_max=behaviour.breaker_failures_max,
        window_s=behaviour.breaker_window_s,
        open_s=behaviour.breaker_open_s,
    )


def retry_of(behaviour: BehaviourSettings) -> RetryPolicy:
    """Return how long a loop waits after a failure."""
    return RetryPolicy(base_s=behaviour.retry_s_min, ceiling_s=behaviour.retry_s_max)
