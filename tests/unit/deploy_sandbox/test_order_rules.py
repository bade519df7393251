"""What the broker demands of an order form."""

import pytest

from deploy.sandbox.contracts import Contract, Kind
from deploy.sandbox.order_rules import changed_ticket, read_ticket
from shared.errors import KiteRejected

OPTION = Contract(
    token=1,
    exchange_token=0,
    symbol="NIFTY26DEC24650CE",
    name="NIFTY",
    exchange="NFO",
    segment="NFO-OPT",
    kind=Kind.CALL,
    asset=0,
    group=0,
    strike=24650.0,
    tick_paise=5,
    lot_size=65,
    freeze_quantity=1800,
)
FORM = {
    "transaction_type": "BUY",
    "quantity": "65",
    "product": "NRML",
    "order_type": "LIMIT",
    "price": "101.05",
    "tag": "t1",
}


def test_ticket_of_a_proper_form_has_its_price_in_paise() -> None:
    ticket = read_ticket("regular", FORM, OPTION)
    assert (ticket.price, ticket.quantity, ticket.tag, ticket.validity) == (10105, 65, "t1", "DAY")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"quantity": "64"}, "lot size 65"),
        ({"quantity": "0"}, "quantity"),
        ({"quantity": "-65"}, "quantity"),
        ({"quantity": "1885"}, "higher than the maximum"),
        ({"quantity": ""}, "Missing or empty field `quantity`"),
        ({"price": "101.03"}, "Tick size for this script is 5.00 paise"),
        ({"price": "abc"}, "price"),
        ({"price": "NaN"}, "price"),
        ({"price": "1e30"}, "price"),
        ({"price": "0"}, "price"),
        ({"price": "1e999999"}, "price"),
        ({"quantity": "6" * 5000}, "quantity"),
        ({"product": "CNC"}, "product"),
        ({"transaction_type": "HOLD"}, "transaction_type"),
        ({"order_type": "MARKET"}, "without market protection"),
        ({"order_type": "MARKET", "market_protection": "0"}, "without market protection"),
        ({"order_type": "MARKET", "market_protection": "101"}, "market_protection"),
        ({"order_type": "MARKET", "market_protection": "x"}, "market_protection"),
        ({"order_type": "SL-M", "trigger_price": "90", "market_protection": "-1"}, "SL-M"),
        ({"order_type": "SL", "trigger_price": "102"}, "trigger price"),
        ({"validity": "GTC"}, "validity"),
        ({"validity": "TTL"}, "validity_ttl"),
        ({"tag": "x" * 21}, "20 characters"),
    ],
)
def test_ticket_of_a_form_against_a_rule_is_refused_with_a_400(
    change: dict[str, str], words: str
) -> None:
    with pytest.raises(KiteRejected, match=words) as caught:
        read_ticket("regular", {**FORM, **change}, OPTION)
    assert caught.value.status == 400
    assert caught.value.error_type == "InputException"


def test_ticket_of_an_unlisted_contract_is_refused() -> None:
    with pytest.raises(KiteRejected, match="expired or does not exist"):
        read_ticket("regular", FORM, None)


def test_ticket_of_an_unknown_variety_is_refused() -> None:
    with pytest.raises(KiteRejected, match="variety"):
        read_ticket("bo", FORM, OPTION)


def test_ticket_tag_of_twenty_characters_passes() -> None:
    assert read_ticket("amo", {**FORM, "tag": "x" * 20}, OPTION).tag == "x" * 20


def test_changed_ticket_keeps_what_was_not_named() -> None:
    ticket = read_ticket("regular", FORM, OPTION)
    changed = changed_ticket(ticket, {"price": "99", "order_id": "5"}, OPTION, 0)
    assert (changed.price, changed.quantity, changed.tag) == (9900, 65, "t1")


def test_changed_ticket_to_market_needs_protection() -> None:
    ticket = read_ticket("regular", FORM, OPTION)
    with pytest.raises(KiteRejected, match="market protection"):
        changed_ticket(ticket, {"order_type": "MARKET"}, OPTION, 0)


def test_changed_ticket_to_less_than_what_traded_is_refused() -> None:
    ticket = read_ticket("regular", {**FORM, "quantity": "130"}, OPTION)
    with pytest.raises(KiteRejected, match="filled quantity 65"):
        changed_ticket(ticket, {"quantity": "65"}, OPTION, 65)
