"""Ticks and order events travel from the streams to WebSockets."""

import json
import time

import aiohttp
import jwt
import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec

from publisher.access.tokens import LEEWAY_S
from shared.secret import Secret
from shared.wire.instruments import Kind
from shared.wire.orders import State
from tests.support.eventually import eventually
from tests.support.publisher_rows import CALL, INFY, NIFTY, PUT, listing, rows

pytestmark = pytest.mark.integration

KEY, TICKS_KEY, ACCOUNT = "k" * 43, "t" * 43, "SB0001"
#: One message above what a writer may have waiting in the process.
BUFFERED_BYTES_MAX = 64 * 1024 + 16 * 1024 + 1024


async def test_a_subscriber_gets_a_snapshot_then_ticks_then_order_events(start, upstream) -> None:
    await upstream.last(rows((CALL, 10.0), (PUT, 20.0)))
    async with start() as publisher, publisher.subscriber() as client:
        subscribed, snapshot = await client.subscribe(
            ticks={"underlyings": ["NIFTY"], "symbols": ["NSE:INFY"], "mode": "ltp"},
            orders=[ACCOUNT],
        )
        assert subscribed["refused"] == []
        assert subscribed["accepted"]["instruments"] == 4
        assert {token: row["last_price"] for token, row in snapshot.items()} == {
            CALL: 10.0,
            PUT: 20.0,
        }
        assert snapshot[CALL]["tradingsymbol"] == "NIFTY26NOV24000CE"
        await upstream.ticks(rows((CALL, 11.0), (999, 1.0), received_at_ns=2_000_000_000))
        (row,) = (await client.hear())["ticks"]
        assert (row["instrument_token"], row["last_price"]) == (CALL, 11.0)
        assert row["received_at_us"] == 2_000_000
        assert row["sequence"] > subscribed["snapshot_id"]
        await upstream.ticks(rows((INFY, 1500.0)), shard=1)
        assert (await client.hear())["ticks"][0]["tradingsymbol"] == "INFY"
        await upstream.order(1, state=State.COMPLETE)
        order = await client.hear()
        assert (order["op"], order["account"], order["event"]["state"]) == (
            "order",
            ACCOUNT,
            "COMPLETE",
        )


async def test_a_subscriber_gets_every_order_event_in_order(start, upstream) -> None:
    await upstream.order(*range(5))
    async with start() as publisher, publisher.subscriber() as client:
        subscribed, _ = await client.subscribe(orders=[ACCOUNT])
        assert subscribed["accepted"]["orders"] == {ACCOUNT: 4}
        await upstream.order(*range(5, 25))
        heard = [(await client.hear())["event"]["sequence"] for _ in range(20)]
        assert heard == list(range(5, 25))


async def test_gaps_reach_those_whom_they_concern(start, upstream) -> None:
    async with start() as publisher, publisher.subscriber() as client:
        await client.subscribe(ticks={"tokens": [CALL]}, gaps=True)
        await upstream.gap(PUT)
        await upstream.gap(CALL, PUT)
        gap = await client.hear_of("gap")
        assert gap["gap"]["instrument_tokens"] == [CALL, PUT]


async def test_new_instruments_are_taken_up_when_told(start, upstream) -> None:
    async with start() as publisher, publisher.subscriber() as client:
        subscribed, _ = await client.subscribe(ticks={"symbols": ["NFO:NIFTY26DEC24000CE"]})
        assert subscribed["refused"][0]["reason"] == "unknown_instrument"
        await client.subscribe(ticks={"underlyings": ["NIFTY"]})
        await upstream.publish(
            listing(
                [
                    (NIFTY, "NSE", "NIFTY 50", "NIFTY", Kind.INDEX),
                    (103, "NFO", "NIFTY26DEC24000CE", "NIFTY", Kind.CALL),
                ]
            ),
            version=20261123,
            shards=3,
        )
        await upstream.hint("instruments_changed")
        assert (await client.hear_of("underlying_changed"))["instruments"] == 2
        await upstream.ticks(rows((103, 5.0)), shard=2)
        assert (await client.hear_of("ticks"))["ticks"][0]["tradingsymbol"] == "NIFTY26DEC24000CE"


