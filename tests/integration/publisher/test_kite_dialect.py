"""Kite's own clients, unmodified, at our door: only their root URL and key differ."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AbstractContextManager

import aiohttp
import jwt
import pytest

from publisher.access.tokens import LEEWAY_S
from shared.secret import Secret
from tests.integration.publisher.conftest import KEY, TICKS_KEY, Start, Upstream
from tests.support import kite_frames as kf
from tests.support.kite_ticker import Driver, javascript_ticker, python_ticker
from tests.support.publisher_rows import INFY, NIFTY

pytestmark = pytest.mark.integration

QUOTE = kf.quote(INFY, 150_050, 1, 149_900, 10, 20, 30, 149_000, 151_000, 148_000, 149_500)
FULL = kf.full(QUOTE, (1_764_000_000, 0, 0, 0, 1_764_000_001), [(5, 149_990, 1)], [(6, 150_010, 2)])
INDEX = kf.index_full(
    NIFTY, 2_500_000, 2_510_000, 2_490_000, 2_495_000, 2_480_000, 20_000, 1_764_000_001
)
ROW = '{"order_id": "221122000000001", "status": "OPEN", "tradingsymbol": "INFY"}'


class Heard:
    """The newest tick of each instrument that a client's callbacks were given."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.ticks: dict[int, dict] = {}

    async def until(self, token: int, **facts: object) -> dict:
        """Return the instrument's newest tick once it says these things."""

        def wanted(line: dict) -> bool:
            for tick in line.get("ticks", ()):
                self.ticks[tick["instrument_token"]] = tick
            return facts.items() <= self.ticks.get(token, {}).items()

        if not wanted({}):
            await asyncio.to_thread(self._driver.until, wanted)
        return self.ticks[token]


@pytest.mark.parametrize("client", [python_ticker, javascript_ticker], ids=["python", "javascript"])
async def test_an_official_client_gets_ticks_modes_and_order_updates(
    client, start: Start, upstream: Upstream
) -> None:
    await upstream.raw(INDEX, FULL)
    async with start(kite_enabled=True) as publisher:
        running: AbstractContextManager[Driver] = client(
            publisher.kite_url, "all", KEY, [NIFTY, INFY]
        )
        driver = await asyncio.to_thread(running.__enter__)
        try:
            heard = Heard(driver)
            await heard.until(INFY, last_price=1500.5, mode="quote")
            index = await heard.until(NIFTY, last_price=25_000.0, mode="full")
            assert index["ohlc"] == {"open": 24_950, "high": 25_100, "low": 24_900, "close": 24_800}
            await upstream.raw(kf.ltp(INFY, 151_000))
            await heard.until(INFY, last_price=1510.0)
            await upstream.update(ROW)
            line = await asyncio.to_thread(driver.until, lambda found: found["kind"] == "order")
            assert line["order"]["order_id"] == "221122000000001"
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)


async def test_the_official_client_is_refused_as_by_zerodha_with_a_wrong_key(
    start: Start, upstream: Upstream
) -> None:
    async with start(kite_enabled=True) as publisher:
        running = python_ticker(publisher.kite_url, "all", "x" * 43, [INFY])
        driver = await asyncio.to_thread(running.__enter__)
        try:
            line = await asyncio.to_thread(driver.until, lambda found: found["kind"] == "error")
            assert "403 - Forbidden" in line["reason"]
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)


async def status_of(url: str, query: str) -> int:
    async with aiohttp.ClientSession() as session:
        try:
            async with session.ws_connect(f"{url}/?{query}"):
                return 101
        except aiohttp.WSServerHandshakeError as refused:
            return refused.status


async def test_the_door_says_why_it_stays_shut(start: Start, upstream: Upstream) -> None:
    async with start(kite_enabled=True, connections_per_key_max=1) as publisher:
        url, good = publisher.kite_url, f"api_key=all&access_token={KEY}"
        assert await status_of(url, "api_key=all") == 400
        assert await status_of(url, f"api_key=ticks&access_token={KEY}") == 403
        assert await status_of(url, f"{good}&uid=1764000000000") == 101
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{url}/?{good}"),
        ):
            assert await status_of(url, good) == 429
        async with aiohttp.ClientSession() as session, session.get(f"{url}/?{good}") as plain:
            assert plain.status == 400


async def test_silence_is_filled_with_heartbeats_and_nonsense_with_errors(
    start: Start, upstream: Upstream
) -> None:
    async with (
        start(kite_enabled=True) as publisher,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{publisher.kite_url}?api_key=all&access_token={KEY}") as ws,
    ):
        assert await ws.receive_bytes() == b"\0"
        await ws.send_str("what?")
        while not isinstance(said := (await ws.receive()).data, str):
            pass
        assert json.loads(said)["type"] == "error"


