"""A Redis of each version at hand, which a test may also stop and start."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from deploy.local.redis import RedisServer
from shared.secret import Secret
from shared.streams.client import connect
from shared.streams.settings import RedisSettings
from tests.support.redis_binaries import at_hand
from tests.support.servers import run_redis

START_S = 10.0


class PlainRedis:
    """A Redis without a disk, without users."""

    def __init__(self, binary: Path, directory: Path) -> None:
        self._socket = directory / "redis.sock"
        self._argv = [str(binary), "--port", "0", "--unixsocket", str(self._socket)]
        self._argv += ["--save", "", "--dir", str(directory), "--daemonize", "no"]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> Secret:
        return Secret(f"unix://{self._socket}?db=0")

    def start(self) -> None:
        self._process = subprocess.Popen(self._argv, stdout=subprocess.DEVNULL)
        deadline_s = time.monotonic() + START_S
        while not self._answers():
            assert time.monotonic() < deadline_s, "Redis does not answer"
            assert self._process.poll() is None, "Redis ended at start"
            time.sleep(0.01)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._socket.unlink(missing_ok=True)

    def restart(self) -> None:
        self.stop()
        self.start()

    def settings(self) -> RedisSettings:
        return RedisSettings(
            ticks_url=self.url, orders_url=self.url, connect_timeout_s=2, answer_timeout_s=5
        )

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(self._socket))
                client.sendall(b"PING\r\n")
                return client.recv(16) == b"+PONG\r\n"
        except OSError:
            return False


@pytest.fixture(scope="session", params=at_hand())
def redis_version(request: pytest.FixtureRequest) -> str:
    """Have every test here run once for each version at hand."""
    return str(request.param)


@pytest.fixture(scope="session")
def plain_redis(redis_version: str) -> Iterator[PlainRedis]:
    directory = Path(tempfile.mkdtemp(prefix="tickflow-"))
    server = PlainRedis(at_hand()[redis_version].path, directory)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def ticks_redis_server(
    redis_version: str, server_loop: asyncio.Runner, server_directory: Path
) -> Iterator[RedisServer]:
    yield from run_redis("ticks", server_loop, server_directory, redis_version)


@pytest.fixture(scope="session")
def orders_redis_server(
    redis_version: str, server_loop: asyncio.Runner, server_directory: Path
) -> Iterator[RedisServer]:
    yield from run_redis("orders", server_loop, server_directory, redis_version)


@pytest.fixture
async def redis(plain_redis: PlainRedis) -> AsyncIterator[Redis]:
    async with connect(plain_redis.url, name="test", settings=plain_redis.settings()) as client:
        await client.flushall()
        yield client
