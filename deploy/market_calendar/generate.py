"""Write shared/market/calendar_library.toml from two maintained libraries of exchange holidays.

Once a year, after the exchanges published the next one, in an environment of its own:
    python -m pip install -r deploy/market_calendar/requirements.txt
    python -m deploy.market_calendar.generate --first 2024-01-01 --last ... --read-on ...
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Final

SHEET: Final = Path(__file__).resolve().parents[2] / "shared" / "market" / "calendar_library.toml"
_SATURDAY: Final = 5
_HEADER: Final = """\
# Written by `python -m deploy.market_calendar.generate`; do not edit. What a person read in a
# circular belongs into calendar_circulars.toml, which wins.
"""


@dataclass(frozen=True, slots=True)
class Library:
    """The days from `first` to `last` on which a library says there is regular trading."""

    name: str
    sessions: frozenset[date]


@dataclass(frozen=True, slots=True)
class Period:
    """The days asked for, both ends included; the day of asking."""

    first: date
    last: date
    read_on: date


def sheet(period: Period, libraries: tuple[Library, Library]) -> str:
    """Return the sheet: a closed row for every weekday on which one of the libraries is closed.

    Where they disagree the row is of low confidence: one of them knows of a closure, or of a
    special session, that the other does not.
    """
    both = " and ".join(each.name for each in libraries)
    parts = [
        _HEADER,
        _table(
            "[sources.libraries]",
            ("title", f'"{both}"'),
            ("read_on", period.read_on),
            ("confidence", '"high"'),
        ),
        _table(
            "[[coverage]]",
            ("segments", '["NSE", "BSE", "NFO", "BFO"]'),
            ("first", period.first),
            ("last", period.last),
            ("source", '"libraries"'),
        ),
    ]
    for day in _weekdays(period):
        open_in = [day in each.sessions for each in libraries]
        if not all(open_in):
            parts.append(_closed(day, disputed=any(open_in)))
    return "\n".join(parts)


def _closed(day: date, *, disputed: bool) -> str:
    rows: list[tuple[str, object]] = [
        ("on", day),
        ("segments", '["NSE", "BSE", "NFO", "BFO"]'),
        ("name", '"holiday"'),
        ("kind", '"closed"'),
        ("source", '"libraries"'),
    ]
    if disputed:
        rows.append(("confidence", '"low"'))
    return _table("[[days]]", *rows)


def _table(heading: str, *rows: tuple[str, object]) -> str:
    return "\n".join((heading, *(f"{key} = {value}" for key, value in rows), ""))


def _weekdays(period: Period) -> Iterator[date]:
    day = period.first
    while day <= period.last:
        if day.weekday() < _SATURDAY:
            yield day
        day += timedelta(days=1)


def _libraries(period: Period) -> tuple[Library, Library]:
    import exchange_calendars  # type: ignore[import-not-found]  # see requirements.txt
    import pandas_market_calendars  # type: ignore[import-not-found]  # see requirements.txt

    bse = exchange_calendars.get_calendar("XBOM", start=period.first, end=period.last).sessions
    nse = pandas_market_calendars.get_calendar("NSE").valid_days(period.first, period.last)
    return (
        Library(f"exchange_calendars {version('exchange_calendars')} (XBOM)", _dates(bse)),
        Library(f"pandas_market_calendars {version('pandas_market_calendars')} (NSE)", _dates(nse)),
    )


def _dates(stamps: Iterable[object]) -> frozenset[date]:
    # Both are pandas timestamps; their text begins with the date.
    return frozenset(date.fromisoformat(str(stamp)[:10]) for stamp in stamps)


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    for flag in ("--first", "--last", "--read-on"):
        parser.add_argument(flag, type=date.fromisoformat, required=True, metavar="YYYY-MM-DD")
    asked = parser.parse_args()
    period = Period(asked.first, asked.last, asked.read_on)
    SHEET.write_text(sheet(period, _libraries(period)))


if __name__ == "__main__":
    main()
