"""An operator, a sandbox, a database, two Redis, a worker that holds accounts."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.accounts.book import AccountBook, Around, sources_of
from shared.accounts.book_settings import AccountsSettings
from shared.accounts.settings import AccountSettings
from shared.clock import SystemClock
from shared.ops.key_file import put_in_front
from shared.runtime.logs import get_log
from shared.secret import Secret
from shared.store.accounts_vault import new_key
from shared.store.pool import open_pool
from shared.store.settings import PostgresSettings
from shared.streams.client import connect
from shared.streams.settings import RedisSettings
from tests.support.sandbox import ROOT, SandboxInfo, sandbox_process

WITHIN_S = 30.0
#: So long that only the announcement can have brought a change.
NEVER_S = 300.0
SECOND = "CD5678:key2:secret2:" + "b" * 32


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


class Desk:
    """Runs command lines as processes; holds accounts as a worker would."""

    def __init__(self, sandbox: SandboxInfo, environ: dict[str, str], keys: Path) -> None:
        self.sandbox = sandbox
        self.account = sandbox.account
        self.environ = environ
        self.keys = keys

    async def run(self, *words: str, given: str = "", **extra: str) -> Done:
        process = await self.start(*words, **extra)
        out, err = await asyncio.wait_for(process.communicate(given.encode()), WITHIN_S)
        return Done(process.returncode or 0, out.decode(), err.decode())

    async def start(self, *words: str, **extra: str) -> asyncio.subprocess.Process:
        mine = {k: v for k, v in os.environ.items() if not k.startswith("TICKFLOW_")}
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "shared.ops", *words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**mine, **self.environ, **extra},
            cwd=ROOT,
        )

    async def add(self) -> Done:
        who = self.account
        return await self.run("accounts", "add", who.id, given=f"{who.api_key}\n{who.api_secret}\n")

    def request_token(self) -> str:
        return self.sandbox.post("login", account=self.account.id)["request_token"]

    async def login(self) -> Done:
        given = self.request_token() + "\n"
        return await self.run("session", "login", self.account.id, given=given)

    @asynccontextmanager
    async def book(
        self,
        *,
        poll_s: float = NEVER_S,
        account: AccountSettings | None = None,
        file: Path | None = None,
    ) -> AsyncIterator[AccountBook]:
        """Hold the accounts while the block runs, as a worker does."""
        postgres = PostgresSettings(url=Secret(self.environ["TICKFLOW_POSTGRES__URL"]))
        url = Secret(self.environ["TICKFLOW_REDIS__TICKS_URL"])
        redis = RedisSettings(ticks_url=url, orders_url=url)
        settings = AccountsSettings(
            encryption_keys=tuple(map(Secret, self.keys.read_text().strip().split(","))),
            file=str(file or ""),
        )
        clock, stopping = SystemClock(), asyncio.Event()
        async with open_pool(postgres) as pool, connect(url, name="t", settings=redis) as ticks:
            around = Around(clock=clock, log=get_log(), random=random.Random(1), ticks=ticks)
            sources = sources_of(settings, account, pool, clock)
            book = AccountBook(sources, poll_s=poll_s, around=around)
            await book.refresh()
            async with asyncio.TaskGroup() as group:
                group.create_task(book.run(stopping), name="book")
                try:
                    yield book
                finally:
                    stopping.set()


@pytest.fixture
def sandbox() -> Iterator[SandboxInfo]:
    first = "SB0001:key1:secret1:" + "a" * 32
    with sandbox_process(extra_args=["--account", first, "--account", SECOND]) as info:
        yield info


@pytest.fixture
def desk(sandbox, ticks_redis, postgres_url, tmp_path) -> Desk:
    keys = tmp_path / "keys"
    put_in_front(keys, new_key())
    environ = {
        "TICKFLOW_LOCAL__STATE_DIR": tempfile.gettempdir() + "/nowhere",
        "TICKFLOW_REDIS__TICKS_URL": ticks_redis.url_for("ops").reveal(),
        "TICKFLOW_POSTGRES__URL": postgres_url.reveal(),
        "TICKFLOW_ACCOUNTS__ENCRYPTION_KEYS_FILE": str(keys),
        "TICKFLOW_KITE__REST_URL": sandbox.rest_url,
    }
    return Desk(sandbox, environ, keys)
