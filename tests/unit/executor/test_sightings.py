from __future__ import annotations

from decimal import Decimal

import pytest

from executor.rules.changing import is_in_effect
from tests.unit.executor.builders import a_modify, an_order


@pytest.mark.parametrize(
    ("modify", "in_effect"),
    [
        (a_modify(quantity=10), True),
        (a_modify(quantity=11), False),
        (a_modify(quantity=None, price=Decimal("101.5")), True),
        (a_modify(quantity=10, price=Decimal("101.55")), False),
        (a_modify(quantity=None, order_type="LIMIT"), True),
        (a_modify(quantity=None, order_type="MARKET", market_protection=-1.0), False),
        (a_modify(quantity=10, market_protection=2.0), True),
    ],
)
def test_modify_is_in_effect_when_the_order_is_as_it_wanted(modify, in_effect):
    assert is_in_effect(modify, an_order()) is in_effect
