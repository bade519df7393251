"""What one account of the pool says of itself."""

import asyncio
from typing import Any

import pytest

from ingest.pool import PooledAccount
from shared.accounts.live import LiveAccount
from shared.accounts.resolving import Resolved
from shared.store.accounts import Session
from tests.unit.accounts.builders import NOW_US, credentials, session

SEALED = ("PostgreSQL: api_key or api_secret: no key in accounts.encryption_keys opens it",)


def lacks(**known: Any) -> str:
    live = LiveAccount(Resolved("AB1234", **known))
    means: Any = None  # what sockets need; none is opened here
    return PooledAccount(live, 0, means, asyncio.Event()).lacks


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({}, "has no api_key"),
        ({"problems": SEALED}, f"has no api_key ({SEALED[0]})"),
        ({"credentials": credentials()}, "has no access token"),
        ({"credentials": credentials(), "problems": ("a", "b")}, "has no access token (a; b)"),
    ],
)
def test_what_is_missing_is_told_with_why_a_source_could_not_give_it(
    known: dict[str, Any], said: str
) -> None:
    assert lacks(**known) == said


def test_an_account_that_has_all_lacks_nothing_whatever_other_sources_say() -> None:
    made = session("one")
    found = Session(made.api_key, made.access_token, NOW_US, None)
    assert lacks(credentials=credentials(), session=found, problems=SEALED) == ""
