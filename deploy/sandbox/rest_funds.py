"""Mutual funds held and listed, over HTTP: the same for everybody."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from deploy.sandbox.envelope import success
from deploy.sandbox.gate import CALL

FUND = {"tradingsymbol": "INF000K01ZZ1", "fund": "Sandbox Flexicap Fund - Direct Plan"}
PRICE = 52.798
PRICE_DATE = "2026-11-19"
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
    """Answers what funds there are, what an account has of them."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve."""
        return [
            web.get("/mf/holdings", self._holdings),
            web.get("/mf/instruments", self._instruments),
        ]

    async def _holdings(self, request: web.Request) -> web.Response:
        request[CALL].owner()
        return success(list(HOLDINGS))

    async def _instruments(self, request: web.Request) -> web.Response:
        request[CALL].owner()
        return web.Response(body=CSV.encode(), content_type="text/csv")
