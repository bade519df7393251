"""HTTP /v1 between a real Redis, a real PostgreSQL and a caller."""

from __future__ import annotations

import asyncio
import json
import random
import re
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import jwt
import pytest
from prometheus_client import REGISTRY

from publisher.access.auth import digest
from publisher.api.routes import OPENAPI_PATH
from publisher.http_settings import HttpSection, PublisherPostgres, WebhookSection
from shared.clock import SystemClock
from shared.errors import SettingsError
from shared.secret import Secret
from shared.store.migrate import migrate
from shared.store.pool import open_pool
from shared.store.rows import NewCommand
from shared.store.settings import PostgresSettings
from shared.wire import codec, topics
from shared.wire.fingerprint import fingerprint
from shared.wire.orders import Command, OrderEvent, Place, Reason, State
from tests.support.eventually import eventually
from tests.support.json_schema import problems
from tests.support.seated import seated_journal

pytestmark = pytest.mark.integration

ACCOUNT = "SB0001"
TRADER, SOME, READER, TICKS = "w" * 43, "o" * 43, "r" * 43, "t" * 43
KEYS = (
    Secret(f"trader:ticks+wants+orders:*+trade:*:{digest(TRADER)}"),
    Secret(f"some:trade:{ACCOUNT}:{digest(SOME)}"),
    Secret(f"reader:orders:{ACCOUNT}:{digest(READER)}"),
    Secret(f"ticks:ticks:{digest(TICKS)}"),
)
PLACE = {
    "exchange": "NSE", "tradingsymbol": "INFY", "transaction_type": "BUY", "quantity": 1,
    "product": "CNC", "order_type": "LIMIT", "price": "1500.05",
}  # fmt: skip


def an_id() -> str:
    return f"test-{uuid.uuid4()}"


@dataclass
class Reply:
    status: int
    headers: dict
    body: dict

    @property
    def data(self):
        return self.body["data"]

    @property
    def error(self):
        return self.body["error"]


@dataclass
class Caller:
    """Calls /v1 and holds every answer against the document."""

    address: str
    http: aiohttp.ClientSession
    document: dict = field(default_factory=dict)
    seen: set = field(default_factory=set)

    async def ask(self, method, path, *, key=TRADER, **options) -> Reply:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        headers.update(options.pop("headers", {}))
        url = f"http://{self.address}{path}"
        async with self.http.request(method, url, headers=headers, **options) as response:
            body = await response.json()
            reply = Reply(response.status, dict(response.headers), body)
        self._check(method, path.partition("?")[0], reply)
        return reply

    def _check(self, method, path, reply) -> None:
        for template, operations in self.document.get("paths", {}).items():
            shape = re.sub(r"\{\w+\}", "[^/]+", template) + r"\Z"
            if re.match(shape, path) and method.lower() in operations:
                responses = operations[method.lower()]["responses"]
                assert str(reply.status) in responses, (method, path, reply)
                schema = responses[str(reply.status)]["content"]["application/json"]["schema"]
                assert problems(reply.body, schema, self.document) == []
                self.seen.add((method, template, reply.status))
                return


@pytest.fixture(scope="module")
def api_database(postgres):
    name = f"test_{uuid.uuid4().hex}"
    postgres.create_database(name)
    yield postgres.url_of(name)
    postgres.drop_database(name)


@pytest.fixture
async def pool(api_database):
    async with open_pool(PostgresSettings(url=api_database)) as opened:
        await migrate(opened)
        async with opened.connection() as connection:
            await connection.execute("TRUNCATE order_accounts, wants, webhooks CASCADE")
        yield opened


