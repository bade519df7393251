"""Whatever a body holds, it is a command of the stream or a refusal."""

import contextlib
import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.access.auth import digest, read_keyring
from publisher.api.command_bodies import ModifyBody, PlaceBody, read_command
from publisher.api.errors import HttpRefusal
from publisher.api.route import Call, PageQuery, body_of, parameters
from publisher.api.webhooks import WebhookBody
from shared.wire.fingerprint import fingerprint
from shared.wire.orders import Modify, Place

PLACE = {
    "command_id": "command-1", "exchange": "NSE", "tradingsymbol": "INFY",
    "transaction_type": "BUY", "quantity": 1, "product": "CNC", "order_type": "LIMIT",
    "price": "1500.05",
}  # fmt: skip


def read(fields: dict, **said):
    return read_command(json.dumps(fields).encode(), said, idempotency_key=None)


def test_a_body_is_read_as_the_stream_reads_it() -> None:
    by_name = read(PLACE, kind="place")
    assert by_name == msgspec.json.decode(json.dumps({**PLACE, "kind": "place"}), type=Place)
    assert by_name.price == Decimal("1500.05")


def test_the_header_names_the_command_where_the_body_does_not() -> None:
    body = json.dumps({**PLACE, "command_id": None}).encode()
    command = read_command(body, {"kind": "place"}, idempotency_key="command-2")
    assert command.command_id == "command-2"


def test_bodies_have_every_field_of_their_command() -> None:
    assert set(PlaceBody.__struct_fields__) == set(Place.__struct_fields__)
    targets = {"target_command_id", "order_id"}
    assert set(ModifyBody.__struct_fields__) == set(Modify.__struct_fields__) - targets


@given(st.binary(max_size=300))
def test_any_bytes_are_a_command_or_a_refusal(body: bytes) -> None:
    with pytest.raises(HttpRefusal) as refused:
        read_command(body, {"kind": "place"}, idempotency_key="command-1")
    assert refused.value.status in {400, 422}


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from([*Place.__struct_fields__, "kind", "x"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.integers(), max_size=2),
    )
)  # fmt: skip
def test_any_fields_are_a_command_or_a_refusal(fields: dict) -> None:
    with contextlib.suppress(HttpRefusal):
        assert len(fingerprint(read({**PLACE, **fields}))) == 32


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        ({"quantity": 0}, "quantity", "quantity is 0, must be int >= 1"),
        ({"quantity": "1"}, "quantity", 'quantity is "1", must be int'),
        ({"colour": 1}, "colour", "colour is 1, must be absent: there is no such field"),
        ({"product": "XYZ"}, "product", 'product is "XYZ", must be one of CNC, MIS, MTF, NRML'),
        (
            {"command_id": "short"},
            "command_id",
            'command_id is "short", must be text like [A-Za-z0-9._:-]{8,64}',
        ),
    ],
)
def test_a_wrong_field_is_refused_with_its_value_and_the_rule(
    wrong: dict, field: str, message: str
) -> None:
    with pytest.raises(HttpRefusal) as refused:
        read({**PLACE, **wrong}, kind="place")
    assert (refused.value.status, refused.value.field) == (422, field)
    assert str(refused.value) == message


def call(body: bytes = b"", **query: str) -> Call:
    holder = read_keyring([f"desk:orders:*:{digest('k' * 43)}"]).named("desk")
    assert holder is not None
    return Call(
        principal=holder, request_id="", path={}, query=query, headers={}, body=body, remote=""
    )


def test_bodies_and_queries_of_any_route_are_refused_in_the_same_words() -> None:
    hook = {"url": "https://example.com/hook", "accounts": ["SB0001"], "events": ["nope"]}
    with pytest.raises(HttpRefusal) as refused:
        body_of(call(json.dumps(hook).encode()), WebhookBody)
    assert (refused.value.status, refused.value.field) == (422, "events[0]")
    assert str(refused.value).startswith('events[0] is "nope", must be one of received, waiting,')
    with pytest.raises(HttpRefusal) as refused:
        parameters(call(limit="x"), PageQuery)
    assert (refused.value.status, refused.value.field) == (422, "query.limit")
    assert str(refused.value) == 'query.limit is "x", must be int'


def test_a_body_that_is_no_json_is_malformed() -> None:
    for body in (b"", b"{oops", b"\xff"):
        with pytest.raises(HttpRefusal) as refused:
            body_of(call(body), WebhookBody)
        assert (refused.value.status, refused.value.code) == (400, "malformed")
