from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from shared.kite import subscriptions
from shared.wire.ticks import Mode


def test_membership_of_no_tokens_says_nothing() -> None:
    assert subscriptions.membership("subscribe", []) == []


def test_mode_names_are_kites_own() -> None:
    said = [subscriptions.mode(mode, [7])[0] for mode in Mode]
    assert said == [
        b'{"a":"mode","v":["ltp",[7]]}',
        b'{"a":"mode","v":["quote",[7]]}',
        b'{"a":"mode","v":["full",[7]]}',
    ]


@given(st.lists(st.integers(0, 2**32 - 1), max_size=1500))
def test_membership_of_any_tokens_names_each_once_in_order_within_the_limit(
    tokens: list[int],
) -> None:
    parts = [
        msgspec.json.decode(text)["v"] for text in subscriptions.membership("unsubscribe", tokens)
    ]
    assert [token for part in parts for token in part] == list(dict.fromkeys(tokens))
    assert all(0 < len(part) <= subscriptions.TOKENS_PER_MESSAGE_MAX for part in parts)
