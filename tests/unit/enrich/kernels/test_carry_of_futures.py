"""The forward of an expiry without a future of its own, from the futures round it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from enrich.kernels import forward
from enrich.kernels.forward import PAIRS_MAX, SOURCE_FUTURE_INTERPOLATED, SOURCE_SPOT_CARRY
from enrich.kernels.state import GROUP_STATE, INSTRUMENT_STATE, PARAMETERS, STRIKE
from shared.wire.ticks import ForwardSource

S = 10**9
NOW_NS = 10**18
DAY_NS = 86_400 * S
SPOT, NEAR, NEXT = 0, 1, 2
AGE_MAX_NS = 5 * S


class Weekly:
    """A weekly expiry `days` away with monthly futures 20 and 48 days away."""

    def __init__(self, days: float, *, before: int = -1, after: int = NEAR) -> None:
        self.states = np.zeros(3, INSTRUMENT_STATE)
        self.states["underlying"] = SPOT
        self.states["expiry_ns"] = NOW_NS + np.array([0, 20, 48]) * DAY_NS
        self.states["received_at_ns"] = NOW_NS
        self.states["price"] = (24_000.0, 24_120.0, 24_300.0)
        self.groups = np.zeros(1, GROUP_STATE)
        self.group = self.groups[0]
        self.group["expiry_ns"] = NOW_NS + round(days * DAY_NS)
        self.group["future"] = self.group["reference"] = -1
        self.group["future_before"], self.group["future_after"] = before, after
        self.group["rate"], self.group["dividend_yield"] = 0.06, 0.01
        self.parameters = np.zeros(1, PARAMETERS)
        self.parameters["parity_age_max_ns"] = AGE_MAX_NS

    def measure(self, row: int, now_ns: int = NOW_NS) -> float:
        forward.measure_carry(self.states[row], self.states, now_ns, AGE_MAX_NS)
        return float(self.states[row]["log_basis"])

    def refresh(self, now_ns: int = NOW_NS) -> tuple[int, float]:
        remaining_ns = int(self.group["expiry_ns"]) - now_ns
        forward.refresh_forward(
            self.group, self.states, np.zeros(0, STRIKE), now_ns, remaining_ns,
            self.parameters[0], np.zeros((2, PAIRS_MAX)),
        )  # fmt: skip
        return int(self.group["source"]), float(self.group["forward"])


def test_week_before_the_first_future_has_its_share_of_that_futures_carry() -> None:
    weekly = Weekly(5.0)
    weekly.measure(NEAR)
    expected = 24_000.0 * (24_120.0 / 24_000.0) ** (5 / 20)
    assert weekly.refresh() == (SOURCE_FUTURE_INTERPOLATED, pytest.approx(expected, rel=1e-12))


def test_week_between_two_futures_lies_between_them_in_logarithm() -> None:
    weekly = Weekly(27.0, before=NEAR, after=NEXT)
    weekly.measure(NEAR)
    weekly.measure(NEXT)
    expected = 24_120.0 * (24_300.0 / 24_120.0) ** (7 / 28)
    assert weekly.refresh() == (SOURCE_FUTURE_INTERPOLATED, pytest.approx(expected, rel=1e-12))


def test_expiry_beyond_the_last_future_has_its_carry_but_not_for_ever() -> None:
    beyond = Weekly(90.0, before=NEXT, after=-1)
    beyond.measure(NEXT)
    expected = 24_000.0 * (24_300.0 / 24_000.0) ** (90 / 48)
    assert beyond.refresh() == (SOURCE_FUTURE_INTERPOLATED, pytest.approx(expected, rel=1e-12))
    far = Weekly(97.0, before=NEXT, after=-1)
    far.measure(NEXT)
    assert far.refresh()[0] == SOURCE_SPOT_CARRY


def test_forward_follows_the_underlying_while_the_futures_are_silent() -> None:
    weekly = Weekly(5.0)
    log_basis = weekly.measure(NEAR)
    weekly.states["price"][SPOT] = 24_050.0
    expected = 24_050.0 * math.exp(log_basis * 5 / 20)
    assert weekly.refresh()[1] == pytest.approx(expected, rel=1e-12)


def test_silent_futures_give_way_to_the_rate_and_the_age_is_that_of_the_oldest() -> None:
    weekly = Weekly(5.0)
    weekly.measure(NEAR)
    weekly.states["received_at_ns"] = NOW_NS + 3 * S
    assert weekly.refresh(NOW_NS + 3 * S)[0] == SOURCE_FUTURE_INTERPOLATED
    assert weekly.group["age_ms"] == 3_000
    weekly.states["received_at_ns"] = NOW_NS + 6 * S
    source, value = weekly.refresh(NOW_NS + 6 * S)
    years = (int(weekly.group["expiry_ns"]) - NOW_NS - 6 * S) / forward.YEAR_NS
    assert source == SOURCE_SPOT_CARRY
    assert value == pytest.approx(24_000.0 * math.exp(0.05 * years))
    assert weekly.group["age_ms"] == 0


def test_carry_is_not_measured_from_a_stale_underlying() -> None:
    weekly = Weekly(5.0)
    weekly.states["received_at_ns"][SPOT] = NOW_NS - AGE_MAX_NS - 1
    weekly.measure(NEAR)
    assert weekly.states["log_basis_at_ns"][NEAR] == 0


def test_one_bad_quote_of_a_future_moves_the_carry_by_little() -> None:
    weekly = Weekly(5.0)
    before = weekly.measure(NEAR)
    weekly.states["price"][NEAR] = 24_700.0
    assert weekly.measure(NEAR, NOW_NS + S) - before == pytest.approx(0.0005)
    weekly.states["price"][NEAR] = 99_000.0  # beyond any carry
    assert weekly.measure(NEAR, NOW_NS + 2 * S) - before == pytest.approx(0.0005)
    assert weekly.states["log_basis_at_ns"][NEAR] == NOW_NS + S


def test_codes_are_those_of_the_wire() -> None:
    assert SOURCE_FUTURE_INTERPOLATED == ForwardSource.FUTURE_INTERPOLATED
