"""How a worker's end is told."""

from __future__ import annotations

import asyncio

import pytest
import structlog
from structlog.testing import capture_logs

from shared.errors import IllegalTransition, SettingsError, StoreError, StreamError
from shared.runtime.outcome import ExitCode, tell


def told(error: BaseException) -> tuple[ExitCode, list[str]]:
    with capture_logs() as lines:
        code = tell(structlog.get_logger(), error)
    return code, [line["event"] for line in lines]


@pytest.mark.parametrize(
    ("error", "code", "events"),
    [
        (StoreError("x"), ExitCode.CRASHED, ["worker.failed"]),
        (ValueError("x"), ExitCode.CRASHED, ["worker.crashed"]),
        (IllegalTransition("x"), ExitCode.CRASHED, ["worker.crashed"]),
        (SettingsError("x"), ExitCode.BAD_SETTINGS, ["worker.failed"]),
        (
            ExceptionGroup("g", [StoreError("x"), ExceptionGroup("h", [StreamError("y")])]),
            ExitCode.CRASHED,
            ["worker.failed", "worker.failed"],
        ),
        (
            ExceptionGroup("g", [SettingsError("x"), ValueError("y")]),
            ExitCode.CRASHED,
            ["worker.failed", "worker.crashed"],
        ),
        (
            BaseExceptionGroup("g", [asyncio.CancelledError(), StoreError("x")]),
            ExitCode.CRASHED,
            ["worker.failed"],
        ),
    ],
)
def test_end_is_told_once_for_each_cause(
    error: BaseException, code: ExitCode, events: list[str]
) -> None:
    assert told(error) == (code, events)
