"""Worker processes of a test: started with settings by environment, asked, drained or killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.redis import RedisServer
from tests.support.eventually import eventually
from tests.support.sandbox import ROOT, SandboxInfo

#: Compiling every kernel where no cache is at hand takes most of it.
READY_S = 240.0
DRAIN_S = 15.0


@dataclass
class WorkerProcess:
    """A worker with its probe."""

    name: str
    process: asyncio.subprocess.Process
    probe: str
    log: Path

    def is_ready(self) -> bool:
        """Ask its probe; raise when the process is gone, since it will never be ready."""
        if self.process.returncode is not None:
            raise RuntimeError(f"{self.name} ended: {self.log.read_text()[-4000:]}")
        return self.page("readyz")[0] == 200

    def page(self, path: str) -> tuple[int, str]:
        """Return status and text of a page of its probe, 0 where nobody listens yet."""
        try:
            with urllib.request.urlopen(f"{self.probe}/{path}", timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def kill(self) -> None:
        """End it as a crash would: without a word."""
        self.process.send_signal(signal.SIGKILL)

    async def drain(self) -> int:
        """Ask it to stop, return its exit code."""
        if self.process.returncode is None:
            self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), DRAIN_S)


@asynccontextmanager
async def worker(
    name: str, environment: Mapping[str, str], directory: Path, *, await_ready: bool = True
) -> AsyncIterator[WorkerProcess]:
    """Run `python -m <name>` while the block runs, ready from its beginning."""
    port = _free_port()
    log = directory / f"{name}-{port}.log"
    told = {key: value for key, value in os.environ.items() if not key.startswith("TICKFLOW_")}
    with log.open("w") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            name,
            cwd=ROOT,
            env={**told, "TICKFLOW_PROBE__PORT": str(port), **environment},
            stderr=stderr,
        )
    running = WorkerProcess(name, process, f"http://127.0.0.1:{port}", log)
    try:
        if await_ready:
            await eventually(
                lambda: asyncio.to_thread(running.is_ready), within_s=READY_S, every_s=0.05
            )
        yield running
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def ingest_environment(
    ticks: RedisServer, orders: RedisServer, sandbox: SandboxInfo, **options: object
) -> dict[str, str]:
    """Return the settings of an ingest worker on a sandbox; `options` are its own section's."""
    account = sandbox.account
    return {
        "TICKFLOW_REDIS__TICKS_URL": ticks.url_for("ingest").reveal(),
        "TICKFLOW_REDIS__ORDERS_URL": orders.url_for("ingest").reveal(),
        "TICKFLOW_KITE__REST_URL": sandbox.rest_url,
        "TICKFLOW_KITE__WS_URL": sandbox.ws_url,
        "TICKFLOW_ACCOUNT__ID": account.id,
        "TICKFLOW_ACCOUNT__API_KEY": account.api_key,
        "TICKFLOW_ACCOUNT__ACCESS_TOKEN": account.access_token,
        **_section("INGEST", options),
    }


def enrich_environment(ticks: RedisServer, **options: object) -> dict[str, str]:
    """Return the settings of an enrichment worker; `options` are its own section's."""
    url = ticks.url_for("enrich").reveal()
    return {
        "TICKFLOW_REDIS__TICKS_URL": url,
        "TICKFLOW_REDIS__ORDERS_URL": url,
        **_section("ENRICH", options),
    }


def _section(name: str, options: Mapping[str, object]) -> dict[str, str]:
    return {f"TICKFLOW_{name}__{key.upper()}": str(value) for key, value in options.items()}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