@pytest.fixture
def api(start, upstream, pool, api_database, orders_redis):
    """Give `api(**http)`: a caller of a running publisher."""

    @asynccontextmanager
    async def running(**http):
        section = HttpSection(trading_url=orders_redis.url_for("producer"), **http)
        postgres = PublisherPostgres(url=api_database)
        async with (
            start(
                http=section,
                postgres=postgres,
                keys=KEYS,
                webhooks=WebhookSection(signing_keys=(Secret("s" * 32),)),
            ) as publisher,
            aiohttp.ClientSession() as session,
        ):
            caller = Caller(publisher.worker.address, session)
            caller.document = (await caller.ask("GET", OPENAPI_PATH, key=None)).body
            yield caller

    return running


@asynccontextmanager
async def an_executor(upstream, decide):
    """Answer commands as `decide(command, sequence)` says, an event each; None says nothing."""
    redis = upstream._orders
    stream = topics.COMMANDS.name(ACCOUNT)
    await redis.execute_command("XGROUP", "CREATE", stream, "g", "$", "MKSTREAM")
    taken = []

    stopping = asyncio.Event()

    async def work():
        # Told, not cancelled: on Python 3.11 the client may swallow a cancellation.
        while not stopping.is_set():
            read = await redis.xreadgroup("g", "c", {stream: ">"}, block=50)
            for _, entries in read or ():
                for _, fields in entries:
                    command = codec.decode(fields, Command)
                    taken.append(command)
                    for event in decide(command, len(taken)):
                        await redis.xadd(topics.EVENTS.name(ACCOUNT), codec.encode(event))

    task = asyncio.create_task(work())
    try:
        yield taken
    finally:
        stopping.set()
        await task


def event(command, sequence, name, state, **facts) -> OrderEvent:
    kind = type(command).__struct_config__.tag
    return OrderEvent(
        sequence=sequence, account=ACCOUNT, command_id=command.command_id, kind=kind, event=name,
        state=state, at_us=1_764_000_000_000_000, **facts,
    )  # fmt: skip


def accepting(command, number):
    return [
        event(command, 2 * number, "received", State.RECEIVED),
        event(command, 2 * number + 1, "accepted", State.ACCEPTED, order_id="2511270001"),
    ]


async def test_command_is_handed_on_at_once(api, upstream) -> None:
    async with an_executor(upstream, lambda *_: []) as taken, api() as caller:
        command_id = an_id()
        reply = await caller.ask(
            "POST", "/v1/commands", json={"kind": "place", "command_id": command_id, **PLACE}
        )
        assert (reply.status, reply.data["command_id"], reply.data["state"]) == (
            202,
            command_id,
            "SENT",
        )
        assert reply.headers["Location"] == f"/v1/commands/{command_id}?account={ACCOUNT}"
        await eventually(lambda: taken)
        assert taken == [
            codec.decode(
                {
                    b"json": json.dumps(
                        {"kind": "place", "command_id": command_id, **PLACE}
                    ).encode()
                },
                Command,
            )
        ]


async def test_waiting_returns_what_became_of_it(api, upstream) -> None:
    async with an_executor(upstream, accepting) as taken, api() as caller:
        reply = await caller.ask(
            "POST", "/v1/orders?wait=5", json=PLACE, headers={"Idempotency-Key": an_id()}
        )
        assert (reply.status, reply.data["state"]) == (200, "ACCEPTED")
        assert reply.data["event"]["order_id"] == "2511270001"
        received = await caller.ask(
            "POST", "/v1/orders?wait=5&until=received", json={**PLACE, "command_id": an_id()}
        )
        assert (received.status, received.data["state"]) == (200, "RECEIVED")
        assert len(taken) == 2


async def test_wait_that_ends_first_says_so_and_writes_again_until_received(api, upstream) -> None:
    async with an_executor(upstream, lambda *_: []) as taken, api() as caller:
        reply = await caller.ask(
            "POST", "/v1/orders?wait=2.3", json={**PLACE, "command_id": an_id()}
        )
        assert (reply.status, reply.data["state"]) == (202, "SENT")
        assert len(taken) == 2, "the same command, written again after two seconds of silence"
        assert taken[0] == taken[1]


