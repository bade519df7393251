from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kite.notices import Complaint, Notice, OrderUpdate, read


def test_read_of_an_order_keeps_the_row_untouched() -> None:
    row = b'{"order_id": "15", "price":101.50}'
    assert read(b'{"type":"order","data":' + row + b"}") == OrderUpdate(row)


def test_read_of_an_error_gives_its_text() -> None:
    assert read(b'{"type":"error","data":"too many"}') == Complaint("too many")


def test_read_of_an_error_that_is_not_text_gives_its_json() -> None:
    assert read(b'{"type":"error","data":{"a":1}}') == Complaint('{"a":1}')


def test_read_of_a_message_gives_its_text() -> None:
    assert read(b'{"type":"message","data":"hello"}') == Notice("hello")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"null",
        b'"order"',
        b"{}",
        b'{"type":1}',
        b'{"type":"instruments_meta","data":{}}',
        b'{"type":"order"}',
        b'{"type":"order","data":{}}',
        b'{"type":"order","data":[1]}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_read_of_anything_else_gives_nothing(payload: bytes) -> None:
    assert read(payload) is None


@given(st.binary(max_size=200))
def test_read_of_any_bytes_never_raises(payload: bytes) -> None:
    read(payload)
