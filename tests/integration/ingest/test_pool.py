"""Ingest with several accounts, wants in PostgreSQL, another ingest beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

from ingest.settings import IngestOptions
from shared.clock import SystemClock
from shared.kite.rest import open_rest
from shared.kite.session import KiteSessions
from shared.kite.settings import KiteSettings
from shared.secret import Secret
from shared.store.migrate import migrate
from shared.store.pool import open_pool
from shared.store.settings import PostgresSettings
from shared.store.wants import WantRow, WantTable
from shared.streams import leases
from shared.streams.subscriptions import get_subscriptions
from shared.streams.writer import Append, StreamWriter
from shared.wire import codec
from shared.wire.control import Control
from shared.wire.topics import CONTROL
from tests.support.eventually import eventually
from tests.support.sandbox import SandboxAccount, SandboxInfo, sandbox_process

pytestmark = pytest.mark.integration
FIRST, SECOND = "SB0001:key1:secret1:" + "a" * 32, "SB0002:key2:secret2:" + "b" * 32
OPTIONS = IngestOptions(
    underlyings=("NIFTY",), expiries=1, strikes_each_side=3, give_back_s=0.2, lease_s=1.0
)
#: One index, three futures, six strikes of calls and puts.
WANTED = 1 + 3 + 12


@pytest.fixture
def sandbox() -> Iterator[SandboxInfo]:
    arguments = ["--strikes", "6", "--account", FIRST, "--account", SECOND]
    with sandbox_process(3, arguments) as running:
        yield running


@pytest.fixture
def file(sandbox, tmp_path) -> Path:
    return written(tmp_path / "accounts.toml", *sandbox.accounts)


def written(file: Path, *accounts: SandboxAccount) -> Path:
    """Write an accounts file at one stroke."""
    lines = []
    for each in accounts:
        lines += [f"[accounts.{each.id}]", f'api_key = "{each.api_key}"']
        lines += [f'access_token = "{each.access_token}"']
    fresh = file.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text("\n".join(lines))
    return fresh.replace(file)


def held(sandbox: SandboxInfo) -> dict[str, int]:
    """Return how many instruments each account's connections have, as the broker sees it."""
    found: dict[str, int] = {}
    for each in sandbox.get("state")["connections"]:
        found[each["account"]] = found.get(each["account"], 0) + each["instruments"]
    return found


async def _log_in(sandbox: SandboxInfo, account: SandboxAccount) -> SandboxAccount:
    request_token = sandbox.post("login", account=account.id)["request_token"]
    settings = KiteSettings(rest_url=sandbox.rest_url)
    async with open_rest(settings, account.api_key, lambda: Secret("")) as rest:
        session = await KiteSessions(rest).exchange(request_token, Secret(account.api_secret))
    return SandboxAccount(
        account.id, account.api_key, account.api_secret, session.access_token.reveal()
    )


async def test_failed_account_is_stood_in_for_and_gets_its_instruments_back(
    start, gaps, sandbox, file
) -> None:
    first, second = sandbox.accounts
    async with start(OPTIONS, file=file):
        await eventually(lambda: held(sandbox) == {first.id: WANTED}, within_s=10)
        sandbox.post("faults", kind="token_death", account=first.id)
        sandbox.post("faults", kind="ws_abort", account=first.id)
        await eventually(lambda: held(sandbox) == {second.id: WANTED}, within_s=15)
        (gap, *_) = await eventually(gaps, within_s=10)
        assert (gap.account, gap.cause) == (first.id, "token_expired")
        written(file, await _log_in(sandbox, first), second)
        await eventually(lambda: held(sandbox) == {first.id: WANTED, second.id: 0}, within_s=15)
        before = sum(len(each.instrument_tokens) for each in await gaps())
        assert before == WANTED  # given back without another gap


