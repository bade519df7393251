"""A local run starts, watches, drains and survives its own death."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import msgspec
import pytest
import redis.asyncio as redis

from deploy.local.binaries import find_redis
from deploy.local.claim import claim
from deploy.local.environment import WORKERS
from deploy.local.pipeline import pipeline
from deploy.local.postgres_home import outside_place
from deploy.local.processes import Identity, Launch, spawn, started_ticks
from deploy.local.redis import RedisServer
from deploy.local.settings import ROOT, GivenPostgres, GivenRedis, RunSettings
from deploy.local.supervise import RESTARTS_MAX, StartInterrupted, StopRequest
from shared.errors import LocalError
from shared.secret import Secret
from tests.support.eventually import eventually
from tests.support.fake_programs import request

pytestmark = pytest.mark.integration


@contextmanager
def _run_elsewhere(state: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.fake_programs", str(state)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"running\n"
        yield process
        process.kill()


def _processes_of(state: Path) -> list[str]:
    marks = (os.fsencode(state), os.fsencode(outside_place(state / "postgres")))
    found = []
    for directory in Path("/proc").iterdir():
        if not directory.name.isdigit() or int(directory.name) == os.getpid():
            continue
        try:
            words = (directory / "cmdline").read_bytes()
            told = (directory / "environ").read_bytes()
        except OSError:
            continue
        # A postgres backend renames itself, but its directory is still its own.
        if any(mark in words or mark in told for mark in marks):
            found.append(words.decode(errors="replace"))
    return found


def _recorded(state: Path) -> list[Identity]:
    files = [state, state / "redis-ticks", state / "redis-orders", state / "postgres"]
    return [
        identity
        for place in files
        for identity in msgspec.json.decode(
            (place / "processes.json").read_bytes(), type=list[Identity]
        )
    ]


def _open_to_others(state: Path) -> list[Path]:
    return [
        path
        for path in (state, *state.rglob("*"))
        if stat.S_IMODE(path.lstat().st_mode)
        != (0o700 if path.is_dir() or path.is_socket() else 0o600)
    ]


def _environment(pid: int) -> dict[str, str]:
    told = _text(f"/proc/{pid}/environ")
    return dict(word.split("=", 1) for word in told.split("\0") if "=" in word)


def _text(path: str) -> str:
    return Path(path).read_text()


def _sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"])


async def test_a_run_drains_every_worker_in_the_order_of_the_flow(state: Path) -> None:
    async with pipeline(request(state), StopRequest()) as running:
        running.supervisor.check()
    assert [ended.name for ended in running.ended] == [
        "ingest",
        "enrich",
        "executor",
        "publisher",
        "sandbox",
    ]
    assert all(ended.clean for ended in running.ended)
    assert _recorded(state) == []
    assert not _processes_of(state)


async def test_everything_a_run_writes_is_closed_to_others(state: Path) -> None:
    async with pipeline(request(state), StopRequest()):
        assert _open_to_others(state) == []


async def test_secrets_reach_the_workers_as_files_never_as_variables(state: Path) -> None:
    async with pipeline(request(state), StopRequest()):
        executor = next(each for each in _recorded(state) if each.name == "executor")
        variables = _environment(executor.pid)
    assert "TICKFLOW_ACCOUNT__ACCESS_TOKEN" not in variables
    assert _text(variables["TICKFLOW_REDIS__ORDERS_URL_FILE"]).startswith("unix://executor:")


async def test_servers_that_somebody_names_are_used_and_none_is_started(
    state: Path, ticks_redis: RedisServer, orders_redis: RedisServer, postgres_url: Secret
) -> None:
    asked = request(state)
    given = RunSettings(
        local=asked.settings.local,
        redis=GivenRedis(
            ticks_url=ticks_redis.url_for("ops"), orders_url=orders_redis.url_for("ops")
        ),
        postgres=GivenPostgres(url=postgres_url),
    )
    async with pipeline(dataclasses.replace(asked, settings=given), StopRequest()) as running:
        assert running.urls("executor").orders == orders_redis.url_for("ops")
        assert running.urls("executor").postgres == postgres_url
        assert not (state / "redis-ticks").exists()
        assert not (state / "postgres").exists()


async def test_a_worker_that_dies_ends_the_run_with_its_last_words(state: Path) -> None:
    with pytest.raises(LocalError, match=r"executor ended by itself \(exit code 1\)") as told:
        async with pipeline(request(state, behaviour={"executor": "dies"}), StopRequest()):
            pass
    assert "executor: cannot reach anything" in str(told.value)
    assert not _processes_of(state)


async def test_a_worker_that_dies_later_is_started_again_but_not_for_ever(state: Path) -> None:
    told: list[str] = []
    async with pipeline(request(state), StopRequest(), told.append) as running:
        watching = asyncio.create_task(running.supervisor.watch(WORKERS))
        pids = set()
        for death in range(RESTARTS_MAX + 1):
            await eventually(lambda death=death: len(running.supervisor.restarts) == death)
            (enrich,) = (each for each in _recorded(state) if each.name == "enrich")
            pids.add(enrich.pid)
            os.kill(enrich.pid, signal.SIGKILL)
        with pytest.raises(LocalError, match=r"enrich ended by itself.*killed by signal 9"):
            await asyncio.wait_for(watching, 30)
    said = "enrich ended by itself (killed by signal 9) and was started again"
    assert running.supervisor.restarts == [said] * RESTARTS_MAX
    assert len(pids) == RESTARTS_MAX + 1
    assert [each for each in told if each.startswith(said)] == told
    assert not _processes_of(state)


async def test_the_deaths_of_one_worker_do_not_count_against_another(state: Path) -> None:
    async with pipeline(request(state), StopRequest()) as running:
        watching = asyncio.create_task(running.supervisor.watch(WORKERS))
        dying = (*["enrich"] * RESTARTS_MAX, "publisher")
        for death, name in enumerate(dying):
            await eventually(lambda death=death: len(running.supervisor.restarts) == death)
            (victim,) = (each for each in _recorded(state) if each.name == name)
            os.kill(victim.pid, signal.SIGKILL)
        await eventually(lambda: len(running.supervisor.restarts) == len(dying))
        assert not watching.done()
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
    assert not _processes_of(state)


async def test_a_worker_that_refuses_its_settings_is_not_started_again(state: Path) -> None:
    async with pipeline(request(state), StopRequest()) as running:
        (enrich,) = (each for each in _recorded(state) if each.name == "enrich")
        os.kill(enrich.pid, signal.SIGUSR1)
        with pytest.raises(LocalError, match=r"enrich ended by itself \(exit code 2\)"):
            await asyncio.wait_for(running.supervisor.watch(WORKERS), 30)


async def test_a_redis_that_dies_is_noticed_too(state: Path) -> None:
    async with pipeline(request(state), StopRequest()) as running:
        server = next(each for each in _recorded(state) if each.name == "redis-orders")
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(LocalError, match="redis-orders ended by itself"):
            await asyncio.wait_for(running.supervisor.watch(), 5)


async def test_a_worker_that_never_is_ready_says_why(state: Path) -> None:
    never = request(state, behaviour={"enrich": "never-ready"}, start_timeout_s=3.0)
    with pytest.raises(LocalError, match=r"not ready within 3 s: enrich \(numba: compiling\)"):
        async with pipeline(never, StopRequest()):
            pass
    assert not _processes_of(state)


async def test_a_start_that_is_called_off_leaves_nothing(state: Path) -> None:
    stop = StopRequest()
    stop.asked.set()
    with pytest.raises(StartInterrupted):
        async with pipeline(request(state), stop):
            pass
    assert not _processes_of(state)


async def test_somebody_in_a_hurry_need_not_wait_for_a_stubborn_worker(state: Path) -> None:
    stop = StopRequest()
    async with pipeline(request(state, behaviour={"publisher": "ignores-stop"}), stop) as running:
        stop.hurry()
    assert {ended.exit_code for ended in running.ended} == {-signal.SIGKILL}
    assert not _processes_of(state)


async def test_a_second_run_on_the_same_directory_is_refused_by_the_pid_of_the_first(
    state: Path,
) -> None:
    with _run_elsewhere(state) as first:
        refused = pytest.raises(LocalError, match=rf"already running \(pid {first.pid}\)")
        with refused:
            async with pipeline(request(state), StopRequest()):
                pass


async def test_a_killed_run_leaves_no_process(state: Path) -> None:
    with _run_elsewhere(state) as run:
        left = _recorded(state)
        assert len(left) == 8
        run.kill()
        run.wait()
        await eventually(lambda: not any(each.alive for each in left))
        await eventually(lambda: not _processes_of(state))


async def test_the_run_after_a_killed_one_finds_its_data(state: Path) -> None:
    async with pipeline(request(state), StopRequest()) as running:
        urls = running.urls("producer")
        async with redis.Redis.from_url(urls.orders.reveal()) as client:
            await client.xadd("orders.commands.v1.SB0001", {"json": "{}"})
        connection = await asyncpg.connect(urls.postgres.reveal())
        await connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
        await connection.close()
    with _run_elsewhere(state) as run:
        run.kill()
        run.wait()
    async with pipeline(request(state), StopRequest()) as running:
        urls = running.urls("executor")
        async with redis.Redis.from_url(urls.orders.reveal()) as client:
            assert await client.xlen("orders.commands.v1.SB0001") == 1
        connection = await asyncpg.connect(urls.postgres.reveal())
        assert await connection.fetchval("SELECT number FROM kept") == 7
        await connection.close()


async def test_the_next_owner_ends_what_the_kernel_did_not(tmp_path: Path) -> None:
    with _sleeper() as stray, _sleeper() as reused:
        async with claim(tmp_path / "held") as held:
            ticks = started_ticks(stray.pid)
            assert ticks is not None
            held.add(Identity("stray", stray.pid, ticks))
            held.add(Identity("long gone, its pid given again", reused.pid, ticks - 1))
        async with claim(tmp_path / "held"):
            assert stray.wait(5) == -signal.SIGTERM
            assert reused.poll() is None
        reused.kill()


async def test_a_child_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    child = spawn(
        Launch(
            name="stubborn",
            argv=("/bin/sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"),
            log=tmp_path / "stubborn.log",
            environment={},
            directory=tmp_path,
        )
    )
    await eventually(lambda: child.log_tail() == "deaf")
    assert not await child.stop(within_s=0.1)
    assert child.exit_code == -signal.SIGKILL


def test_the_redis_in_use_says_its_version() -> None:
    assert find_redis().version >= (6, 2)
