"""Orders, data, portfolio and sessions against a server that answers in Kite's words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from shared.errors import KiteOutcomeUnknown, KiteRejected, KiteUnavailable
from shared.kite.data import KiteData
from shared.kite.orders import KiteOrders, changed_order, new_order
from shared.kite.portfolio import KitePortfolio
from shared.kite.reads import Candles
from shared.kite.rest import KiteRest, open_rest
from shared.kite.session import KiteSessions
from shared.kite.settings import KiteSettings
from shared.kite.sliced import Placed
from shared.secret import Secret
from shared.wire.orders import Modify, Place
from tests.support.kite_rest_server import Answering, RestServer, serving_rest, success

PLACE = Place(
    command_id="c0000001",
    exchange="NFO",
    tradingsymbol="NIFTY26NOV24500CE",
    transaction_type="BUY",
    quantity=65,
    product="NRML",
    order_type="LIMIT",
    price=Decimal("101.50"),
)


@asynccontextmanager
async def kite(answering: Answering) -> AsyncIterator[tuple[KiteRest, RestServer]]:
    async with (
        serving_rest(answering) as server,
        open_rest(KiteSettings(rest_url=server.url), "key", lambda: Secret("token")) as rest,
    ):
        yield rest, server


async def test_place_of_a_command_sends_its_fields_and_returns_the_order_id() -> None:
    async with kite(success({"order_id": "2026112200001"})) as (rest, server):
        placed = await KiteOrders(rest).place(new_order(PLACE, tag="tf1"))
    assert placed == Placed("2026112200001")
    assert dict(server.noted[0].form) == {
        "variety": "regular",
        "exchange": "NFO",
        "tradingsymbol": "NIFTY26NOV24500CE",
        "transaction_type": "BUY",
        "quantity": "65",
        "product": "NRML",
        "order_type": "LIMIT",
        "price": "101.50",
        "validity": "DAY",
        "tag": "tf1",
    }


async def test_modify_of_a_command_sends_only_what_changes() -> None:
    command = Modify(command_id="c0000002", order_id="15", price=Decimal("1E+2"))
    async with kite(success({"order_id": "15"})) as (rest, server):
        assert await KiteOrders(rest).modify(changed_order(command, order_id="15")) == "15"
    assert dict(server.noted[0].form) == {"variety": "regular", "order_id": "15", "price": "100"}


@pytest.mark.parametrize("data", [None, {}, {"order_id": ""}, {"order_id": None}, [], "15"])
async def test_place_with_success_but_no_order_id_is_unknown(data: Any) -> None:
    async with kite(success(data)) as (rest, _):
        with pytest.raises(KiteOutcomeUnknown, match="without an order_id"):
            await KiteOrders(rest).place(new_order(PLACE, tag="tf1"))


async def test_cancel_with_an_odd_order_id_stays_on_its_path() -> None:
    async with kite(success({"order_id": "1"})) as (rest, server):
        await KiteOrders(rest).cancel("../x?y=1")
    assert server.noted[0].path == "/orders/regular/..%2Fx%3Fy%3D1"


async def test_place_refused_by_kite_is_rejected_with_its_words() -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        body = {
            "status": "error",
            "message": "Insufficient funds.",
            "error_type": "MarginException",
        }
        return web.json_response(body, status=400)

    async with kite(refuse) as (rest, _):
        with pytest.raises(KiteRejected, match=r"Insufficient funds\.") as caught:
            await KiteOrders(rest).place(new_order(PLACE, tag="tf1"))
    assert caught.value.error_type == "MarginException"


async def test_book_returns_rows_as_kite_wrote_them() -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        text = '{"status":"success","data":[{"price": 101.50},{"price":2}]}'
        return web.Response(text=text, content_type="application/json")

    async with kite(answer) as (rest, _):
        rows = await KiteOrders(rest).book()
    assert [bytes(row) for row in rows] == [b'{"price": 101.50}', b'{"price":2}']


async def test_book_that_is_no_list_is_unavailable() -> None:
    async with kite(success({})) as (rest, _):
        with pytest.raises(KiteUnavailable, match="not a list"):
            await KiteOrders(rest).book()


async def test_instruments_return_the_csv_untouched() -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"instrument_token\n1\n", content_type="text/csv")

    async with kite(answer) as (rest, _):
        assert await KiteData(rest).instruments() == b"instrument_token\n1\n"


async def test_quote_returns_rows_by_name() -> None:
    async with kite(success({"NSE:INFY": {"last_price": 1.5}})) as (rest, _):
        assert await KiteData(rest).quote(["NSE:INFY"]) == {"NSE:INFY": {"last_price": 1.5}}


@pytest.mark.parametrize("count", [0, 501])
async def test_quote_of_too_few_or_too_many_names_is_not_sent(count: int) -> None:
    async with kite(success({})) as (rest, server):
        with pytest.raises(ValueError, match="1 to 500 names"):
            await KiteData(rest).quote(["NSE:INFY"] * count)
    assert server.noted == []


async def test_candles_return_their_rows() -> None:
    rows = [["2026-11-20T09:15:00+0530", 1.0, 2.0, 0.5, 1.5, 100]]
    wanted = Candles(256265, "minute", "2026-11-20 09:15:00", "2026-11-20 09:16:00")
    async with kite(success({"candles": rows})) as (rest, _):
        assert await KiteData(rest).candles(wanted) == rows


async def test_positions_return_net_and_day() -> None:
    async with kite(success({"net": [{"quantity": -65}], "day": []})) as (rest, _):
        found = await KitePortfolio(rest).positions()
    assert found == {"net": [{"quantity": -65}], "day": []}


async def test_positions_of_another_shape_are_unavailable() -> None:
    async with kite(success([1])) as (rest, _):
        with pytest.raises(KiteUnavailable, match="unexpected shape"):
            await KitePortfolio(rest).positions()


async def test_exchange_returns_a_session_that_hides_its_token() -> None:
    data = {"user_id": "AB1234", "access_token": "fresh", "login_time": "2026-11-22 08:00:00"}
    async with kite(success(data)) as (rest, _):
        session = await KiteSessions(rest).exchange("r", Secret("s"))
    assert session.access_token == Secret("fresh")
    assert "fresh" not in repr(session)


async def test_profile_proves_whose_session_it_is() -> None:
    async with kite(success({"user_id": "AB1234", "exchanges": ["NFO"]})) as (rest, _):
        profile = await KiteSessions(rest).profile()
    assert (profile.user_id, profile.exchanges) == ("AB1234", ("NFO",))
