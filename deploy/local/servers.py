"""The real servers of a local run, for as long as a block lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.local import postgres, redis
from deploy.local.acl import Kind
from deploy.local.binaries import PostgresBinaries, RedisBinary, find_postgres, find_redis
from deploy.local.claim import claim
from deploy.local.postgres import PostgresServer
from deploy.local.postgres_home import remove, settle
from deploy.local.processes import spawn
from deploy.local.redis import RedisServer

#: Time to end by itself before it is killed, in seconds.
REDIS_STOP_S = 10.0
POSTGRES_STOP_S = 20.0


@asynccontextmanager
async def redis_server(
    kind: Kind, directory: Path, *, binary: RedisBinary | None = None
) -> AsyncIterator[RedisServer]:
    """Run a Redis whose files are in `directory`, reachable through its UNIX socket only.

    Raises:
        LocalError: no program, no answer, or another owner of the directory.
    """
    binary = binary or find_redis()
    async with claim(directory) as held:
        server, launch = redis.prepare(kind, directory, binary)
        server.child = child = spawn(launch)
        held.add(child.identity)
        try:
            await redis.wait_ready(server, child)
            yield server
        finally:
            await child.stop(within_s=REDIS_STOP_S)
            held.remove(child.identity)


@asynccontextmanager
async def postgres_server(
    directory: Path, *, binaries: PostgresBinaries | None = None, keep: bool = True
) -> AsyncIterator[PostgresServer]:
    """Run a PostgreSQL for `directory`, reachable through its UNIX socket only.

    `keep=False` removes its data at the end, wherever it lies.

    Raises:
        LocalError: no program, no answer, or another owner of the directory.
    """
    binaries = binaries or find_postgres()
    async with claim(directory) as held:
        home = settle(directory, binaries)
        try:
            server, launch = await asyncio.to_thread(postgres.prepare, directory, home)
            server.child = child = spawn(launch)
            held.add(child.identity)
            try:
                await postgres.wait_ready(server, child)
                await asyncio.to_thread(server.settle_roles)
                yield server
            finally:
                await child.stop(within_s=POSTGRES_STOP_S)
                held.remove(child.identity)
        finally:
            if not keep:
                await asyncio.to_thread(remove, home)
