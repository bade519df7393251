"""Sessions, the profile, money over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from deploy.sandbox.accounts import Account, Accounts
from deploy.sandbox.envelope import success
from deploy.sandbox.gate import CALL, CONTROL_PREFIX
from deploy.sandbox.margins import OPENING_CASH_PAISE
from deploy.sandbox.market_clock import MarketClock
from deploy.sandbox.matching import PAISE_PER_RUPEE
from deploy.sandbox.order_rows import india_text
from deploy.sandbox.refusals import bad_input
from deploy.sandbox.simulation import Simulation

SEGMENTS = ("equity", "commodity")


class UserRoutes:
    """Answers who somebody is and what they own."""

    def __init__(self, accounts: Accounts, simulation: Simulation, clock: MarketClock) -> None:
        self._accounts = accounts
        self._simulation = simulation
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve."""
        return [
            web.get("/connect/login", self._login),
            web.post("/session/token", self._begin),
            web.delete("/session/token", self._end),
            web.get("/user/profile", self._profile),
            web.get("/user/margins", self._margins),
            web.get("/user/margins/{segment}", self._margins),
        ]

    async def _login(self, request: web.Request) -> web.Response:
        """Log the application's first user in at once, where the broker would ask a person."""
        account = self._accounts.by_key(request.query.get("api_key", ""))
        if account is None:
            raise bad_input("Invalid `api_key`.")
        request_token = self._accounts.begin_login(account, self._clock.now_s())
        query = urlencode({"request_token": request_token, "action": "login", "status": "success"})
        return web.Response(status=302, headers={"Location": f"{CONTROL_PREFIX}/landing?{query}"})

    async def _begin(self, request: web.Request) -> web.Response:
        form = request[CALL].form
        account = self._accounts.finish_login(
            form.get("api_key", ""),
            form.get("request_token", ""),
            form.get("checksum", ""),
            self._clock.now_s(),
        )
        session = {
            "api_key": account.api_key,
            "access_token": account.access_token.reveal(),
            "public_token": account.user_id.lower(),
            "refresh_token": "",
            "enctoken": "",
            "login_time": india_text(account.login_s),
        }
        return success({**_profile(account), **session})

    async def _end(self, request: web.Request) -> web.Response:
        form = request[CALL].form
        account = self._accounts.authenticate(
            form.get("api_key", ""), form.get("access_token", ""), self._clock.now_s()
        )
        self._accounts.kill(account)
        return success(payload=True)

    async def _profile(self, request: web.Request) -> web.Response:
        return success(_profile(request[CALL].owner()))

    async def _margins(self, request: web.Request) -> web.Response:
        account = request[CALL].owner()
        used = self._simulation.desk(account.user_id).blocked_paise() / PAISE_PER_RUPEE
        both = {
            "equity": _margin(OPENING_CASH_PAISE / PAISE_PER_RUPEE, used),
            "commodity": _margin(0.0, 0.0),
        }
        segment = request.match_info.get("segment")
        if segment is None:
            return success(both)
        if segment not in SEGMENTS:
            raise bad_input("Invalid `segment`.")
        return success(both[segment])


def _profile(account: Account) -> dict[str, Any]:
    return {
        "user_id": account.user_id,
        "user_type": "individual",
        "email": f"{account.user_id.lower()}@sandbox.invalid",
        "user_name": f"Sandbox {account.user_id}",
        "user_shortname": account.user_id,
        "broker": "ZERODHA",
        "exchanges": ["NSE", "BSE", "NFO", "BFO"],
        "products": ["CNC", "NRML", "MIS", "MTF"],
        "order_types": ["MARKET", "LIMIT", "SL", "SL-M"],
        "avatar_url": None,
        "meta": {"demat_consent": "physical"},
    }


def _margin(cash: float, used: float) -> dict[str, Any]:
    left = round(cash - used, 2)
    return {
        "enabled": True,
        "net": left,
        "available": {
            "adhoc_margin": 0,
            "cash": cash,
            "opening_balance": cash,
            "live_balance": left,
            "collateral": 0,
            "intraday_payin": 0,
        },
        "utilised": {
            "debits": round(used, 2),
            "exposure": 0,
            "m2m_realised": 0,
            "m2m_unrealised": 0,
            "option_premium": 0,
            "payout": 0,
            "span": 0,
            "holding_sales": 0,
            "turnover": 0,
            "liquid_collateral": 0,
            "stock_collateral": 0,
            "delivery": 0,
        },
    }
