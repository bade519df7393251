"""An executor in this process, real servers behind it, the sandbox as its broker."""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import aiohttp
import msgspec
import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from executor.crash import never
from executor.settings import BehaviourSettings, ExecutorAccount, ExecutorSettings
from executor.wiring import build
from shared.clock import SystemClock
from shared.kite.orders import KiteOrders, new_order
from shared.kite.rest import open_rest
from shared.kite.settings import KiteSettings
from shared.runtime.logs import get_log
from shared.runtime.probe import Probe
from shared.runtime.resources import Resources
from shared.runtime.settings import ProbeSettings
from shared.secret import Secret
from shared.store.migrate import migrate
from shared.store.pool import open_pool
from shared.streams.settings import RedisSettings
from shared.wire.codec import JSON_FIELD, encode
from shared.wire.orders import BrokerUpdate, OrderEvent, Place
from shared.wire.topics import COMMANDS, EVENTS, UPDATES
from tests.support.eventually import eventually
from tests.support.sandbox import sandbox_process
from tests.support.servers import patient

FAST = BehaviourSettings(
    settle_s=(0.1, 0.3, 0.6),
    allow_short_settle_times=True,
    poll_s_min=0.05,
    poll_s_max=0.2,
    read_block_ms=50,
    retry_s_min=0.05,
    retry_s_max=0.2,
    seat_check_s=0.05,
    attempt_gap_s=0.05,
    target_wait_s=0.4,
    # Nothing is streamed here: every test would wait for the account's one quote a second.
    last_price_wait_s=0,
)


LAST_PRICE = 1500
#: The first is everybody's; the others are for tests of what an account may do in a day.
ACCOUNTS = 60


class CrashNow(Exception):
    """Stands for the end of the process."""


def resources_of(stack):
    """Return what an executor is given; it is closed with the stack."""
    return Resources(
        probe=Probe(ProbeSettings(), worker="executor", registry=CollectorRegistry()),
        clock=SystemClock(),
        log=get_log(),
        random=random.Random(1),
        stack=stack,
    )


class Room:
    """What a test does around an executor."""

    def __init__(self, settings, redis, sandbox):
        self.settings = settings
        self.redis = redis
        self.sandbox = sandbox
        self.account = settings.account.id
        self.probe = None

    async def send(self, **command):
        """Write a command by hand, as any producer would; return its id."""
        command.setdefault("command_id", uuid.uuid4().hex)
        await self.send_raw(msgspec.json.encode(command))
        return command["command_id"]

    async def send_raw(self, body, field=b"json"):
        return (await self.redis.xadd(COMMANDS.name(self.account), {field: body})).decode()

    async def events(self, command_id=None):
        entries = await self.redis.xrange(EVENTS.name(self.account))
        events = [msgspec.json.decode(fields[b"json"], type=OrderEvent) for _, fields in entries]
        return [each for each in events if command_id in (None, each.command_id)]

    async def until(self, command_id, *names, within_s=30.0):
        """Wait until the command's events, repeats of one number left out, have these names."""

        async def told():
            seen = {event.sequence: event for event in await self.events(command_id)}
            found = [event.event for event in seen.values()]
            assert found[: len(names)] == list(names), found
            return list(seen.values())

        return await eventually(told, within_s=within_s)

    async def until_state(self, command_id, *states, within_s=30.0):
        async def reached():
            events = await self.events(command_id)
            assert events, "no event"
            assert events[-1].state in states, [(each.event, each.state) for each in events]
            return events

        return await eventually(reached, within_s=within_s)

    async def book(self, tag=None):
        rows = await asyncio.to_thread(self.sandbox.get, "orders", account=self.account)
        return [row for row in rows if tag in (None, row["tag"])]

    async def place_elsewhere(self, **facts):
        """Place an order as the account's owner does in an app: no executor knows of it."""
        who = self.sandbox.account
        command = limit_order(command_id="an-app-elsewhere", **facts)
        place = msgspec.convert(command, Place, strict=False)
        async with open_rest(
            self.settings.kite, who.api_key, lambda: Secret(who.access_token)
        ) as rest:
            placed = await KiteOrders(rest).place(new_order(place, tag="app"))
        return placed.order_id

    async def fault(self, **wish):
        await asyncio.to_thread(self.sandbox._ask, "POST", "faults", wish)

    async def entries_left(self):
        """Return how many entries the executor was given and has not acknowledged."""
        (group,) = await self.redis.xinfo_groups(COMMANDS.name(self.account))
        return group["pending"]

    @asynccontextmanager
    async def executor(self, crash_point=never, **behaviour):
        """Run an executor while the block runs; stop it as a signal would."""
        chosen = msgspec.structs.replace(self.settings.executor, **behaviour)
        settings = msgspec.structs.replace(self.settings, executor=chosen)
        stopping = asyncio.Event()
        async with AsyncExitStack() as stack:
            resources = resources_of(stack)
            worker = await build(settings, resources, crash_point)
            resources.probe.started()
            self.probe = resources.probe
            task = asyncio.create_task(worker.run(stopping), name="executor")
            try:
                yield task
            finally:
                stopping.set()
                try:
                    await asyncio.wait_for(task, 10)
                except* CrashNow:
                    pass  # a test asked for it

    async def ready(self):
        async def is_ready():
            found = await self.probe.readiness()
            assert found.status == "pass", found.checks
            return True

        await eventually(is_ready)


