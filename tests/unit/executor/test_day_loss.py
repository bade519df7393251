"""The day's loss as the broker's rows tell it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from executor.rules.day_loss import loss_of


def test_loss_is_what_the_rows_have_lost_since_the_last_close_together():
    # As in Zerodha's own example: a position of yesterday that was sold, and a day's own trade.
    assert loss_of([{"m2m": 276}, {"m2m": -2.004}, {"m2m": "-300"}]) == Decimal("26.00")


def test_day_without_positions_has_lost_nothing():
    assert loss_of([]) == 0


@pytest.mark.parametrize(
    "row",
    [{}, {"m2m": None}, {"m2m": True}, {"m2m": "much"}, {"m2m": float("nan")}, {"m2m": 1e300}],
)
def test_row_that_does_not_tell_leaves_the_loss_unknown(row):
    assert loss_of([{"m2m": -5}, row]) is None
