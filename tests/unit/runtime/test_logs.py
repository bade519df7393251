"""Log lines as events with facts on standard error."""

from __future__ import annotations

import io
import json
import logging
import os
import warnings
from collections.abc import Iterator

import asyncpg  # type: ignore[import-untyped]  # the vendor ships no types
import pytest
import structlog

from shared.clock import ManualClock
from shared.runtime import logs
from shared.runtime.settings import LogSettings
from shared.secret import Secret


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_given_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def configured(stream: io.StringIO, **fields: str) -> io.StringIO:
    clock = ManualClock(now_ns=1_775_000_000_123_456_789)
    logs.configure(LogSettings(**fields), worker="ingest", clock=clock, stream=stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_line_away_from_a_terminal_is_one_json_object_with_its_identity() -> None:
    stream = configured(io.StringIO())
    logs.get_log(shard=3).info("socket.connected", instruments=2)
    assert lines(stream) == [
        {
            "timestamp": "2026-03-31T23:33:20.123Z",
            "level": "info",
            "event": "socket.connected",
            "worker": "ingest",
            "pid": os.getpid(),
            "shard": 3,
            "instruments": 2,
        }
    ]


def test_line_on_a_terminal_is_for_people() -> None:
    stream = configured(Terminal())
    logs.get_log().info("socket.connected")
    assert "socket.connected" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_line_on_a_terminal_is_json_where_json_is_asked_for() -> None:
    stream = configured(Terminal(), format="json")
    logs.get_log().info("socket.connected")
    assert lines(stream)[0]["event"] == "socket.connected"


def test_line_below_the_level_is_not_written() -> None:
    stream = configured(io.StringIO(), level="warning")
    logs.get_log().info("socket.connected")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("shape", ["json", "console"])
def test_line_never_shows_a_secret_whatever_carries_it(shape: str) -> None:
    stream = configured(io.StringIO(), format=shape)
    log = logs.get_log(access_token="hunter2")
    try:
        password = "hunter2"
        raise ValueError(f"GET https://x?access_token={password} failed")  # noqa: TRY301
    except ValueError:
        log.exception("kite.failed", note=Secret("hunter2"), headers={"Authorization": "hunter2"})
    logging.getLogger("vendor").warning("url %s", "wss://u:hunter2@host?api_key=hunter2")
    assert "kite.failed" in stream.getvalue()
    assert "ValueError" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def test_traceback_of_a_bug_is_structured() -> None:
    stream = configured(io.StringIO())
    try:
        raise KeyError("x")  # noqa: TRY301
    except KeyError:
        logs.get_log().exception("worker.crashed")
    [exception] = lines(stream)[0]["exception"]  # type: ignore[misc]
    assert exception["exc_type"] == "KeyError"
    assert exception["frames"][0]["name"] == "test_traceback_of_a_bug_is_structured"
    assert "locals" not in exception["frames"][0]


def test_vendor_speaks_from_warning_up_in_the_same_shape() -> None:
    stream = configured(io.StringIO(), level="debug")
    vendor = logging.getLogger("vendor.part")
    vendor.info("chatter")
    vendor.warning("slow by %d s", 3)
    [line] = lines(stream)
    assert (line["event"], line["logger"], line["level"]) == (
        "slow by 3 s",
        "vendor.part",
        "warning",
    )
    assert line["worker"] == "ingest"


def test_vendor_with_an_exception_brings_its_traceback() -> None:
    stream = configured(io.StringIO())
    try:
        raise KeyError("x")  # noqa: TRY301
    except KeyError:
        logging.getLogger("vendor").exception("failed")
    [exception] = lines(stream)[0]["exception"]  # type: ignore[misc]
    assert exception["exc_type"] == "KeyError"


def of_the_pool(error: Exception, level: int = logging.WARNING) -> dict[str, object]:
    """Return the line of what asyncpg's pool logs as it tries again to connect."""
    stream = configured(io.StringIO())
    try:
        raise error
    except type(error):
        logging.getLogger("asyncpg.pool").log(level, "Failed to restore; retrying", exc_info=True)
    [line] = lines(stream)
    return line


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(111, "Connect call failed"),
        TimeoutError(),
        asyncpg.CannotConnectNowError("the database system is starting up\nDETAIL: of a row"),
    ],
)
def test_pool_that_retries_while_postgres_is_away_says_so_without_a_traceback(
    error: Exception,
) -> None:
    line = of_the_pool(error)
    assert "exception" not in line
    assert line["event"] == "Failed to restore; retrying"
    assert (line["logger"], line["kind"]) == ("asyncpg.pool", type(error).__name__)
    assert line["error"] == str(error).removesuffix("\nDETAIL: of a row")


@pytest.mark.parametrize(
    ("error", "level"),
    [(KeyError("a bug"), logging.WARNING), (ConnectionRefusedError(), logging.ERROR)],
)
def test_pool_with_a_bug_or_an_error_keeps_its_traceback(error: Exception, level: int) -> None:
    [exception] = of_the_pool(error, level)["exception"]  # type: ignore[misc]
    assert exception["exc_type"] == type(error).__name__


def test_warning_of_another_vendor_keeps_its_traceback() -> None:
    stream = configured(io.StringIO())
    try:
        raise ConnectionRefusedError  # noqa: TRY301
    except ConnectionRefusedError:
        logging.getLogger("vendor").warning("odd", exc_info=True)
    assert "exception" in lines(stream)[0]


def test_warning_of_the_language_becomes_a_line() -> None:
    stream = configured(io.StringIO())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old thing", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert "old thing" in str(lines(stream)[0]["event"])


def test_line_with_facts_json_does_not_know_shows_their_repr() -> None:
    stream = configured(io.StringIO())
    logs.get_log().info("x.seen", bytes_seen=b"ab", where=object)
    assert lines(stream)[0]["bytes_seen"] == "b'ab'"


def test_line_with_bound_context_carries_it() -> None:
    stream = configured(io.StringIO())
    with structlog.contextvars.bound_contextvars(command_id="c1"):
        logs.get_log().info("order.sent")
    assert lines(stream)[0]["command_id"] == "c1"
