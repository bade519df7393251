from __future__ import annotations

from decimal import Decimal

import pytest

from shared.wire.decimals import is_sane


@pytest.mark.parametrize("price", ["0", "-1", "101.55", "999999999999.99", "0.000000000001"])
def test_price_of_sensible_size_is_sane(price):
    assert is_sane(Decimal(price))


@pytest.mark.parametrize(
    "price", ["NaN", "sNaN", "Infinity", "-Infinity", "1e999999999", "1e-999999999", "1e13"]
)
def test_price_that_raises_or_grows_is_not_sane(price):
    assert not is_sane(Decimal(price))
