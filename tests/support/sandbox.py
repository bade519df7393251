"""A sandbox process for a test: started, asked, stopped."""

from __future__ import annotations

import asyncio
import json
import select
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[2]
START_S = 20.0
STOP_S = 10.0
ASK_S = 10.0


@dataclass(frozen=True, slots=True)
class SandboxAccount:
    """The credentials of one account, in the open since they open nothing else."""

    id: str
    api_key: str
    api_secret: str
    access_token: str


@dataclass(frozen=True, slots=True)
class SandboxInfo:
    """Where a running sandbox listens, with the accounts it knows."""

    rest_url: str
    ws_url: str
    control_url: str
    seed: int
    pid: int
    accounts: tuple[SandboxAccount, ...]

    @property
    def account(self) -> SandboxAccount:
        """Return the first account."""
        return self.accounts[0]

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON of a control page, such as `smile`; blocks for milliseconds."""
        text = f"?{urlencode(query)}" if query else ""
        return self._ask("GET", f"{path}{text}", None)

    def post(self, path: str, **fields: Any) -> Any:
        """Tell the control interface something, such as `faults` or `price`."""
        return self._ask("POST", path, fields)

    def delete(self, path: str) -> Any:
        """Take something away, such as `faults`."""
        return self._ask("DELETE", path, None)

    def socket_url(self, account: SandboxAccount | None = None) -> str:
        """Return the ticker's address with an account's credentials in it."""
        who = account or self.account
        return f"{self.ws_url}/?api_key={who.api_key}&access_token={who.access_token}"

    def _ask(self, method: str, path: str, fields: dict[str, Any] | None) -> Any:
        body = None if fields is None else json.dumps(fields).encode()
        request = urllib.request.Request(f"{self.control_url}/{path}", data=body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=ASK_S) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                reason = error.read().decode()
            raise AssertionError(f"{method} {path}: {error.code} {reason}") from error


def sandbox_command(seed: int, extra_args: Sequence[str] = ()) -> list[str]:
    """Return the command line that starts a sandbox on a free port."""
    return [sys.executable, "-m", "deploy.sandbox", "--port", "0", "--seed", str(seed), *extra_args]


@contextmanager
def sandbox_process(seed: int = 1, extra_args: Sequence[str] = ()) -> Iterator[SandboxInfo]:
    """Run a sandbox while the block runs."""
    process = subprocess.Popen(
        sandbox_command(seed, extra_args),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield _read(_first_line(process))
    finally:
        process.terminate()
        try:
            process.communicate(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@asynccontextmanager
async def running_sandbox(
    seed: int = 1, extra_args: Sequence[str] = ()
) -> AsyncIterator[SandboxInfo]:
    """Run a sandbox while the block runs, without blocking the loop."""
    process = await asyncio.create_subprocess_exec(
        *sandbox_command(seed, extra_args),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START_S)
        if not line:
            raise AssertionError(f"the sandbox ended: {(await process.stderr.read()).decode()}")
        yield _read(line.decode())
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.communicate(), STOP_S)
        except TimeoutError:
            process.kill()
            await process.communicate()


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START_S)
    line = process.stdout.readline() if ready else ""
    if not line:
        process.kill()
        _, errors = process.communicate()
        raise AssertionError(f"the sandbox did not start within {START_S} s: {errors}")
    return line


def _read(line: str) -> SandboxInfo:
    found = json.loads(line)
    accounts = tuple(SandboxAccount(**account) for account in found.pop("accounts"))
    return SandboxInfo(**found, accounts=accounts)