@pytest.fixture(scope="session")
def sandbox_running():
    names = [f"SB{number:04d}" for number in range(1, ACCOUNTS + 1)]
    given = [f"{name}:key{name}:secret{name}:{name.ljust(32, 't')}" for name in names]
    words = [word for each in given for word in ("--account", each)]
    with sandbox_process(7, ["--step-ms", "200", "--funds", "on", *words]) as info:
        yield info


@pytest.fixture(scope="session")
def unused_accounts(sandbox_running):
    return list(sandbox_running.accounts[1:])


@pytest.fixture
def sandbox(sandbox_running):
    sandbox_running.post("limits", enabled=False)
    sandbox_running.post("market", frozen=True)
    sandbox_running.post("price", symbol="INFY", price=LAST_PRICE)
    yield sandbox_running
    sandbox_running.delete("faults")


@pytest.fixture
def quiet_sandbox(sandbox, unused_accounts):
    """Give the same broker with an account that no other test has traded for."""
    return replace(sandbox, accounts=(unused_accounts.pop(),))


@pytest.fixture(scope="session")
def executor_database(postgres):
    """Make one database for all tests here: making one for each takes longer than most of them."""
    name = f"test_{uuid.uuid4().hex}"
    postgres.create_database(name)
    yield postgres.url_of(name)
    postgres.drop_database(name)


@pytest.fixture
async def postgres_url(executor_database):
    """Give the URL of the database, migrated, without rows."""
    async with open_pool(patient(executor_database)) as pool:
        await migrate(pool)
        async with pool.connection() as connection:
            await connection.execute("TRUNCATE order_accounts, trading_states CASCADE")
    return executor_database


@pytest.fixture
async def room(sandbox, postgres_url, orders_redis, ticks_redis):
    account = sandbox.account
    settings = ExecutorSettings(
        account=ExecutorAccount(
            id=account.id, api_key=account.api_key, access_token=Secret(account.access_token)
        ),
        kite=KiteSettings(rest_url=sandbox.rest_url, ws_url=sandbox.ws_url),
        redis=RedisSettings(
            ticks_url=ticks_redis.url_for("executor"), orders_url=orders_redis.url_for("executor")
        ),
        postgres=patient(postgres_url),
        executor=FAST,
    )
    async with Redis.from_url(orders_redis.url_for("ops").reveal()) as redis:
        yield Room(settings, redis, sandbox)


def limit_order(**facts):
    """Return a placement that rests in the book."""
    return {
        "kind": "place",
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "transaction_type": "BUY",
        "quantity": 1,
        "product": "CNC",
        "order_type": "LIMIT",
        "price": str(LAST_PRICE - 50),
        **facts,
    }


@asynccontextmanager
async def updates_brought(room):
    """Carry the account's updates from the broker's socket to their stream, as ingest does."""
    heard = []

    async def carry(socket):
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            said = json.loads(message.data)
            if said["type"] != "order":
                continue
            heard.append(said["data"])
            update = BrokerUpdate(
                source="socket",
                received_at_us=time.time_ns() // 1000,
                row=msgspec.Raw(json.dumps(said["data"]).encode()),
            )
            fields = {JSON_FIELD: encode(update)[JSON_FIELD]}
            await room.redis.xadd(UPDATES.name(room.account), fields)

    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(room.sandbox.socket_url()) as socket,
    ):
        task = asyncio.create_task(carry(socket))
        try:
            yield heard
        finally:
            task.cancel()
            await asyncio.wait([task])
