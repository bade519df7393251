"""Formats, policies, chains and coming back, over real streams and sockets."""

import json

import aiohttp
import msgspec
import numpy as np
import pytest

from publisher.fanout.dialects import RAW_HEADER, RAW_ROW_DTYPE, RAW_SNAPSHOT_LAST, RAW_TICKS
from publisher.protocol.modes import MODES
from tests.support.publisher_rows import CALL, INFY, PUT, rows

pytestmark = pytest.mark.integration

ACCOUNT = "SB0001"
STRICT = {"mode": "strict"}


async def ticks_of(client, count: int) -> tuple[list[tuple[int, float]], dict[str, str]]:
    """Read so many ticks; return them with how far they come."""
    seen, at = [], {}
    while len(seen) < count:
        message = await client.hear_of("ticks")
        seen += [(row["instrument_token"], row["last_price"]) for row in message["ticks"]]
        at.update(message.get("at", {}))
    return seen, at


async def test_a_subscriber_comes_back_to_a_new_publisher_and_misses_no_tick(
    start, upstream
) -> None:
    asked = {
        "ticks": {"tokens": [CALL, INFY], "mode": "ltp"},
        "policy": STRICT,
        "orders": [ACCOUNT],
    }
    await upstream.order(0)
    async with start() as publisher, publisher.subscriber() as client:
        subscribed, _ = await client.subscribe(**asked)
        order_id = subscribed["offsets"][f"orders:{ACCOUNT}"]
        await upstream.ticks(rows((CALL, 1.0), (CALL, 2.0)))
        await upstream.ticks(rows((INFY, 3.0)), shard=1)
        seen, at = await ticks_of(client, 3)
        assert seen == [(CALL, 1.0), (CALL, 2.0), (INFY, 3.0)]
    await upstream.ticks(rows((CALL, 3.0), (PUT, 9.0)), shard=0)
    await upstream.ticks(rows((INFY, 4.0), (INFY, 5.0)), shard=1)
    await upstream.order(1, 2)
    async with start() as publisher, publisher.subscriber() as client:
        resume = {"at": at, "orders": {ACCOUNT: order_id}}
        await client.say("subscribe", **asked, resume=resume)
        subscribed = await client.hear_of("subscribed")
        assert (subscribed["recovered"], subscribed["missed"]) == (True, [])
        await upstream.ticks(rows((CALL, 6.0)))
        await upstream.order(3)
        ticks, orders = [], []
        while len(ticks) < 4 or len(orders) < 3:
            message = await client.hear()
            ticks += [(r["instrument_token"], r["last_price"]) for r in message.get("ticks", ())]
            if message["op"] == "order":
                orders.append(message["event"]["sequence"])
        assert [tick for tick in ticks if tick[0] == CALL] == [(CALL, 3.0), (CALL, 6.0)]
        assert [tick for tick in ticks if tick[0] == INFY] == [(INFY, 4.0), (INFY, 5.0)]
        assert orders == [1, 2, 3]


async def test_who_comes_back_as_soon_as_the_doors_open_misses_no_tick(start, upstream) -> None:
    count = 600  # more than some reads of the stream hold
    asked = {"ticks": {"tokens": [CALL], "mode": "ltp"}, "policy": STRICT}
    await upstream.ticks(rows((CALL, 0.25)))
    async with start() as publisher, publisher.subscriber() as client:
        subscribed, _ = await client.subscribe(**asked)
        at = subscribed["at"]
    for number in range(count):
        await upstream.ticks(rows((CALL, float(number))))
    await upstream.last(rows((CALL, float(count - 1))))
    async with start() as publisher, publisher.subscriber() as client:
        await client.say("subscribe", **asked, resume={"at": at})
        subscribed = await client.hear_of("subscribed")
        assert (subscribed["recovered"], subscribed["missed"]) == (True, [])
        seen, _ = await ticks_of(client, count)
        assert [price for _, price in seen] == [float(number) for number in range(count)]


async def test_a_subscriber_of_every_tick_gets_every_tick_over_a_cut_to_redis(
    start, upstream
) -> None:
    async with start() as publisher, publisher.subscriber() as client:
        await client.subscribe(ticks={"tokens": [CALL], "mode": "ltp"}, policy=STRICT)
        for number in range(6):
            if number % 2:
                await upstream.cut()
            await upstream.ticks(rows((CALL, number + 0.25), (CALL, number + 0.5)))
        seen, _ = await ticks_of(client, 12)
        assert [price for _, price in seen] == [n + f for n in range(6) for f in (0.25, 0.5)]


