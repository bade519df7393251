"""An EventSource comes in with a ticket, hears what it asked for, comes back where it was."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from publisher.door.sse_request import Place, parse_query, read_place
from shared.errors import MessageError
from tests.support.eventually import eventually
from tests.support.publisher_rows import CALL, INFY, PUT, rows

pytestmark = pytest.mark.integration

KEY, ACCOUNT = "k" * 43, "SB0001"
HEADERS = {"Authorization": f"Bearer {KEY}"}


class Source:
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.last_id = ""

    async def hear_of(self, op: str) -> dict:
        while True:
            event = {}
            while line := (await self.answer.content.readline()).decode().rstrip("\n"):
                name, _, value = line.partition(": ")
                event[name] = value
            self.last_id = event.get("id", self.last_id)
            if event.get("event") == op:
                return json.loads(event["data"])


@asynccontextmanager
async def listening(publisher, headers=None, **query) -> AsyncIterator[Source]:
    url = f"http://{publisher.worker.address}/v1/sse"
    timeout = aiohttp.ClientTimeout(sock_read=5)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(url, params=query, headers=HEADERS if headers is None else headers) as answer,
    ):
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        yield Source(answer)


async def test_an_event_source_comes_back_where_it_was(start, upstream) -> None:
    await upstream.last(rows((CALL, 10.0), (PUT, 20.0)))
    asked = {"tokens": f"{CALL},{PUT}", "mode": "ltp", "orders": ACCOUNT}
    async with start() as publisher:
        async with listening(publisher, **asked) as source:
            assert len((await source.hear_of("snapshot"))["ticks"]) == 2
            await upstream.ticks(rows((CALL, 11.0), received_at_ns=2_000_000_000))
            assert (await source.hear_of("ticks"))["ticks"][0]["last_price"] == 11.0
            await upstream.order(1)
            assert (await source.hear_of("order"))["event"]["sequence"] == 1
        await upstream.order(2)
        await upstream.ticks(rows((PUT, 21.0), received_at_ns=2_000_000_000))
        back = {**HEADERS, "Last-Event-ID": source.last_id}
        async with listening(publisher, back, **asked) as source:
            subscribed = await source.hear_of("subscribed")
            assert (subscribed["recovered"], subscribed["missed"]) == (True, [])
            assert (await source.hear_of("order"))["event"]["sequence"] == 2


async def test_bars_missed_meanwhile_come_back_to_an_event_source(start, upstream) -> None:
    await upstream.bars((CALL, 60, 1.0), (INFY, 300, 9.0))
    asked = {"bar_tokens": str(CALL), "bar_symbols": "NSE:INFY", "bar_intervals_s": "60,300"}

    async def hear(source: Source) -> list[tuple[int, bool, float]]:
        told = await source.hear_of("bars")
        return [(told["interval_s"], told["snapshot"], bar["close"]) for bar in told["bars"]]

    async with start() as publisher:
        await eventually(lambda: len(publisher.worker._desk.bars.newest(300, [INFY])) == 1)
        async with listening(publisher, **asked) as source:
            subscribed = await source.hear_of("subscribed")
            assert subscribed["accepted"]["bars"] == {"60": 2, "300": 2}
            assert await hear(source) == [(60, True, 1.0)]
            cut_short = source.last_id
            assert await hear(source) == [(300, True, 9.0)]
            await upstream.bars((CALL, 60, 2.0))
            assert await hear(source) == [(60, False, 2.0)]
        await upstream.bars((CALL, 60, 3.0), (PUT, 60, 7.0), (CALL, 300, 3.5))
        await upstream.bars((CALL, 60, 4.0))
        await eventually(
            lambda: publisher.worker._desk.bars.newest(60, [CALL])["close"].tolist() == [4.0]
        )
        back = {**HEADERS, "Last-Event-ID": source.last_id}
        async with listening(publisher, back, **asked) as source:
            assert (await source.hear_of("subscribed"))["missed"] == []
            told = [await hear(source) for _ in range(3)]
            assert told == [[(60, False, 3.0)], [(300, False, 3.5)], [(60, False, 4.0)]]
        # Who did not hear all of the newest of each hears them once more.
        back = {**HEADERS, "Last-Event-ID": cut_short}
        async with listening(publisher, back, **asked) as source:
            assert (await source.hear_of("subscribed"))["missed"] == []
            assert await hear(source) == [(60, True, 4.0)]
        back = {**HEADERS, "Last-Event-ID": "e.0,b:0:1-0"}
        async with listening(publisher, back, **asked) as source:
            assert (await source.hear_of("subscribed"))["missed"] == ["bars"]
            assert await hear(source) == [(60, True, 4.0)]


async def test_a_ticket_is_good_once(start, upstream) -> None:
    async with start() as publisher, aiohttp.ClientSession() as session:
        address = f"http://{publisher.worker.address}"
        async with session.post(f"{address}/v1/tickets", headers=HEADERS) as answer:
            ticket = (await answer.json())["ticket"]
        async with listening(publisher, {}, ticket=ticket, symbols="NSE:INFY") as source:
            assert (await source.hear_of("subscribed"))["accepted"]["instruments"] == 1
        for wrong in (ticket, "x"):
            async with session.get(
                f"{address}/v1/sse?gaps=true", params={"ticket": wrong}
            ) as answer:
                assert answer.status == 401
        async with session.post(f"{address}/v1/tickets") as answer:
            assert answer.status == 401


async def test_a_query_that_is_none_of_ours_is_refused_in_words(start, upstream) -> None:
    async with start() as publisher, aiohttp.ClientSession() as session:
        address = f"http://{publisher.worker.address}/v1/sse"
        async with session.get(address, params={"tokens": "x"}, headers=HEADERS) as answer:
            assert answer.status == 400
            assert (await answer.json())[
                "message"
            ] == "query: tokens is 'x', must be a whole number"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"tokens": "101", "gaps": "yes"}, "query: gaps is 'yes', must be true or false"),
        ({"key": KEY}, "query has 'key', which is none of"),
        ({"tokens": "0"}, "query: tokens[0] is 0, must be int >= 1"),
        ({"tokens": "1", "mode": "all"}, 'query: mode is "all", must be one of full, greeks'),
        ({"tokens": "1", "min_interval_ms": "-1"}, "query: min_interval_ms is -1, must be int >="),
        ({"orders": "x"}, 'query: orders[0] is "x", must be text like [A-Z0-9]{2,16}'),
        ({"bar_tokens": "1", "bar_intervals_s": "0"}, "query: bar_intervals_s[0] is 0, must be"),
        ({"bar_tokens": "1", "bar_intervals_s": "m"}, "query: bar_intervals_s is 'm', must be a"),
        ({}, "query asks for nothing, must have one of ["),
        ({"mode": "ltp", "bar_intervals_s": "60"}, "query asks for nothing, must have one of ["),
    ],
)
def test_a_wrong_query_is_told_what_is_wrong(query: dict[str, str], words: str) -> None:
    with pytest.raises(MessageError) as caught:
        parse_query(query, "")
    assert str(caught.value).startswith(words)


async def test_an_event_source_is_told_when_the_publisher_stops(start, upstream) -> None:
    async with start() as publisher, listening(publisher, symbols="NSE:INFY") as source:
        await source.hear_of("subscribed")
        publisher.stopping.set()
        assert (await source.hear_of("closing"))["code"] == 4000


@pytest.mark.parametrize(
    "text", ["", "x", "e.1,o:SB0001", "e.-1", "e.1,z:SB0001:1-0", "e.1,o:x:y", "e." + "9" * 3000]
)
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(MessageError):
        read_place(text)


def test_a_place_is_read_as_it_was_written() -> None:
    place = Place("abc")
    place.begin({"orders:SB0001": "5-0", "updates:SB0001": "6-0"}, {"0": "3-0", "1": "4-0"})
    place.note({"op": "bars", "at": {"1": "5-0"}})
    place.note({"op": "bars", "at": {}})
    place.note({"op": "ticks", "ticks": [{"sequence": 7}, {"sequence": 9}]})
    place.note({"op": "order", "account": "SB0001", "id": "8-1"})
    resume = parse_query({"gaps": "true"}, str(place)).resume
    assert (resume.epoch, resume.sequence) == ("abc", 9)
    assert (resume.orders, resume.updates) == ({"SB0001": "8-1"}, {"SB0001": "6-0"})
    assert resume.bars == {"0": "3-0", "1": "5-0"}
    # Until the answer to the subscribe has come, it is where it was; nothing of it is lost.
    assert str(Place("abc", resume)) == str(place)
