"""The official client writes what is no order, unmodified, at the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kiteconnect import KiteConnect
from kiteconnect.exceptions import GeneralException, InputException

from tests.support.sandbox import SandboxInfo, sandbox_process

FUND = "INF174K01LS2"
ORDER = {
    "transaction_type": "BUY",
    "quantity": 1,
    "order_type": "LIMIT",
    "product": "CNC",
    "price": 1300.0,
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxInfo]:
    arguments = ["--strikes", "1", "--limits", "off", "--funds", "on", "--step-ms", "1000"]
    with sandbox_process(seed=12, extra_args=arguments) as found:
        found.post("market", frozen=True)
        found.post("price", symbol="INFY", price=1500)
        yield found


def test_trigger_lives_from_placing_to_deletion(kite: KiteConnect) -> None:
    trigger_id = kite.place_gtt("single", "INFY", "NSE", [1300.0], 1500.0, [ORDER])["trigger_id"]
    assert trigger_id in [row["id"] for row in kite.get_gtts()]
    kite.modify_gtt(trigger_id, "two-leg", "INFY", "NSE", [1300.0, 1600.0], 1500.0, [ORDER] * 2)
    assert kite.get_gtt(trigger_id)["type"] == "two-leg"
    kite.delete_gtt(trigger_id)
    assert kite.get_gtt(trigger_id)["status"] == "deleted"
    with pytest.raises(GeneralException):
        kite.delete_gtt(trigger_id)


def test_position_changes_its_product(kite: KiteConnect) -> None:
    bought = {"variety": "regular", "exchange": "NSE", "tradingsymbol": "INFY"}
    kite.place_order(
        **bought,
        transaction_type="BUY",
        quantity=3,
        product="MIS",
        order_type="MARKET",
        market_protection=-1,
    )
    conversion = ("NSE", "INFY", "BUY", "day")
    assert kite.convert_position(*conversion, 2, "MIS", "CNC") is True
    held = {row["product"]: row["quantity"] for row in kite.positions()["net"]}
    assert held == {"MIS": 1, "CNC": 2}
    with pytest.raises(InputException):
        kite.convert_position(*conversion, 2, "MIS", "CNC")


def test_mutual_funds_are_ordered_and_plans_kept_where_the_sandbox_takes_them(
    kite: KiteConnect,
) -> None:
    order_id = kite.place_mf_order(FUND, "BUY", amount=1000, tag="t1")["order_id"]
    kite.cancel_mf_order(order_id)
    assert kite.mf_orders(order_id)["status"] == "CANCELLED"
    sip_id = kite.place_mf_sip(FUND, 1000, 12, "monthly", instalment_day=1)["sip_id"]
    kite.modify_mf_sip(sip_id, amount=500, status="paused")
    assert (kite.mf_sips(sip_id)["status"], kite.mf_sips(sip_id)["instalment_amount"]) == (
        "PAUSED",
        500,
    )
    kite.cancel_mf_sip(sip_id)
    assert [plan["status"] for plan in kite.mf_sips()] == ["CANCELLED"]


@pytest.mark.parametrize("variety", ["amo", "co", "iceberg", "auction"])
def test_order_of_every_variety_is_taken(kite: KiteConnect, variety: str) -> None:
    more = {
        "amo": {},
        "co": {"trigger_price": 1250.0, "product": "MIS"},
        "iceberg": {"iceberg_legs": 2, "iceberg_quantity": 5, "quantity": 10},
        "auction": {"auction_number": "22"},
    }[variety]
    order = {**ORDER, "exchange": "NSE", "tradingsymbol": "INFY", "price": 1440.0, **more}
    order_id = kite.place_order(variety, **order)
    row = next(row for row in kite.orders() if row["order_id"] == order_id)
    assert row["variety"] == variety
    kite.cancel_order(variety, order_id)


def test_slices_come_back_as_the_client_documents_them(kite: KiteConnect) -> None:
    future = next(
        row for row in kite.instruments("NFO") if row["name"] == "NIFTY" and not row["strike"]
    )
    spot = kite.ltp("NSE:NIFTY 50")["NSE:NIFTY 50"]["last_price"]
    answer = kite.place_autoslice_order(
        "regular",
        "NFO",
        future["tradingsymbol"],
        "BUY",
        3 * 1755,
        "NRML",
        "LIMIT",
        price=round(spot * 0.95),
    )
    assert len(answer["children"]) == 2
    assert all("order_id" in child for child in answer["children"])
