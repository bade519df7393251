"""Order events reach receivers over HTTP: signed, again and again, never inside of the house."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import random
import uuid
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from publisher.access.auth import digest, read_keyring
from publisher.http_settings import WebhookSection
from publisher.webhooks.delivery import Deliveries, Post
from publisher.webhooks.sender import GuardedResolver, open_sender
from publisher.webhooks.signing import secret_of
from publisher.webhooks.targets import read_networks
from shared.clock import SystemClock
from shared.runtime.logs import get_log
from shared.secret import Secret
from shared.store.migrate import migrate
from shared.store.pool import open_pool
from shared.store.settings import PostgresSettings
from shared.store.webhooks import Webhook, WebhookTable
from shared.wire.orders import OrderEvent, State
from tests.support.eventually import eventually
from tests.support.seated import seated_journal

pytestmark = pytest.mark.integration

ACCOUNT, KEY = "SB0001", "o" * 43
SIGNING = Secret("s" * 32)
FAST = {
    "signing_keys": (SIGNING,),
    "allowed_networks": ("127.0.0.0/8",),
    "poll_s": 0.02,
    "retry_s_min": 0.05,
    "retry_s_max": 0.1,
    "timeout_s": 2.0,
}
EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "webhook_receiver.py"


class Receiver:
    """Somebody's server: answers as `statuses` say, then 200."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.requests = []
        self.url = ""

    @property
    def sequences(self):
        return [json.loads(body)["sequence"] for _, body in self.requests]

    async def _take(self, request):
        self.requests.append((dict(request.headers), await request.read()))
        status = self.statuses.pop(0) if self.statuses else 200
        headers = {"Location": "/elsewhere"} if status == 302 else {}
        return web.Response(status=status, headers=headers)

    @asynccontextmanager
    async def serving(self):
        application = web.Application()
        application.router.add_post("/hook", self._take)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        try:
            yield self
        finally:
            await runner.cleanup()


class Desk:
    """The journal's side, the table, a publisher that delivers."""

    def __init__(self, pool) -> None:
        self.pool = pool
        self.table = WebhookTable(pool)

    async def webhooks(self):
        return self.table

    async def happen(self, count: int, name: str = "updated") -> None:
        async with (
            seated_journal(self.pool, ACCOUNT) as journal,
            journal.change(at_us=1_764_000_000_000_000) as change,
        ):
            for _ in range(count):
                change.emit(
                    OrderEvent(
                        sequence=0,
                        account=ACCOUNT,
                        command_id="command-1",
                        kind="place",
                        event=name,
                        state=State.OPEN,
                        at_us=0,
                    )
                )

    async def register(self, url: str, *events: str, owner: str = "desk") -> str:
        webhook_id = f"wh_{uuid.uuid4().hex[:24]}"
        webhook = Webhook(
            webhook_id=webhook_id, owner=owner, url=url, events=list(events), accounts=[ACCOUNT],
            created_us=1,
        )  # fmt: skip
        assert await self.table.add(webhook, most=10)
        return webhook_id

    async def of(self, owner: str = "desk") -> Webhook:
        (found,) = await self.table.of(owner)
        return found

    @asynccontextmanager
    async def delivering(self, scopes: str = "orders:*", *, key_name: str = "desk", **settings):
        section = WebhookSection(**{**FAST, **settings})
        keyring = read_keyring([f"{key_name}:{scopes}:{digest(KEY)}"])
        stopping = asyncio.Event()
        allowed = read_networks(section.allowed_networks)
        async with (
            open_sender(allowed, section.timeout_s) as sender,
            asyncio.TaskGroup() as group,
        ):
            post = Post(
                tables=self, sender=sender, holders=keyring, settings=section,
                clock=SystemClock(), chance=random.Random(1), log=get_log(),
            )  # fmt: skip
            group.create_task(Deliveries(post).run(stopping))
            yield
            stopping.set()


@pytest.fixture(scope="module")
def webhook_database(postgres):
    name = f"test_{uuid.uuid4().hex}"
    postgres.create_database(name)
    yield postgres.url_of(name)
    postgres.drop_database(name)


@pytest.fixture
async def desk(webhook_database):
    async with open_pool(PostgresSettings(url=webhook_database)) as pool:
        await migrate(pool)
        async with pool.connection() as connection:
            await connection.execute("TRUNCATE order_accounts, webhooks CASCADE")
        yield Desk(pool)


@pytest.fixture
async def receiver():
    async with Receiver().serving() as serving:
        yield serving