async def test_refusal_of_the_executor_is_an_error_that_names_the_field(api, upstream) -> None:
    reason = Reason(code="price_tick", sentence="1500.05 is no multiple of 0.10", field="price")

    def refusing(command, number):
        return [event(command, number, "refused", State.REFUSED, reason=reason)]

    async with an_executor(upstream, refusing), api() as caller:
        reply = await caller.ask("POST", "/v1/orders?wait=5", json={**PLACE, "command_id": an_id()})
        assert reply.status == 422
        assert (reply.error["code"], reply.error["field"]) == ("price_tick", "price")
        assert "1500.05" in reply.error["message"]


async def test_orders_are_changed_and_cancelled_by_their_address(api, upstream) -> None:
    async with an_executor(upstream, accepting) as taken, api() as caller:
        placed = an_id()
        await caller.ask(
            "PUT", f"/v1/orders/{placed}", json={"price": "9.5", "command_id": an_id()}
        )
        await caller.ask("DELETE", f"/v1/orders/{placed}")
        await caller.ask("DELETE", "/v1/broker-orders/2511270001?variety=amo")
        reply = await caller.ask(
            "PUT",
            "/v1/broker-orders/2511270001?wait=5",
            json={"quantity": 2, "command_id": an_id()},
        )
        assert reply.status == 200
        kinds = [type(each).__struct_config__.tag for each in taken]
        assert kinds == ["modify", "cancel", "cancel", "modify"]
        assert [each.target_command_id for each in taken] == [placed, placed, None, None]
        assert [each.order_id for each in taken] == [None, None, "2511270001", "2511270001"]
        assert taken[2].variety == "amo"


async def test_same_id_with_other_content_is_a_conflict(api, upstream, pool) -> None:
    async with an_executor(upstream, accepting) as taken, api() as caller:
        first = {**PLACE, "command_id": an_id()}
        assert (await caller.ask("POST", "/v1/orders", json=first)).status == 202
        again = await caller.ask("POST", "/v1/orders", json={**first, "price": 1500.050})
        assert again.status == 202, "another spelling of the same price"
        other = await caller.ask("POST", "/v1/orders", json={**first, "quantity": 2})
        assert (other.status, other.error["code"]) == (409, "conflict")
        journalled = await a_journalled_order(pool, an_id())
        reply = await caller.ask(
            "POST", "/v1/orders", json={**PLACE, "quantity": 9, "command_id": journalled}
        )
        assert reply.status == 409, "known from the journal, not from this publisher"
        await eventually(lambda: len(taken) == 2)


async def test_conflict_told_by_the_executor_is_a_conflict(api, upstream) -> None:
    def refusing(command, number):
        return [event(command, number, "conflict", State.CONFLICT)]

    async with an_executor(upstream, refusing), api() as caller:
        reply = await caller.ask("POST", "/v1/orders?wait=5", json={**PLACE, "command_id": an_id()})
        assert reply.status == 409


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 400, ""),
        (b"[1]", 400, ""),
        (b"\xff\xfe", 400, ""),
        (b"{" + b'"a":' * 5000, 400, ""),
        (json.dumps(PLACE).encode(), 422, "command_id"),
        (json.dumps({**PLACE, "command_id": "short"}).encode(), 422, "command_id"),
        (json.dumps({**PLACE, "command_id": "x" * 9, "quantity": 0}).encode(), 422, "quantity"),
        (json.dumps({**PLACE, "command_id": "x" * 9, "price": "1e999"}).encode(), 422, "price"),
        (json.dumps({**PLACE, "command_id": "x" * 9, "colour": 1}).encode(), 422, "colour"),
        (json.dumps({**PLACE, "command_id": "x" * 9, "kind": "cancel"}).encode(), 422, "kind"),
    ],
)  # fmt: skip
async def test_what_is_no_command_is_refused_and_nothing_is_written(
    api, upstream, body, status, field
) -> None:
    async with an_executor(upstream, accepting) as taken, api() as caller:
        reply = await caller.ask("POST", "/v1/orders", data=body)
        assert (reply.status, reply.error["field"]) == (status, field)
        assert taken == []


