from __future__ import annotations

import functools
import itertools
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from executor.rules.lifecycle import Step, advance
from executor.rules.reducer import dump, is_news, load, merge, parse_row
from shared.errors import MessageError
from shared.wire.orders import State
from tests.unit.executor.builders import an_order

#: A life with a modification and two fills; each row is (status, filled, exchange time).
LIFE = [
    ("PUT ORDER REQ RECEIVED", 0, None),
    ("VALIDATION PENDING", 0, None),
    ("OPEN PENDING", 0, None),
    ("OPEN", 0, "2026-11-20 09:15:00"),
    ("MODIFY PENDING", 0, "2026-11-20 09:15:01"),
    ("OPEN", 0, "2026-11-20 09:15:01"),
    ("OPEN", 4, "2026-11-20 09:15:02"),
    ("CANCEL PENDING", 4, "2026-11-20 09:15:02"),
    ("COMPLETE", 10, "2026-11-20 09:15:02"),
]


def sightings(life=LIFE):
    return [
        an_order(
            status=status,
            filled_quantity=filled,
            exchange_update_timestamp=at,
            observed_us=1_000 + position,
        )
        for position, (status, filled, at) in enumerate(life)
    ]


def end_of(seen):
    return functools.reduce(merge, seen, None)


@pytest.mark.slow
@given(
    length=st.integers(1, len(LIFE)),
    data=st.data(),
)
def test_reducer_any_shuffling_and_repeating_ends_where_the_life_ended(length, data):
    life = sightings(LIFE[:length])
    repeats = data.draw(st.lists(st.sampled_from(life), max_size=10))
    shuffled = data.draw(st.permutations(life + repeats))
    assert end_of(shuffled) == life[-1]


@pytest.mark.slow
@given(data=st.data(), length=st.integers(1, len(LIFE)))
def test_socket_postback_and_poll_in_any_order_with_gaps_bring_a_placement_to_one_state(
    data, length
):
    life = sightings(LIFE[:length])
    heard = []
    for delay_us in (0, 7, 11):  # each source stamps when it saw the row by its own delay
        told = data.draw(st.lists(st.sampled_from(life), max_size=2 * len(life)))
        heard += [replace(each, observed_us=each.observed_us * 100 + delay_us) for each in told]
    last = replace(life[-1], observed_us=life[-1].observed_us * 100)
    view, state = None, State.SENDING
    for seen in data.draw(st.permutations([*heard, last])):
        merged = merge(view, seen)
        if is_news(view, merged):
            state = advance("place", state, merged.step)
        view = merged
    assert replace(view, observed_us=0) == replace(last, observed_us=0)
    assert state is advance("place", State.SENDING, last.step)


def test_reducer_every_permutation_of_a_short_life_ends_alike():
    life = sightings([LIFE[0], LIFE[3], LIFE[6], ("CANCELLED", 4, "2026-11-20 09:15:02")])
    assert {end_of(order) for order in itertools.permutations(life)} == {life[-1]}


@pytest.mark.slow
@given(
    st.lists(
        st.builds(
            an_order,
            status=st.sampled_from(["OPEN", "COMPLETE", "CANCELLED", "REJECTED", "NEVER HEARD OF"]),
            filled_quantity=st.integers(0, 10),
            exchange_update_timestamp=st.sampled_from([None, "a", "b"]),
            observed_us=st.integers(0, 3),
            price=st.sampled_from([Decimal(1), Decimal(2)]),
        ),
        min_size=1,
        max_size=6,
    ),
    st.randoms(use_true_random=False),
)
def test_reducer_contradicting_sightings_end_alike_in_any_order(seen, chance):
    shuffled = list(seen)
    chance.shuffle(shuffled)
    assert end_of(shuffled) == end_of(seen)


def test_reducer_ended_order_outranks_a_later_living_sighting():
    ended = an_order(status="CANCELLED", observed_us=1)
    assert merge(ended, an_order(status="OPEN", observed_us=9)) is ended


def test_reducer_larger_fill_corrects_an_ended_order():
    corrected = an_order(status="COMPLETE", filled_quantity=10, observed_us=1)
    assert merge(an_order(status="CANCELLED", filled_quantity=4), corrected) is corrected


def test_reducer_same_row_seen_later_is_no_news():
    seen = an_order(observed_us=1)
    later = merge(seen, an_order(observed_us=2))
    assert later.observed_us == 2
    assert not is_news(seen, later)
    assert is_news(None, seen)
    assert is_news(seen, an_order(status="COMPLETE"))


def test_reducer_view_survives_the_journal():
    order = an_order(tags=("a", "b"), tag="a", average_price=Decimal("101.123456"))
    assert load(dump(order)) == order


@pytest.mark.parametrize(
    ("status", "step"),
    [
        ("PUT ORDER REQ RECEIVED", Step.SEEN_ENTERING),
        ("AMO REQ RECEIVED", Step.SEEN_ENTERING),
        ("OPEN", Step.SEEN_OPEN),
        ("TRIGGER PENDING", Step.SEEN_OPEN),
        ("CANCEL PENDING", Step.SEEN_OPEN),
        ("A STATUS OF NEXT YEAR", Step.SEEN_OPEN),
        ("COMPLETE", Step.SEEN_COMPLETE),
        ("CANCELLED", Step.SEEN_CANCELLED),
        ("REJECTED", Step.SEEN_REJECTED),
    ],
)
def test_reducer_status_means_its_step(status, step):
    assert an_order(status=status).step is step


def test_parse_row_keeps_prices_exact_and_takes_nulls_as_defaults():
    row = {
        "order_id": "171229000724687",
        "status": "UPDATE",
        "price": 0.1,
        "trigger_price": None,
        "tag": None,
        "tags": ["mktp"],
        "meta": {"anything": [1]},
        "exchange_update_timestamp": None,
    }
    order = parse_row(msgspec.json.encode(row), observed_us=7)
    assert (order.price, order.trigger_price, order.status) == (Decimal("0.1"), Decimal(0), "OPEN")
    assert (order.marks, order.observed_us) == (("mktp",), 7)


@pytest.mark.parametrize("price", ["sNaN", "NaN", "Infinity", "1e999999999", "1e-999999999"])
def test_parse_row_with_a_price_that_cannot_be_computed_with_is_a_message_error(price):
    row = {"order_id": "1", "status": "OPEN", "average_price": price}
    with pytest.raises(MessageError, match="price"):
        parse_row(msgspec.json.encode(row), observed_us=0)


@pytest.mark.parametrize(
    "row", [b"[]", b"{", b'{"status": "OPEN"}', b'{"order_id": 1, "status": "OPEN"}', b"\xff"]
)
def test_parse_row_of_something_else_is_a_message_error(row):
    with pytest.raises(MessageError):
        parse_row(row, observed_us=0)


def test_version_changes_with_what_a_modify_rests_on_only():
    order = an_order()
    assert replace(order, observed_us=9, average_price=Decimal(5)).version == order.version
    assert replace(order, price=Decimal("101.5")).version == order.version
    for change in ({"filled_quantity": 1}, {"price": Decimal(7)}, {"status": "COMPLETE"}):
        assert replace(order, **change).version != order.version
