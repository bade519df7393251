from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import MessageError
from shared.wire import codec
from shared.wire.decimals import PRICE_PAISE_MAX, paise, rupees_text
from shared.wire.orders import Command, Place

PLACE: dict[str, Any] = {
    "kind": "place",
    "command_id": "01JD3Z7Q-0001",
    "exchange": "NFO",
    "tradingsymbol": "NIFTY26NOV24000CE",
    "transaction_type": "BUY",
    "quantity": 65,
    "product": "NRML",
    "order_type": "LIMIT",
    "price": "101.55",
}


def entry(**changes: Any) -> dict[bytes, bytes]:
    body = {name: value for name, value in (PLACE | changes).items() if value is not ...}
    return {b"json": json.dumps(body).encode()}


def test_command_written_by_hand_is_read() -> None:
    command = codec.decode(entry(), Command)
    assert isinstance(command, Place)
    assert command.price == Decimal("101.55")


def test_price_as_json_number_is_read_as_the_decimal_that_was_written() -> None:
    body = b'{"price":101.1,' + json.dumps({**PLACE, "price": ...} | {"price": None}).encode()[1:]
    body = body.replace(b', "price": null', b"")
    assert codec.decode({b"json": body}, Command).price == Decimal("101.1")


def test_command_as_msgpack_is_the_same_command() -> None:
    packed = {b"msgpack": msgspec.msgpack.encode(PLACE)}
    assert codec.decode(packed, Command) == codec.decode(entry(), Command)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quantity": 0}, r"`int` >= 1 - at `\$.quantity`"),
        ({"quantity": "65"}, r"Expected `int`, got `str` - at `\$.quantity`"),
        ({"exchange": "NYSE"}, r"Invalid enum value 'NYSE' - at `\$.exchange`"),
        ({"qty": 1}, r"unknown field `qty`"),
        ({"product": ...}, r"missing required field `product`"),
        ({"command_id": "short"}, r"matching regex .* - at `\$.command_id`"),
        ({"command_id": "has space in it"}, r"at `\$.command_id`"),
        ({"valid_until_us": 1_700_000_000}, r">= 1000000000000000 - at `\$.valid_until_us`"),
        ({"kind": "replace"}, r"Invalid value 'replace' - at `\$.kind`"),
    ],
)
def test_bad_command_is_refused_naming_field_and_rule(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(MessageError, match=said):
        codec.decode(entry(**changes), Command)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_or_a_message_error(body: bytes) -> None:
    for field in (b"json", b"msgpack"):
        with pytest.raises(MessageError):
            codec.decode({field: body}, Command)


def test_entry_without_a_known_field_says_which_it_has() -> None:
    with pytest.raises(MessageError, match=r"neither a `json` nor a `msgpack` field \(fields: x\)"):
        codec.decode({b"x": b"1"}, Command)


def test_message_longer_than_the_limit_is_refused_unread() -> None:
    with pytest.raises(MessageError, match="is over"):
        codec.decode({b"json": b" " * (codec.MESSAGE_BYTES_MAX + 1)}, Command)


@given(st.integers(0, PRICE_PAISE_MAX))
def test_paise_survive_their_text(amount: int) -> None:
    assert paise(rupees_text(amount)) == amount


@pytest.mark.parametrize(
    "bad", ["1.005", "-1", "NaN", "Infinity", "1e12", "1e999999999", "abc", ""]
)
def test_price_that_is_none_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match=r"paisa|outside|finite|decimal"):
        paise(bad)
