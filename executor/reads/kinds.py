"""What each kind of query asks of Kite, and how long its answer serves the next asker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from shared.kite import reads
from shared.kite.limits import rate_class
from shared.kite.rest import Request
from shared.wire import queries as wire

#: The CSV of mutual funds is a download: longer than an ordinary call.
_DOWNLOAD_TIMEOUT_S: Final = 60.0


class Kind(NamedTuple):
    """How a kind is read; `fresh_s` is how old an answer may be and still be given again."""

    fresh_s: float
    asking: Callable[[Any], Request]
    is_csv: bool = False


KINDS: Final[dict[type[msgspec.Struct], Kind]] = {
    wire.Orders: Kind(0.5, lambda _: reads.orders()),
    wire.OrderHistory: Kind(0.5, lambda query: reads.order_history(query.order_id)),
    wire.Trades: Kind(0.5, lambda _: reads.trades()),
    wire.OrderTrades: Kind(0.5, lambda query: reads.order_trades(query.order_id)),
    wire.Positions: Kind(1.0, lambda _: reads.positions()),
    wire.Holdings: Kind(5.0, lambda _: reads.holdings()),
    wire.Auctions: Kind(60.0, lambda _: reads.auctions()),
    wire.Margins: Kind(1.0, lambda query: reads.margins(query.segment)),
    wire.OrderMargins: Kind(
        2.0, lambda query: reads.order_margins(query.orders, compact=query.compact)
    ),
    wire.BasketMargins: Kind(
        2.0,
        lambda query: reads.basket_margins(
            query.orders, consider_positions=query.consider_positions, compact=query.compact
        ),
    ),
    wire.Charges: Kind(60.0, lambda query: reads.charges(query.orders)),
    wire.Gtts: Kind(2.0, lambda _: reads.gtts()),
    wire.Gtt: Kind(2.0, lambda query: reads.gtt(query.trigger_id)),
    wire.MfOrders: Kind(30.0, lambda _: reads.mf_orders()),
    wire.MfOrder: Kind(30.0, lambda query: reads.mf_order(query.order_id)),
    wire.MfSips: Kind(30.0, lambda _: reads.mf_sips()),
    wire.MfSip: Kind(30.0, lambda query: reads.mf_sip(query.sip_id)),
    wire.MfHoldings: Kind(30.0, lambda _: reads.mf_holdings()),
    wire.MfInstruments: Kind(
        3600.0, lambda _: reads.mf_instruments(_DOWNLOAD_TIMEOUT_S), is_csv=True
    ),
    wire.ProfileOf: Kind(5.0, lambda _: reads.profile()),
    wire.Quote: Kind(1.0, lambda query: reads.quote(query.instruments)),
    wire.Ohlc: Kind(1.0, lambda query: reads.ohlc(query.instruments)),
    wire.Ltp: Kind(1.0, lambda query: reads.ltp(query.instruments)),
    wire.TriggerRange: Kind(
        60.0, lambda query: reads.trigger_range(query.transaction_type, query.instruments)
    ),
    wire.CandlesOf: Kind(5.0, lambda query: reads.candles(_candles(query))),
}


def rate_of(query: wire.Query) -> str:
    """Return the rate class a query counts against."""
    request = KINDS[type(query)].asking(query)
    return rate_class(request.method, request.path)


def question(query: wire.Query) -> bytes:
    """Return what two queries of the same question have in common, whoever asks it when."""
    same = msgspec.structs.replace(query, query_id="-", client="-", deadline_us=None)
    return msgspec.json.encode(same)


def _candles(query: wire.CandlesOf) -> reads.Candles:
    return reads.Candles(
        instrument_token=query.instrument_token,
        interval=query.interval,
        begin=query.begin,
        end=query.end,
        continuous=query.continuous,
        oi=query.oi,
    )
