"""Which contracts of an underlying are alive at an instant, by the exchange's calendar."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone

IST = timezone(timedelta(hours=5, minutes=30))

#: Derivatives trade until this time of day since 3 Aug 2026.
#: Source: digests of an NSE circular (2026-05).
EXPIRY_TIME = time(15, 40)

#: Weekday closures of NSE plus BSE. Source: the exchanges' 2026 holiday lists (read 2026-11).
HOLIDAYS = frozenset(
    {
        date(2026, 11, 10),
        date(2026, 11, 24),
        date(2026, 12, 25),
        date(2027, 1, 26),
        date(2027, 10, 2),
        date(2027, 12, 25),
    }
)

TUESDAY = calendar.TUESDAY
THURSDAY = calendar.THURSDAY
SATURDAY = calendar.SATURDAY
DAYS_PER_WEEK = 7
MONTHS_PER_YEAR = 12
_MONTH_DIGITS = "123456789OND"


@dataclass(frozen=True, slots=True, order=True)
class Expiry:
    """One expiry: its day after holidays, the month it belongs to, and its form of symbol."""

    day: date
    monthly: bool
    year: int
    month: int

    def instant_s(self) -> int:
        """Return the Unix second at which contracts of this expiry stop trading."""
        return expiry_instant_s(self.day)

    def code(self) -> str:
        """Return the part of a tradingsymbol naming this expiry: `26NOV` or `26N17`."""
        if self.monthly:
            return f"{self.year % 100:02d}{calendar.month_abbr[self.month].upper()}"
        digit = _MONTH_DIGITS[self.day.month - 1]
        return f"{self.day.year % 100:02d}{digit}{self.day.day:02d}"


@dataclass(frozen=True, slots=True)
class ExpiryRule:
    """How many weekly and monthly expiries an underlying lists, on which weekday."""

    weekday: int
    weeklies: int
    monthlies: int


def expiry_instant_s(day: date) -> int:
    """Return the Unix second of the end of trading on `day`."""
    return int(datetime.combine(day, EXPIRY_TIME, tzinfo=IST).timestamp())


def date_in_india(now_s: int) -> date:
    """Return the calendar day in India at the Unix second `now_s`."""
    return datetime.fromtimestamp(now_s, tz=UTC).astimezone(IST).date()


def is_trading_day(day: date) -> bool:
    """Say whether the exchanges open on `day`."""
    return day.weekday() < SATURDAY and day not in HOLIDAYS


def trading_day_on_or_before(day: date) -> date:
    """Return `day`, or the last trading day before it when the exchange is shut."""
    while not is_trading_day(day):
        day -= timedelta(days=1)
    return day


def live_expiries(rule: ExpiryRule, now_s: int) -> tuple[Expiry, ...]:
    """Return the expiries listed at `now_s`, nearest first; those past their instant are gone."""
    today = date_in_india(now_s)
    monthly = _monthlies(rule, today)
    weekly = _weeklies(rule, today) if rule.weeklies else []
    nearest_monthly = [found for found in monthly if found.instant_s() > now_s][: rule.monthlies]
    nearest_weekly = [found for found in weekly if found.instant_s() > now_s][: rule.weeklies]
    return tuple(sorted({*nearest_monthly, *nearest_weekly}))


def _monthlies(rule: ExpiryRule, today: date) -> list[Expiry]:
    found = []
    for ahead in range(rule.monthlies + 1):
        year, month = divmod(today.year * MONTHS_PER_YEAR + today.month - 1 + ahead, 12)
        nominal = _last_weekday(year, month + 1, rule.weekday)
        found.append(_expiry(nominal, rule.weekday))
    return found


def _weeklies(rule: ExpiryRule, today: date) -> list[Expiry]:
    # A week early, since a holiday may have moved the nearest expiry before `today`.
    first = today - timedelta(days=(today.weekday() - rule.weekday) % DAYS_PER_WEEK)
    days = [first + timedelta(weeks=week) for week in range(rule.weeklies + 2)]
    return [_expiry(nominal, rule.weekday) for nominal in days]


def _expiry(nominal: date, weekday: int) -> Expiry:
    monthly = nominal == _last_weekday(nominal.year, nominal.month, weekday)
    return Expiry(trading_day_on_or_before(nominal), monthly, nominal.year, nominal.month)


def _last_weekday(year: int, month: int, weekday: int) -> date:
    last = date(year, month, calendar.monthrange(year, month)[1])
    return last - timedelta(days=(last.weekday() - weekday) % DAYS_PER_WEEK)
