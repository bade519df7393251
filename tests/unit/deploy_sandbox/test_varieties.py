"""Orders of every variety at the sandbox's desk."""

import pytest

from deploy.sandbox.order_rows import order_row
from shared.errors import KiteRejected
from tests.unit.deploy_sandbox.test_desk import Setting


@pytest.fixture
def setting() -> Setting:
    return Setting()


def place(setting: Setting, variety: str, **fields: object) -> str:
    form = {
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "transaction_type": "BUY",
        "quantity": "10",
        "product": "MIS",
        "order_type": "LIMIT",
        "price": f"{setting.book.asks[0].price / 100:.2f}",
        **{name: str(value) for name, value in fields.items()},
    }
    return setting.desk.place(variety, form)


def rows(setting: Setting) -> list[dict]:
    return [order_row(order) for order in setting.desk.orders()]


def test_iceberg_sends_one_leg_after_the_other(setting: Setting) -> None:
    place(setting, "iceberg", quantity=5, iceberg_legs=3, iceberg_quantity=2, tag="t1")
    setting.desk.on_market()
    legs = [row["meta"]["iceberg"] for row in rows(setting)]
    assert [(leg["leg"], leg["remaining_quantity"]) for leg in legs] == [(1, 3), (2, 1), (3, 0)]
    assert [row["quantity"] for row in rows(setting)] == [2, 2, 1]
    assert {row["tag"] for row in rows(setting)} == {"t1"}


def test_cancelled_leg_of_an_iceberg_is_its_last(setting: Setting) -> None:
    resting = f"{setting.book.bids[-1].price / 100:.2f}"
    order_id = place(setting, "iceberg", iceberg_legs=2, iceberg_quantity=5, price=resting)
    setting.desk.cancel(order_id)
    assert [row["status"] for row in rows(setting)] == ["CANCELLED"]


@pytest.mark.parametrize(("legs", "quantity"), [(1, 10), (51, 1), (2, 4), (4, 5), ("", 5)])
def test_iceberg_of_uneven_legs_is_refused(setting: Setting, legs: object, quantity: int) -> None:
    with pytest.raises(KiteRejected):
        place(setting, "iceberg", iceberg_legs=legs, iceberg_quantity=quantity)


def test_cover_order_is_followed_by_its_stop_whose_exit_closes_the_position(
    setting: Setting,
) -> None:
    stop = f"{setting.book.bids[-1].price / 100 - 50:.2f}"
    order_id = place(setting, "co", trigger_price=stop)
    first, second = rows(setting)
    assert (first["status"], second["status"]) == ("COMPLETE", "TRIGGER PENDING")
    assert (second["parent_order_id"], second["transaction_type"]) == (order_id, "SELL")
    setting.desk.cancel(second["order_id"])
    assert rows(setting)[1]["status"] == "COMPLETE"


def test_after_market_order_waits_until_it_is_released(setting: Setting) -> None:
    order_id = place(setting, "amo")
    assert rows(setting)[0]["status"] == "AMO REQ RECEIVED"
    setting.desk.modify(order_id, {"quantity": "4"})
    setting.desk.release_after_market()
    assert (rows(setting)[0]["status"], rows(setting)[0]["quantity"]) == ("COMPLETE", 4)


def test_after_market_order_lives_over_the_night_that_clears_the_book(setting: Setting) -> None:
    place(setting, "amo")
    place(setting, "regular")
    setting.desk.new_day()
    assert [row["variety"] for row in rows(setting)] == ["amo"]
    assert rows(setting)[0]["status"] == "COMPLETE"


def test_after_market_order_can_be_cancelled(setting: Setting) -> None:
    setting.desk.cancel(place(setting, "amo"))
    assert rows(setting)[0]["status"] == "CANCELLED"


def test_auction_order_carries_its_number(setting: Setting) -> None:
    place(setting, "auction", auction_number=22, product="CNC")
    assert rows(setting)[0]["auction_number"] == "22"
    with pytest.raises(KiteRejected):
        place(setting, "auction")