async def test_idempotency_key_that_differs_from_the_body_is_refused(api, upstream) -> None:
    async with an_executor(upstream, accepting), api() as caller:
        reply = await caller.ask(
            "POST", "/v1/orders", json={**PLACE, "command_id": an_id()},
            headers={"Idempotency-Key": an_id()},
        )  # fmt: skip
        assert (reply.status, reply.error["field"]) == (422, "command_id")


async def test_without_an_executor_a_command_is_not_kept(api) -> None:
    async with api() as caller:
        reply = await caller.ask("POST", "/v1/orders", json={**PLACE, "command_id": an_id()})
        assert (reply.status, reply.error["code"]) == (503, "no_executor")


async def test_keys_do_what_their_scopes_say(api, upstream) -> None:
    async with an_executor(upstream, accepting) as taken, api() as caller:
        order = {**PLACE, "command_id": an_id()}
        for key, status in ((None, 401), ("x" * 43, 401), (READER, 403), (TICKS, 403)):
            reply = await caller.ask("POST", "/v1/orders", json=order, key=key)
            assert reply.status == status
        assert (await caller.ask("GET", "/v1/orders", key=TICKS)).status == 403
        assert (await caller.ask("GET", "/v1/instruments", key=READER)).status == 403
        assert (await caller.ask("GET", "/v1/subscriptions", key=READER)).status == 403
        assert (await caller.ask("GET", "/v1/orders", key=READER)).status == 200
        other = await caller.ask("GET", "/v1/orders?account=SB0002", key=READER)
        assert (other.status, other.error["field"]) == (422, "query.account")
        me = await caller.ask("GET", "/v1/me", key=READER)
        assert me.data["reads_accounts"] == [ACCOUNT]
        assert me.data["trades_accounts"] == []
        assert taken == []


async def test_a_key_of_one_account_switches_that_account_only(api, upstream) -> None:
    async with an_executor(upstream, accepting) as taken, api() as caller:
        for key, scope, status in (
            (SOME, "global", 403),
            (SOME, "strategy", 403),
            (SOME, "account", 202),
            (TRADER, "global", 202),
        ):
            halt = {"kind": "halt", "command_id": an_id(), "by": "test", "scope": scope}
            halt |= {"subject": "one"} if scope == "strategy" else {}
            reply = await caller.ask("POST", "/v1/commands", json=halt, key=key)
            assert reply.status == status, reply
        await eventually(lambda: [each.scope for each in taken] == ["account", "global"])


async def test_a_token_opens_what_it_says_until_it_ends(start, upstream) -> None:
    secret, now_s = "j" * 32, int(SystemClock().now_ns() / 1e9)

    def token(**claims):
        told = {"sub": "web", "scope": "ticks", "exp": now_s + 300, **claims}
        return jwt.encode(told, secret, algorithm="HS256")

    async with (
        start(keys=KEYS, jwt_secret=Secret(secret)) as publisher,
        aiohttp.ClientSession() as session,
    ):
        caller = Caller(publisher.worker.address, session)
        me = await caller.ask("GET", "/v1/me", key=token())
        assert (me.status, me.data["name"], me.data["scopes"]) == (200, "web", ["ticks"])
        assert (await caller.ask("GET", "/v1/me", key=token(exp=now_s - 300))).status == 401
        assert (await caller.ask("GET", "/v1/webhooks", key=token())).status == 503


