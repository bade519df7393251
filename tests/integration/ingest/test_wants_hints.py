from __future__ import annotations

import asyncio

import pytest

from ingest.wants import WantsBook
from shared.clock import SystemClock
from shared.errors import StoreError
from shared.wire import codec
from shared.wire.control import Control
from shared.wire.topics import CONTROL
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


class Tables:
    """A PostgreSQL that is away; somebody wants something else while it is asked first."""

    def __init__(self, redis) -> None:
        self.asked = 0
        self._redis = redis

    async def get(self):
        self.asked += 1
        if self.asked == 1:
            hint = Control(kind="wants_changed", subject="somebody")
            await self._redis.xadd(CONTROL.name(), codec.encode(hint))
        raise StoreError("away")


async def test_want_written_before_the_first_hint_is_listened_for_does_not_wait_for_the_poll(redis):
    tables, stopping = Tables(redis), asyncio.Event()
    book = WantsBook(tables, redis, asyncio.Event(), poll_s=3600, clock=SystemClock())
    running = asyncio.create_task(book.run(stopping))
    try:
        await eventually(lambda: tables.asked >= 2)
    finally:
        stopping.set()
        await running
