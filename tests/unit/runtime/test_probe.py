"""A worker's health over HTTP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from shared.errors import LocalError, StreamError
from shared.runtime.probe import Check, Probe
from shared.runtime.settings import ProbeSettings


@pytest.fixture
async def probe() -> AsyncIterator[Probe]:
    registry = CollectorRegistry()
    Counter("tickflow_test_ticks_total", "Ticks.", registry=registry).inc(3)
    settings = ProbeSettings(check_timeout_s=0.05)
    async with Probe(settings, worker="ingest", registry=registry).serving() as served:
        yield served


async def get(probe: Probe, path: str) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{probe.address}{path}") as response,
    ):
        is_json = response.content_type == "application/json"
        return response.status, await (response.json() if is_json else response.text())


async def test_livez_answers_whatever_the_checks_say(probe: Probe) -> None:
    probe.set_unready("draining")
    assert await get(probe, "/livez") == (200, {"status": "pass", "worker": "ingest", "checks": {}})


async def test_startupz_is_503_until_the_worker_has_started(probe: Probe) -> None:
    status, body = await get(probe, "/startupz")
    assert (status, body["checks"]["worker"]["reason"]) == (503, "starting")
    probe.started()
    assert (await get(probe, "/startupz"))[0] == 200


async def test_readyz_says_what_a_long_start_is_at(probe: Probe) -> None:
    probe.is_doing("compiling")
    _, body = await get(probe, "/readyz")
    assert body["checks"]["worker"]["reason"] == "starting: compiling"


async def test_readyz_before_the_start_is_503(probe: Probe) -> None:
    assert (await get(probe, "/readyz"))[0] == 503


async def test_readyz_names_each_check_with_its_reason(probe: Probe) -> None:
    async def idle() -> Check:
        return Check(ok=True, reason="idle: market closed")

    async def silent() -> None:
        return None

    async def broken() -> Check:
        raise StreamError("cannot reach redis://me:hunter2@host")

    probe.started()
    probe.register("ticks", idle)
    probe.register("journal", silent)
    assert (await get(probe, "/readyz"))[0] == 200
    probe.register("redis", broken)
    assert await get(probe, "/readyz") == (
        503,
        {
            "status": "fail",
            "worker": "ingest",
            "checks": {
                "worker": {"ok": True, "reason": ""},
                "ticks": {"ok": True, "reason": "idle: market closed"},
                "journal": {"ok": True, "reason": ""},
                "redis": {
                    "ok": False,
                    "reason": "StreamError: cannot reach redis://me:***@host",
                },
            },
        },
    )


async def test_readyz_does_not_wait_for_a_check_that_hangs(probe: Probe) -> None:
    async def hangs() -> Check:
        await asyncio.Event().wait()
        raise AssertionError

    probe.started()
    probe.register("redis", hangs)
    status, body = await get(probe, "/readyz")
    assert status == 503
    assert body["checks"]["redis"] == {"ok": False, "reason": "no answer within 0.05 s"}


async def test_readyz_while_draining_says_so_though_all_checks_pass(probe: Probe) -> None:
    probe.started()
    assert (await get(probe, "/readyz"))[0] == 200
    probe.set_unready("draining")
    status, body = await get(probe, "/readyz")
    assert (status, body["checks"]["worker"]) == (503, {"ok": False, "reason": "draining"})


async def test_metrics_are_what_the_registry_holds(probe: Probe) -> None:
    status, text = await get(probe, "/metrics")
    assert status == 200
    assert "tickflow_test_ticks_total 3.0" in text


async def test_register_of_a_name_twice_is_a_bug(probe: Probe) -> None:
    async def check() -> None: ...

    probe.register("redis", check)
    with pytest.raises(AssertionError, match="two readiness checks are called redis"):
        probe.register("redis", check)


async def test_probe_on_a_taken_port_says_which() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        probe = Probe(ProbeSettings(port=port), worker="ingest", registry=CollectorRegistry())
        with pytest.raises(LocalError, match=f"probe cannot listen on 127.0.0.1:{port}"):
            async with probe.serving():
                pass