async def test_publisher_without_the_right_gives_no_commands(start, upstream) -> None:
    async with start(keys=KEYS) as publisher, aiohttp.ClientSession() as session:
        caller = Caller(publisher.worker.address, session)
        reply = await caller.ask("POST", "/v1/orders", json={**PLACE, "command_id": an_id()})
        assert (reply.status, reply.error["code"]) == (503, "not_configured")
        reply = await caller.ask("GET", "/v1/orders")
        assert (reply.status, reply.error["code"]) == (503, "not_configured")


async def a_journalled_order(pool, command_id, **facts) -> str:
    """Claim a placement in the journal, as an executor does."""
    command = Place(command_id=command_id, **{**PLACE, "price": None, **facts})
    async with seated_journal(pool, ACCOUNT) as journal:
        new = NewCommand(
            command_id=command_id, kind="place", fingerprint=fingerprint(command),
            encoding="json", payload=codec.encode(command)[b"json"], priority=1,
        )  # fmt: skip
        async with journal.change(at_us=1_764_000_000_000_000) as change:
            (row,) = await change.claim([new])
            change.emit(event(command, 0, "received", row.state))
    return command_id


async def test_commands_are_leafed_through_newest_first(api, pool) -> None:
    ids = [await a_journalled_order(pool, an_id()) for _ in range(5)]
    async with api() as caller:
        found, path = [], "/v1/commands?limit=2"
        while path:
            reply = await caller.ask("GET", path)
            found += [row["command_id"] for row in reply.data]
            cursor = reply.body["next"]
            path = cursor and f"/v1/commands?limit=2&cursor={cursor}"
        assert found == ids[::-1]
        assert (await caller.ask("GET", "/v1/commands?state=COMPLETE")).data == []
        open_ones = await caller.ask("GET", "/v1/commands?open=true&kind=place")
        assert len(open_ones.data) == 5
        orders = await caller.ask("GET", "/v1/orders?limit=2")
        assert [row["placed"]["command_id"] for row in orders.data] == ids[:2:-1]
        strange = await caller.ask(
            "GET", f"/v1/orders?cursor={open_ones.body['next'] or 'bm9uZTox'}"
        )
        assert (strange.status, strange.error["field"]) == (422, "cursor")


async def test_an_order_is_told_with_its_steps(api, pool) -> None:
    command_id = await a_journalled_order(pool, an_id())
    async with pool.connection() as connection:
        await connection.execute(
            "INSERT INTO broker_orders (account, order_id, command_id, origin, status, is_terminal, "
            "filled, version, seen, observed_us, fence) VALUES "
            "($1, '2511270001', $2, 'OURS', 'OPEN', false, 0, 'v', '{\"status\":\"OPEN\"}', 1, 1)",
            ACCOUNT, command_id,
        )  # fmt: skip
    async with api() as caller:
        story = (await caller.ask("GET", f"/v1/orders/{command_id}")).data
        assert story["placed"]["command"]["tradingsymbol"] == "INFY"
        assert [each["order_id"] for each in story["orders"]] == ["2511270001"]
        assert [each["event"] for each in story["events"]] == ["received"]
        one = await caller.ask("GET", f"/v1/commands/{command_id}")
        assert one.data["state"] == "RECEIVED"
        steps = await caller.ask("GET", f"/v1/commands/{command_id}/events")
        assert [each["command_id"] for each in steps.data] == [command_id]
        events = await caller.ask("GET", "/v1/events?after=0")
        assert [each["sequence"] for each in events.data] == [1]
        book = await caller.ask("GET", "/v1/broker-orders?open=true")
        assert book.data[0]["seen"] == {"status": "OPEN"}
        assert (await caller.ask("GET", "/v1/broker-orders/2511270001")).data == book.data[0]
        for path in ("/v1/orders/none-such", "/v1/commands/none-such", "/v1/broker-orders/9"):
            assert (await caller.ask("GET", path)).status == 404


