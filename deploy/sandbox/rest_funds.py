"""Mutual funds over HTTP: read only, the same few rows for everybody."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from deploy.sandbox.envelope import success
from deploy.sandbox.gate import CALL
from deploy.sandbox.refusals import NOT_FOUND
from shared.errors import KiteRejected

FUND = {"tradingsymbol": "INF000K01ZZ1", "fund": "Sandbox Flexicap Fund - Direct Plan"}
PRICE = 52.798
PRICE_DATE = "2026-11-19"
ORDERS: tuple[dict[str, Any], ...] = (
    {
        **FUND,
        "order_id": "271989e0-a64e-4cf3-b4e4-afb8f38dd203",
        "exchange_order_id": "254657127",
        "status": "COMPLETE",
        "status_message": "Allotted",
        "transaction_type": "BUY",
        "variety": "regular",
        "purchase_type": "FRESH",
        "folio": "385080203",
        "amount": 5000.0,
        "quantity": 94.7,
        "average_price": PRICE,
        "last_price": PRICE,
        "last_price_date": PRICE_DATE,
        "order_timestamp": "2026-11-19 09:20:00",
        "exchange_timestamp": "2026-11-19",
        "settlement_id": "2122061",
        "placed_by": "SB0001",
        "tag": None,
    },
)
SIPS: tuple[dict[str, Any], ...] = (
    {
        **FUND,
        "sip_id": "846479755969168",
        "status": "ACTIVE",
        "sip_type": "sip",
        "sip_reg_num": None,
        "transaction_type": "BUY",
        "dividend_type": "growth",
        "frequency": "monthly",
        "instalment_amount": 1000,
        "instalments": 9999,
        "instalment_day": 5,
        "completed_instalments": 3,
        "pending_instalments": 9996,
        "created": "2026-08-01 10:00:00",
        "last_instalment": "2026-11-05 08:33:07",
        "next_instalment": "2026-12-05",
        "trigger_price": 0,
        "step_up": {},
        "tag": None,
    },
)
HOLDINGS: tuple[dict[str, Any], ...] = (
    {
        **FUND,
        "folio": "385080203",
        "quantity": 94.7,
        "pledged_quantity": 0,
        "average_price": 50.1,
        "last_price": PRICE,
        "last_price_date": PRICE_DATE,
        "pnl": 0,
        "xirr": 0,
    },
)
CSV = (
    "tradingsymbol,amc,name,purchase_allowed,redemption_allowed,minimum_purchase_amount,"
    "purchase_amount_multiplier,minimum_additional_purchase_amount,minimum_redemption_quantity,"
    "redemption_quantity_multiplier,dividend_type,scheme_type,plan,settlement_type,last_price,"
    "last_price_date\n"
    f"{FUND['tradingsymbol']},Sandbox_MF,{FUND['fund']},1,1,5000.0,1.0,1000.0,0.001,0.001,growth,"
    f"equity,direct,T3,{PRICE},{PRICE_DATE}\n"
)


class FundRoutes:
    """Answers reads of mutual funds; writing is switched off, as at the broker."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve."""
        return [
            web.get("/mf/orders", self._orders),
            web.get("/mf/orders/{id}", self._order),
            web.get("/mf/sips", self._sips),
            web.get("/mf/sips/{id}", self._sip),
            web.get("/mf/holdings", self._holdings),
            web.get("/mf/instruments", self._instruments),
        ]

    async def _orders(self, request: web.Request) -> web.Response:
        return _owned(request, list(ORDERS))

    async def _order(self, request: web.Request) -> web.Response:
        return _owned(request, _one(ORDERS, "order_id", request.match_info["id"]))

    async def _sips(self, request: web.Request) -> web.Response:
        return _owned(request, list(SIPS))

    async def _sip(self, request: web.Request) -> web.Response:
        return _owned(request, _one(SIPS, "sip_id", request.match_info["id"]))

    async def _holdings(self, request: web.Request) -> web.Response:
        return _owned(request, list(HOLDINGS))

    async def _instruments(self, request: web.Request) -> web.Response:
        request[CALL].owner()
        return web.Response(body=CSV.encode(), content_type="text/csv")


def _owned(request: web.Request, payload: Any) -> web.Response:
    request[CALL].owner()
    return success(payload)


def _one(rows: tuple[dict[str, Any], ...], name: str, wanted: str) -> dict[str, Any]:
    for row in rows:
        if row[name] == wanted:
            return row
    raise KiteRejected(
        f"Couldn't find that `{name}`.", error_type="GeneralException", status=NOT_FOUND
    )
