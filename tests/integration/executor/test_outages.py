"""A store goes away under the executor; it comes back; nothing is restarted."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis

from deploy.local.servers import redis_server
from executor.crash import CrashPoint
from executor.rules.tag import tag_of
from shared.store.settings import PostgresSettings
from shared.streams.settings import RedisSettings
from tests.chaos.rig import Rig
from tests.integration.executor.conftest import Room, limit_order
from tests.support.eventually import eventually
from tests.support.sandbox import ROOT

pytestmark = pytest.mark.integration


async def until_unready(room, check):
    async def is_unready():
        return not (await room.probe.readiness()).checks[check].ok

    await eventually(is_unready)


async def test_postgres_away_stops_the_reading_and_recovers(room, postgres, postgres_url):
    database = postgres_url.reveal().split("@/")[1].split("?")[0]

    def allow(answer):
        postgres.administer(f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS {answer}')

    async with room.executor():
        before = await room.send(**limit_order())
        await room.until_state(before, "OPEN")
        await asyncio.to_thread(allow, "false")
        terminate = (
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
        )
        await asyncio.to_thread(postgres.administer, terminate)
        await until_unready(room, "postgres")
        await until_unready(room, "store")
        during = await room.send(**limit_order())
        await asyncio.to_thread(allow, "true")
        await room.until_state(during, "OPEN")
        await room.ready()
        assert await room.entries_left() == 0
    for command_id in (before, during):
        assert len(await room.book(tag_of(room.account, command_id))) == 1


async def test_postgres_lost_between_the_answer_and_its_commit_keeps_the_answer(
    room, postgres, postgres_url
):
    database = postgres_url.reveal().split("@/")[1].split("?")[0]
    cut = []

    def cut_once(point):
        if point is CrashPoint.AFTER_WIRE and not cut:
            cut.append(point)
            postgres.administer(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
            )

    async with room.executor(crash_point=cut_once, poll_s_min=20, poll_s_max=60):
        await room.ready()
        command_id = await room.send(**limit_order())
        await room.until(command_id, "received", "sending", "accepted")
    assert cut
    assert len(await room.book(tag_of(room.account, command_id))) == 1


async def test_redis_away_sends_nothing_and_recovers(room):
    with tempfile.TemporaryDirectory(prefix="tickflow-outage-") as name:
        directory = Path(name) / "orders"
        async with redis_server("orders", directory) as server:
            settings = msgspec.structs.replace(
                room.settings,
                redis=msgspec.structs.replace(
                    room.settings.redis, orders_url=server.url_for("executor")
                ),
            )
            ops = Redis.from_url(server.url_for("ops").reveal())
            other = Room(settings, ops, room.sandbox)
            running = other.executor()
            await running.__aenter__()
            before = await other.send(**limit_order())
            await other.until_state(before, "OPEN")
        await until_unready(other, "streams")
        async with redis_server("orders", directory):
            during = await other.send(**limit_order())
            await other.until_state(during, "OPEN")
            await other.ready()
            await running.__aexit__(None, None, None)
            await ops.aclose()
    assert len(await room.book(tag_of(room.account, during))) == 1


async def test_postgres_lost_as_sending_is_committed_sends_once_when_it_is_back(
    room, postgres, postgres_url
):
    database = postgres_url.reveal().split("@/")[1].split("?")[0]
    cut = []

    def cut_once(point):
        if point is CrashPoint.BEFORE_SENDING and not cut:
            cut.append(point)
            postgres.administer(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
            )

    async with room.executor(crash_point=cut_once):
        await room.ready()
        command_id = await room.send(**limit_order())
        await room.until_state(command_id, "OPEN")
    assert cut
    assert len(await room.book(tag_of(room.account, command_id))) == 1


async def test_direct_cancel_leaves_with_redis_and_postgres_stopped_and_is_journalled_later(
    room, tmp_path
):
    with tempfile.TemporaryDirectory(prefix="tf-down-") as name:
        rig = Rig(Path(name))
        await rig.start()
        other = Room(msgspec.structs.replace(room.settings, **stores(rig)), rig.redis, room.sandbox)
        async with other.executor():
            placed = await other.send(**limit_order())
            order_id = (await other.until_state(placed, "OPEN"))[-1].order_id
        environment = {
            **os.environ,
            "TICKFLOW_LOCAL__STATE_DIR": str(tmp_path),
            "TICKFLOW_ACCOUNT__ID": other.account,
            "TICKFLOW_ACCOUNT__API_KEY": other.settings.account.api_key,
            "TICKFLOW_ACCOUNT__ACCESS_TOKEN": other.settings.account.access_token.reveal(),
            "TICKFLOW_KITE__REST_URL": other.settings.kite.rest_url,
            "TICKFLOW_REDIS__TICKS_URL": other.settings.redis.ticks_url.reveal(),
            "TICKFLOW_REDIS__ORDERS_URL": other.settings.redis.orders_url.reveal(),
            "TICKFLOW_POSTGRES__URL": other.settings.postgres.url.reveal(),
        }

        async def operate(*words):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "shared.ops", *words), cwd=ROOT, env=environment
            )
            return await process.wait()

        await rig.stop()
        direct = ("orders", "cancel", "--direct", order_id, "--by", "Ann")
        assert await operate(*direct) == 0
        (row,) = await room.book(tag_of(room.account, placed))
        assert row["status"] == "CANCELLED"
        again = Rig(Path(name))
        try:
            await again.start(is_new=False)
            assert await operate("orders", "spool") == 0
            other.redis = again.redis
            async with other.executor():
                await other.until_state(placed, "CANCELLED")
        finally:
            await again.stop()


def stores(rig):
    """Return the settings that name a rig's own stores."""
    return {
        "redis": RedisSettings(
            ticks_url=rig.url_of("ticks", "executor"), orders_url=rig.url_of("orders", "executor")
        ),
        "postgres": PostgresSettings(url=rig.postgres_url),
    }