async def test_subscriptions_are_each_key_s_own(api, upstream) -> None:
    async with api(wants_per_key_max=2) as caller:
        done = await caller.ask("POST", "/v1/subscriptions", json={"symbols": ["NSE:INFY"]})
        assert (done.status, done.data["added"], done.data["note"]) == (201, 1, "")
        listed = await caller.ask("GET", "/v1/subscriptions")
        assert [row["symbol"] for row in listed.data] == ["NSE:INFY"]
        unknown = await caller.ask("POST", "/v1/subscriptions", json={"symbols": ["NSE:NOPE"]})
        assert (unknown.status, unknown.error["field"]) == (422, "symbols")
        many = {"symbols": ["NFO:NIFTY26NOV24000CE", "NFO:NIFTY26NOV24000PE"]}
        over = await caller.ask("POST", "/v1/subscriptions", json=many)
        assert (over.status, over.error["code"]) == (409, "over_quota")
        assert (await caller.ask("DELETE", "/v1/subscriptions/NSE:INFY")).data["removed"] == 1
        assert (await caller.ask("DELETE", "/v1/subscriptions/NSE:INFY")).status == 404
        assert (await caller.ask("DELETE", "/v1/subscriptions")).data["removed"] == 0
        hints = await upstream._ticks.xrange(topics.CONTROL.name())
        told = [json.loads(fields[b"json"]) for _, fields in hints]
        assert [hint["kind"] for hint in told] == ["wants_changed"] * 2


async def test_market_is_told_from_what_is_published(api) -> None:
    async with api() as caller:
        page = await caller.ask("GET", "/v1/instruments?underlying=NIFTY&limit=2", key=TICKS)
        rest = await caller.ask(
            "GET", f"/v1/instruments?underlying=NIFTY&cursor={page.body['next']}", key=TICKS
        )
        assert [row["instrument_token"] for row in page.data + rest.data] == [101, 102, 256265]
        calls = await caller.ask("GET", "/v1/instruments?kind=call", key=TICKS)
        assert [row["tradingsymbol"] for row in calls.data] == ["NIFTY26NOV24000CE"]
        named = await caller.ask("GET", "/v1/instruments?symbol=NSE:INFY", key=TICKS)
        assert [row["kind"] for row in named.data] == ["equity"]
        assert (await caller.ask("GET", "/v1/shards", key=TICKS)).data["shards"] == 2
        assert (await caller.ask("GET", "/v1/layouts", key=TICKS)).data == {}
        vitals = (await caller.ask("GET", "/v1/vitals", key=TICKS)).data
        assert [hop["hop"] for hop in vitals["hops"]] == [
            "exchange_to_ingest", "ingest_to_enriched", "ingest_to_publisher",
        ]  # fmt: skip
        for hop in vitals["hops"]:
            told = {"hop": hop["hop"]}
            assert REGISTRY.get_sample_value("tickflow_publisher_hop_seconds", told) is not None


async def test_each_key_has_an_allowance_of_its_own_and_cancels_one_beside(api, upstream) -> None:
    async with (
        an_executor(upstream, lambda *_: []),
        api(reads_per_s=0.01, reads_burst=2, writes_per_s=0.01, writes_burst=1) as caller,
    ):
        assert [(await caller.ask("GET", "/v1/me")).status for _ in range(3)] == [200, 200, 429]
        limited = await caller.ask("GET", "/v1/me")
        assert int(limited.headers["Retry-After"]) >= 1
        assert limited.error["code"] == "rate_limited"
        assert (await caller.ask("GET", "/v1/me", key=READER)).status == 200
        body = {**PLACE, "command_id": an_id()}
        sent = [(await caller.ask("POST", "/v1/orders", json=body)).status for _ in range(2)]
        assert sent == [202, 429]
        assert (await caller.ask("DELETE", f"/v1/orders/{an_id()}")).status == 202


async def test_who_has_no_key_is_slowed_down(api) -> None:
    async with api(strangers_per_s=0.01, strangers_burst=3) as caller:
        tried = [(await caller.ask("GET", "/v1/me", key=f"{n}" * 43)).status for n in range(5)]
        assert tried == [401, 401, 401, 429, 429]
        assert (await caller.ask("GET", "/v1/me")).status == 200, "who has a key is let in"