async def test_want_in_postgres_is_followed_and_given_up_without_disturbing_others(
    start, redis, gaps, sandbox, postgres_url
) -> None:
    first = sandbox.account
    options = msgspec.structs.replace(OPTIONS, wants_poll_s=300.0)
    async with open_pool(PostgresSettings(url=postgres_url)) as pool:
        await migrate(pool)
        table = WantTable(pool)
        async with start(options, account=first, postgres=postgres_url):
            await eventually(lambda: held(sandbox) == {first.id: WANTED}, within_s=10)
            names = ("NSE:INFY", "NSE:RELIANCE", "NSE:NOSUCH")
            await table.put([WantRow(source="test", symbol=name, mode="ltp") for name in names])
            await _announce(redis)
            await eventually(lambda: held(sandbox) == {first.id: WANTED + 2}, within_s=10)
            told = await eventually(lambda: _told(redis, WANTED + 2), within_s=10)
            assert told.sockets[0].modes == {"ltp": 2, "full": WANTED}
            assert told.unlisted == ["NSE:NOSUCH"]
            await table.remove("test", ["NSE:INFY", "NSE:NOSUCH"])
            await _announce(redis)
            await eventually(lambda: held(sandbox) == {first.id: WANTED + 1}, within_s=10)
        async with start(options, account=first, postgres=postgres_url):
            await eventually(lambda: held(sandbox) == {first.id: WANTED + 1}, within_s=15)
    assert await gaps() == []


async def _announce(redis) -> None:
    entry = codec.encode(Control(kind="wants_changed", subject="test"))
    await StreamWriter(redis, SystemClock()).append([Append(CONTROL, "", entry)])


async def _told(redis, wanted: int):
    layouts = (await get_subscriptions(redis)).values()
    return next((each for each in layouts if each.sockets and each.wanted == wanted), None)


async def test_ingest_without_its_postgres_goes_on_with_what_settings_want(start, sandbox) -> None:
    nowhere = Secret("postgresql://nobody@127.0.0.1:1/nothing")
    async with start(OPTIONS, account=sandbox.account, postgres=nowhere):
        await eventually(lambda: held(sandbox) == {sandbox.account.id: WANTED}, within_s=10)


async def test_second_ingest_stands_by_until_the_first_is_gone(start, redis, sandbox) -> None:
    first = sandbox.account
    one = msgspec.structs.replace(OPTIONS, name="one")
    other = msgspec.structs.replace(OPTIONS, name="other")
    async with AsyncExitStack() as both:
        async with start(one, account=first):
            await eventually(lambda: held(sandbox) == {first.id: WANTED}, within_s=10)
            await both.enter_async_context(start(other, account=first))
            assert (await leases.holder(redis, f"ingest.{first.id}")).owner == "one"
            assert len(sandbox.get("state")["connections"]) == 1
        await eventually(lambda: _owned(redis, first.id, "other"), within_s=10)
        await eventually(lambda: held(sandbox) == {first.id: WANTED}, within_s=15)


async def _owned(redis, account: str, owner: str) -> bool:
    found = await leases.holder(redis, f"ingest.{account}")
    return found is not None and found.owner == owner


async def test_second_ingest_of_another_account_holds_nothing_until_the_first_is_gone(
    start, redis, sandbox
) -> None:
    first, second = sandbox.accounts
    one = msgspec.structs.replace(OPTIONS, name="one")
    other = msgspec.structs.replace(OPTIONS, name="other")
    async with AsyncExitStack() as both:
        async with start(one, account=first):
            await eventually(lambda: held(sandbox) == {first.id: WANTED})
            await both.enter_async_context(start(other, account=second))
            assert held(sandbox) == {first.id: WANTED}
            assert await leases.holder(redis, f"ingest.{second.id}") is None
        await eventually(lambda: held(sandbox) == {second.id: WANTED})


async def test_instruments_beyond_one_account_go_to_the_next(start, redis, sandbox, file) -> None:
    first, second = sandbox.accounts
    options = msgspec.structs.replace(OPTIONS, headroom=0)
    async with start(options, file=file):
        told = await eventually(lambda: _told(redis, WANTED), within_s=10)
        assert (told.capacity, told.left_out_count) == (2 * 9_000, 0)
        assert [each.account for each in told.accounts] == [first.id, second.id]
