"""Which candles are missing, and in which requests to fetch them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Final

from shared.kite.limits import CANDLE_DAYS_MAX
from shared.store.candles import Range

DAY_S: Final = 86_400
IST: Final = timezone(timedelta(hours=5, minutes=30))
IST_OFFSET_S: Final = 19_800
#: Seconds of one candle.
INTERVAL_S: Final = {
    "minute": 60,
    "3minute": 180,
    "5minute": 300,
    "10minute": 600,
    "15minute": 900,
    "30minute": 1_800,
    "60minute": 3_600,
    "day": DAY_S,
}
#: A reply holds 4 MiB: a month of minutes of the longest session fits, two do not.
_MINUTE_DAYS: Final = 30
#: A candle is believed to stay as it is so long after its end.
SETTLED_S: Final = 120


def gaps(wanted: Range, covered: Sequence[Range]) -> list[Range]:
    """Return what of `wanted` is not covered; `covered` is in order."""
    missing: list[Range] = []
    at_s = wanted.from_s
    for part in covered:
        if part.until_s <= at_s:
            continue
        if part.from_s >= wanted.until_s:
            break
        if part.from_s > at_s:
            missing.append(Range(at_s, part.from_s))
        at_s = part.until_s
    if at_s < wanted.until_s:
        missing.append(Range(at_s, wanted.until_s))
    return missing


def chunks(missing: Sequence[Range], interval: str) -> Iterator[Range]:
    """Yield ranges that one request each may ask for."""
    days = CANDLE_DAYS_MAX[interval] if interval != "minute" else _MINUTE_DAYS
    for gap in missing:
        for from_s in range(gap.from_s, gap.until_s, days * DAY_S):
            yield Range(from_s, min(from_s + days * DAY_S, gap.until_s))


def windows(changes: Sequence[int], wanted: Range) -> Iterator[tuple[int, Range]]:
    """Yield the parts of `wanted` between days of change, ascending, each with its first day.

    Days are India's, counted from 1970.
    """
    cuts_s = [day * DAY_S - IST_OFFSET_S for day in changes]
    inside = [cut for cut in cuts_s if wanted.from_s < cut < wanted.until_s]
    edges = [wanted.from_s, *inside, wanted.until_s]
    for from_s, until_s in pairwise(edges):
        yield (from_s + IST_OFFSET_S) // DAY_S, Range(from_s, until_s)


def final_until_s(now_s: int, interval: str) -> int:
    """Return before which moment a candle must begin to never change again.

    A day's candle is final when the day is over in India.
    """
    if interval == "day":
        return (now_s + IST_OFFSET_S) // DAY_S * DAY_S - IST_OFFSET_S
    return now_s - INTERVAL_S[interval] - SETTLED_S


def india_text(at_s: int) -> str:
    """Return a moment as Kite takes it."""
    return datetime.fromtimestamp(at_s, tz=UTC).astimezone(IST).strftime("%Y-%m-%d %H:%M:%S")


def day_range(first: str, last: str) -> Range:
    """Return from the beginning of one day in India to the end of another, both YYYY-MM-DD.

    Raises:
        ValueError: a day that is none, or the last before the first.
    """
    begin = datetime.strptime(first, "%Y-%m-%d").replace(tzinfo=IST)
    end = datetime.strptime(last, "%Y-%m-%d").replace(tzinfo=IST) + timedelta(days=1)
    if end <= begin:
        raise ValueError(f"to must not be before from, {first}: it is {last}")
    return Range(int(begin.timestamp()), int(end.timestamp()))
