"""When a token dies, when somebody has to act."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.accounts.token_state import (
    EXPIRING_US,
    TokenState,
    expires_us,
    is_needed,
    token_state,
    token_trouble,
)

IST = timezone(timedelta(hours=5, minutes=30))
HOUR_US = 3_600_000_000


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=IST).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("issued", "dies"),
    [
        ("2026-11-24 08:00:00", "2026-11-25 06:00:00"),
        ("2026-11-24 23:59:59", "2026-11-25 06:00:00"),
        ("2026-11-25 00:00:01", "2026-11-25 06:00:00"),
        ("2026-11-25 05:59:59", "2026-11-25 06:00:00"),
        ("2026-11-25 06:00:00", "2026-11-26 06:00:00"),
        ("2026-12-31 09:00:00", "2027-01-01 06:00:00"),
    ],
)
def test_token_dies_at_the_next_six_in_india(issued: str, dies: str) -> None:
    assert expires_us(at(issued)) == at(dies)


@given(st.integers(0, 2**52))
def test_token_lives_at_most_a_day_and_dies_at_six(issued_us: int) -> None:
    dies_us = expires_us(issued_us)
    assert issued_us < dies_us <= issued_us + 24 * HOUR_US
    assert datetime.fromtimestamp(dies_us // 1_000_000, tz=IST).strftime("%H%M%S") == "060000"


def test_state_goes_from_ok_over_expiring_to_expired() -> None:
    issued, dies = at("2026-11-24 08:00:00"), at("2026-11-25 06:00:00")
    moments = [issued, dies - EXPIRING_US - 1, dies - EXPIRING_US, dies - 1, dies]
    assert [token_state(issued, dies, now) for now in moments] == [
        TokenState.OK,
        TokenState.OK,
        TokenState.EXPIRING,
        TokenState.EXPIRING,
        TokenState.EXPIRED,
    ]


@pytest.mark.parametrize(("issued", "dies"), [(None, None), (None, 5), (5, None)])
def test_state_without_a_token_is_missing(issued: int | None, dies: int | None) -> None:
    assert token_state(issued, dies, 1) is TokenState.MISSING


@pytest.mark.parametrize(
    ("time", "needed"),
    [("00:00:00", False), ("08:29:59", False), ("08:30:00", True), ("23:59:59", True)],
)
def test_token_is_needed_from_half_past_eight_to_midnight(time: str, needed: bool) -> None:
    assert is_needed(at(f"2026-11-24 {time}")) is needed


def test_missing_token_is_trouble_only_when_needed() -> None:
    early, late = at("2026-11-24 07:00:00"), at("2026-11-24 08:30:00")
    assert token_trouble(TokenState.MISSING, early) == ""
    assert token_trouble(TokenState.MISSING, late).startswith("the access token is missing")
    assert token_trouble(TokenState.EXPIRED, late).startswith("the access token is expired")
    assert token_trouble(TokenState.OK, late) == token_trouble(TokenState.EXPIRING, late) == ""