async def test_a_token_opens_the_door_until_it_expires(start: Start, upstream: Upstream) -> None:
    secret = "s" * 32

    def query(name: str, **claims) -> str:
        told = {"sub": "page", "scope": "ticks", **claims}
        return f"api_key={name}&access_token={jwt.encode(told, secret, algorithm='HS256')}"

    async with (
        start(kite_enabled=True, jwt_secret=Secret(secret)) as publisher,
        aiohttp.ClientSession() as session,
    ):
        soon = time.time() - LEEWAY_S + 1.0
        for refused in (query("page", exp=1), query("other", exp=soon + 60)):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await session.ws_connect(f"{publisher.kite_url}?{refused}")
            assert caught.value.status == 403
        async with session.ws_connect(f"{publisher.kite_url}?{query('page', exp=soon)}") as ws:
            while (message := await ws.receive(timeout=30)).type is aiohttp.WSMsgType.BINARY:
                pass
            assert (message.type, ws.close_code) == (aiohttp.WSMsgType.CLOSE, 1008)


async def test_order_updates_reach_only_keys_that_may_read_the_account(
    start: Start, upstream: Upstream
) -> None:
    async with (
        start(kite_enabled=True) as publisher,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{publisher.kite_url}?api_key=ticks&access_token={TICKS_KEY}") as other,
        session.ws_connect(f"{publisher.kite_url}?api_key=all&access_token={KEY}") as mine,
    ):
        await upstream.update(ROW, source="poll")
        await upstream.update(ROW.replace("OPEN", "COMPLETE"))
        while not isinstance(said := (await mine.receive()).data, str):
            pass
        assert json.loads(said)["data"]["status"] == "COMPLETE"
        await other.send_str('{"a":"subscribe","v":[]}')
        assert await other.receive_bytes() == b"\0"


async def test_ticks_go_on_after_redis_cut_every_connection(
    start: Start, upstream: Upstream
) -> None:
    async with (
        start(kite_enabled=True) as publisher,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{publisher.kite_url}?api_key=all&access_token={KEY}") as ws,
    ):
        await ws.send_str(json.dumps({"a": "mode", "v": ["full", [INFY]]}))
        await upstream.cut()
        await upstream.raw(FULL)
        while len(frame := await ws.receive_bytes()) == 1:
            pass
        assert frame == kf.frame([FULL])


async def test_a_publisher_that_drains_closes_its_clients_in_order(
    start: Start, upstream: Upstream
) -> None:
    async with aiohttp.ClientSession() as session, start(kite_enabled=True) as publisher:
        ws = await session.ws_connect(f"{publisher.kite_url}?api_key=all&access_token={KEY}")
        publisher.stopping.set()
        while (message := await ws.receive()).type is aiohttp.WSMsgType.BINARY:
            pass
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code == 1001


async def test_a_client_that_reads_nothing_is_owed_the_newest_and_delays_nobody(
    start: Start, upstream: Upstream
) -> None:
    address = f"api_key=all&access_token={KEY}"
    async with (
        start(kite_enabled=True, send_buffer_bytes=4096) as publisher,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{publisher.kite_url}?{address}", max_msg_size=0) as stalled,
        session.ws_connect(f"{publisher.kite_url}?{address}", max_msg_size=0) as reader,
    ):
        for client in (stalled, reader):
            await client.send_str(json.dumps({"a": "mode", "v": ["full", [INFY]]}))
        stalled._reader._protocol.pause_reading()
        texts = [ROW.replace("OPEN", "OPEN" + "x" * 20_000) + " " * n for n in range(20)]
        for number, text in enumerate(texts):
            await upstream.update(text)
            packet = FULL[:4] + (150_000 + number).to_bytes(4, "big") + FULL[8:]
            await upstream.raw(packet)
            while (await reader.receive()).data != kf.frame([packet]):
                pass
        door = publisher.worker.doors[1]
        blocked = [each for each in door._connections.values() if each._unblocking is not None]
        assert len(blocked) == 1
        assert blocked[0]._transport.get_write_buffer_size() < 2 * 65_536
        stalled._reader._protocol.resume_reading()
        heard = [await stalled.receive()]
        while heard[-1].data != kf.frame([packet]):
            heard.append(await stalled.receive(timeout=10))
        frames = [each.data for each in heard if len(each.data) == len(kf.frame([packet]))]
        said = [each.data for each in heard if isinstance(each.data, str)]
        assert len(frames) < len(texts)
        assert len(said) == len(texts)
