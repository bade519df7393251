"""Accounts of which only what matters is stated."""

from __future__ import annotations

from shared.secret import Secret
from shared.store.accounts import AccountRow, Credentials, Session

#: 24 November 2026, 11:30 in India.
NOW_US = 1_795_500_000_000_000


def credentials(api_key: str = "key", api_secret: str = "secret") -> Credentials:
    return Credentials(Secret(api_key), Secret(api_secret))


def session(token: str = "token", api_key: str = "key", issued_us: int = NOW_US) -> Session:
    return Session(Secret(api_key), Secret(token), issued_us, issued_us + 3_600_000_000)


def row(account: str = "AB1234", **more) -> AccountRow:
    return AccountRow(account=account, **more)
