"""A Redis without a disk that a test takes away and brings back."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.binaries import find_redis
from shared.secret import Secret
from shared.streams.settings import RedisSettings
from tests.support.eventually import eventually


class RestartableRedis:
    """Reachable through one UNIX socket, whichever process is behind it."""

    def __init__(self, directory: Path) -> None:
        self._socket = directory / "redis.sock"
        options = ["--port", "0", "--unixsocket", str(self._socket), "--save", ""]
        self._argv = [str(find_redis().path), *options, "--dir", str(directory)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> Secret:
        return Secret(f"unix://{self._socket}?db=0")

    @property
    def settings(self) -> RedisSettings:
        return RedisSettings(
            ticks_url=self.url, orders_url=self.url, connect_timeout_s=2, answer_timeout_s=5
        )

    def url_for(self, _role: str) -> Secret:
        """Return the one URL there is, in place of a server with users."""
        return self.url

    async def start(self) -> None:
        self._process = await asyncio.to_thread(
            subprocess.Popen, self._argv, stdout=subprocess.DEVNULL
        )
        await eventually(self._answers, within_s=10.0)

    def stop(self) -> None:
        """End it as a crash would; what it held is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._socket.unlink(missing_ok=True)

    async def restart(self) -> None:
        self.stop()
        await self.start()

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._socket))
        except OSError:
            return False
        writer.write(b"PING\r\n")
        answer = await reader.readline()
        writer.close()
        return answer == b"+PONG\r\n"


@contextmanager
def restartable_redis(directory: Path) -> Iterator[RestartableRedis]:
    """Give a Redis that is not started yet, gone with the block."""
    redis = RestartableRedis(directory)
    try:
        yield redis
    finally:
        redis.stop()