async def test_a_former_owners_batch_is_left_out(start, upstream) -> None:
    async with start() as publisher, publisher.subscriber() as client:
        await client.subscribe(ticks={"tokens": [CALL]})
        await upstream.ticks(rows((CALL, 1.0)), fence=5)
        assert (await client.hear())["ticks"][0]["last_price"] == 1.0
        await upstream.ticks(rows((CALL, 2.0)), fence=4)
        await upstream.ticks(rows((CALL, 3.0)), fence=5)
        assert (await client.hear())["ticks"][0]["last_price"] == 3.0


async def test_an_entry_that_does_not_decode_stops_nothing(start, upstream) -> None:
    async with start() as publisher, publisher.subscriber() as client:
        await client.subscribe(ticks={"tokens": [CALL]})
        await upstream.broken({b"h": b"?", b"r": b"?"})
        await upstream.ticks(rows((CALL, 2.0)))
        assert (await client.hear())["ticks"][0]["last_price"] == 2.0


async def test_a_key_may_come_as_the_first_message(start, upstream) -> None:
    async with start() as publisher, publisher.subscriber(key=None) as client:
        await client.say("auth", key=TICKS_KEY)
        assert (await client.hear())["name"] == "ticks"
        subscribed, _ = await client.subscribe(orders=[ACCOUNT])
        assert subscribed["refused"] == [{"what": f"orders:{ACCOUNT}", "reason": "forbidden"}]


async def test_a_wrong_key_is_refused_in_either_place(start, upstream) -> None:
    async with start() as publisher:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with publisher.subscriber(key="w" * 43):
                pass
        assert caught.value.status == 401
        async with publisher.subscriber(key=None) as client:
            await client.say("auth", key="w" * 43)
            assert (await client.hear())["code"] == "unauthenticated"
            assert await client.farewell() == (4500, "unauthenticated retry=no")


async def test_so_many_may_be_without_a_key_while_others_still_come_in(start, upstream) -> None:
    async with (
        start(unauthenticated_max=1) as publisher,
        publisher.subscriber(key=None),
        publisher.subscriber(),
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with publisher.subscriber(key=None):
                pass
        assert caught.value.status == 503


async def test_anything_before_the_key_is_refused(start, upstream) -> None:
    async with start() as publisher:
        for message, code in (('{"op":"ping"}', 4500), ("{", 4501)):
            async with publisher.subscriber(key=None) as client:
                await client.ws.send_str(message)
                assert (await client.farewell())[0] == code


async def test_a_key_that_does_not_come_in_time_ends_the_connection(start, upstream) -> None:
    async with start(auth_timeout_s=0.05) as publisher, publisher.subscriber(key=None) as client:
        assert await client.farewell() == (4003, "auth_timeout retry=yes")


async def test_a_key_in_the_address_is_never_looked_at(start, upstream) -> None:
    async with start() as publisher, aiohttp.ClientSession() as session:
        address = publisher.url.replace("ws:", "http:")
        async with session.get(address, params={"key": KEY}) as answer:
            assert answer.status == 400


async def test_connections_are_counted_per_key(start, upstream) -> None:
    async with start(connections_per_key_max=1) as publisher, publisher.subscriber():
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with publisher.subscriber():
                pass
        assert caught.value.status == 429
    async with start(connections_per_key_max=1) as publisher:
        for _ in range(3):
            async with publisher.subscriber() as client:
                await client.say("ping")
                await client.hear_of("heartbeat")
            await eventually(lambda p=publisher: not p.worker._desk.hub.subscribers)


async def test_a_new_connection_takes_the_place_of_the_oldest_where_it_asks_to(
    start, upstream
) -> None:
    async with (
        start(connections_per_key_max=1) as publisher,
        publisher.subscriber() as first,
        publisher.subscriber(key=None) as second,
    ):
        await second.say("auth", key=KEY, takeover=True)
        assert (await second.hear())["op"] == "welcome"
        assert await first.farewell() == (4502, "taken_over retry=no")
        await second.say("ping")
        await second.hear_of("heartbeat")


async def test_a_token_opens_the_door_until_it_expires(start, upstream) -> None:
    secret = Secret("s" * 32)
    claims = {"sub": "page", "scope": "ticks", "exp": time.time() - LEEWAY_S + 1.0}
    good = jwt.encode(claims, secret.reveal(), algorithm="HS256")
    expired = jwt.encode({**claims, "exp": 1}, secret.reveal(), algorithm="HS256")
    async with start(jwt_secret=secret) as publisher:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with publisher.subscriber(key=expired):
                pass
        assert caught.value.status == 401
        async with publisher.subscriber(key=None) as client:
            await client.say("auth", key=good)
            assert (await client.hear())["name"] == "page"
            assert await client.farewell() == (4007, "expired retry=yes")


async def test_public_keys_of_tokens_are_read_from_their_address(start, upstream) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(private.public_key()))
    keys = {"keys": [{**public, "kid": "one", "alg": "ES256", "use": "sig"}]}

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(keys)

    application = web.Application()
    application.add_routes([web.get("/jwks.json", answer)])
    claims = {"sub": "page", "scope": "ticks", "exp": time.time() + 60}
    token = jwt.encode(claims, private, algorithm="ES256", headers={"kid": "one"})
    async with TestServer(application) as server:
        url = f"http://127.0.0.1:{server.port}/jwks.json"
        async with start(jwt_jwks_url=url) as publisher:
            await eventually(lambda: bool(publisher.worker._desk.tokens))
            async with publisher.subscriber(key=token) as client:
                await client.say("ping")
                await client.hear_of("heartbeat")


