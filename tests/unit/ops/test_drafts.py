"""Commands from what was typed."""

from __future__ import annotations

import re
import uuid
from decimal import Decimal

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ops import drafts
from shared.wire import codec
from shared.wire.orders import Cancel, Command, Modify, Place

TYPED = {
    "command_id": "test-0001",
    "exchange": "NSE",
    "tradingsymbol": "INFY",
    "transaction_type": "BUY",
    "quantity": 1,
    "product": "MIS",
    "order_type": "LIMIT",
    "price": "101.55",
}


def test_draft_keeps_defaults_for_what_was_not_typed() -> None:
    order = drafts.draft(Place, {**TYPED, "validity": None})
    assert (order.price, order.validity, order.variety) == (Decimal("101.55"), "DAY", "regular")


def test_draft_survives_the_wire() -> None:
    order = drafts.draft(Place, TYPED)
    assert codec.decode(codec.encode(order), Command) == order


@pytest.mark.parametrize(
    ("field", "value", "flag"),
    [
        ("quantity", 0, "--quantity"),
        ("tradingsymbol", "", "--symbol"),
        ("command_id", "short", "--command-id"),
        ("price", "1.005", "--price"),
        ("price", "dear", "--price"),
        ("strategy_id", "no spaces", "--strategy"),
        ("transaction_type", "HOLD", "--side"),
    ],
)
def test_draft_names_the_flag_that_is_wrong(field: str, value: object, flag: str) -> None:
    with pytest.raises(click.UsageError, match=f"^{re.escape(flag)}: "):
        drafts.draft(Place, {**TYPED, field: value})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"price": None}, "a LIMIT order needs --price"),
        ({"order_type": "MARKET"}, "a MARKET order has no --price"),
        ({"order_type": "SL"}, "a SL order needs --trigger-price"),
        ({"trigger_price": "100"}, "a LIMIT order has no --trigger-price"),
        ({"validity": "TTL"}, "--ttl-minutes belongs"),
        ({"validity_ttl_minutes": 5}, "--ttl-minutes belongs"),
    ],
)
def test_place_whose_prices_do_not_fit_its_type_is_refused(changes, sentence: str) -> None:
    with pytest.raises(click.UsageError, match=sentence):
        drafts.check_place(drafts.draft(Place, {**TYPED, **changes}))


def test_target_is_one_of_two() -> None:
    neither = Cancel(command_id="test-0001")
    both = Cancel(command_id="test-0001", target_command_id="test-0002", order_id="1")
    for command in (neither, both):
        with pytest.raises(click.UsageError, match="--target or by --order-id"):
            drafts.check_target(command)
    drafts.check_target(Cancel(command_id="test-0001", order_id="1"))


def test_modify_that_changes_nothing_is_refused() -> None:
    with pytest.raises(click.UsageError, match="what is to change"):
        drafts.check_change(Modify(command_id="test-0001", order_id="1"))


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_new_id_is_a_uuid7_that_tells_its_time(ms: int, chance: bytes) -> None:
    made = drafts.new_command_id(ms * 1_000_000, chance)
    assert uuid.UUID(made).version == 7
    assert uuid.UUID(made).variant == uuid.RFC_4122
    assert drafts.made_at_ns(made) == ms * 1_000_000


@pytest.mark.parametrize("other", ["test-0001", "9b2e6f0e-6d3c-4f57-9a55-1f2b3c4d5e6f"])
def test_other_ids_tell_no_time(other: str) -> None:
    assert drafts.made_at_ns(other) is None


def test_validity_in_seconds_becomes_a_moment() -> None:
    assert drafts.valid_until_us(1_764_000_000_000_000_000, 60.0) == 1_764_000_060_000_000
    assert drafts.valid_until_us(1, None) is None