async def test_request_ids_come_back_where_they_are_sane(api) -> None:
    async with api() as caller:
        kept = await caller.ask("GET", "/v1/me", headers={"X-Request-ID": "my-id.7"})
        assert kept.headers["X-Request-ID"] == "my-id.7"
        made = await caller.ask("GET", "/v1/nothing", headers={"X-Request-ID": "a b"})
        assert (made.status, made.error["code"]) == (404, "not_found")
        assert re.fullmatch(r"[0-9a-f]{24}", made.headers["X-Request-ID"])
        assert made.error["request_id"] == made.headers["X-Request-ID"]
        wrong = await caller.ask("PUT", "/v1/me")
        assert (wrong.status, wrong.headers["Allow"]) == (405, "GET")
        strange = await caller.ask("GET", "/v1/orders/%00%ff")
        assert (strange.status, strange.error["field"]) == (422, "path.command_id")
        twice = await caller.ask("GET", "/v1/orders?limit=1&limit=2")
        assert (twice.status, twice.error["field"]) == (422, "query.limit")
        foreign = await caller.ask("GET", "/v1/orders?page=2")
        assert (foreign.status, foreign.error["field"]) == (422, "query.page")


async def test_bodies_are_bounded(api) -> None:
    async with api(body_bytes_max=1024) as caller:
        told = await caller.ask("POST", "/v1/orders", data=b"x" * 1025)
        assert (told.status, told.error["code"]) == (413, "too_large")

        async def chunks():
            for _ in range(200):
                yield b"x" * 1024

        assert (await caller.ask("POST", "/v1/orders", data=chunks())).status == 413


async def test_whatever_is_asked_is_answered_without_a_crash(api, upstream) -> None:
    chance = random.Random(7)
    pieces = ["orders", "commands", "x" * 300, "%00", "%2f", "1", "broker-orders", "webhooks"]
    async with (
        an_executor(upstream, lambda *_: []),
        api(reads_burst=999, writes_burst=999, cancels_burst=999) as caller,
    ):
        for _ in range(80):
            path = "/v1/" + "/".join(chance.sample(pieces, chance.randint(1, 3)))
            query = chance.choice(
                ["", "?wait=nan", "?limit=-1", "?cursor=%ff", "?account=x", "?a=b"]
            )
            method = chance.choice(["GET", "POST", "PUT", "DELETE", "PATCH"])
            body = chance.randbytes(chance.randint(0, 60))
            reply = await caller.ask(method, path + query, data=body)
            assert reply.status < 500 or reply.error["code"] == "not_configured", reply


async def test_a_packed_body_is_refused_and_is_no_error_of_ours(api, caplog) -> None:
    packed = {"data": b"xyz", "headers": {"Content-Encoding": "gzip"}}
    async with api() as caller:
        refused = await caller.ask("POST", "/v1/orders", **packed)
        assert (refused.status, refused.error["code"]) == (415, "unsupported_encoding")
        assert (await caller.ask("POST", "/v1/orders", key="x" * 43, **packed)).status == 401
        assert (await caller.ask("GET", "/v1/me")).status == 200
    assert [each.getMessage() for each in caplog.records if each.name == "aiohttp.server"] == []


