"""An account whose token changes under its holder."""

from __future__ import annotations

import asyncio

from shared.accounts.live import LiveAccount
from shared.accounts.resolving import Resolved
from shared.accounts.token_state import TokenState, expires_us
from shared.store.accounts import Session
from tests.unit.accounts.builders import NOW_US, credentials, session

NOW_NS = NOW_US * 1000
HOUR_NS = 3_600_000_000_000


def resolved(token: str | None = "one", **more) -> Resolved:
    found = None
    if token:
        made = session(token)
        found = Session(made.api_key, made.access_token, NOW_US, expires_us(NOW_US))
    return Resolved("AB1234", credentials=credentials(), session=found, **more)


async def test_holder_sees_the_new_token_at_its_next_use() -> None:
    live = LiveAccount(resolved("one"))
    token = live.token
    seen = live.generation
    assert live.take(resolved("two"))
    assert token().reveal() == "two"
    assert await live.wait_changed(seen) == seen + 1


async def test_every_waiter_wakes_and_none_misses_a_change_made_before_it_waits() -> None:
    live = LiveAccount(resolved("one"))
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(live.wait_changed(), name=f"w{n}") for n in range(3)]
        await asyncio.sleep(0)
        live.take(resolved("two"))
    assert [task.result() for task in waiting] == [1, 1, 1]
    assert await asyncio.wait_for(live.wait_changed(0), 1) == 1


def test_same_facts_are_no_change() -> None:
    live = LiveAccount(resolved("one"))
    assert not live.take(resolved("one", last_verified_us=NOW_US))
    assert live.generation == 0
    assert live.status(NOW_NS).last_verified_us == NOW_US


def test_logout_leaves_an_empty_token() -> None:
    live = LiveAccount(resolved("one"))
    live.take(resolved(None))
    assert not live.token()
    assert live.state(NOW_NS) is TokenState.MISSING
    assert "missing" in live.status(NOW_NS).trouble


def test_refused_token_counts_as_dead_until_another_comes() -> None:
    live = LiveAccount(resolved("one"))
    live.note_refused()
    assert live.state(NOW_NS) is TokenState.EXPIRED
    live.take(resolved("two"))
    assert live.state(NOW_NS) is TokenState.OK


def test_acceptance_is_news_once_a_minute_and_ends_with_the_session() -> None:
    live = LiveAccount(resolved("one"))
    assert live.news_us() is None
    live.note_accepted(NOW_NS)
    assert live.news_us() == live.status(NOW_NS).last_verified_us == NOW_US
    live.take(resolved("one", last_verified_us=NOW_US))
    live.note_accepted(NOW_NS + 59_000_000_000)
    assert live.news_us() is None
    live.note_accepted(NOW_NS + 60_000_000_000)
    assert live.news_us() == NOW_US + 60_000_000
    live.take(resolved("two"))
    assert live.status(NOW_NS).last_verified_us is None


def test_disabled_account_is_nobodys_trouble() -> None:
    live = LiveAccount(resolved(None, is_enabled=False))
    assert live.status(NOW_NS).trouble == ""


def test_neither_account_nor_status_prints_a_secret() -> None:
    live = LiveAccount(resolved("t0k3n"))
    assert "t0k3n" not in f"{live!r} {live} {live.status(NOW_NS)!r}"
