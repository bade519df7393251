"""The newest record wins, whatever the order of arrival."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.fanout.latest import LATE_NS_MAX, NO_SLOT, Latest
from tests.support.publisher_rows import rows


def prices(latest: Latest, *tokens: int) -> list[float]:
    return latest.records(latest.slots_of(np.array(tokens, np.uint32)))["last_price"].tolist()


def test_the_last_record_of_an_instrument_in_a_batch_wins() -> None:
    latest = Latest(10)
    latest.apply(rows((1, 10.0), (2, 20.0), (1, 11.0)))
    assert prices(latest, 1, 2) == [11.0, 20.0]
    assert latest.sequence == 3


def test_of_an_empty_batch_nothing_comes() -> None:
    latest = Latest(2)
    assert not len(latest.apply(rows()).slots)
    assert latest.sequence == 0


def test_a_batch_delivered_again_does_not_turn_back_time() -> None:
    latest = Latest(10)
    old, new = rows((1, 10.0), received_at_ns=1000), rows((1, 11.0), received_at_ns=2000)
    latest.apply(old)
    latest.apply(new)
    assert latest.apply(old).late == 1
    assert prices(latest, 1) == [11.0]


def test_a_replay_from_long_ago_is_another_timeline() -> None:
    latest = Latest(10)
    latest.apply(rows((1, 10.0), received_at_ns=LATE_NS_MAX + 5))
    assert latest.apply(rows((1, 9.0), received_at_ns=5)).late == 0
    assert prices(latest, 1) == [9.0]


def test_there_is_never_more_than_the_bound() -> None:
    latest = Latest(2)
    applied = latest.apply(rows((1, 1.0), (2, 2.0), (3, 3.0)))
    assert applied.over == 1
    assert len(latest) == 2
    assert latest.slots_of(np.array([3], np.uint32)).tolist() == [NO_SLOT]


@pytest.mark.slow
@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 3000), st.floats(0, 1e6)), min_size=1, max_size=50),
        max_size=20,
    )
)
def test_columns_agree_with_a_plain_dictionary(batches: list) -> None:
    latest, expected = Latest(5000), {}
    for number, batch in enumerate(batches):
        latest.apply(rows(*batch, received_at_ns=1000 + number))
        expected.update(batch)
    assert prices(latest, *expected) == list(expected.values())
    assert len(latest) == len(expected)


def test_columns_grow_with_the_instruments() -> None:
    latest = Latest(5000)
    for first in range(1, 5000, 500):
        latest.apply(rows(*((token, float(token)) for token in range(first, first + 500))))
    assert prices(latest, 1, 2500, 4999) == [1.0, 2500.0, 4999.0]
