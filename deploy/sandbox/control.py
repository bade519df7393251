"""The interface through which tests steer the sandbox."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from aiohttp import web

from deploy.sandbox.accounts import Account, Accounts
from deploy.sandbox.contracts import Kind, Listing
from deploy.sandbox.envelope import plain
from deploy.sandbox.faults import FaultBoard
from deploy.sandbox.gate import CONTROL_PREFIX
from deploy.sandbox.limits import RequestLimits
from deploy.sandbox.market import Market
from deploy.sandbox.market_clock import MarketClock
from deploy.sandbox.matching import PAISE_PER_RUPEE
from deploy.sandbox.order_rows import order_row
from deploy.sandbox.pricing import RATE, option_start
from deploy.sandbox.received import ReceivedLog
from deploy.sandbox.settings import SandboxSettings
from deploy.sandbox.simulation import Simulation
from deploy.sandbox.tape_player import TapePlayer
from deploy.sandbox.ticker import Ticker
from deploy.sandbox.underlyings import ASSETS
from shared.errors import SettingsError

ADVANCE_S_MAX = 400 * 86_400.0
PRICE_RUPEES_MAX = 10_000_000.0
NUMBER_DIGITS_MAX = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlParts:
    """What the control interface reaches."""

    settings: SandboxSettings
    market: Market
    simulation: Simulation
    ticker: Ticker
    accounts: Accounts
    faults: FaultBoard
    limits: RequestLimits
    received: ReceivedLog
    clock: MarketClock
    tape: TapePlayer | None = None


class ControlRoutes:
    """Answers under /sandbox, in plain JSON without the broker's envelope."""

    def __init__(self, parts: ControlParts) -> None:
        self._parts = parts

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve."""
        prefix = CONTROL_PREFIX
        return [
            web.get(f"{prefix}/state", self._state),
            web.get(f"{prefix}/smile", self._smile),
            web.get(f"{prefix}/orders", self._orders),
            web.get(f"{prefix}/watched", self._watched),
            web.get(f"{prefix}/received", self._received),
            web.get(f"{prefix}/landing", self._landing),
            web.get(f"{prefix}/faults", self._list_faults),
            web.post(f"{prefix}/faults", self._add_fault),
            web.delete(f"{prefix}/faults", self._remove_faults),
            web.delete(f"{prefix}/faults/{{number}}", self._remove_faults),
            web.post(f"{prefix}/market", self._freeze),
            web.post(f"{prefix}/price", self._set_price),
            web.post(f"{prefix}/clock", self._advance),
            web.post(f"{prefix}/limits", self._set_limits),
            web.post(f"{prefix}/login", self._login),
            web.post(f"{prefix}/amo", self._release_after_market),
        ]

    async def _state(self, _request: web.Request) -> web.Response:
        parts, market = self._parts, self._parts.market
        now_ns = parts.clock.now_ns()
        now_s = parts.clock.now_s()
        return plain(
            {
                "seed": parts.settings.seed,
                "profile": parts.settings.profile,
                "time_ns": str(now_ns),
                "exchange_timestamp": market.stamp_s(now_s),
                "frozen": market.frozen,
                "steps": market.steps,
                "day": market.day.isoformat(),
                "instruments": len(market.listing.contracts),
                "spots": {asset.name: market.spot(row) for row, asset in enumerate(ASSETS)},
                "limits": parts.limits.enabled,
                "connections": parts.ticker.public(),
                "slow_readers_closed": parts.ticker.slow_readers_closed,
                "accounts": [
                    {
                        "id": account.user_id,
                        "logged_in": bool(account.access_token),
                        "placements_today": parts.limits.placements_today(account.user_id, now_s),
                    }
                    for account in parts.accounts.all()
                ],
                "received": {
                    "sequence": parts.received.sequence,
                    "dropped": parts.received.dropped,
                },
                "faults": parts.faults.public(),
                "tape": parts.tape.public() if parts.tape else None,
            }
        )

    async def _smile(self, request: web.Request) -> web.Response:
        market = self._parts.market
        underlying = request.query.get("underlying", "")
        expiry = _day(request.query.get("expiry", ""))
        number = _group(market.listing, underlying, expiry)
        strikes = _strikes(market, number)
        return plain(
            {
                "underlying": underlying,
                "expiry": expiry.isoformat(),
                "expiry_instant": int(market.surface.expiry_s[number]),
                "spot": market.spot(market.listing.groups[number].asset),
                "forward": float(market.worth.forward[number]),
                "rate": RATE,
                "time_to_expiry": float(market.worth.time_to_expiry[number]),
                "exchange_timestamp": market.priced_at_s,
                "frozen": market.frozen,
                "strikes": strikes,
            }
        )

    async def _orders(self, request: web.Request) -> web.Response:
        account = self._account(request.query.get("account", ""))
        desk = self._parts.simulation.desk(account.user_id)
        return plain([order_row(order) for order in desk.every_order()])

    async def _received(self, request: web.Request) -> web.Response:
        since = request.query.get("since", "0")
        if not since.isdecimal() or len(since) > NUMBER_DIGITS_MAX:
            raise SettingsError(f"since is {since!r}; it must be a whole number")
        received = self._parts.received
        return plain(
            {
                "sequence": received.sequence,
                "dropped": received.dropped,
                "entries": received.since(int(since)),
            }
        )

    async def _watched(self, _request: web.Request) -> web.Response:
        return plain(self._parts.ticker.watched())

    async def _landing(self, request: web.Request) -> web.Response:
        return plain({"request_token": request.query.get("request_token", "")})

    async def _list_faults(self, _request: web.Request) -> web.Response:
        return plain(self._parts.faults.public())

    async def _add_fault(self, request: web.Request) -> web.Response:
        wish = await _body(request)
        if wish.get("kind") == "token_death":
            account = self._account(str(wish.get("account", "")))
            self._end_session(account, wish.get("seconds", 0))
            return plain({"kind": "token_death", "account": account.user_id, "applied": 1})
        return plain(self._parts.faults.add(wish).public())

    async def _remove_faults(self, request: web.Request) -> web.Response:
        number = request.match_info.get("number")
        if number is not None and not (number.isdecimal() and len(number) <= NUMBER_DIGITS_MAX):
            raise SettingsError(f"fault id is {number!r}; it must be a whole number")
        removed = self._parts.faults.remove(None if number is None else int(number))
        return plain({"removed": removed})

    async def _freeze(self, request: web.Request) -> web.Response:
        frozen = (await _body(request)).get("frozen")
        if not isinstance(frozen, bool):
            raise SettingsError(f"frozen is {frozen!r}; it must be true or false")
        now_s = self._parts.clock.now_s()
        changed = self._parts.market.freeze(now_s, frozen=frozen)
        await self._parts.simulation.settle(changed)
        stamp_s = self._parts.market.stamp_s(now_s)
        return plain({"frozen": frozen, "exchange_timestamp": stamp_s})

    async def _set_price(self, request: web.Request) -> web.Response:
        wish = await _body(request)
        market = self._parts.market
        name = str(wish.get("symbol", wish.get("instrument_token", "")))
        price = _price(wish.get("price"))
        asset = next((row for row, found in enumerate(ASSETS) if found.name == name), None)
        row = market.listing.find(name)
        if asset is None and row is None:
            raise SettingsError(f"symbol is {name!r}; nothing of that name is listed")
        if asset is None and row is not None and market.listing.contracts[row].group < 0:
            asset = market.listing.contracts[row].asset
        now_s = self._parts.clock.now_s()
        if asset is not None:
            if price is None:
                raise SettingsError("price is null; only a derivative can be let go of")
            changed = market.set_spot(asset, price, now_s)
        else:
            assert row is not None
            tick = market.listing.contracts[row].tick_paise
            paise = None if price is None else _on_tick(price, tick)
            changed = market.pin(row, paise, now_s)
        await self._parts.simulation.settle(changed)
        return plain({"symbol": name, "price": price, "is_underlying": asset is not None})

    async def _advance(self, request: web.Request) -> web.Response:
        seconds = (await _body(request)).get("advance_s")
        if not isinstance(seconds, int | float) or not 0 <= seconds <= ADVANCE_S_MAX:
            raise SettingsError(
                f"advance_s is {seconds!r}; it must be between 0 and {ADVANCE_S_MAX:g}"
            )
        self._parts.clock.advance(seconds)
        await self._parts.simulation.step()
        return plain({"time_ns": str(self._parts.clock.now_ns())})

    async def _set_limits(self, request: web.Request) -> web.Response:
        wish = await _body(request)
        if "account" in wish:
            account = self._account(str(wish["account"]))
            account.sockets_max = _count(wish, "sockets_max", account.sockets_max)
            account.instruments_max = _count(wish, "instruments_max", account.instruments_max)
            shown = {"sockets_max": account.sockets_max, "instruments_max": account.instruments_max}
            return plain({"account": account.user_id, **shown})
        enabled = wish.get("enabled")
        if not isinstance(enabled, bool):
            raise SettingsError(f"enabled is {enabled!r}; it must be true or false")
        self._parts.limits.enabled = enabled
        return plain({"enabled": enabled})

    async def _release_after_market(self, _request: web.Request) -> web.Response:
        for account in self._parts.accounts.all():
            self._parts.simulation.desk(account.user_id).release_after_market()
        await self._parts.simulation.deliver()
        return plain({"released": True})

    def _end_session(self, account: Account, after_s: Any) -> None:
        if isinstance(after_s, bool) or not isinstance(after_s, int | float) or after_s < 0:
            raise SettingsError(f"seconds is {after_s!r}; it must be a number of seconds")
        if after_s:
            self._parts.accounts.expire(account, self._parts.clock.now_s() + round(after_s))
        else:
            self._parts.accounts.kill(account)

    async def _login(self, request: web.Request) -> web.Response:
        account = self._account(str((await _body(request)).get("account", "")))
        token = self._parts.accounts.begin_login(account, self._parts.clock.now_s())
        return plain({"account": account.user_id, "request_token": token})

    def _account(self, user_id: str) -> Account:
        account = self._parts.accounts.by_user(user_id)
        if account is None:
            raise SettingsError(f"account is {user_id!r}; there is none of that id")
        return account


def _count(wish: Mapping[str, Any], name: str, otherwise: int) -> int:
    count = wish.get(name, otherwise)
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise SettingsError(f"{name} is {count!r}; it must be a whole number, 0 or more")
    return count


async def _body(request: web.Request) -> Mapping[str, Any]:
    try:
        content = json.loads(await request.text() or "{}")
    except ValueError as error:
        raise SettingsError("the body is not JSON") from error
    if not isinstance(content, dict):
        raise SettingsError("the body must be a JSON object")
    return content


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"expiry is {text!r}; it must be YYYY-MM-DD") from error


def _group(listing: Listing, underlying: str, expiry: date) -> int:
    for number, group in enumerate(listing.groups):
        if ASSETS[group.asset].name == underlying and group.expiry.day == expiry:
            return number
    raise SettingsError(f"{underlying!r} has no expiry on {expiry.isoformat()}")


def _strikes(market: Market, number: int) -> list[dict[str, Any]]:
    listing, first = market.listing, option_start(market.listing)
    found: dict[float, dict[str, Any]] = {}
    for row in range(first, len(listing.contracts)):
        contract = listing.contracts[row]
        if contract.group != number:
            continue
        strike = found.setdefault(
            contract.strike,
            {"strike": contract.strike, "vol": float(market.worth.vol[row - first])},
        )
        side = "call" if contract.kind is Kind.CALL else "put"
        strike[f"{side}_token"] = contract.token
        strike[f"{side}_price"] = int(market.columns.last[row]) / PAISE_PER_RUPEE
        strike[f"{side}_exact"] = float(market.worth.price[row])
    return [found[strike] for strike in sorted(found)]


def _price(price: Any) -> float | None:
    if price is None:
        return None
    if isinstance(price, bool) or not isinstance(price, int | float):
        raise SettingsError(f"price is {price!r}; it must be a number of rupees, or null")
    if not 0 < price <= PRICE_RUPEES_MAX:
        raise SettingsError(
            f"price is {price}; it must be above 0 and at most {PRICE_RUPEES_MAX:g}"
        )
    return float(price)


def _on_tick(rupees: float, tick_paise: int) -> int:
    return max(round(rupees * PAISE_PER_RUPEE / tick_paise), 1) * tick_paise
