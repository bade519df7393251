from __future__ import annotations

from datetime import date, time

import pytest
from prometheus_client import REGISTRY

from shared.clock import ManualClock
from shared.market.calendar import moment_ns, packaged_calendar
from shared.runtime.market_metrics import tell_sessions

TUESDAY, SATURDAY, HOLIDAY = date(2026, 9, 22), date(2026, 9, 26), date(2026, 10, 2)


def told(segment: str, on: date, at: time) -> tuple[float | None, float | None]:
    tell_sessions(packaged_calendar(), ManualClock(moment_ns(on, at)))
    return (
        REGISTRY.get_sample_value("tickflow_market_open_info", {"segment": segment}),
        REGISTRY.get_sample_value("tickflow_market_trading_day_info", {"segment": segment}),
    )


@pytest.mark.parametrize(
    ("segment", "on", "at", "expected"),
    [
        ("NSE", TUESDAY, time(9, 14), (0.0, 1.0)),
        ("NSE", TUESDAY, time(9, 15), (1.0, 1.0)),
        ("NSE", TUESDAY, time(18), (0.0, 1.0)),
        ("MCX", TUESDAY, time(18), (1.0, 1.0)),
        ("NSE", SATURDAY, time(12), (0.0, 0.0)),
        ("NFO", HOLIDAY, time(12), (0.0, 0.0)),
        # Beyond the rows: an ordinary day, a weekend.
        ("NSE", date(2035, 1, 2), time(12), (1.0, 1.0)),
        ("NSE", date(2035, 1, 6), time(12), (0.0, 0.0)),
    ],
)
def test_scrape_is_answered_from_the_calendar(segment, on, at, expected) -> None:
    assert told(segment, on, at) == expected
