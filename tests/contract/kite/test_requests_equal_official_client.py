"""Method by method: what kiteconnect sends against what we send, both noted by one server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from aiohttp import web
from kiteconnect import KiteConnect

from shared.errors import PipelineError
from shared.kite import reads
from shared.kite.data import KiteData
from shared.kite.orders import ChangedOrder, KiteOrders, NewOrder
from shared.kite.portfolio import KitePortfolio
from shared.kite.reads import Candles, KiteReads
from shared.kite.rest import KiteRest, Request, open_rest
from shared.kite.session import KiteSessions, login_url
from shared.kite.settings import KiteSettings
from shared.kite.writes import KiteWrites, Write, call_of
from shared.secret import Secret
from shared.wire.funds import MfCancel, MfPlace, SipCancel, SipModify, SipPlace
from shared.wire.gtt import Convert, GttDelete, GttModify, GttPlace
from tests.support.kite_rest_server import Noted, serving_rest

KEY, TOKEN, SECRET = "thekey", "thetoken", "thesecret"
COMPARED_HEADERS = ("X-Kite-Version", "Authorization")

PLAIN: dict[str, Any] = {
    "variety": "regular",
    "exchange": "NFO",
    "tradingsymbol": "NIFTY26NOV24500CE",
    "transaction_type": "BUY",
    "quantity": 65,
    "product": "NRML",
    "order_type": "LIMIT",
    "price": Decimal("101.55"),
    "validity": "DAY",
    "tag": "abc123",
}
PLACEMENTS: dict[str, dict[str, Any]] = {
    "regular": PLAIN,
    "amo": PLAIN | {"variety": "amo", "price": Decimal(100)},
    "co": PLAIN | {"variety": "co", "trigger_price": Decimal("95.05"), "product": "MIS"},
    "iceberg": PLAIN | {"variety": "iceberg", "iceberg_legs": 5, "iceberg_quantity": 65},
    "auction": PLAIN | {"variety": "auction", "auction_number": "22", "exchange": "NSE"},
    "market": PLAIN | {"order_type": "MARKET", "price": None, "market_protection": -1},
    "protected": PLAIN | {"order_type": "MARKET", "price": None, "market_protection": 2.5},
    "stop": PLAIN | {"order_type": "SL", "trigger_price": Decimal("99.95")},
    "ttl": PLAIN | {"validity": "TTL", "validity_ttl": 5},
    "disclosed": PLAIN | {"disclosed_quantity": 10, "algo_id": "A-1", "tradingsymbol": "M&M"},
}
CHANGES: dict[str, dict[str, Any]] = {
    "price": {"variety": "regular", "order_id": "1512200000", "price": Decimal("5.05")},
    "everything": {
        "variety": "co",
        "order_id": "1512200000",
        "parent_order_id": "77",
        "quantity": 130,
        "price": Decimal("5.1"),
        "order_type": "SL",
        "trigger_price": Decimal("5.00"),
        "validity": "IOC",
        "disclosed_quantity": 0,
        "market_protection": 3,
    },
}


@dataclass(frozen=True)
class Pair:
    """The same wish, told to both clients."""

    official: Callable[[KiteConnect], Any]
    ours: Callable[[KiteRest], Awaitable[Any]]


def placing(fields: dict[str, Any]) -> Pair:
    return Pair(
        lambda kite: kite.place_order(**fields),
        lambda rest: KiteOrders(rest).place(NewOrder(**fields)),
    )


def changing(fields: dict[str, Any]) -> Pair:
    return Pair(
        lambda kite: kite.modify_order(**fields),
        lambda rest: KiteOrders(rest).modify(ChangedOrder(**fields)),
    )


def reading(official: Callable[[KiteConnect], Any], request: Request) -> Pair:
    return Pair(official, lambda rest: KiteReads(rest).json(request))


TRIGGER: dict[str, Any] = {
    "exchange": "NSE",
    "tradingsymbol": "INFY",
    "trigger_type": "single",
    "trigger_values": [1400.5],
    "last_price": 1500.0,
    "orders": [
        {
            "transaction_type": "BUY",
            "quantity": 2,
            "order_type": "LIMIT",
            "product": "CNC",
            "price": 1401.0,
        }
    ],
}
TWO_LEG = TRIGGER | {
    "trigger_type": "two-leg",
    "trigger_values": [1400.5, 1600.0],
    "orders": TRIGGER["orders"] * 2,
}
CONVERSION = {
    "exchange": "NSE",
    "tradingsymbol": "M&M",
    "transaction_type": "BUY",
    "position_type": "overnight",
    "quantity": 3,
    "old_product": "NRML",
    "new_product": "MIS",
}
FUND = "INF174K01LS2"
MF_BUY = {"tradingsymbol": FUND, "transaction_type": "BUY", "amount": 1000}
MF_SELL = {"tradingsymbol": FUND, "transaction_type": "SELL", "quantity": "1.005"}
SIP = {"amount": 1000, "instalments": 12, "frequency": "monthly"}


def writing(kind: type[Write], official: Callable[[KiteConnect], Any], **fields: Any) -> Pair:
    wish = msgspec.convert(
        {"kind": kind.__struct_config__.tag, "command_id": "command-1", **fields},
        kind,
        strict=False,
    )
    tag = fields.pop("tag", "")
    return Pair(official, lambda rest: KiteWrites(rest).write(wish, tag=tag))


WRITES: dict[str, Pair] = {
    "gtt_place": writing(GttPlace, lambda kite: kite.place_gtt(**TRIGGER), **TRIGGER),
    "gtt_place_two_leg": writing(GttPlace, lambda kite: kite.place_gtt(**TWO_LEG), **TWO_LEG),
    "gtt_modify": writing(
        GttModify, lambda kite: kite.modify_gtt(7, **TWO_LEG), trigger_id=7, **TWO_LEG
    ),
    "gtt_delete": writing(GttDelete, lambda kite: kite.delete_gtt(7), trigger_id=7),
    "convert": writing(Convert, lambda kite: kite.convert_position(**CONVERSION), **CONVERSION),
    "mf_buy": writing(
        MfPlace, lambda kite: kite.place_mf_order(FUND, "BUY", amount=1000), **MF_BUY
    ),
    "mf_sell": writing(
        MfPlace, lambda kite: kite.place_mf_order(FUND, "SELL", quantity="1.005"), **MF_SELL
    ),
    "mf_cancel": writing(MfCancel, lambda kite: kite.cancel_mf_order("a-b"), order_id="a-b"),
    "sip_place": writing(
        SipPlace,
        lambda kite: kite.place_mf_sip(FUND, **SIP, initial_amount=500, instalment_day=1),
        tradingsymbol=FUND,
        **SIP,
        initial_amount=500,
        instalment_day=1,
    ),
    "sip_modify": writing(
        SipModify,
        lambda kite: kite.modify_mf_sip("77", amount=500, status="paused"),
        sip_id="77",
        amount=500,
        status="paused",
    ),
    "sip_cancel": writing(SipCancel, lambda kite: kite.cancel_mf_sip("77"), sip_id="77"),
}
NAMES = ["NFO:NIFTY26NOVFUT", "NSE:NIFTY 50", "NSE:M&M"]
SPAN = ("2026-11-20 09:15:00", "2026-11-20 15:30:00")
RECKONED = {
    "exchange": "NFO",
    "tradingsymbol": "NIFTY26NOV24500CE",
    "transaction_type": "BUY",
    "variety": "regular",
    "product": "NRML",
    "order_type": "LIMIT",
    "quantity": 65,
}
EXECUTED = [RECKONED | {"order_id": "15", "average_price": 101.55}]
WANTED = [RECKONED | {"price": 101.55, "trigger_price": 0}]
SPAN_OF_DAYS = Candles(58626, "day", *SPAN, continuous=True)
READS: dict[str, Pair] = {
    "auctions": reading(lambda kite: kite.get_auction_instruments(), reads.auctions()),
    "order_margins": reading(lambda kite: kite.order_margins(WANTED), reads.order_margins(WANTED)),
    "basket_margins": reading(
        lambda kite: kite.basket_order_margins(WANTED), reads.basket_margins(WANTED)
    ),
    "basket_margins_alone": reading(
        lambda kite: kite.basket_order_margins(WANTED, consider_positions=False, mode="compact"),
        reads.basket_margins(WANTED, consider_positions=False, compact=True),
    ),
    "charges": reading(
        lambda kite: kite.get_virtual_contract_note(EXECUTED), reads.charges(EXECUTED)
    ),
    "gtts": reading(lambda kite: kite.get_gtts(), reads.gtts()),
    "gtt": reading(lambda kite: kite.get_gtt(123), reads.gtt(123)),
    "mf_orders": reading(lambda kite: kite.mf_orders(), reads.mf_orders()),
    "mf_order": reading(lambda kite: kite.mf_orders("a-1"), reads.mf_order("a-1")),
    "mf_sips": reading(lambda kite: kite.mf_sips(), reads.mf_sips()),
    "mf_sip": reading(lambda kite: kite.mf_sips("7"), reads.mf_sip("7")),
    "mf_holdings": reading(lambda kite: kite.mf_holdings(), reads.mf_holdings()),
    "mf_instruments": reading(lambda kite: kite.mf_instruments(), reads.mf_instruments(1.0)),
    "trigger_range": reading(
        lambda kite: kite.trigger_range("BUY", NAMES), reads.trigger_range("BUY", NAMES)
    ),
    "candles_of_days": reading(
        lambda kite: kite.historical_data(58626, *SPAN, "day", continuous=True),
        reads.candles(SPAN_OF_DAYS),
    ),
}
PAIRS: dict[str, Pair] = {
    **WRITES,
    "place_autoslice": Pair(
        lambda kite: kite.place_autoslice_order(**PLAIN),
        lambda rest: KiteOrders(rest).place(NewOrder(**PLAIN, autoslice="true")),
    ),
    **READS,
    **{f"place_{name}": placing(fields) for name, fields in PLACEMENTS.items()},
    **{f"modify_{name}": changing(fields) for name, fields in CHANGES.items()},
    "cancel": Pair(
        lambda kite: kite.cancel_order("regular", "15"),
        lambda rest: KiteOrders(rest).cancel("15"),
    ),
    "cancel_of_parent": Pair(
        lambda kite: kite.cancel_order("co", "15", parent_order_id="14"),
        lambda rest: KiteOrders(rest).cancel("15", variety="co", parent_order_id="14"),
    ),
    "orders": Pair(lambda kite: kite.orders(), lambda rest: KiteOrders(rest).book()),
    "order_history": Pair(
        lambda kite: kite.order_history("15"), lambda rest: KiteOrders(rest).history("15")
    ),
    "trades": Pair(lambda kite: kite.trades(), lambda rest: KiteOrders(rest).trades()),
    "order_trades": Pair(
        lambda kite: kite.order_trades("15"), lambda rest: KiteOrders(rest).order_trades("15")
    ),
    "quote": Pair(lambda kite: kite.quote(NAMES), lambda rest: KiteData(rest).quote(NAMES)),
    "ohlc": Pair(lambda kite: kite.ohlc(NAMES), lambda rest: KiteData(rest).ohlc(NAMES)),
    "ltp": Pair(lambda kite: kite.ltp(NAMES), lambda rest: KiteData(rest).ltp(NAMES)),
    "candles": Pair(
        lambda kite: kite.historical_data(256265, *SPAN, "minute", oi=True),
        lambda rest: KiteData(rest).candles(Candles(256265, "minute", *SPAN, oi=True)),
    ),
    "instruments": Pair(lambda kite: kite.instruments(), lambda rest: KiteData(rest).instruments()),
    "instruments_of_exchange": Pair(
        lambda kite: kite.instruments("NFO"), lambda rest: KiteData(rest).instruments("NFO")
    ),
    "profile": Pair(lambda kite: kite.profile(), lambda rest: KiteSessions(rest).profile()),
    "invalidate": Pair(
        lambda kite: kite.invalidate_access_token("old+/token"),
        lambda rest: KiteSessions(rest).invalidate(Secret("old+/token")),
    ),
    "positions": Pair(lambda kite: kite.positions(), lambda rest: KitePortfolio(rest).positions()),
    "holdings": Pair(lambda kite: kite.holdings(), lambda rest: KitePortfolio(rest).holdings()),
    "margins": Pair(lambda kite: kite.margins(), lambda rest: KitePortfolio(rest).margins()),
    "margins_of_segment": Pair(
        lambda kite: kite.margins("equity"),
        lambda rest: KitePortfolio(rest).margins("equity"),
    ),
}


async def refuse(_: web.Request) -> web.StreamResponse:
    """Only the request matters: both clients raise at this."""
    body = {"status": "error", "message": "no", "error_type": "InputException"}
    return web.json_response(body, status=400)


def compared(noted: Noted) -> dict[str, Any]:
    return {
        "method": noted.method,
        "path": noted.path,
        "query": sorted(noted.query),
        "form": sorted(noted.form),
        "json": noted.json,
        "headers": {name: noted.headers.get(name) for name in COMPARED_HEADERS},
        "form type": noted.headers.get("Content-Type") if noted.form else None,
    }


async def note_both(pair: Pair, access_token: str) -> tuple[Noted, Noted]:
    async with serving_rest(refuse) as server:
        official = KiteConnect(KEY, access_token or None, root=server.url)

        def ask_official() -> None:
            with suppress(Exception):
                pair.official(official)
            official.reqsession.close()

        await asyncio.to_thread(ask_official)
        settings = KiteSettings(rest_url=server.url)
        async with open_rest(settings, KEY, lambda: Secret(access_token)) as rest:
            with suppress(PipelineError):
                await pair.ours(rest)
        theirs, ours = server.noted
    return theirs, ours


@pytest.mark.parametrize("name", PAIRS)
async def test_request_of_every_method_equals_the_official_clients(name: str) -> None:
    theirs, ours = await note_both(PAIRS[name], TOKEN)
    assert compared(ours) == compared(theirs)
    assert ours.headers["Authorization"] == f"token {KEY}:{TOKEN}"


async def test_request_for_a_session_equals_the_official_clients() -> None:
    pair = Pair(
        lambda kite: kite.generate_session("the request token", SECRET),
        lambda rest: KiteSessions(rest).exchange("the request token", Secret(SECRET)),
    )
    theirs, ours = await note_both(pair, "")
    assert compared(ours) == compared(theirs)
    assert "Authorization" not in ours.headers


def test_login_url_equals_the_official_clients() -> None:
    assert login_url(KiteSettings(), KEY) == KiteConnect(KEY).login_url()


def test_tag_of_a_mutual_fund_order_is_a_field_of_its_form() -> None:
    wish = MfPlace(
        command_id="command-1", tradingsymbol=FUND, transaction_type="BUY", amount=Decimal(10)
    )
    assert ("tag", "t1234567") in call_of(wish, tag="t1234567").request.form