async def test_malformed_messages_get_a_reason_then_a_close(start, upstream) -> None:
    async with start() as publisher:
        for message in ("{", '{"op":"sell"}', '{"op":"subscribe","ticks":{"tokens":["x"]}}'):
            async with publisher.subscriber() as client:
                await client.ws.send_str(message)
                fault = await client.hear()
                assert (fault["op"], fault["code"]) == ("error", "malformed")
                assert "Traceback" not in fault["message"]
                assert await client.farewell() == (4501, "malformed retry=no")


async def test_a_message_above_the_bound_ends_the_connection(start, upstream) -> None:
    async with start(request_bytes_max=1024) as publisher, publisher.subscriber() as client:
        await client.ws.send_str("x" * 2000)
        assert (await client.farewell())[0] == 1009


async def test_heartbeats_come_by_themselves_with_pings(start, upstream) -> None:
    async with start(heartbeat_s=0.05) as publisher, publisher.subscriber(autoping=False) as client:
        await upstream.ticks(rows((CALL, 1.0)))
        await eventually(lambda: publisher.worker._desk.hub.sequence)
        seen = set()
        heartbeat = {}
        while len(seen) < 2 or heartbeat.get("sequence") != 1:
            message = await client.ws.receive(timeout=5)
            seen.add(message.type)
            if message.type is aiohttp.WSMsgType.TEXT:
                heartbeat = message.json()
        assert seen == {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.PING}
        assert heartbeat["upstream"] is True


async def test_a_client_that_answers_no_ping_is_let_go(start, upstream) -> None:
    async with (
        start(heartbeat_s=0.05, silence_timeout_s=0.1) as publisher,
        publisher.subscriber(autoping=False) as client,
    ):
        while (message := await client.ws.receive(timeout=5)).type is not aiohttp.WSMsgType.CLOSE:
            pass
        assert message.data == 4002


async def test_a_client_that_offers_compression_is_not_compressed(start, upstream) -> None:
    async with start() as publisher, publisher.subscriber(compress=15) as client:
        assert client.ws.compress == 0
        await client.say("ping")
        assert (await client.hear_of("heartbeat"))["upstream"]


#: A round of everything in full is half a megabyte: the first fills every buffer on the way.
ROUNDS = 20


