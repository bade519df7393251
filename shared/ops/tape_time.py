"""A moment on a tape as people type it."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone

import click

IST = timezone(timedelta(hours=5, minutes=30))
_NS = 10**9


def parse_from(text: str, first_ns: int, last_ns: int) -> int:
    """Return the Unix nanosecond meant by `text`.

    A time of day is one in India on the day the tapes begin; a date and time without a zone is in
    India, too.

    Raises:
        BadParameter: it is no time, or behind the end of the tapes.
    """
    at_ns = _moment_ns(text, first_ns)
    if at_ns > last_ns:
        end = datetime.fromtimestamp(last_ns // _NS, IST)
        raise click.BadParameter(f"--from {text}: the tapes end at {end.isoformat()}")
    return at_ns


def _moment_ns(text: str, first_ns: int) -> int:
    day = datetime.fromtimestamp(first_ns // _NS, IST).date()
    try:
        try:
            moment = datetime.combine(day, time.fromisoformat(text))
        except ValueError:
            moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"--from is {text!r}; it must be a time like 10:15 or 2026-11-24T10:15:00+05:30"
        ) from None
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=IST)
    return int(zoned.timestamp()) * _NS + zoned.microsecond * 1000
