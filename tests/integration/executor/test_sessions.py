"""A login while the executor runs: another token, no restart."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from redis.asyncio import Redis

from executor.settings import ExecutorAccount
from shared.accounts.announcement import announce
from shared.accounts.book_settings import AccountsSettings
from shared.accounts.token_state import expires_us
from shared.clock import SystemClock
from shared.kite.rest import open_rest
from shared.kite.session import KiteSessions
from shared.secret import Secret
from shared.store.accounts import AccountTable, Credentials, Session
from shared.store.accounts_vault import Vault, new_key
from shared.store.pool import open_pool
from tests.integration.executor.conftest import LAST_PRICE, limit_order
from tests.support.eventually import eventually
from tests.support.sandbox import sandbox_process

pytestmark = pytest.mark.integration

#: So long that only the announcement can have brought a change.
NEVER_S = 300.0


@pytest.fixture
def own_sandbox():
    """Run a sandbox whose logins are no other test's."""
    with sandbox_process(7, ["--step-ms", "200"]) as info:
        info.post("limits", enabled=False)
        info.post("market", frozen=True)
        info.post("price", symbol="INFY", price=LAST_PRICE)
        yield info


class Logins:
    """What a person does with `tickflow session login`, without the processes."""

    def __init__(self, room, redis, table):
        self._room = room
        self._redis = redis
        self._table = table
        self._now_us = SystemClock().now_ns() // 1000

    async def log_in(self):
        """Have a token that is valid now and make every earlier one invalid; return it."""
        who = self._room.sandbox.account
        given = await asyncio.to_thread(self._room.sandbox.post, "login", account=who.id)
        async with open_rest(self._room.settings.kite, who.api_key, lambda: Secret("")) as rest:
            made = await KiteSessions(rest).exchange(given["request_token"], Secret(who.api_secret))
        return made.access_token

    async def keep(self, token):
        """Write the token where workers find it, tell them."""
        self._now_us += 1
        who = self._room.sandbox.account
        session = Session(Secret(who.api_key), token, self._now_us, expires_us(self._now_us))
        version = await self._table.put_session(who.id, session)
        await announce(self._redis, who.id, version=version, by="test", at_us=self._now_us)


@pytest.fixture
async def logins(room, own_sandbox, ticks_redis):
    """Have the account of `room` in PostgreSQL alone, with its key, without a session."""
    key, who = new_key(), own_sandbox.account
    room.sandbox, room.account = own_sandbox, who.id
    room.settings = msgspec.structs.replace(
        room.settings,
        account=ExecutorAccount(id=who.id),
        accounts=AccountsSettings(encryption_keys=(key,), poll_s=NEVER_S),
        kite=msgspec.structs.replace(room.settings.kite, rest_url=own_sandbox.rest_url),
    )
    async with (
        open_pool(room.settings.postgres) as pool,
        Redis.from_url(ticks_redis.url_for("ops").reveal()) as redis,
    ):
        table = AccountTable(pool, Vault((key,)))
        keys = Credentials(Secret(who.api_key), Secret(who.api_secret))
        await table.put_credentials(who.id, keys, at_us=1)
        yield Logins(room, redis, table)
        async with pool.connection() as connection:
            await connection.execute("TRUNCATE accounts")


async def test_call_after_a_login_uses_the_new_token(room, logins):
    await logins.keep(await logins.log_in())
    async with room.executor():
        await room.ready()
        await room.until_state(await room.send(**limit_order()), "OPEN")
        await logins.keep(await logins.log_in())  # the token before is dead at the broker now
        command = await room.send(**limit_order(quantity=2))
        await room.until_state(command, "OPEN", within_s=10)


async def test_executor_without_a_session_works_from_the_login_on(room, logins):
    async with room.executor():

        async def is_held():
            found = await room.probe.readiness()
            assert "session" in str(found.checks)
            return found.status != "pass"

        await eventually(is_held)
        command = await room.send(**limit_order(quantity=3))
        await room.until(command, "received")
        await logins.keep(await logins.log_in())
        await room.until_state(command, "OPEN", within_s=10)
        await room.ready()


async def test_token_that_dies_in_flight_holds_what_waits_until_a_login_and_refuses_the_rest(
    room, logins
):
    await logins.keep(await logins.log_in())
    async with room.executor():
        await room.ready()
        await room.until_state(await room.send(**limit_order()), "OPEN")
        await room.fault(kind="token_death")
        sent = [await room.send(**limit_order(quantity=quantity)) for quantity in (2, 3, 4)]
        await room.until(sent[-1], "received")

        async def is_held():
            return not (await room.probe.readiness()).checks["session"].ok

        await eventually(is_held)
        await logins.keep(await logins.log_in())
        for command_id in sent:
            # Whichever met the dead token is refused for certain; the others were held.
            events = await room.until_state(command_id, "OPEN", "REJECTED", within_s=15)
            is_open = events[-1].state == "OPEN"
            assert is_open or events[-1].reason.measured == "TokenException"
            assert len(await room.book(events[-1].tag)) == is_open
