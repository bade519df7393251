"""Holdings, margins, charges over HTTP: what is read of an account besides its orders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from deploy.sandbox.contracts import Contract, Kind
from deploy.sandbox.envelope import success
from deploy.sandbox.gate import CALL
from deploy.sandbox.margins import NOTIONAL_SHARE
from deploy.sandbox.market import Market
from deploy.sandbox.order_rows import rupees
from deploy.sandbox.refusals import bad_input

#: Every account holds these, quantity by symbol; the first may be offered in the day's auction.
HELD = {"INFY": 12, "RELIANCE": 5}
BOUGHT_AT_SHARE = 0.9
RECKONED_MAX = 100
SPAN_SHARE = 0.8
TAX_SHARE = 0.001
TURNOVER_SHARE = 0.0000345
SEBI_SHARE = 0.000001
STAMP_SHARE = 0.00015
GST_SHARE = 0.18
BROKERAGE_RUPEES = 20.0


class PortfolioRoutes:
    """Answers what an account has and what orders would need."""

    def __init__(self, market: Market) -> None:
        self._market = market

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve."""
        return [
            web.get("/portfolio/holdings", self._holdings),
            web.get("/portfolio/holdings/auctions", self._auctions),
            web.post("/margins/orders", self._order_margins),
            web.post("/margins/basket", self._basket_margins),
            web.post("/charges/orders", self._charges),
        ]

    async def _holdings(self, request: web.Request) -> web.Response:
        request[CALL].owner()
        return success([self._held(symbol, quantity) for symbol, quantity in HELD.items()])

    async def _auctions(self, request: web.Request) -> web.Response:
        request[CALL].owner()
        symbol, quantity = next(iter(HELD.items()))
        return success([{**self._held(symbol, quantity), "auction_number": "22"}])

    async def _order_margins(self, request: web.Request) -> web.Response:
        return success([self._margin(order) for order in await _orders(request)])

    async def _basket_margins(self, request: web.Request) -> web.Response:
        rows = [self._margin(order) for order in await _orders(request)]
        whole = {**_blank(), "total": round(sum(row["total"] for row in rows), 2)}
        for name in ("span", "exposure", "option_premium"):
            whole[name] = round(sum(row[name] for row in rows), 2)
        answer = {"initial": whole, "final": whole, "orders": rows, "charges": _fees(0.0)}
        if request.query.get("mode") == "compact":
            answer["orders"] = []
        return success(answer)

    async def _charges(self, request: web.Request) -> web.Response:
        return success([self._charged(order) for order in await _orders(request)])

    def _held(self, symbol: str, quantity: int) -> dict[str, Any]:
        row = self._market.listing.row_of_key[f"NSE:{symbol}"]
        contract = self._market.listing.contracts[row]
        last = rupees(int(self._market.columns.last[row]))
        close = rupees(int(self._market.columns.close[row]))
        bought = round(close * BOUGHT_AT_SHARE, 2)
        return {
            "tradingsymbol": symbol,
            "exchange": contract.exchange,
            "instrument_token": contract.token,
            "isin": f"INE{contract.exchange_token:06d}A01",
            "product": "CNC",
            "price": 0,
            "quantity": quantity,
            "used_quantity": 0,
            "t1_quantity": 0,
            "realised_quantity": quantity,
            "authorised_quantity": 0,
            "authorised_date": "2026-01-01 00:00:00",
            "authorisation": {},
            "opening_quantity": quantity,
            "short_quantity": 0,
            "collateral_quantity": 0,
            "collateral_type": None,
            "discrepancy": False,
            "average_price": bought,
            "last_price": last,
            "close_price": close,
            "pnl": (last - bought) * quantity,
            "day_change": last - close,
            "day_change_percentage": 100 * (last - close) / close,
            "mtf": {
                "quantity": 0,
                "used_quantity": 0,
                "average_price": 0,
                "value": 0,
                "initial_margin": 0,
            },
        }

    def _margin(self, order: Mapping[str, Any]) -> dict[str, Any]:
        contract, row = self._contract(order)
        quantity, price = _number(order, "quantity"), _number(order, "price")
        price = price or rupees(int(self._market.columns.last[row]))
        made = {
            **_blank(),
            "type": "equity",
            "tradingsymbol": contract.symbol,
            "exchange": contract.exchange,
            "leverage": 1,
            "charges": _fees(price * quantity),
        }
        is_sale = order.get("transaction_type") == "SELL"
        if contract.kind is Kind.FUTURE or (contract.is_option and is_sale):
            needed = self._market.spot(contract.asset) * NOTIONAL_SHARE * quantity
            made["span"] = round(needed * SPAN_SHARE, 2)
            made["exposure"] = round(needed - made["span"], 2)
        elif contract.is_option:
            made["option_premium"] = round(price * quantity, 2)
        elif not is_sale:
            made["var"] = round(price * quantity, 2)
        parts = ("span", "exposure", "option_premium", "var")
        made["total"] = round(sum(made[name] for name in parts), 2)
        return made

    def _charged(self, order: Mapping[str, Any]) -> dict[str, Any]:
        contract, _ = self._contract(order)
        quantity, price = _number(order, "quantity"), _number(order, "average_price")
        told = ("transaction_type", "variety", "product", "order_type")
        return {
            **{name: order.get(name, "") for name in told},
            "tradingsymbol": contract.symbol,
            "exchange": contract.exchange,
            "quantity": quantity,
            "price": price,
            "charges": _fees(price * quantity),
        }

    def _contract(self, order: Mapping[str, Any]) -> tuple[Contract, int]:
        key = f"{order.get('exchange')}:{order.get('tradingsymbol')}"
        row = self._market.listing.row_of_key.get(key)
        if row is None:
            raise bad_input(f"Invalid `tradingsymbol` {key}.")
        return self._market.listing.contracts[row], row


async def _orders(request: web.Request) -> list[Mapping[str, Any]]:
    request[CALL].owner()
    try:
        found = json.loads(await request.read())
    except ValueError:
        raise bad_input("Invalid JSON.") from None
    is_list = isinstance(found, list) and 0 < len(found) <= RECKONED_MAX
    if not is_list or not all(isinstance(order, dict) for order in found):
        raise bad_input("Expected a list of orders.")
    orders: list[Mapping[str, Any]] = found
    return orders


def _number(order: Mapping[str, Any], name: str) -> float:
    value = order.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise bad_input(f"Invalid `{name}`.")
    return value


def _blank() -> dict[str, Any]:
    numbers = ("span", "exposure", "option_premium", "additional", "bo", "cash", "var", "total")
    return {
        "type": "",
        "tradingsymbol": "",
        "exchange": "",
        **dict.fromkeys(numbers, 0),
        "pnl": {"realised": 0, "unrealised": 0},
        "leverage": 0,
        "charges": _fees(0.0),
    }


def _fees(turnover: float) -> dict[str, Any]:
    brokerage = min(BROKERAGE_RUPEES, turnover * SEBI_SHARE * 300)
    exchange, sebi = turnover * TURNOVER_SHARE, turnover * SEBI_SHARE
    tax, stamp = turnover * TAX_SHARE, turnover * STAMP_SHARE
    gst = GST_SHARE * (brokerage + exchange + sebi)
    return {
        "transaction_tax": tax,
        "transaction_tax_type": "stt" if turnover else "",
        "exchange_turnover_charge": exchange,
        "sebi_turnover_charge": sebi,
        "brokerage": brokerage,
        "stamp_duty": stamp,
        "gst": {"igst": gst, "cgst": 0, "sgst": 0, "total": gst},
        "total": tax + exchange + sebi + brokerage + stamp + gst,
    }
