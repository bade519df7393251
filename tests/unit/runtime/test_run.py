"""The life of a worker process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pathlib
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from shared.runtime.run import main
from tests.support.eventually import eventually
from tests.unit.runtime.tiny_worker import TinySettings, build

#: Each test starts a worker's process.
pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[3]
TINY = pathlib.Path(__file__).with_name("tiny_worker.py")
EXIT_WITHIN_S = 30.0
ENVIRON = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}


class Process:
    """A worker that really runs, with the lines it has written so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    async def line(self, event: str) -> dict[str, Any]:
        """Read on until this event is written."""
        assert self.process.stderr is not None
        async with asyncio.timeout(EXIT_WITHIN_S):
            async for text in self.process.stderr:
                self.lines.append(json.loads(text))
                if self.lines[-1]["event"] == event:
                    return self.lines[-1]
        raise AssertionError(f"{event} is not among {self.events}")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        async with asyncio.timeout(EXIT_WITHIN_S):
            _, rest = await self.process.communicate()
        self.lines += [json.loads(text) for text in rest.splitlines()]
        assert self.process.returncode is not None
        return self.process.returncode

    @property
    def events(self) -> list[str]:
        return [line["event"] for line in self.lines]

    def facts(self, event: str) -> dict[str, Any]:
        [line] = [line for line in self.lines if line["event"] == event]
        return line


@contextlib.asynccontextmanager
async def tiny(mode: str = "steady", *flags: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(TINY),
        "--set",
        f"local.mode={mode}",
        *flags,
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=ENVIRON,
    )
    try:
        yield Process(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def ready(address: str) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{address}/readyz") as response,
    ):
        return response.status, await response.json()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_worker_told_to_stop_drains_closes_in_reverse_and_exits_0(
    number: signal.Signals,
) -> None:
    async with tiny() as worker:
        await worker.line("worker.ready")
        worker.signal(number)
        assert await worker.ended() == 0
    closed = [line["resource"] for line in worker.lines if line["event"] == "tiny.closed"]
    assert closed == ["second", "first"]
    assert worker.events[-1] == "worker.stopped"
    assert worker.facts("worker.stopped")["exit_code"] == 0


async def test_worker_without_its_seat_is_started_and_ready_only_once_readyz_says_so() -> None:
    async with tiny("ready late") as worker:
        address = (await worker.line("worker.started"))["probe"]
        assert (await ready(address))[0] == 503
        assert worker.process.stdin is not None
        worker.process.stdin.write(b"seen\n")
        assert (await worker.line("worker.ready"))["probe"] == address
        assert (await ready(address))[0] == 200
        worker.signal(signal.SIGTERM)
        assert await worker.ended() == 0


async def test_worker_that_drains_turns_unready_first() -> None:
    async with tiny("slow drain") as worker:
        address = (await worker.line("worker.ready"))["probe"]
        status, body = await ready(address)
        assert (status, body["checks"]["tiny"]["reason"]) == (200, "fine")
        worker.signal(signal.SIGTERM)
        await worker.line("tiny.draining")

        async def is_draining() -> bool:
            status, body = await ready(address)
            return status == 503 and body["checks"]["worker"]["reason"] == "draining"

        assert await eventually(is_draining)
        assert worker.process.stdin is not None
        worker.process.stdin.write(b"seen\n")
        assert await worker.ended() == 0


async def test_worker_whose_drain_hangs_exits_3_naming_what_is_unfinished() -> None:
    async with tiny("hanging drain") as worker:
        await worker.line("worker.ready")
        worker.signal(signal.SIGTERM)
        assert await worker.ended() == 3
    assert worker.facts("drain.timed_out")["unfinished"] == ["worker"]
    assert "tiny.closed" in worker.events


async def test_worker_told_twice_leaves_at_once_with_3() -> None:
    async with tiny("slow drain") as worker:
        await worker.line("worker.ready")
        worker.signal(signal.SIGTERM)
        await worker.line("tiny.draining")
        worker.signal(signal.SIGTERM)
        assert await worker.ended() == 3
    assert worker.events[-1] == "signal.repeated"


async def test_worker_with_a_bug_exits_1_with_one_structured_traceback() -> None:
    async with tiny("bug") as worker:
        assert await worker.ended() == 1
    assert "drain.started" not in worker.events
    [exception] = worker.facts("worker.crashed")["exception"]
    assert exception["exc_type"] == "KeyError"
    assert worker.events.count("tiny.closed") == 2


