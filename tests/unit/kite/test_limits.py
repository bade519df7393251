from __future__ import annotations

import pytest

from shared.kite.limits import RATES, rate_class


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/quote", "quote"),
        ("GET", "/quote/ltp", "quote"),
        ("GET", "/instruments/historical/256265/minute", "historical"),
        ("GET", "/instruments", "other"),
        ("POST", "/orders/regular", "orders"),
        ("PUT", "/orders/regular/15", "orders"),
        ("DELETE", "/orders/co/15", "orders"),
        ("GET", "/orders", "other"),
        ("GET", "/orders/15", "other"),
        ("GET", "/user/profile", "other"),
        ("POST", "/session/token", "other"),
    ],
)
def test_rate_class_of_a_call_is_the_one_it_counts_against(
    method: str, path: str, name: str
) -> None:
    assert rate_class(method, path) == name
    assert name in RATES


def test_rates_all_name_their_source() -> None:
    assert all(rate.source and rate.requests > 0 for rate in RATES.values())
