"""How the executor behaves."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from executor.query_settings import QuerySettings
from shared.accounts.book_settings import AccountsSettings
from shared.accounts.settings import AccountSettings
from shared.errors import SettingsError
from shared.kite.settings import KiteSettings
from shared.runtime.market_calendar import MarketSettings
from shared.runtime.settings import LogSettings, ProbeSettings
from shared.secret import Secret
from shared.store.settings import PostgresSettings
from shared.streams.settings import RedisSettings
from shared.wire.order_fields import Product

#: Looks at the order book before a placement may be called absent, seconds after it was sent.
#: Source: kite.trade/forum comment 41029, an order that took 90 s to show (read 2026-11).
SETTLE_S: Final = (5.0, 30.0, 180.0)
_INSTRUMENT: Final = re.compile(r"[A-Z]{2,8}:\S{1,64}")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

Seconds = Annotated[float, Meta(gt=0, le=3600)]


class BehaviourSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits and waits of the executor itself."""

    commands_read_max: Annotated[
        int, Meta(ge=1, le=1000, description="commands claimed in one transaction")
    ] = 256
    read_block_ms: Annotated[
        int, Meta(ge=10, le=5000, description="longest wait of one read of a stream")
    ] = 1000
    backlog_max: Annotated[
        int, Meta(ge=1, le=100_000, description="claimed commands waiting before reading stops")
    ] = 10_000
    sends_max: Annotated[
        int, Meta(ge=1, le=32, description="placements and modifies on their way at a time")
    ] = 4
    cancels_max: Annotated[
        int, Meta(ge=1, le=32, description="cancels on their way at a time beside those")
    ] = 4
    attempts_max: Annotated[
        int, Meta(ge=1, le=10, description="sends of a command that certainly was not executed")
    ] = 3
    attempt_gap_s: Annotated[
        float, Meta(ge=0.01, le=60, description="wait after a send that was not executed")
    ] = 1.0
    target_wait_s: Annotated[
        float, Meta(gt=0, le=3600, description="how long a cancel waits for an unread placement")
    ] = 60.0
    events_published_max: Annotated[
        int, Meta(ge=1, le=1000, description="events in one write to the stream")
    ] = 256
    events_kept_days: Annotated[
        int, Meta(ge=1, le=3650, description="events of the journal older than this are deleted")
    ] = 30
    orders_per_second_max: Annotated[
        int, Meta(ge=1, le=10, description="order requests in a calendar second; Kite: 10")
    ] = 9
    cancels_per_second_reserved: Annotated[
        int, Meta(ge=0, le=9, description="of those, kept for cancels")
    ] = 2
    orders_per_minute_max: Annotated[
        int, Meta(ge=1, le=400, description="order requests in a calendar minute; Kite: 400")
    ] = 390
    cancels_per_minute_reserved: Annotated[
        int, Meta(ge=0, le=399, description="of those, kept for cancels")
    ] = 40
    placements_per_day_max: Annotated[
        int, Meta(ge=1, le=5000, description="placements sent in a day in India; Kite: 5000")
    ] = 5000
    placements_per_day_reserved: Annotated[
        int, Meta(ge=0, le=4999, description="of those, kept for placements that reduce")
    ] = 100
    modifications_max: Annotated[
        int, Meta(ge=1, le=24, description="modifies of one order; Kite: 25, the last for is_exit")
    ] = 24
    mutual_fund_writes: Annotated[
        bool, Meta(description="send mutual-fund commands; Zerodha has switched them off")
    ] = False
    order_quantity_max: Annotated[
        int, Meta(ge=0, description="units, or lots on MCX, of one order; 0: no limit")
    ] = 100_000
    order_notional_max: Annotated[
        int, Meta(ge=0, description="rupees that one order is worth; 0: no limit")
    ] = 10_000_000
    day_quantity_max: Annotated[
        int, Meta(ge=0, description="units, or lots on MCX, placed in a day; 0: no limit")
    ] = 0
    day_turnover_max: Annotated[
        int, Meta(ge=0, description="rupees that a day's placements are worth; 0: no limit")
    ] = 1_000_000_000
    day_loss_max: Annotated[
        int,
        Meta(ge=0, description="rupees of loss today beyond which only exits pass; 0: no limit"),
    ] = 0
    allowed_products: Annotated[
        tuple[str, ...],
        Meta(description="products that may be traded, comma-separated; empty: any"),
    ] = ()
    allowed_instruments: Annotated[
        tuple[str, ...],
        Meta(description="instruments that may be traded, as NFO:NIFTY*,NSE:INFY; empty: any"),
    ] = ()
    price_band_percent: Annotated[
        float, Meta(ge=0, le=100, description="a price this far on its losing side; 0: any")
    ] = 20.0
    price_band_rupees_min: Annotated[
        float, Meta(ge=0, le=1000, description="but never narrower than so many rupees")
    ] = 5.0
    last_price_age_s_max: Annotated[
        float, Meta(gt=0, le=86_400, description="a last price older than this is none")
    ] = 30.0
    last_price_required: Annotated[
        bool, Meta(description="refuse placements whose last price is not known")
    ] = False
    last_price_wait_s: Annotated[
        float,
        Meta(
            ge=0,
            le=10,
            description="longest wait for Kite's word on a last price that a rule needs and nobody "
            "streams; 0: it is not asked",
        ),
    ] = 1.5
    session_gate: Annotated[
        Literal["auto", "on", "off"],
        Meta(
            description="refuse placements while the exchange is closed, amo excepted; auto: but "
            "not at a loopback kite.rest_url, whose market keeps no hours"
        ),
    ] = "auto"
    duplicate_window_s: Annotated[
        float,
        Meta(ge=0, le=3600, description="refuse a strategy's same order again for so long; 0: not"),
    ] = 0.0
    runaway_orders_max: Annotated[
        int,
        Meta(ge=0, description="placements of a strategy on a side and instrument; 0: no limit"),
    ] = 300
    runaway_window_s: Annotated[
        float, Meta(gt=0, le=3600, description="in so many seconds, then it is held")
    ] = 60.0
    runaway_rejections_max: Annotated[
        int, Meta(ge=0, description="rejections in a row that hold a strategy; 0: no limit")
    ] = 10
    runaway_cancels_max: Annotated[
        int,
        Meta(ge=0, description="cancels in that time that hold a strategy of little else; 0: any"),
    ] = 150
    breaker_failures_max: Annotated[
        int, Meta(ge=1, le=1000, description="failed order requests that stop all but cancels")
    ] = 5
    breaker_window_s: Annotated[float, Meta(gt=0, le=3600, description="in so many seconds")] = 30.0
    breaker_open_s: Annotated[
        float, Meta(gt=0, le=3600, description="then the order book is tried, not sooner")
    ] = 5.0
    clock_skew_s_max: Annotated[
        float,
        Meta(gt=0, le=60, description="entries wait while our clock is certainly off by more"),
    ] = 2.0
    egress_addresses: Annotated[
        tuple[str, ...], Meta(description="addresses registered with Zerodha, comma-separated")
    ] = ()
    egress_check_url: Annotated[
        str,
        Meta(
            pattern=r"\A(https?://[^\s]+)?\Z",
            description="page that answers with the address it was asked from; empty: no check",
        ),
    ] = ""
    egress_every_s: Annotated[
        float, Meta(gt=0, le=3600, description="between such checks, or after a refusal without")
    ] = 60.0
    market_unfilled_s: Annotated[
        float, Meta(gt=0, le=3600, description="a market order not filled by then is told of")
    ] = 3.0
    market_unfilled_cancel: Annotated[
        bool, Meta(description="and cancelled; nothing is ever sent in its place")
    ] = False
    settle_s: Annotated[
        tuple[Seconds, ...],
        Meta(min_length=3, max_length=10, description="looks for an order of unknown outcome"),
    ] = SETTLE_S
    allow_short_settle_times: Annotated[
        bool, Meta(description="only for tests against a loopback kite.rest_url")
    ] = False
    positions_s: Annotated[
        float, Meta(gt=0, le=600, description="longest gap between readings of positions")
    ] = 30.0
    positions_age_s_max: Annotated[
        float, Meta(gt=0, le=3600, description="positions read longer ago are not known any more")
    ] = 90.0
    poll_s_min: Annotated[
        float, Meta(gt=0, le=60, description="first look at the book after something was sent")
    ] = 3.0
    poll_s_max: Annotated[
        float, Meta(gt=0, le=600, description="longest gap between looks while an order is open")
    ] = 30.0
    retry_s_min: Annotated[
        float, Meta(gt=0, le=60, description="first wait after a store or a stream failed")
    ] = 0.2
    retry_s_max: Annotated[float, Meta(gt=0, le=60, description="longest such wait")] = 5.0
    seat_check_s: Annotated[
        float, Meta(gt=0, le=60, description="how often the account's lock is checked or tried")
    ] = 1.0


