"""The servers of a local run are closed to everybody else."""

from __future__ import annotations

import stat
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio as redis

from deploy.local.postgres import PostgresServer
from deploy.local.redis import RedisServer
from shared.secret import Secret

pytestmark = pytest.mark.integration


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_the_redis_directories_are_open_to_their_owner_only(orders_redis: RedisServer) -> None:
    directory = orders_redis.socket.parent.parent
    for path in (directory, *directory.rglob("*")):
        assert _mode(path) == (0o700 if path.is_dir() or path.is_socket() else 0o600), path


def test_the_postgres_directories_are_open_to_their_owner_only(postgres: PostgresServer) -> None:
    for top in (postgres.data_directory, postgres.socket_directory):
        for path in (top, *top.rglob("*")):
            assert _mode(path) & 0o077 == 0, path


async def test_postgres_refuses_a_wrong_password_over_its_own_socket(
    postgres: PostgresServer,
) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(
            host=str(postgres.socket_directory), user="tickflow", password="guessed"
        )


async def test_postgres_keeps_passwords_as_scram_and_writes_through(postgres_url: Secret) -> None:
    connection = await asyncpg.connect(postgres_url.reveal())
    try:
        assert await connection.fetchval("SHOW password_encryption") == "scram-sha-256"
        assert await connection.fetchval("SHOW fsync") == "on"
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
        assert await connection.fetchval("SHOW listen_addresses") == ""
    finally:
        await connection.close()


async def test_every_test_gets_an_empty_database(postgres_url: Secret) -> None:
    connection = await asyncpg.connect(postgres_url.reveal())
    try:
        await connection.execute("CREATE TABLE seen (id int)")
    finally:
        await connection.close()


test_every_test_gets_an_empty_database_also_the_second_time = test_every_test_gets_an_empty_database


async def test_redis_refuses_the_user_without_a_password(ticks_redis: RedisServer) -> None:
    client = redis.Redis(unix_socket_path=str(ticks_redis.socket), retry=None)
    async with client:
        with pytest.raises(redis.ConnectionError):
            await client.get("lease.a")


async def test_the_orders_redis_syncs_every_append_and_never_evicts(
    orders_redis: RedisServer,
) -> None:
    async with redis.Redis.from_url(
        orders_redis.url_for("ops").reveal(), decode_responses=True
    ) as client:
        assert (await client.config_get("appendonly"))["appendonly"] == "yes"
        assert (await client.config_get("appendfsync"))["appendfsync"] == "always"
        assert (await client.config_get("maxmemory-policy"))["maxmemory-policy"] == "noeviction"
        assert (await client.config_get("port"))["port"] == "0"


async def test_the_ticks_redis_is_bounded_and_writes_nothing_to_disk(
    ticks_redis: RedisServer,
) -> None:
    async with redis.Redis.from_url(
        ticks_redis.url_for("ops").reveal(), decode_responses=True
    ) as client:
        assert (await client.config_get("appendonly"))["appendonly"] == "no"
        assert (await client.config_get("save"))["save"] == ""
        assert int((await client.config_get("maxmemory"))["maxmemory"]) > 0
