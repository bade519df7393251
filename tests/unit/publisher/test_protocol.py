"""Clients' messages are requests or refused in words; closes say what to do next."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.fanout.dialects import JSON
from publisher.protocol import parsing as protocol
from publisher.protocol.farewells import DRAINING, FAREWELLS, UNAUTHENTICATED, Retry
from publisher.protocol.modes import MODE_FIELDS, MODES
from publisher.protocol.requests import Auth, Ping, Subscribe, Unsubscribe
from shared.errors import MessageError


def test_a_subscribe_is_read_with_its_defaults() -> None:
    request = protocol.parse('{"op":"subscribe","ticks":{"tokens":[1],"mode":"ltp"}}')
    assert isinstance(request, Subscribe)
    assert request.snapshot
    assert request.orders == ()
    assert request.ticks.mode == "ltp"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"op":"auth","key":"abc"}', Auth),
        ('{"op":"ping"}', Ping),
        ('{"op":"unsubscribe","gaps":true}', Unsubscribe),
    ],
)
def test_each_op_is_its_own_request(text: str, kind: type) -> None:
    assert isinstance(protocol.parse(text), kind)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '"auth"',
        '{"op":"trade"}',
        '{"op":"subscribe","tics":{}}',
        '{"op":"subscribe","ticks":{"tokens":[0]}}',
        '{"op":"subscribe","ticks":{"tokens":[4294967296]}}',
        '{"op":"subscribe","ticks":{"tokens":[1.5]}}',
        '{"op":"subscribe","ticks":{"mode":"all"}}',
        '{"op":"subscribe","policy":{"mode":"fast"}}',
        '{"op":"subscribe","policy":{"budget_bytes":1}}',
        '{"op":"subscribe","policy":{"min_interval_ms":-1}}',
        '{"op":"subscribe","orders":["../x"]}',
        "[" * 100_000,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(MessageError):
        protocol.parse(text)


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300)))
def test_any_bytes_are_a_request_or_a_message_error(message: bytes | str) -> None:
    try:
        protocol.parse(message)
    except MessageError:
        return


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from(["ticks", "orders", "gaps", "policy", "snapshot", "key"]), json_values
    ),
    st.sampled_from(["auth", "subscribe", "unsubscribe", "ping"]),
)
def test_any_json_is_a_request_or_a_message_error(fields: dict, op: str) -> None:
    try:
        protocol.parse(msgspec.json.encode({"op": op, **fields}).decode())
    except MessageError:
        return


def test_close_codes_say_whether_to_come_back() -> None:
    assert len({farewell.code for farewell in FAREWELLS}) == len(FAREWELLS)
    for farewell in FAREWELLS:
        assert 4000 <= farewell.code < 5000
        assert (farewell.code >= 4500) == (farewell.retry is Retry.NO)
        assert len(farewell.reason(600_000)) <= 123


def test_a_reason_names_the_wait_only_where_there_is_one() -> None:
    assert DRAINING.reason(1500) == b"draining retry=after after_ms=1500"
    assert UNAUTHENTICATED.reason(1500) == b"unauthenticated retry=no"


def test_every_mode_is_described() -> None:
    assert set(MODE_FIELDS) == set(MODES)
    assert all(f"\n    {mode} " in protocol.__doc__ for mode in MODES)


def test_envelopes_hold_payloads_as_they_are() -> None:
    assert json.loads(JSON.ticks([b'{"a":1}', b'{"a":2}'], None)) == {
        "op": "ticks",
        "ticks": [{"a": 1}, {"a": 2}],
    }
    assert json.loads(JSON.snapshot(7, [], True)) == {  # noqa: FBT003  # the envelope takes what it is given
        "op": "snapshot",
        "snapshot_id": 7,
        "last": True,
        "ticks": [],
    }