@pytest.mark.parametrize(
    ("mode", "kind", "error"),
    [
        ("refused", "StoreError", "PostgreSQL refused the statement"),
        ("failing build", "StoreError", "PostgreSQL is not there"),
        ("returns", "TaskEnded", "the worker returned although nobody asked it to stop"),
        ("side task", "TaskEnded", "task 'flush' ended although nobody asked it to stop"),
        ("resource task", "StoreError", "the lease's keeper failed"),
    ],
)
async def test_worker_that_fails_as_expected_exits_1_with_one_clear_line(
    mode: str, kind: str, error: str
) -> None:
    async with tiny(mode) as worker:
        assert await worker.ended() == 1
    line = worker.facts("worker.failed")
    assert (line["kind"], line["error"]) == (kind, error)
    assert not any("exception" in line for line in worker.lines)
    assert worker.events.count("tiny.closed") == 2


async def test_worker_whose_closing_fails_after_a_bug_tells_both() -> None:
    async with tiny("bug with failing close") as worker:
        assert await worker.ended() == 1
    assert worker.facts("worker.crashed")["error"] == "KeyError('missing')"
    assert worker.facts("worker.failed")["error"] == "closing first failed"


async def test_worker_that_cancels_itself_is_a_crash() -> None:
    async with tiny("cancelled") as worker:
        assert await worker.ended() == 1
    assert worker.facts("worker.crashed")["error"] == "cancelled, though not by us"


async def test_worker_that_finishes_by_itself_exits_0() -> None:
    async with tiny("finished") as worker:
        assert await worker.ended() == 0


async def test_worker_whose_build_refuses_its_settings_exits_2() -> None:
    async with tiny("wrong combination") as worker:
        assert await worker.ended() == 2


async def test_worker_told_to_stop_while_it_is_built_gives_up_and_exits_0() -> None:
    async with tiny("hanging build") as worker:
        address = (await worker.line("worker.starting"))["probe"]
        status, body = await ready(address)
        assert (status, body["checks"]["worker"]["reason"]) == (503, "starting")
        worker.signal(signal.SIGTERM)
        assert await worker.ended() == 0
    assert "worker.ready" not in worker.events


async def test_worker_that_crashes_while_its_resources_hang_still_leaves() -> None:
    async with tiny("crash with hanging close") as worker:
        assert await worker.ended() == 3
    assert worker.facts("worker.crashed")["error"] == "KeyError('missing')"


async def test_worker_that_crashes_while_a_thread_hangs_still_leaves() -> None:
    async with tiny("crash with hanging thread") as worker:
        assert await worker.ended() == 1


async def test_worker_whose_log_nobody_reads_any_more_still_drains() -> None:
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(TINY),
        stderr=writing,
        env=ENVIRON,
    )
    os.close(writing)
    with open(reading) as lines:  # noqa: ASYNC230, PTH123  # a pipe's end, not a path
        await asyncio.to_thread(lambda: next(line for line in lines if "worker.ready" in line))
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(EXIT_WITHIN_S):
        assert await process.wait() == 0


async def test_worker_whose_parent_is_killed_drains() -> None:
    # The parent starts the worker, tells its own pid, waits to be killed.
    script = (
        "import subprocess, sys; "
        f"subprocess.Popen([sys.executable, {str(TINY)!r}, '--exit-with-parent']); "
        "sys.stdin.read()"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=ENVIRON,
    )
    worker = Process(parent)
    await worker.line("worker.ready")
    parent.kill()
    assert (await worker.line("worker.stopped"))["exit_code"] == 0
    await worker.ended()


async def test_worker_whose_expected_parent_is_gone_does_not_start() -> None:
    async with tiny("steady", "--exit-with-parent", "999999999") as worker:
        _, err = await worker.process.communicate()
        assert worker.process.returncode == 1
    assert err == b"tiny: the parent process 999999999 is already gone\n"


def checked(*flags: str) -> int:
    return main("tiny", TinySettings, build, drain_timeout_s=1, arguments=["--check", *flags])


def test_worker_with_wrong_settings_exits_2_with_a_line_for_each(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tiny.toml"
    file.write_text("[local]\npasword = 'hunter2'\n")
    assert checked("--config", str(file), "--set", "local.mode=fast") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"tiny: local.pasword in {file} is not a setting")
    assert lines[1].startswith("tiny: --set local.mode must be one of")
    assert "hunter2" not in str(lines)


def test_worker_asked_to_check_only_checks(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tiny.toml"
    file.write_text("[local]\nmode = 'bug'\n")
    assert checked("--config", str(file)) == 0
    assert capsys.readouterr().out == "tiny: settings are fine\n"


def test_worker_asked_for_its_version_tells_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        checked("--version")
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("tickflow ")


def test_worker_with_a_flag_it_does_not_know_exits_2() -> None:
    with pytest.raises(SystemExit) as caught:
        checked("--sett", "a=b")
    assert caught.value.code == 2