class ExecutorAccount(AccountSettings, frozen=True, kw_only=True):
    """The account that is traded for; what opens it may as well be in a file or in PostgreSQL."""

    api_key: Annotated[
        str, Meta(max_length=64, description="Kite Connect api_key; empty: of another source")
    ] = ""
    access_token: Annotated[
        Secret, Meta(description="the day's session token; empty: as other sources tell it")
    ] = Secret("")


class ExecutorSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything the executor process reads."""

    account: ExecutorAccount
    accounts: AccountsSettings = AccountsSettings()
    kite: KiteSettings
    redis: RedisSettings
    postgres: PostgresSettings
    market: MarketSettings = MarketSettings()
    executor: BehaviourSettings = BehaviourSettings()
    queries: QuerySettings = QuerySettings()
    log: LogSettings = LogSettings()
    probe: ProbeSettings = ProbeSettings()


def has_hours(settings: ExecutorSettings) -> bool:
    """Tell whether placements are refused while their exchange is closed."""
    gate = settings.executor.session_gate
    is_local = urlsplit(settings.kite.rest_url).hostname in _LOOPBACK
    return gate == "on" or (gate == "auto" and not is_local)


def check(settings: ExecutorSettings) -> None:
    """Refuse settings that are each fine alone.

    Raises:
        SettingsError: names the setting and the rule.
    """
    behaviour = settings.executor
    _check_settle(behaviour, settings.kite.rest_url)
    if behaviour.cancels_per_second_reserved >= behaviour.orders_per_second_max:
        raise SettingsError(
            "executor.cancels_per_second_reserved must be below executor.orders_per_second_max"
        )
    if behaviour.placements_per_day_reserved >= behaviour.placements_per_day_max:
        raise SettingsError(
            "executor.placements_per_day_reserved must be below executor.placements_per_day_max"
        )
    if bool(behaviour.egress_addresses) != bool(behaviour.egress_check_url):
        raise SettingsError(
            "executor.egress_addresses and executor.egress_check_url are given together or not"
        )
    _check_allowed(behaviour)
    if behaviour.positions_s >= behaviour.positions_age_s_max:
        raise SettingsError("executor.positions_s must be below executor.positions_age_s_max")
    if behaviour.cancels_per_minute_reserved >= behaviour.orders_per_minute_max:
        raise SettingsError(
            "executor.cancels_per_minute_reserved must be below executor.orders_per_minute_max"
        )


def _check_allowed(behaviour: BehaviourSettings) -> None:
    products = get_args(Product)
    for product in behaviour.allowed_products:
        if product not in products:
            raise SettingsError(
                f"executor.allowed_products has {product!r}, must be of {', '.join(products)}"
            )
    for name in behaviour.allowed_instruments:
        if not _INSTRUMENT.fullmatch(name):
            raise SettingsError(
                f"executor.allowed_instruments has {name!r}, must be like NFO:NIFTY*"
            )


def _check_settle(behaviour: BehaviourSettings, rest_url: str) -> None:
    if list(behaviour.settle_s) != sorted(behaviour.settle_s):
        raise SettingsError(f"executor.settle_s must grow; it is {behaviour.settle_s}")
    if behaviour.allow_short_settle_times:
        if urlsplit(rest_url).hostname not in _LOOPBACK:
            raise SettingsError(
                "executor.allow_short_settle_times needs a loopback kite.rest_url; "
                f"it is {rest_url}"
            )
        return
    if any(have < least for have, least in zip(behaviour.settle_s, SETTLE_S, strict=False)):
        raise SettingsError(
            f"executor.settle_s must be at least {SETTLE_S}; it is {behaviour.settle_s}"
        )
