"""A book over sources that come, go and fail."""

from __future__ import annotations

import asyncio
import random

import pytest
from prometheus_client import REGISTRY

from shared.accounts.book import AccountBook, Around, sources_of
from shared.accounts.book_settings import AccountsSettings
from shared.accounts.settings import AccountSettings
from shared.accounts.sources import EnvironmentSource
from shared.clock import ManualClock
from shared.errors import KiteSessionExpired, SettingsError, StoreError
from shared.runtime.logs import get_log
from shared.secret import Secret
from shared.streams.client import connect
from shared.streams.settings import RedisSettings
from tests.support.eventually import eventually
from tests.unit.accounts.builders import NOW_US, credentials, row, session


class FakeSource:
    name = "PostgreSQL"

    def __init__(self, *rows) -> None:
        self.rows = {each.account: each for each in rows}
        self.failure: Exception | None = None
        self.reads = 0
        self.verified: list[tuple[str, int, int]] = []

    async def read(self):
        self.reads += 1
        if self.failure:
            raise self.failure
        return self.rows

    async def mark_verified(self, account, *, version, at_us):
        if self.failure:
            raise self.failure
        self.verified.append((account, version, at_us))


def book_of(*sources, poll_s: float = 0.01, ticks=None) -> AccountBook:
    clock = ManualClock(NOW_US * 1000)
    around = Around(clock=clock, log=get_log(), random=random.Random(1), ticks=ticks)
    return AccountBook(sources, poll_s=poll_s, around=around)


def held(token: str = "one", **more):
    return row(credentials=credentials(), session=session(token), **more)


async def test_failing_source_keeps_its_last_answer() -> None:
    source = FakeSource(held())
    book = book_of(source)
    await book.refresh()
    source.failure = StoreError("PostgreSQL: away")
    await book.refresh()
    assert book.account("AB1234").token().reveal() == "one"
    assert book.troubles == {"PostgreSQL": "PostgreSQL: away"}
    source.failure = None
    await book.refresh()
    assert book.troubles == {}


async def test_unknown_account_names_sources_and_their_troubles() -> None:
    source = FakeSource()
    source.failure = StoreError("away")
    book = book_of(source)
    await book.refresh()
    with pytest.raises(SettingsError, match=r"account AB1234 is in none of: PostgreSQL \(.*away"):
        book.account("AB1234")


async def test_account_that_went_leaves_its_holder_without_a_token() -> None:
    source = FakeSource(held())
    book = book_of(source)
    await book.refresh()
    live = book.account("AB1234")
    source.rows = {}
    await book.refresh()
    assert "AB1234" not in book.accounts
    assert not live.token()
    assert not live.is_enabled
    source.rows = {"AB1234": held("two")}
    await book.refresh()
    assert book.account("AB1234") is live
    assert live.token().reveal() == "two"


async def test_running_book_polls_wakes_waiters_and_ends_when_told() -> None:
    source = FakeSource(held())
    book = book_of(source)
    await book.refresh()
    live, seen, stopping = book.account("AB1234"), book.generation, asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(book.run(stopping), name="book")
        source.rows = {"AB1234": held("two"), "CD1": row("CD1")}
        await asyncio.wait_for(book.wait_changed(seen), 5)
        assert live.token().reveal() == "two"
        assert list(book.accounts) == ["AB1234", "CD1"]
        source.failure = SettingsError("damaged")
        await eventually(lambda: book.troubles)
        stopping.set()


async def test_acceptance_is_written_to_the_source_of_the_session() -> None:
    source = FakeSource(held(session_version=4))
    book = book_of(source)
    await book.refresh()
    book.account("AB1234").note_accepted(NOW_US * 1000)
    source.failure = StoreError("away")
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(book.run(stopping), name="book")
        await eventually(lambda: book.troubles)
        source.failure = None
        await eventually(lambda: source.verified)
        stopping.set()
    assert source.verified[0] == ("AB1234", 4, NOW_US)


async def test_missing_token_sets_the_metric() -> None:
    source = FakeSource(row("ZZ99", credentials=credentials()))
    await book_of(source).refresh()

    def value(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(f"tickflow_accounts_{name}", {"account": "ZZ99", **labels})

    assert value("token_missing_info") == 1
    assert value("token_state_info", state="MISSING") == 1
    assert value("token_state_info", state="OK") == 0
    assert value("token_expires_timestamp_seconds") == 0


async def test_readiness_names_the_enabled_account_without_a_token_from_half_past_eight() -> None:
    asleep = row("OFF9", credentials=credentials(), is_enabled=False)
    source = FakeSource(held(), row("CD1", credentials=credentials()), asleep)
    book = book_of(source)
    await book.refresh()
    with pytest.raises(KiteSessionExpired, match=r"\ACD1: the access token is missing[^;]*\Z"):
        await book.ready()
    source.rows["CD1"] = row("CD1", credentials=credentials(), session=session())
    await book.refresh()
    await book.ready()


async def test_book_without_its_redis_goes_on_polling() -> None:
    source, nowhere = FakeSource(held()), Secret("unix:///nowhere/redis.sock")
    settings = RedisSettings(ticks_url=nowhere, orders_url=nowhere)
    stopping = asyncio.Event()
    async with connect(nowhere, name="test", settings=settings) as ticks:
        book = book_of(source, ticks=ticks)
        await book.refresh()
        async with asyncio.TaskGroup() as group:
            group.create_task(book.run(stopping), name="book")
            source.rows = {"AB1234": held("two")}
            await eventually(lambda: book.account("AB1234").token().reveal() == "two")
            stopping.set()


async def test_environment_account_goes_before_every_other_source() -> None:
    settings = AccountSettings(id="AB1234", api_key="key", access_token=Secret("static"))
    clock = ManualClock(NOW_US * 1000)
    found = sources_of(AccountsSettings(file="/nowhere"), settings, None, clock)
    assert [each.name for each in found] == ["environment", "file"]
    book = book_of(EnvironmentSource(settings, clock), FakeSource(held("later")))
    await book.refresh()
    live = book.account("AB1234")
    assert (live.token().reveal(), live.api_secret().reveal()) == ("static", "secret")


def test_malformed_encryption_key_is_refused_at_once() -> None:
    settings = AccountsSettings(encryption_keys=(Secret("nonsense"),))
    with pytest.raises(SettingsError, match="key 1 is not one"):
        sources_of(settings, None, object(), ManualClock())
