"""How much longer a day's token will do, as arithmetic."""

from __future__ import annotations

import enum
from typing import Final

_US_PER_S: Final = 1_000_000
_DAY_US: Final = 86_400 * _US_PER_S
#: India has had one offset from UTC, without summer time, since 1945.
_IST_US: Final = 19_800 * _US_PER_S
#: Every token dies at this time of day in India. Source: kite.trade/docs/connect/v3/user
#: (read 2026-11).
TOKEN_DEATH_US: Final = 6 * 3_600 * _US_PER_S
#: From this time of day in India on a token has to be there: the dump is fetched with it.
TOKEN_NEEDED_US: Final = (8 * 3_600 + 1_800) * _US_PER_S
EXPIRING_US: Final = 1_800 * _US_PER_S


class TokenState(enum.StrEnum):
    """What may be expected of the token at hand."""

    OK = "OK"
    MISSING = "MISSING"
    EXPIRED = "EXPIRED"
    EXPIRING = "EXPIRING"


def expires_us(issued_us: int) -> int:
    """Return when a token issued at `issued_us` dies at the latest: the next 06:00 in India."""
    since_death_us = (issued_us + _IST_US - TOKEN_DEATH_US) % _DAY_US
    return issued_us - since_death_us + _DAY_US


def token_state(issued_us: int | None, expires_at_us: int | None, now_us: int) -> TokenState:
    """Return the state of a token; Unix microseconds, None for what is not there."""
    if issued_us is None or expires_at_us is None:
        return TokenState.MISSING
    if now_us >= expires_at_us:
        return TokenState.EXPIRED
    return TokenState.EXPIRING if now_us >= expires_at_us - EXPIRING_US else TokenState.OK


def is_needed(now_us: int) -> bool:
    """Tell whether a token has to be there: from 08:30 to midnight in India."""
    return (now_us + _IST_US) % _DAY_US >= TOKEN_NEEDED_US


def token_trouble(state: TokenState, now_us: int) -> str:
    """Return what readiness says of a token, empty where nobody has to act yet.

    Nothing is said before 08:30 in India, since no login is possible that would last; whether it
    is a trading day at all is the caller's to know.
    """
    if state not in {TokenState.MISSING, TokenState.EXPIRED} or not is_needed(now_us):
        return ""
    return f"the access token is {state.lower()}: tickflow session login"
