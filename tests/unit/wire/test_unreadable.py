from __future__ import annotations

import msgspec
import pytest

from shared.errors import MessageError
from shared.wire.codec import decode, encode
from shared.wire.orders import Command, Place
from shared.wire.unreadable import SHOWN_MAX, explain

PLACE = {
    "kind": "place",
    "command_id": "command-1",
    "exchange": "NSE",
    "tradingsymbol": "INFY",
    "transaction_type": "BUY",
    "quantity": 1,
    "product": "MIS",
    "order_type": "LIMIT",
    "price": "1500",
}
LEG = {name: value for name, value in PLACE.items() if name not in ("kind", "command_id")}
BASKET = {"kind": "basket", "command_id": "command-1"}


def explained(body: bytes, field: bytes = b"json"):
    fields = {field: body}
    with pytest.raises(MessageError) as caught:
        decode(fields, Command)
    return explain(str(caught.value), fields, Command)


@pytest.mark.parametrize(
    ("facts", "field", "sentence"),
    [
        ({"quantity": "1"}, "quantity", 'quantity is "1", must be int'),
        ({"quantity": 0}, "quantity", "quantity is 0, must be int >= 1"),
        ({"price": "abc"}, "price", 'price is "abc", must be a decimal number'),
        (
            {"exchange": "nse"},
            "exchange",
            'exchange is "nse", must be one of BCD, BFO, BSE, CDS, MCX, NCO, NFO, NSE',
        ),
        ({"validity": "GTC"}, "validity", 'validity is "GTC", must be one of DAY, IOC, TTL'),
        ({"qty": 3}, "qty", "qty is 3, must be absent: there is no such field"),
        (
            {"command_id": "abc"},
            "command_id",
            'command_id is "abc", must be text like [A-Za-z0-9._:-]{8,64}',
        ),
        (
            {**BASKET, "legs": [LEG, {**LEG, "product": "X"}]},
            "legs[1].product",
            'legs[1].product is "X", must be one of CNC, MIS, MTF, NRML',
        ),
        (
            {**BASKET, "legs": [{**LEG, "foo": 1}]},
            "legs[0].foo",
            "legs[0].foo is 1, must be absent: there is no such field",
        ),
    ],
)
def test_entry_that_is_no_command_is_told_field_value_and_rule(facts, field, sentence):
    command = facts if "legs" in facts else {**PLACE, **facts}
    for name, encoder in ((b"json", msgspec.json.encode), (b"msgpack", msgspec.msgpack.encode)):
        reason = explained(encoder(command), name)
        assert (reason.code, reason.field, reason.sentence) == ("malformed", field, sentence)
        assert reason.sentence == f"{field} is {reason.measured}, must be {reason.limit}"


def test_missing_field_is_absent():
    body = {name: value for name, value in PLACE.items() if name != "quantity"}
    assert explained(msgspec.json.encode(body)).sentence == "quantity is absent, must be given"


def test_kind_that_is_none_is_told_all_there_are():
    reason = explained(msgspec.json.encode({**PLACE, "kind": "buy"}))
    assert (reason.field, reason.measured) == ("kind", '"buy"')
    assert {"place", "cancel", "gtt_place", "resume"} <= {
        *reason.limit.split("one of ")[1].split(", ")
    }


def test_long_value_is_cut():
    reason = explained(msgspec.json.encode({**PLACE, "tradingsymbol": "x" * 5000}))
    assert len(reason.measured) == SHOWN_MAX + 3
    assert len(reason.sentence) < 2 * SHOWN_MAX


@pytest.mark.parametrize("body", [b"{nope", b"[1]", b"\xff", b'{"kind":', b"[" * 100_000, b""])
def test_bytes_that_are_no_object_have_no_field(body):
    reason = explained(body)
    assert (reason.field, bool(reason.sentence)) == ("", True)


def test_entry_of_another_field_is_explained_by_its_own_sentence():
    sentence = "entry has neither a `json` nor a `msgpack` field (fields: data)"
    assert explain(sentence, {b"data": b"{}"}, Command).sentence == sentence


def test_type_that_is_no_union_is_explained_as_well():
    fields = encode(msgspec.convert({**PLACE, "quantity": 2}, Place))
    body = {b"json": fields[b"json"].replace(b'"BUY"', b'"HOLD"')}
    with pytest.raises(MessageError) as caught:
        decode(body, Place)
    assert explain(str(caught.value), body, Place).limit == "one of BUY, SELL"
