"""Every read of Kite's as a request: routes and parameters as kiteconnect 5.2.2 sends them.

Building one sends nothing. `KiteReads` sends it and hands Kite's data on as it came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote as percent

import msgspec

from shared.kite import translate
from shared.kite.rest import KiteRest, Parameters, Request


@dataclass(frozen=True, slots=True)
class Candles:
    """Which candles: `begin` and `end` as "YYYY-MM-DD HH:MM:SS" in IST, both inclusive."""

    instrument_token: int
    interval: str
    begin: str
    end: str
    continuous: bool = False
    oi: bool = False


class KiteReads:
    """Reads of one account, untouched."""

    def __init__(self, rest: KiteRest) -> None:
        self._rest = rest

    async def json(self, request: Request) -> bytes:
        """Return the data of an answer as Kite's JSON; raises as `translate.read` does."""
        return translate.read(request, await self._rest.call(request))

    async def csv(self, request: Request) -> bytes:
        """Return a CSV as one JSON string; raises as `translate.read` does."""
        body = translate.read_csv(request, await self._rest.call(request))
        return msgspec.json.encode(body.decode(errors="replace"))


def orders() -> Request:
    """Ask for the day's order book."""
    return _get("/orders")


def order_history(order_id: str) -> Request:
    """Ask for the steps of one order."""
    return _get(f"/orders/{_part(order_id)}")


def trades() -> Request:
    """Ask for the day's fills."""
    return _get("/trades")


def order_trades(order_id: str) -> Request:
    """Ask for the fills of one order."""
    return _get(f"/orders/{_part(order_id)}/trades")


def positions() -> Request:
    """Ask for net and day positions."""
    return _get("/portfolio/positions")


def holdings() -> Request:
    """Ask for what lies in the demat account."""
    return _get("/portfolio/holdings")


def auctions() -> Request:
    """Ask for holdings that may be offered in today's auction."""
    return _get("/portfolio/holdings/auctions")


def margins(segment: str = "") -> Request:
    """Ask for cash and margins of both segments, or of one."""
    return _get(f"/user/margins/{_part(segment)}" if segment else "/user/margins")


def order_margins(wanted: Sequence[Any], *, compact: bool = False) -> Request:
    """Ask what each order would need."""
    query = (("mode", "compact"),) if compact else ()
    return _ask("/margins/orders", wanted, query)


def basket_margins(
    wanted: Sequence[Any], *, consider_positions: bool = True, compact: bool = False
) -> Request:
    """Ask what the orders would need together."""
    # Capitalised, as Kite's own client writes a boolean into a query.
    query = [("consider_positions", str(consider_positions))]
    if compact:
        query.append(("mode", "compact"))
    return _ask("/margins/basket", wanted, tuple(query))


def charges(executed: Sequence[Any]) -> Request:
    """Ask what executed orders cost."""
    return _ask("/charges/orders", executed, ())


def gtts() -> Request:
    """Ask for GTTs."""
    return _get("/gtt/triggers")


def gtt(trigger_id: int) -> Request:
    """Ask for one GTT."""
    return _get(f"/gtt/triggers/{trigger_id}")


def mf_orders() -> Request:
    """Ask for mutual-fund orders."""
    return _get("/mf/orders")


def mf_order(order_id: str) -> Request:
    """Ask for one mutual-fund order."""
    return _get(f"/mf/orders/{_part(order_id)}")


def mf_sips() -> Request:
    """Ask for SIPs."""
    return _get("/mf/sips")


def mf_sip(sip_id: str) -> Request:
    """Ask for one SIP."""
    return _get(f"/mf/sips/{_part(sip_id)}")


def mf_holdings() -> Request:
    """Ask for mutual funds held."""
    return _get("/mf/holdings")


def mf_instruments(timeout_s: float) -> Request:
    """Ask for the CSV of every mutual fund."""
    return Request("GET", "/mf/instruments", changes=False, timeout_s=timeout_s)


def instruments(exchange: str | None, timeout_s: float) -> Request:
    """Ask for the CSV of every instrument, or of one exchange."""
    path = f"/instruments/{_part(exchange)}" if exchange else "/instruments"
    return Request("GET", path, changes=False, timeout_s=timeout_s)


def profile() -> Request:
    """Ask whose session it is."""
    return _get("/user/profile")


def quote(names: Sequence[str]) -> Request:
    """Ask for full quotes."""
    return _get("/quote", _names(names))


def ohlc(names: Sequence[str]) -> Request:
    """Ask for the day's prices."""
    return _get("/quote/ohlc", _names(names))


def ltp(names: Sequence[str]) -> Request:
    """Ask for last prices."""
    return _get("/quote/ltp", _names(names))


def trigger_range(transaction_type: str, names: Sequence[str]) -> Request:
    """Ask where a cover order's trigger may lie."""
    path = f"/instruments/trigger_range/{_part(transaction_type.lower())}"
    return _get(path, _names(names))


def candles(wanted: Candles) -> Request:
    """Ask for past candles."""
    path = f"/instruments/historical/{wanted.instrument_token}/{_part(wanted.interval)}"
    query = (
        ("from", wanted.begin),
        ("to", wanted.end),
        ("interval", wanted.interval),
        ("continuous", str(int(wanted.continuous))),
        ("oi", str(int(wanted.oi))),
    )
    return _get(path, query)


def _get(path: str, query: Parameters = ()) -> Request:
    return Request("GET", path, query=query, changes=False)


def _ask(path: str, wanted: Sequence[Any], query: Parameters) -> Request:
    # A POST by its length only: a calculator changes nothing.
    return Request("POST", path, query=query, json=list(wanted), changes=False)


def _names(names: Sequence[str]) -> Parameters:
    return tuple(("i", name) for name in names)


def _part(text: str) -> str:
    return percent(text, safe="")