async def test_other_sites_may_call_only_where_configured(api) -> None:
    site = {"Origin": "https://desk.example"}
    async with api() as caller:
        reply = await caller.ask("GET", "/v1/me", headers=site)
        assert "Access-Control-Allow-Origin" not in reply.headers
        async with caller.http.options(f"http://{caller.address}/v1/me", headers=site) as response:
            assert response.status == 403
    async with api(cors_origins=("https://desk.example",)) as caller:
        reply = await caller.ask("GET", "/v1/me", headers=site)
        assert reply.headers["Access-Control-Allow-Origin"] == "https://desk.example"
        reply = await caller.ask("GET", "/v1/me", headers={"Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in reply.headers
        async with caller.http.options(f"http://{caller.address}/v1/me", headers=site) as response:
            assert response.status == 204
            assert "Authorization" in response.headers["Access-Control-Allow-Headers"]


async def test_a_wildcard_of_origins_does_not_start_in_production(start) -> None:
    with pytest.raises(SettingsError, match="cors_origins"):
        async with start(http=HttpSection(cors_origins=("*",))):
            pass


async def test_postbacks_are_handed_on_raw(api, upstream) -> None:
    raw = b'{"order_id":"1","checksum":"' + b"a" * 64 + b'"}'
    async with api(postback_bytes_max=1024, postbacks_burst=3, postbacks_per_s=0.01) as caller:
        taken = await caller.ask("POST", f"/v1/postbacks/{ACCOUNT}", data=raw, key=None)
        assert taken.status == 200
        ((_, fields),) = await upstream._orders.xrange(topics.POSTBACKS.name(ACCOUNT))
        assert json.loads(fields[b"json"])["body"].encode() == raw
        statuses = [
            (await caller.ask("POST", path, data=body, key=None)).status
            for path, body in (
                ("/v1/postbacks/SB0009", raw),
                (f"/v1/postbacks/{ACCOUNT}", b"x" * 1025),
                (f"/v1/postbacks/{ACCOUNT}", b""),
                (f"/v1/postbacks/{ACCOUNT}", b"\xff"),
                (f"/v1/postbacks/{ACCOUNT}", raw),
                (f"/v1/postbacks/{ACCOUNT}", raw),
            )
        ]
        assert statuses == [404, 413, 400, 400, 200, 429]
        assert await upstream._orders.xlen(topics.POSTBACKS.name(ACCOUNT)) == 2


async def test_webhooks_are_registered_listed_and_removed_by_their_own_key(api) -> None:
    async with api() as caller:
        hook = {"url": "https://hooks.example.com/x", "accounts": [ACCOUNT]}
        made = await caller.ask("POST", "/v1/webhooks", json=hook)
        assert made.status == 201
        assert made.data["secret"].startswith("whsec_")
        one = f"/v1/webhooks/{made.data['webhook_id']}"
        for body, field in (
            ({**hook, "url": "https://127.0.0.1/x"}, "url"),
            ({**hook, "url": "http://hooks.example.com/x"}, "url"),
            ({**hook, "accounts": ["SB0009"]}, "accounts"),
        ):
            refused = await caller.ask("POST", "/v1/webhooks", json=body)
            assert (refused.status, refused.error["field"]) == (422, field)
        listed = await caller.ask("GET", "/v1/webhooks")
        assert [row["url"] for row in listed.data] == [hook["url"]]
        assert (await caller.ask("GET", "/v1/webhooks", key=READER)).data == []
        assert (await caller.ask("DELETE", one, key=READER)).status == 404
        assert (await caller.ask("GET", f"{one}/dead-letters")).data == []
        assert (await caller.ask("POST", f"{one}/replay")).data == {"queued": 0}
        assert (await caller.ask("DELETE", one)).status == 200
        assert (await caller.ask("DELETE", one)).status == 404


async def test_every_route_is_in_the_document(api) -> None:
    async with api() as caller:
        described = {
            (method.upper(), path)
            for path, operations in caller.document["paths"].items()
            for method in operations
        }
        assert caller.document["openapi"] == "3.1.0"
        assert ("POST", "/v1/commands") in described
        names = [
            operation["operationId"]
            for operations in caller.document["paths"].values()
            for operation in operations.values()
        ]
        assert len(names) == len(set(names))
        body = json.dumps(caller.document)
        for reference in re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', body):
            assert reference in caller.document["components"]["schemas"]