async def test_msgpack_says_what_json_says(start, upstream) -> None:
    await upstream.last(rows((CALL, 10.0)))
    async with (
        start() as publisher,
        publisher.subscriber(key=None, protocols=["tickflow.v1.msgpack"]) as client,
    ):
        assert client.ws.protocol == "tickflow.v1.msgpack"

        async def hear() -> dict:
            message = await client.ws.receive(timeout=5)
            assert message.type is aiohttp.WSMsgType.BINARY
            return msgspec.msgpack.decode(message.data)

        await client.ws.send_bytes(msgspec.msgpack.encode({"op": "auth", "key": "k" * 43}))
        assert (await hear())["op"] == "welcome"
        asked = {"op": "subscribe", "ticks": {"tokens": [CALL], "mode": "ltp"}}
        await client.ws.send_bytes(msgspec.msgpack.encode(asked))
        assert (await hear())["op"] == "subscribed"
        snapshot = await hear()
        (row,) = snapshot["ticks"]
        assert (snapshot["last"], MODES[row[0]], row[2]) == (True, "ltp", "NIFTY26NOV24000CE")
        assert 10.0 in row
        await upstream.ticks(rows((CALL, 11.0), received_at_ns=2_000_000_000))
        (row,) = (await hear())["ticks"]
        assert 11.0 in row


async def test_raw_records_come_as_they_are(start, upstream) -> None:
    await upstream.last(rows((CALL, 10.0)))
    async with start() as publisher, publisher.subscriber(protocols=["tickflow.v1.raw"]) as client:
        await client.say("subscribe", ticks={"tokens": [CALL], "mode": "ltp"}, policy=STRICT)
        assert (await client.hear())["accepted"]["mode"] == "full"

        async def hear() -> tuple[int, np.ndarray, dict]:
            body = (await client.ws.receive(timeout=5)).data
            kind, version, _, count, _ = RAW_HEADER.unpack_from(body)
            assert version == 1
            end = RAW_HEADER.size + count * RAW_ROW_DTYPE.itemsize
            read = np.frombuffer(body[RAW_HEADER.size : end], RAW_ROW_DTYPE)
            return kind, read, json.loads(body[end:] or b"{}")

        kind, read, _ = await hear()
        assert (kind, read["record"]["last_price"].tolist()) == (RAW_SNAPSHOT_LAST, [10.0])
        await upstream.ticks(rows((CALL, 11.0), (CALL, 12.0), received_at_ns=2_000_000_000))
        kind, read, at = await hear()
        assert (kind, read["record"]["last_price"].tolist()) == (RAW_TICKS, [11.0, 12.0])
        assert set(at) == {"0"}


async def test_an_unknown_format_is_refused(start, upstream) -> None:
    async with start() as publisher:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with publisher.subscriber(protocols=["tickflow.v1.xml"]):
                pass
        assert caught.value.status == 406


async def test_a_chain_is_followed_from_its_newest_snapshot(start, upstream) -> None:
    async with start() as publisher, publisher.subscriber() as client:
        await upstream.chain("snapshot", 0)
        await upstream.chain("delta", 1)
        await client.say("subscribe", chains=["NIFTY", "SENSEX"])
        subscribed = await client.hear_of("subscribed")
        assert subscribed["refused"] == [{"what": "SENSEX", "reason": "unknown_chain"}]
        heard = [await client.hear_of("chain") for _ in range(2)]
        await upstream.chain("delta", 2)
        heard.append(await client.hear_of("chain"))
        assert [each["chain"]["sequence"] for each in heard] == [0, 1, 2]
        assert heard[0]["name"] == "NIFTY:2026-11-24"
        await client.say("unsubscribe", chains=["NIFTY"])
        assert (await client.hear_of("unsubscribed"))["chains"] == []


async def test_what_the_broker_says_is_told_with_its_place(start, upstream) -> None:
    async with start() as publisher, publisher.subscriber() as client:
        subscribed, _ = await client.subscribe(updates=[ACCOUNT, "ZZ9999"])
        assert subscribed["refused"] == [{"what": "updates:ZZ9999", "reason": "unknown_account"}]
        await upstream.update('{"order_id": "1", "status": "OPEN"}')
        update = await client.hear_of("update")
        assert update["update"]["row"] == {"order_id": "1", "status": "OPEN"}
        assert update["id"].count("-") == 1


async def test_made_up_instruments_tick_for_whoever_wants_them(start, upstream) -> None:
    async with start() as publisher, publisher.subscriber() as client:
        subscribed, _ = await client.subscribe(ticks={"patterns": ["TEST:WALK*"], "mode": "quote"})
        assert subscribed["accepted"]["patterns"] == {"TEST:WALK*": 8}
        ticks = (await client.hear_of("ticks"))["ticks"]
        assert {row["tradingsymbol"] for row in ticks} == {f"WALK{n}" for n in range(1, 9)}