async def test_who_does_not_read_costs_bounded_memory_and_nobodys_time(start, upstream) -> None:
    many = np.arange(1000, 1400, dtype=np.uint32).tolist()
    listed = listing([(token, "NFO", f"S{token}", "NIFTY", Kind.CALL) for token in many])
    await upstream.publish(listed)
    async with (
        start(send_buffer_bytes=4096, heartbeat_s=600, silence_timeout_s=600) as publisher,
        publisher.subscriber() as reader,
        publisher.subscriber() as sleeper,
    ):
        hub = publisher.worker._desk.hub
        for client in (reader, sleeper):
            await client.subscribe(ticks={"underlyings": ["NIFTY"], "mode": "full"})
        sleeper.ws._reader._protocol.pause_reading()
        for price in range(ROUNDS):
            stamp = 1_000_000_000 + price
            await upstream.ticks(
                rows(*((token, float(price)) for token in many), received_at_ns=stamp)
            )
            # The reader has the last instrument's newest price before the next batch is written.
            while not any(
                row["instrument_token"] == many[-1] and row["last_price"] == price
                for row in (await reader.hear_of("ticks"))["ticks"]
            ):
                pass
        for connection in publisher.worker.doors[0]._connections.values():
            assert connection._ws._writer.transport.get_write_buffer_size() <= BUFFERED_BYTES_MAX
        assert not any(ledger.queue.bytes for ledger in hub._ledgers.values())
        sleeper.ws._reader._protocol.resume_reading()
        newest = {}
        while newest.get(many[-1]) != ROUNDS - 1.0 or len(newest) < len(many):
            for row in (await sleeper.hear_of("ticks"))["ticks"]:
                assert row["last_price"] >= newest.get(row["instrument_token"], 0.0)
                newest[row["instrument_token"]] = row["last_price"]


async def test_who_never_reads_is_let_go(start, upstream) -> None:
    async with (
        start(send_buffer_bytes=4096, stall_timeout_s=0.2, close_timeout_s=0.2) as publisher,
        publisher.subscriber() as sleeper,
    ):
        await sleeper.subscribe(ticks={"underlyings": ["NIFTY"]}, orders=[ACCOUNT])
        hub = publisher.worker._desk.hub
        sleeper.ws._reader._protocol.pause_reading()
        sequence = 0

        async def is_gone() -> bool:
            nonlocal sequence
            await upstream.order(*range(sequence, sequence + 50), text="x" * 20_000)
            sequence += 50
            return not hub.subscribers

        await eventually(is_gone)
        sleeper.ws._reader._protocol.resume_reading()


async def test_a_publisher_that_stops_sends_its_subscribers_elsewhere(start, upstream) -> None:
    async with start() as publisher, publisher.subscriber() as client:
        publisher.stopping.set()
        code, reason = await client.farewell()
        assert code == 4000
        assert reason.startswith("draining retry=after after_ms=")


async def test_a_new_publisher_goes_on_from_the_last_values(start, upstream) -> None:
    async with start() as publisher, publisher.subscriber() as client:
        await client.subscribe(ticks={"tokens": [CALL, PUT]})
        await upstream.last(rows((CALL, 1.0), (PUT, 1.0)))
        await upstream.ticks(rows((CALL, 2.0), received_at_ns=2_000_000_000))
        assert (await client.hear())["ticks"][0]["last_price"] == 2.0
    async with start() as publisher:
        await eventually(lambda: publisher.worker._desk.hub.sequence == 3)
        async with publisher.subscriber() as client:
            _, snapshot = await client.subscribe(ticks={"tokens": [CALL, PUT]})
            # The hash is behind for CALL: what the stream has after it was read again.
            assert {token: row["last_price"] for token, row in snapshot.items()} == {
                CALL: 2.0,
                PUT: 1.0,
            }
            await upstream.ticks(rows((PUT, 3.0), received_at_ns=3_000_000_000))
            assert (await client.hear())["ticks"][0]["last_price"] == 3.0


async def test_a_lost_connection_to_redis_is_taken_up_where_it_was(start, upstream) -> None:
    async with start() as publisher, publisher.subscriber() as client:
        publisher.probe.started()
        await client.subscribe(ticks={"tokens": [CALL]}, orders=[ACCOUNT])
        for number in range(1, 4):
            await upstream.cut()
            await upstream.ticks(rows((CALL, float(number))))
            await upstream.order(number)
            heard = [await client.hear(), await client.hear()]
            by_op = {message["op"]: message for message in heard}
            assert by_op["ticks"]["ticks"][0]["last_price"] == number
            assert by_op["order"]["event"]["sequence"] == number

        async def is_ready() -> bool:
            return (await publisher.probe.readiness()).status == "pass"

        await eventually(is_ready)
