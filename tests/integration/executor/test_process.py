"""The executor as operators run it: a process that is killed at any moment."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import uuid
from contextlib import asynccontextmanager

import pytest

from executor.rules.tag import tag_of
from shared.wire.orders import State
from tests.integration.executor.conftest import FAST, limit_order
from tests.support.eventually import eventually
from tests.support.sandbox import ROOT

pytestmark = pytest.mark.integration

KILLS = 2
COMMANDS_PER_KILL = 8


def environment(room):
    settings = room.settings
    return {
        "PATH": os.defpath,
        "TICKFLOW_ACCOUNT__ID": settings.account.id,
        "TICKFLOW_ACCOUNT__API_KEY": settings.account.api_key,
        "TICKFLOW_ACCOUNT__ACCESS_TOKEN": settings.account.access_token.reveal(),
        "TICKFLOW_KITE__REST_URL": settings.kite.rest_url,
        "TICKFLOW_REDIS__TICKS_URL": settings.redis.ticks_url.reveal(),
        "TICKFLOW_REDIS__ORDERS_URL": settings.redis.orders_url.reveal(),
        "TICKFLOW_POSTGRES__URL": settings.postgres.url.reveal(),
        "TICKFLOW_EXECUTOR__SETTLE_S": ",".join(map(str, FAST.settle_s)),
        "TICKFLOW_EXECUTOR__ALLOW_SHORT_SETTLE_TIMES": "true",
        "TICKFLOW_EXECUTOR__POLL_S_MIN": "0.05",
        "TICKFLOW_EXECUTOR__POLL_S_MAX": "0.2",
        "TICKFLOW_EXECUTOR__SEAT_CHECK_S": "0.1",
        "TICKFLOW_EXECUTOR__READ_BLOCK_MS": "50",
    }


@asynccontextmanager
async def running(room):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "executor",
        cwd=ROOT,
        env=environment(room),
        stderr=asyncio.subprocess.PIPE,
    )
    said = asyncio.create_task(process.stderr.read(), name="stderr")
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
        text = (await said).decode()
        assert process.returncode in (0, -signal.SIGKILL), text


async def test_process_killed_at_any_moment_places_each_order_at_most_once(room):
    chance = random.Random(20261122)
    sent: list[str] = []
    for _ in range(KILLS):
        async with running(room) as process:
            first = len(sent)
            sent += [uuid.uuid4().hex for _ in range(COMMANDS_PER_KILL)]
            for command_id in sent[first:]:
                await room.send(**limit_order(command_id=command_id))
            wanted = chance.randrange(1, 3 * COMMANDS_PER_KILL)
            before = len(await room.events())

            async def has_gone_far_enough(least=before + wanted):
                return len(await room.events()) >= least

            await eventually(has_gone_far_enough, within_s=15)
            process.kill()
    async with running(room):
        for command_id in sent:
            events = await room.until_state(command_id, "OPEN", "MANUAL", within_s=20)
            orders = await room.book(tag_of(room.account, command_id))
            assert len(orders) == (1 if events[-1].state is State.OPEN else 0)
    assert await room.entries_left() == 0
    numbers = sorted({each.sequence for each in await room.events()})
    assert numbers == list(range(1, len(numbers) + 1))
