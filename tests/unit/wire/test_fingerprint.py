from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.wire.codec import decode
from shared.wire.fingerprint import FINGERPRINT_BYTES, fingerprint
from shared.wire.orders import Cancel, Command, Modify
from tests.golden.wire.build import HERE
from tests.unit.executor.builders import a_place


def read(body):
    return decode({b"json": body}, Command)


def test_fingerprint_has_its_length():
    assert len(fingerprint(a_place())) == FINGERPRINT_BYTES


def test_fingerprint_ignores_the_command_id():
    assert fingerprint(a_place(command_id="other-0001")) == fingerprint(a_place())


@pytest.mark.parametrize("price", ['"101.50"', "101.5", "1.015e2", '"101.500"'])
def test_fingerprint_takes_a_price_by_its_value_however_it_is_written(price):
    body = (
        b'{"kind": "place", "command_id": "command-1", "exchange": "NSE", "tradingsymbol": "INFY",'
        b' "transaction_type": "BUY", "quantity": 1, "product": "CNC", "order_type": "LIMIT",'
        b' "price": ' + price.encode() + b"}"
    )
    assert fingerprint(read(body)) == fingerprint(a_place(price=Decimal("101.5")))


def test_fingerprint_takes_zero_with_any_sign_or_scale_as_one():
    zeros = {fingerprint(a_place(price=Decimal(zero))) for zero in ("0", "0.00", "-0")}
    assert len(zeros) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"quantity": 2},
        {"price": Decimal("101.55")},
        {"price": None},
        {"valid_until_us": 1_800_000_000_000_000},
        {"strategy_id": "another"},
        {"transaction_type": "SELL"},
        {"market_protection": -1.0},
    ],
)
def test_fingerprint_tells_every_other_change_apart(change):
    assert fingerprint(a_place(**change)) != fingerprint(a_place())


def test_fingerprint_tells_kinds_apart():
    names = {"command_id": "command-1", "target_command_id": "command-0"}
    assert fingerprint(Cancel(**names)) != fingerprint(Modify(**names))


@given(quantity=st.integers(1, 10_000_000), paise=st.integers(1, 10**9))
def test_fingerprint_survives_the_way_through_either_encoding(quantity, paise):
    command = a_place(quantity=quantity, price=Decimal(paise) / 100)
    for field, encode in ((b"json", msgspec.json.encode), (b"msgpack", msgspec.msgpack.encode)):
        assert fingerprint(decode({field: encode(command)}, Command)) == fingerprint(command)


@pytest.mark.parametrize(
    ("name", "begins"),
    [("place", "fe6e9e268171"), ("modify", "18acddf3d3b3"), ("cancel", "49fee389f108")],
)
def test_fingerprint_of_an_old_command_is_what_it_was_when_it_had_fewer_fields(name, begins):
    body = (HERE / f"{name}.v1.json").read_bytes()
    assert fingerprint(read(body)).hex().startswith(begins)


def test_fingerprint_counts_a_later_field_once_it_is_used():
    assert fingerprint(a_place(autoslice=True)) != fingerprint(a_place())
