"""Log lines as events with facts on standard error."""

from __future__ import annotations

import datetime as dt
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from shared.clock import Clock
from shared.runtime.line_sink import LineSink
from shared.runtime.redact import redact
from shared.runtime.settings import LogSettings

Log = FilteringBoundLogger

_LEVELS: Final = logging.getLevelNamesMapping()
#: Frames and characters a traceback may bring into one line.
_FRAMES_MAX: Final = 30
#: Vendors who warn of each of their own retries with a traceback; a bug among these keeps it.
_RETRYING: Final = {"asyncpg.pool": "asyncpg.exceptions"}


def configure(settings: LogSettings, *, worker: str, clock: Clock, stream: TextIO) -> None:
    """Send every log line of this process, vendors' included, to `stream`.

    One JSON object a line, or coloured text on a terminal; `worker` and `pid` are on each line.
    """
    level = _LEVELS[settings.level.upper()]
    readable = settings.format == "console" or (settings.format == "auto" and stream.isatty())
    shared = _facts(worker, clock)
    rendering = _for_people(stream) if readable else _for_machines()
    # Only write, flush are ever called on it.
    sink = cast("TextIO", LineSink(stream))
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sink),
        # Loggers made at import keep following a later configuration, and tests can capture them.
        cache_logger_on_first_use=False,
    )
    _route_stdlib(max(level, logging.WARNING), shared, rendering, sink)


def get_log(**facts: object) -> Log:
    """Return a logger with these facts on each of its lines."""
    log: Log = structlog.get_logger(**facts)
    return log


def _facts(worker: str, clock: Clock) -> list[Processor]:
    identity = {"worker": worker, "pid": os.getpid()}

    def stamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        moment = dt.datetime.fromtimestamp(clock.now_ns() / 1e9, tz=dt.UTC)
        timestamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        first = {"timestamp": timestamp, "level": event["level"], "event": event["event"]}
        return {**first, **identity, **event}

    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.StackInfoRenderer(),
        stamp,
    ]


def _for_machines() -> list[Processor]:
    transformer = structlog.tracebacks.ExceptionDictTransformer(
        show_locals=False,  # locals hold what redaction cannot name
        max_frames=_FRAMES_MAX,
    )
    return [
        structlog.processors.ExceptionRenderer(transformer),
        _redact_event,
        structlog.processors.JSONRenderer(serializer=_json),
    ]


def _for_people(stream: TextIO) -> list[Processor]:
    return [
        structlog.processors.format_exc_info,
        _redact_event,
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(),
            exception_formatter=structlog.dev.plain_traceback,
        ),
    ]


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    redacted = redact(event)
    assert isinstance(redacted, dict)
    return redacted


def _without_traceback(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Say in one line of a vendor's retry what failed: the server is away, which is no bug."""
    record: logging.LogRecord = event["_record"]
    error = record.exc_info[1] if record.exc_info else None
    home = _RETRYING.get(record.name)
    if home is None or error is None or record.levelno >= logging.ERROR:
        return event
    if isinstance(error, OSError) or type(error).__module__.startswith(home):
        del event["exc_info"]
        event["kind"], event["error"] = type(error).__name__, str(error).split("\n", 1)[0]
    return event


def _json(event: Mapping[str, Any], **_options: object) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()


def _route_stdlib(
    level: int,
    shared: Sequence[Processor],
    rendering: Sequence[Processor],
    stream: TextIO,
) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, _without_traceback],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
