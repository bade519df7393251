from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kite.codec.tokens import ABSENT, TokenTable


@pytest.mark.slow
@given(st.dictionaries(st.integers(0, 2**32 - 1), st.integers(0, 2**31 - 1), max_size=300))
@settings(max_examples=100, deadline=None)
def test_token_table_of_any_pairs_finds_each_and_no_other(pairs: dict[int, int]) -> None:
    table = TokenTable.of(pairs)
    for token, value in pairs.items():
        assert table.get(token) == value
    for token in (0, 1, 256265, 2**31, 2**32 - 1):
        assert table.get(token) == pairs.get(token, ABSENT)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 1000, 3000])
def test_token_table_is_a_power_of_two_at_most_half_full(count: int) -> None:
    table = TokenTable.of({256 * index + 2: index for index in range(count)})
    assert table.keys.size & (table.keys.size - 1) == 0
    assert 2 * count <= table.keys.size
    assert table.count == count


def test_token_table_once_built_cannot_be_written() -> None:
    table = TokenTable.of({5: 1})
    with pytest.raises(ValueError, match="read-only"):
        table.values[0] = 3


def test_token_table_refuses_a_token_twice() -> None:
    with pytest.raises(ValueError, match="instrument_token 7 occurs twice"):
        TokenTable.build(np.array([7, 8, 7], np.uint32), np.zeros(3, np.int32))


def test_token_table_refuses_a_negative_value() -> None:
    with pytest.raises(ValueError, match="value -1"):
        TokenTable.of({7: -1})


def test_token_table_refuses_columns_of_different_length() -> None:
    with pytest.raises(ValueError, match="one column"):
        TokenTable.build(np.zeros(2, np.uint32), np.zeros(3, np.int32))
