"""Bars as a feed: the newest closed of each first, then each once as it is closed."""

import aiohttp
import msgspec
import pytest

from publisher.access.auth import digest
from publisher.session.bar_wants import BARS_PER_CONNECTION_MAX
from shared.secret import Secret
from shared.wire.instruments import Kind
from tests.support.eventually import eventually
from tests.support.publisher_rows import CALL, INFY, PUT, listing

pytestmark = pytest.mark.integration

KEY = "k" * 43


def closes(message: dict) -> dict[str, float]:
    assert message["op"] == "bars"
    return {bar["tradingsymbol"]: bar["close"] for bar in message["bars"]}


async def test_bars_come_after_the_newest_of_each_to_whoever_asked_for_them(
    start, upstream
) -> None:
    await upstream.bars((CALL, 60, 1.0), (CALL, 300, 5.0), (INFY, 60, 7.0))
    async with start() as publisher, publisher.subscriber() as one, publisher.subscriber() as two:
        await eventually(lambda: len(publisher.worker._desk.bars.newest(60, [CALL, INFY])) == 2)
        names = {"symbols": ["NSE:INFY", "NSE:NOSUCH"], "tokens": [CALL], "intervals_s": [60, 300]}
        await one.say("subscribe", bars=names)
        answer = await one.hear_of("subscribed")
        assert answer["accepted"]["bars"] == {"60": 2, "300": 2}
        assert answer["refused"] == [{"what": "NSE:NOSUCH", "reason": "unknown_instrument"}]
        snapshots = [await one.hear_of("bars"), await one.hear_of("bars")]
        assert [(each["interval_s"], each["snapshot"]) for each in snapshots] == [
            (60, True),
            (300, True),
        ]
        assert closes(snapshots[0]) == {"NIFTY26NOV24000CE": 1.0, "INFY": 7.0}
        assert closes(snapshots[1]) == {"NIFTY26NOV24000CE": 5.0}
        await two.say("subscribe", bars={"underlyings": ["NIFTY"]}, snapshot=False)
        assert (await two.hear_of("subscribed"))["accepted"]["bars"] == {"60": 3}
        await upstream.bars((CALL, 60, 2.0), (PUT, 60, 3.0), (INFY, 60, 8.0))
        told = await one.hear_of("bars")
        assert (told["interval_s"], told["snapshot"]) == (60, False)
        assert closes(told) == {"NIFTY26NOV24000CE": 2.0, "INFY": 8.0}
        assert closes(await two.hear_of("bars")) == {
            "NIFTY26NOV24000CE": 2.0,
            "NIFTY26NOV24000PE": 3.0,
        }
        await one.say("unsubscribe", bars={"symbols": ["NSE:INFY"], "intervals_s": [60, 900]})
        left = await one.hear_of("unsubscribed")
        assert left["bars"] == {"60": 1, "300": 2}
        assert left["refused"] == [{"what": "bars:900", "reason": "not_subscribed"}]
        # A former owner of the shard is not heard any more, its successor is.
        await upstream.bars((CALL, 60, 3.0), (INFY, 60, 9.0), fence=2)
        await upstream.bars((CALL, 60, 99.0), fence=1)
        await upstream.bars((CALL, 60, 4.0), fence=2)
        assert closes(await one.hear_of("bars")) == {"NIFTY26NOV24000CE": 3.0}
        assert closes(await one.hear_of("bars")) == {"NIFTY26NOV24000CE": 4.0}
    assert publisher.worker._desk.bars._wanted == {}


async def test_bars_are_the_same_in_msgpack(start, upstream) -> None:
    await upstream.bars((INFY, 60, 7.0))
    async with (
        start() as publisher,
        publisher.subscriber(key=None, protocols=["tickflow.v1.msgpack"]) as client,
    ):
        await eventually(lambda: len(publisher.worker._desk.bars.newest(60, [INFY])) == 1)

        async def hear() -> dict:
            message = await client.ws.receive(timeout=30)
            assert message.type is aiohttp.WSMsgType.BINARY
            return msgspec.msgpack.decode(message.data)

        for request in (
            {"op": "auth", "key": KEY},
            {"op": "subscribe", "bars": {"tokens": [INFY]}},
        ):
            await client.ws.send_bytes(msgspec.msgpack.encode(request))
        while (message := await hear())["op"] != "bars":
            pass
        assert message["snapshot"]
        await upstream.bars((INFY, 60, 8.0))
        assert closes(message) == {"INFY": 7.0}
        assert closes(await hear()) == {"INFY": 8.0}


async def test_bars_have_a_quota_and_need_the_scope_of_ticks(start, upstream) -> None:
    orders_key = "o" * 43
    many = range(1, 2 + BARS_PER_CONNECTION_MAX // 2)
    await upstream.publish(listing([(n, "NFO", f"S{n}", "NIFTY", Kind.CALL) for n in many]))
    keys = (Secret(f"orders:orders:*:{digest(orders_key)}"), Secret(f"t:ticks:{digest(KEY)}"))
    async with start(keys=keys) as publisher:
        async with publisher.subscriber() as client:
            await client.say("subscribe", bars={"underlyings": ["NIFTY"], "intervals_s": [60, 300]})
            answer = await client.hear_of("subscribed")
            assert answer["accepted"]["bars"] == {"60": len(many)}
            assert answer["refused"] == [{"what": "bars:300", "reason": "over_quota"}]
        async with publisher.subscriber(key=orders_key) as client:
            await client.say("subscribe", bars={"tokens": [1]})
            answer = await client.hear_of("subscribed")
            assert answer["refused"] == [{"what": "bars", "reason": "forbidden"}]
            assert answer["accepted"]["bars"] == {}
