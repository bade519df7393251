"""Instruments, quotes, history over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from deploy.sandbox.contracts import TOKEN_DIGITS_MAX, Contract, Kind
from deploy.sandbox.depth import LEVELS
from deploy.sandbox.dump import instruments_csv
from deploy.sandbox.envelope import success
from deploy.sandbox.expiry_calendar import IST
from deploy.sandbox.history import INTERVALS, Span, candles
from deploy.sandbox.margins import price_band
from deploy.sandbox.market import Market
from deploy.sandbox.market_clock import MarketClock
from deploy.sandbox.matching import PAISE_PER_RUPEE
from deploy.sandbox.order_rows import india_text, rupees
from deploy.sandbox.refusals import bad_input
from deploy.sandbox.tape import TapeFiles
from deploy.sandbox.tape_dump import tape_dump

#: Instruments per call. Source: kite.trade/docs/connect/v3/market-quotes (read 2026-11).
QUOTE_INSTRUMENTS_MAX = 500
PRICE_INSTRUMENTS_MAX = 1_000
CSV_TYPE = "text/csv"
DAY_S = 86_400
_TIME_FORM = "%Y-%m-%d %H:%M:%S"
_DATE_FORM = "%Y-%m-%d"

Shape = Callable[[int], dict[str, Any]]


class MarketRoutes:
    """Answers what needs no account."""

    def __init__(
        self, market: Market, seed: int, clock: MarketClock, tape: TapeFiles | None = None
    ) -> None:
        self._market = market
        self._clock = clock
        self._taped = tape.instruments() if tape else []
        self._seed = seed

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve."""
        return [
            web.get("/instruments", self._instruments),
            web.get("/instruments/historical/{token}/{interval}", self._history),
            web.get("/instruments/trigger_range/{side}", self._trigger_range),
            web.get("/instruments/{exchange}", self._instruments),
            web.get("/quote", self._quote),
            web.get("/quote/ohlc", self._ohlc),
            web.get("/quote/ltp", self._ltp),
        ]

    async def _instruments(self, request: web.Request) -> web.Response:
        exchange = request.match_info.get("exchange", "")
        listing = self._market.listing
        contracts = [
            contract
            for contract in listing.contracts
            if not exchange or contract.exchange == exchange.upper()
        ]
        if self._taped:
            body = tape_dump(self._taped, exchange)
        else:
            body = instruments_csv(contracts, listing.groups)
        # JavaScript clients parse the dump only under exactly this type, without a charset.
        response = web.Response(body=body, content_type=CSV_TYPE)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            response.enable_compression(web.ContentCoding.gzip)
        return response

    async def _quote(self, request: web.Request) -> web.Response:
        return success(self._chosen(request, QUOTE_INSTRUMENTS_MAX, self._full_shape))

    async def _ohlc(self, request: web.Request) -> web.Response:
        return success(self._chosen(request, PRICE_INSTRUMENTS_MAX, self._ohlc_shape))

    async def _ltp(self, request: web.Request) -> web.Response:
        return success(self._chosen(request, PRICE_INSTRUMENTS_MAX, self._ltp_shape))

    def _chosen(self, request: web.Request, most: int, shape: Shape) -> dict[str, Any]:
        names = request.query.getall("i", [])
        if not names:
            raise bad_input("Missing or empty field `i`")
        if len(names) > most:
            raise bad_input(f"Maximum number of instruments is {most}.")
        rows = {name: self._market.listing.row_of_key.get(name) for name in names}
        for name, row in rows.items():
            if row is None and _is_token(name):
                rows[name] = self._market.listing.row_of_token.get(int(name))
        return {name: shape(row) for name, row in rows.items() if row is not None}

    def _ltp_shape(self, row: int) -> dict[str, Any]:
        contract = self._market.listing.contracts[row]
        last = int(self._market.columns.last[row])
        return {"instrument_token": contract.token, "last_price": rupees(last)}

    def _ohlc_shape(self, row: int) -> dict[str, Any]:
        columns = self._market.columns
        day = {
            "open": rupees(int(columns.open[row])),
            "high": rupees(int(columns.high[row])),
            "low": rupees(int(columns.low[row])),
            "close": rupees(int(columns.close[row])),
        }
        return {**self._ltp_shape(row), "ohlc": day}

    def _full_shape(self, row: int) -> dict[str, Any]:
        contract, columns = self._market.listing.contracts[row], self._market.columns
        shape = {
            **self._ohlc_shape(row),
            "timestamp": india_text(int(columns.timestamp[row])),
            "net_change": rupees(int(columns.last[row] - columns.close[row])),
        }
        if not contract.is_tradable:
            return shape
        return {**shape, **self._traded(row, contract), "depth": self._depth(row)}

    def _traded(self, row: int, contract: Contract) -> dict[str, Any]:
        columns = self._market.columns
        lower, upper = price_band(row, self._market)
        oi = {
            name: int(getattr(columns, column)[row])
            for name, column in (
                ("oi", "oi"),
                ("oi_day_high", "oi_high"),
                ("oi_day_low", "oi_low"),
            )
        }
        return {
            "instrument_token": contract.token,
            "last_trade_time": india_text(int(columns.last_trade_time[row])),
            "last_quantity": int(columns.last_quantity[row]),
            "average_price": int(columns.average[row]) / PAISE_PER_RUPEE,
            "volume": int(columns.volume[row]),
            "buy_quantity": int(columns.total_buy[row]),
            "sell_quantity": int(columns.total_sell[row]),
            "lower_circuit_limit": rupees(lower),
            "upper_circuit_limit": rupees(upper),
            **oi,
        }

    def _depth(self, row: int) -> dict[str, Any]:
        columns = self._market.columns
        rungs = [
            {"price": rupees(price), "quantity": quantity, "orders": orders}
            for price, quantity, orders in zip(
                columns.depth_price[row].tolist(),
                columns.depth_quantity[row].tolist(),
                columns.depth_orders[row].tolist(),
                strict=True,
            )
        ]
        return {"buy": rungs[:LEVELS], "sell": rungs[LEVELS:]}

    async def _trigger_range(self, request: web.Request) -> web.Response:
        if request.match_info["side"] not in {"buy", "sell"}:
            raise bad_input("Invalid `transaction_type`.")
        return success(self._chosen(request, QUOTE_INSTRUMENTS_MAX, self._range_shape))

    def _range_shape(self, row: int) -> dict[str, Any]:
        lower, upper = price_band(row, self._market)
        token = self._market.listing.contracts[row].token
        return {"instrument_token": token, "lower": rupees(lower), "upper": rupees(upper)}

    async def _history(self, request: web.Request) -> web.Response:
        interval = request.match_info["interval"]
        if interval not in INTERVALS:
            raise bad_input("invalid interval")
        minutes, days_max = INTERVALS[interval]
        start_s = _instant("from", request.query.get("from", ""))
        end_s = _instant("to", request.query.get("to", ""))
        if end_s < start_s:
            raise bad_input("invalid from date")
        if end_s - start_s > days_max * DAY_S:
            raise bad_input(f"interval exceeds max limit: {days_max} days")
        token = request.match_info["token"]
        row = self._market.listing.row_of_token.get(int(token)) if _is_token(token) else None
        if row is None:
            raise bad_input("invalid token")
        oi = request.query.get("oi", "0") == "1"
        if request.query.get("continuous", "0") == "1":
            kind = self._market.listing.contracts[row].kind
            if interval != "day" or kind is not Kind.FUTURE:
                raise bad_input("continuous is for day candles of futures")
        span = Span(start_s, end_s, minutes, self._clock.now_s())
        return success({"candles": candles(self._market, row, span, self._seed, oi=oi)})


def _is_token(text: str) -> bool:
    return text.isdecimal() and len(text) <= TOKEN_DIGITS_MAX


def _instant(name: str, text: str) -> int:
    form = _TIME_FORM if ":" in text else _DATE_FORM
    try:
        return int(datetime.strptime(text, form).replace(tzinfo=IST).timestamp())
    except ValueError as error:
        raise bad_input(f"invalid {name} date") from error
