"""What counts to the limits of a day, whoever placed it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from executor.journal.today import Today
from executor.rules import reducer
from executor.rules.risk import Spent, notional_of
from executor.rules.tally import NOTHING, Tally
from shared.store.rows import OrderRow
from tests.unit.executor.builders import NOW_US, a_modify, a_place, a_placement, an_order, facts_of

TODAY, YESTERDAY = "2026-09-21 19:43:20", "2026-09-20 19:43:20"
DAY_US = 86_400_000_000
LOSS_AGE_US = 90_000_000


def seen(order, command_id=None):
    return OrderRow(
        order_id=order.order_id,
        command_id=command_id,
        origin="OURS" if command_id else "EXTERNAL",
        status=order.status,
        is_terminal=order.is_terminal,
        filled=0,
        version="",
        modifications=0,
        seen=reducer.dump(order),
        observed_us=NOW_US,
    )


class Journal:
    def __init__(self, placements=(), orders=()):
        self.placements, self.orders = list(placements), list(orders)
        self.sighted = {}
        self.reads = 0

    async def placements_sent_since(self, _since_us):
        self.reads += 1
        return self.placements

    async def orders_seen_since(self, _since_us):
        return self.orders

    def take_sighted(self):
        taken, self.sighted = self.sighted, {}
        return taken

    def sight(self, order, command_id=None):
        self.sighted[order.order_id] = seen(order, command_id)


def a_day(*placements, orders=()):
    journal = Journal(placements, orders)
    worth = lambda judged, _name: notional_of(judged, None, None)  # noqa: E731
    return journal, Today(journal, worth, 100, loss_age_us=LOSS_AGE_US)


async def test_days_loss_is_known_while_it_is_fresh_and_of_today():
    _, today = a_day()
    assert today.spent_by(NOW_US).loss is None, "nobody has looked"
    today.note_loss(Decimal(250), NOW_US)
    assert today.spent_by(NOW_US + LOSS_AGE_US).loss == 250
    assert today.spent_by(NOW_US + LOSS_AGE_US + 1).loss is None
    midnight_us = (NOW_US + 19_800_000_000) // DAY_US * DAY_US + DAY_US - 19_800_000_000
    today.note_loss(Decimal(250), midnight_us - 1)
    assert today.spent_by(midnight_us).loss is None
    today.note_loss(None, midnight_us)
    assert today.spent_by(midnight_us).loss is None, "the broker did not tell it"


def spent(quantity, turnover):
    return Spent(quantity=quantity, turnover=Decimal(turnover))


async def test_share_of_the_days_placements_is_told_with_them():
    _, today = a_day(a_placement(attempts=2))
    await today.count(NOW_US)
    told = REGISTRY.get_sample_value("tickflow_executor_order_budget_used_ratio", {"window": "day"})
    assert told == 0.02


async def test_day_is_read_once_and_another_begins_at_midnight():
    journal, today = a_day(a_placement(attempts=2))
    await today.count(NOW_US)
    await today.count(NOW_US + 1)
    assert (today.placements, today.spent, journal.reads) == (2, spent(1, "101.50"), 1)
    journal.placements = []
    await today.count(NOW_US + DAY_US)
    assert (today.placements, today.spent, journal.reads) == (0, NOTHING, 2)


async def test_order_of_others_counts_once_however_often_it_is_seen():
    journal, today = a_day(orders=[seen(an_order(order_id="7", order_timestamp=TODAY))])
    await today.count(NOW_US)
    journal.sight(an_order(order_id="7", order_timestamp=TODAY, status="COMPLETE"))
    journal.sight(an_order(order_id="8", quantity=3))
    await today.count(NOW_US)
    assert (today.placements, today.spent) == (2, spent(13, "1319.50"))


async def test_order_of_another_day_and_the_stop_of_a_cover_order_do_not_count():
    journal, today = a_day()
    journal.sight(an_order(order_id="7", order_timestamp=YESTERDAY))
    journal.sight(an_order(order_id="8", variety="co", parent_order_id="1"))
    await today.count(NOW_US)
    assert (today.placements, today.spent) == (0, NOTHING)


async def test_order_that_turns_out_to_be_ours_counts_only_as_its_placement():
    journal, today = a_day(a_placement(attempts=1))
    journal.sight(an_order(order_id="1"))
    await today.count(NOW_US)
    assert (today.placements, today.spent.quantity) == (2, 11)
    journal.sight(an_order(order_id="1"), "command-1")
    await today.count(NOW_US)
    assert (today.placements, today.spent) == (1, spent(1, "101.50"))


async def test_modify_that_makes_an_order_larger_counts_what_it_adds():
    _, today = a_day(a_placement(attempts=1))
    await today.count(NOW_US)
    order = an_order(quantity=1)
    grown = facts_of(a_modify(quantity=4), order=order, placement=a_placement())
    today.note(grown)
    assert (today.placements, today.spent) == (1, spent(4, "406.00"))
    today.take_back(grown)
    assert today.spent == spent(1, "101.50")


async def test_modify_that_makes_an_order_smaller_gives_nothing_back():
    _, today = a_day(a_placement(attempts=1))
    await today.count(NOW_US)
    shrunk = facts_of(a_modify(quantity=2), order=an_order(quantity=10), placement=a_placement())
    today.note(shrunk)
    assert today.spent == spent(1, "101.50")


async def test_what_modifies_added_survives_a_restart():
    order = an_order(order_id="1", quantity=4, price=Decimal(200))
    _, today = a_day(a_placement(attempts=1), orders=[seen(order, "command-1")])
    await today.count(NOW_US)
    assert (today.placements, today.spent) == (1, spent(4, "800"))


@pytest.mark.parametrize("attempts", [0, 1])
async def test_placement_that_was_not_written_is_taken_back(attempts):
    _, today = a_day(*[a_placement(attempts=1)] * attempts)
    await today.count(NOW_US)
    before = today.placements, today.spent
    facts = facts_of(a_place(), row=a_placement(attempts=attempts))
    today.note(facts)
    assert today.placements == before[0] + 1
    today.take_back(facts)
    assert (today.placements, today.spent) == before


steps = st.tuples(
    st.sampled_from(["a", "b", "c"]), st.integers(1, 9), st.integers(1, 900), st.booleans()
)


@given(st.lists(steps))
def test_taking_back_what_was_noted_leaves_what_stayed(given_steps):
    tally, kept = Tally(), Tally()
    for key, quantity, rupees, stays in given_steps:
        extra = spent(quantity, rupees)
        tally.note_extra(key, extra)
        if stays:
            kept.note_extra(key, extra)
    for key, quantity, rupees, stays in given_steps:
        if not stays:
            tally.take_back_extra(key, spent(quantity, rupees))
    assert tally.spent == kept.spent
