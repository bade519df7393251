"""A worker's health over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import msgspec
from aiohttp import web
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder

from shared.errors import LocalError
from shared.runtime.redact import redact_text
from shared.runtime.settings import ProbeSettings

#: Seconds open requests get when the worker goes.
_CLOSE_TIMEOUT_S: Final = 1.0
_CHECKS_MAX: Final = 100


class Check(msgspec.Struct, frozen=True):
    """What one readiness check found; a reason may also explain why all is well (`idle`)."""

    ok: bool
    reason: str = ""


CheckFunction = Callable[[], Awaitable[Check | None]]

PASSED: Final = Check(ok=True)


class Readiness(msgspec.Struct, frozen=True):
    """The body of /readyz."""

    status: str
    worker: str
    checks: dict[str, Check]


class Probe:
    """Answers /livez, /readyz, /startupz, /metrics for one worker."""

    def __init__(
        self,
        settings: ProbeSettings,
        *,
        worker: str,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._settings = settings
        self._worker = worker
        self._registry = registry
        self._checks: dict[str, CheckFunction] = {}
        self._unready = ""
        self._has_started = False
        self._starting = "starting"
        self.address = ""
        #: Set once every check has passed, as /readyz says then for the first time.
        self.passed = asyncio.Event()

    def register(self, name: str, check: CheckFunction) -> None:
        """Add a named readiness check; None counts as passed, an exception as failed."""
        assert name not in self._checks, f"two readiness checks are called {name}"
        assert len(self._checks) < _CHECKS_MAX, "too many readiness checks"
        self._checks[name] = check

    def is_doing(self, what: str) -> None:
        """Say what a start that takes long is at, for whoever waits for it."""
        self._starting = f"starting: {what}"

    def started(self) -> None:
        """Say that the worker has been built."""
        self._has_started = True

    def set_unready(self, reason: str) -> None:
        """Fail /readyz from now on, whatever the checks say; the drain begins with it."""
        self._unready = reason

    async def readiness(self) -> Readiness:
        """Run every check at once, each within its limit, and weigh them."""
        checks = {"worker": self._own_check(), **await self._run_checks()}
        status = "pass" if all(check.ok for check in checks.values()) else "fail"
        if status == "pass":
            self.passed.set()
        return Readiness(status=status, worker=self._worker, checks=checks)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Probe]:
        """Listen while the block runs; `address` says where.

        Raises:
            LocalError: the address cannot be listened on.
        """
        runner = web.AppRunner(
            self._application(),
            access_log=None,
            # What nobody unpacks cannot fail to, nor be a thousand times its size.
            auto_decompress=False,
            handle_signals=False,
            shutdown_timeout=_CLOSE_TIMEOUT_S,
        )
        await runner.setup()
        try:
            await self._listen(runner)
            yield self
        finally:
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> None:
        host, port = self._settings.host, self._settings.port
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            msg = f"probe cannot listen on {host}:{port}: {error.strerror or error}"
            raise LocalError(msg) from error
        bound_host, bound_port = runner.addresses[0][:2]
        self.address = f"{bound_host}:{bound_port}"

    def _application(self) -> web.Application:
        application = web.Application()
        application.add_routes(
            [
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
                web.get("/startupz", self._startupz),
                web.get("/metrics", self._metrics),
            ]
        )
        return application

    async def _livez(self, _request: web.Request) -> web.Response:
        return _answer(Readiness(status="pass", worker=self._worker, checks={}))

    async def _readyz(self, _request: web.Request) -> web.Response:
        return _answer(await self.readiness())

    async def _startupz(self, _request: web.Request) -> web.Response:
        check = PASSED if self._has_started else Check(ok=False, reason=self._starting)
        status = "pass" if check.ok else "fail"
        return _answer(Readiness(status=status, worker=self._worker, checks={"worker": check}))

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})

    def _own_check(self) -> Check:
        if self._unready:
            return Check(ok=False, reason=self._unready)
        return PASSED if self._has_started else Check(ok=False, reason=self._starting)

    async def _run_checks(self) -> dict[str, Check]:
        async with asyncio.TaskGroup() as group:
            tasks = {
                name: group.create_task(self._run_check(check), name=f"check {name}")
                for name, check in self._checks.items()
            }
        return {name: task.result() for name, task in tasks.items()}

    async def _run_check(self, check: CheckFunction) -> Check:
        limit_s = self._settings.check_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                return await check() or PASSED
        except TimeoutError:
            return Check(ok=False, reason=f"no answer within {limit_s:g} s")
        except Exception as error:  # noqa: BLE001  # whatever a check meets is its reason
            return Check(ok=False, reason=redact_text(f"{type(error).__name__}: {error}"))


def _answer(readiness: Readiness) -> web.Response:
    return web.Response(
        status=200 if readiness.status == "pass" else 503,
        body=msgspec.json.encode(readiness),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
