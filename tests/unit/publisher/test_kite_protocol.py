"""Kite's dialect: what its clients say, what they hear."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.kite.protocol import SetMode, Subscribe, Unsubscribe, error_text, order_text, parse
from shared.errors import MessageError
from shared.wire.ticks import Mode


def test_the_three_requests_of_the_ticker_are_understood_spaced_and_compact() -> None:
    assert parse('{"a": "subscribe", "v": [408065, 884737]}') == Subscribe((408065, 884737))
    assert parse('{"a":"unsubscribe","v":[408065]}') == Unsubscribe((408065,))
    assert parse('{"a":"mode","v":["full",[408065]]}') == SetMode(Mode.FULL, (408065,))


def test_tokens_may_be_text_as_in_javascript_programs() -> None:
    assert parse('{"a":"subscribe","v":["408065"]}') == Subscribe((408065,))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"a":"order","v":[1]}',
        '{"a":"subscribe","v":408065}',
        '{"a":"subscribe","v":[0]}',
        '{"a":"subscribe","v":[4294967296]}',
        '{"a":"mode","v":["deep",[1]]}',
        '{"a":"mode","v":["full"]}',
        '{"a":"subscribe","v":[1.5]}',
    ],
)
def test_anything_else_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(MessageError, match=r"no request of the ticker's: \w+"):
        parse(text)


@pytest.mark.slow
@given(st.one_of(st.text(), st.binary(), st.recursive(st.integers(), st.lists).map(json.dumps)))
def test_any_text_at_all_is_a_request_or_refused(text: str | bytes) -> None:
    try:
        request = parse(text)
    except MessageError:
        return
    assert all(0 < token < 2**32 for token in request.tokens)


def test_texts_are_objects_with_type_and_data() -> None:
    assert json.loads(error_text("too many")) == {"type": "error", "data": "too many"}
    row = msgspec.Raw(b'{"order_id": "1", "status": "OPEN"}')
    assert json.loads(order_text(row)) == {
        "type": "order",
        "data": {"order_id": "1", "status": "OPEN"},
    }
