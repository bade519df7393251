"""A sandbox inside the test, stepped by hand on a clock set by hand."""

import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType
from aiohttp.test_utils import TestClient, TestServer

from deploy.sandbox.expiry_calendar import IST
from deploy.sandbox.market_clock import MarketClock
from deploy.sandbox.server import build
from deploy.sandbox.settings import SandboxSettings, default_account
from deploy.sandbox.simulation import Simulation
from deploy.sandbox.ticker import Ticker
from shared.clock import ManualClock

START_NS = int(datetime(2026, 11, 25, 10, tzinfo=IST).timestamp()) * 10**9
WAIT_S = 5.0


@dataclass
class Sandbox:
    """The parts a test steers."""

    clock: ManualClock
    simulation: Simulation
    ticker: Ticker
    client: TestClient

    who = default_account(1)

    async def step(self, seconds: float = 1.0) -> None:
        self.clock.advance(seconds)
        await self.simulation.step()

    async def connect(self, **change: str) -> ClientWebSocketResponse:
        query = {
            "api_key": self.who.api_key,
            "access_token": self.who.access_token.reveal(),
            **change,
        }
        return await self.client.ws_connect("/", params=query)

    async def request(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"token {self.who.api_key}:{self.who.access_token.reveal()}"}
        async with self.client.request(method, path, headers=headers, **options) as response:
            return response.status, await response.json()

    async def control(self, method: str, path: str, **fields: Any) -> Any:
        async with self.client.request(method, f"/sandbox/{path}", json=fields) as response:
            assert response.status == 200, await response.text()
            return await response.json()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    settings = SandboxSettings(strikes_each_side=2, accounts=(default_account(1),))
    clock = ManualClock(START_NS)
    application, simulation, ticker = build(settings, MarketClock(clock))
    async with TestClient(TestServer(application)) as client:
        yield Sandbox(clock, simulation, ticker, client)
        await ticker.close_all()


async def receive_packets(socket: ClientWebSocketResponse) -> list[tuple[int, int, bytes]]:
    """Return (token, length, body) of the packets of the next frame that has some."""
    while True:
        message = await socket.receive(timeout=WAIT_S)
        assert message.type is WSMsgType.BINARY, message
        if len(message.data) > 1:
            return split(message.data)


def split(frame: bytes) -> list[tuple[int, int, bytes]]:
    found, offset = [], 2
    for _ in range(struct.unpack_from(">H", frame)[0]):
        length, token = struct.unpack_from(">HI", frame, offset)
        found.append((token, length, frame[offset + 2 : offset + 2 + length]))
        offset += 2 + length
    assert offset == len(frame)
    return found