async def test_events_from_the_registration_on_are_delivered_signed_in_order(
    desk, receiver
) -> None:
    await desk.happen(2)
    webhook_id = await desk.register(receiver.url)
    async with desk.delivering():
        await desk.happen(3)
        await eventually(lambda: len(receiver.requests) == 3)
    assert receiver.sequences == [3, 4, 5]
    spec = importlib.util.spec_from_file_location("webhook_receiver", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    secret = secret_of(SIGNING, webhook_id).reveal()
    headers, body = receiver.requests[0]
    assert example.verify(secret, headers["Tickflow-Signature"], body)
    assert json.loads(body)["event"]["account"] == ACCOUNT
    assert (await desk.of()).delivered_total == 3


async def test_a_failed_delivery_comes_again_under_the_same_number(desk, receiver) -> None:
    receiver.statuses = [500, 302]
    await desk.register(receiver.url)
    async with desk.delivering():
        await desk.happen(1)
        await eventually(lambda: len(receiver.requests) == 3)
    assert receiver.sequences == [1, 1, 1]
    deliveries = {headers["Tickflow-Delivery"] for headers, _ in receiver.requests}
    assert len(deliveries) == 1
    assert [headers["Tickflow-Attempt"] for headers, _ in receiver.requests] == ["1", "2", "3"]


async def test_what_no_attempt_delivers_is_a_dead_letter_and_comes_again_when_asked(
    desk, receiver
) -> None:
    receiver.statuses = [500] * 4
    webhook_id = await desk.register(receiver.url)

    async def dead():
        return (await desk.of()).dead == 2

    async with desk.delivering(attempts_max=2):
        await desk.happen(2)
        await eventually(dead)
        letters = await desk.table.dead_letters(webhook_id, after=0, limit=10)
        assert [(each.sequence, each.attempts, each.last_error) for each in letters] == [
            (1, 2, "answered 500"),
            (2, 2, "answered 500"),
        ]
        assert await desk.table.replay(webhook_id, now_us=1) == 2
        await eventually(lambda: receiver.sequences[4:] == [1, 2])


async def test_a_receiver_that_fails_for_long_is_suspended_and_loses_nothing(
    desk, receiver
) -> None:
    receiver.statuses = [500] * 2
    webhook_id = await desk.register(receiver.url)

    async def suspended():
        return not (await desk.of()).is_active

    async with desk.delivering(attempts_max=1, dead_max=2, queued_max=1):
        await desk.happen(4)
        await eventually(suspended)
        assert receiver.sequences == [1, 2]
        await desk.table.replay(webhook_id, now_us=1)
        await eventually(lambda: sorted(receiver.sequences[2:]) == [1, 2, 3, 4])


async def test_only_the_events_asked_for_are_delivered(desk, receiver) -> None:
    await desk.register(receiver.url, "accepted")
    async with desk.delivering():
        await desk.happen(1, "received")
        await desk.happen(1, "accepted")
        await eventually(lambda: receiver.sequences == [2])


async def test_a_key_that_lost_the_account_is_told_nothing_more(desk, receiver) -> None:
    await desk.register(receiver.url)

    async def dead():
        return (await desk.of()).dead == 1

    async with desk.delivering("ticks"):
        await desk.happen(1)
        await eventually(dead)
    assert receiver.requests == []


async def test_two_publishers_deliver_each_event_once(desk, receiver) -> None:
    await desk.register(receiver.url)
    await desk.happen(30)
    async with desk.delivering(), desk.delivering():
        await eventually(lambda: len(receiver.requests) >= 30)
    assert receiver.sequences == list(range(1, 31))


async def test_a_publisher_without_the_key_leaves_the_events_to_one_that_has_it(
    desk, receiver
) -> None:
    await desk.register(receiver.url)
    await desk.happen(2)
    async with desk.delivering(key_name="other"):
        await desk.register(receiver.url, owner="other")
        await desk.happen(1)
        await eventually(lambda: receiver.sequences == [3])
        assert ((await desk.of()).queued, (await desk.of()).dead) == (0, 0)
        async with desk.delivering():
            await eventually(lambda: sorted(receiver.sequences) == [1, 2, 3, 3])


async def test_an_address_of_the_house_is_not_connected_to(desk, receiver) -> None:
    port = receiver.url.split(":")[2].split("/")[0]
    for url in (receiver.url, f"https://localhost:{port}/hook", f"https://2130706433:{port}/hook"):
        webhook_id = await desk.register(url)
        async with desk.delivering(attempts_max=1, allowed_networks=()):
            await desk.happen(1)

            async def dead():
                return (await desk.of()).dead == 1

            await eventually(dead)
        await desk.table.remove("desk", webhook_id)
    assert receiver.requests == []


async def test_a_name_is_connected_to_where_it_was_checked() -> None:
    resolver = GuardedResolver(read_networks(["127.0.0.0/8"]))
    found = await resolver.resolve("localhost", 443)
    assert {each["host"] for each in found} == {"127.0.0.1"}
    with pytest.raises(OSError, match="no address that is allowed"):
        await GuardedResolver(()).resolve("localhost", 443)
