"""The market's time runs as told."""

from deploy.sandbox.market_clock import MarketClock
from shared.clock import ManualClock


def test_market_clock_scaled_runs_faster_than_the_wall_from_the_same_start() -> None:
    wall = ManualClock(1_000 * 10**9)
    clock = MarketClock(wall, scale=60.0)
    wall.advance(2)
    assert clock.now_s() == 1_120
    assert clock.monotonic_s() == 2.0


def test_market_clock_advanced_jumps_and_goes_on() -> None:
    wall = ManualClock(1_000 * 10**9)
    clock = MarketClock(wall)
    clock.advance(500)
    wall.advance(1)
    assert clock.now_s() == 1_501
