"""Cursors go where they came from."""

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.api.errors import HttpRefusal
from publisher.api.pagination import cursor_of, cut, number_of, position_of


@given(st.text(min_size=1, max_size=50))
def test_a_place_comes_back_as_it_was(position: str) -> None:
    assert position_of("orders", cursor_of("orders", position)) == position


@given(st.text(max_size=200))
def test_any_text_is_a_place_or_a_refusal(cursor: str) -> None:
    with contextlib.suppress(HttpRefusal):
        assert 0 <= number_of("orders", cursor) < 2**63


@pytest.mark.parametrize(
    "text", ["commands:7", "orders:", "orders", "orders:-1", "orders:9" + "9" * 30]
)
def test_a_cursor_of_something_else_is_refused(text: str) -> None:
    with pytest.raises(HttpRefusal):
        number_of("orders", base64.urlsafe_b64encode(text.encode()).decode())


def test_the_last_page_has_no_next() -> None:
    assert cut([1, 2], 2, "orders", lambda row: row) == ([1, 2], None)
    page, following = cut([1, 2, 3], 2, "orders", lambda row: row)
    assert page == [1, 2]
    assert number_of("orders", following) == 2
