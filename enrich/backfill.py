"""`python -m enrich.backfill`: past candles and their Greeks through the query stream.

Progress goes to standard output as JSON, a line now and then, the last one with `ended`. Killed in
the middle it goes on at the next start: each answer is committed with the range that it covers.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any, Final, get_args

import msgspec

from shared.errors import PipelineError, SettingsError
from shared.runtime.numba_cache import prepare_numba_cache

if __name__ == "__main__":
    prepare_numba_cache()  # before the first import that compiles

from enrich.history import Backfill, Told
from enrich.history_choice import Choice, choose
from enrich.history_plan import day_range
from enrich.rates import with_rates
from enrich.settings import EnrichOptions
from shared.clock import Clock, SystemClock
from shared.runtime.outcome import ExitCode
from shared.runtime.process import exit_with_parent
from shared.runtime.settings import load
from shared.store.candles import CandleTable, Range
from shared.store.instruments import InstrumentTable
from shared.store.migrate import migrate
from shared.store.pool import open_pool
from shared.store.settings import PostgresSettings
from shared.streams.asking import asking
from shared.streams.client import connect
from shared.streams.settings import RedisSettings
from shared.wire.queries import CandlesOf, Interval, Reply

#: Patience with one answer, the executor's queue of turns included.
ANSWER_S: Final = 45.0
_SHOW_EVERY_S: Final = 0.2
#: Some ranges could not be fetched.
INCOMPLETE: Final = 3


class BackfillSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a backfill reads of the environment; prices with the live workers' parameters."""

    redis: RedisSettings
    postgres: PostgresSettings
    enrich: EnrichOptions = EnrichOptions()


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch what was asked for; return 0, 1 failed, 2 usage, 3 some ranges failed."""
    typed = _parser().parse_args(arguments)
    try:
        if typed.exit_with_parent:
            exit_with_parent(typed.exit_with_parent)
        settings = load(BackfillSettings, os.environ, name="enrich.backfill")
        settings = msgspec.structs.replace(settings, enrich=with_rates(settings.enrich))
        span = day_range(typed.first, typed.last)
        expiry = int(typed.expiry.replace("-", "")) if typed.expiry else 0
    except (SettingsError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.BAD_SETTINGS
    choice = Choice(
        names=tuple(typed.names),
        underlying=typed.underlying,
        expiry=expiry,
        strike_from=typed.strike_from,
        strike_to=typed.strike_to,
        interval=typed.interval,
        continuous=typed.continuous,
    )
    try:
        told = asyncio.run(_run(settings, choice, span, typed))
    except (PipelineError, BaseExceptionGroup) as error:
        sys.stderr.write(f"{_sentence(error)}\n")
        return ExitCode.CRASHED
    return INCOMPLETE if told.failures else ExitCode.CLEAN


async def _run(
    settings: BackfillSettings, choice: Choice, span: Range, typed: argparse.Namespace
) -> Told:
    clock = SystemClock()
    client = f"backfill-{secrets.token_hex(6)}"
    async with (
        open_pool(settings.postgres) as pool,
        connect(settings.redis.orders_url, name="backfill", settings=settings.redis) as redis,
        asking(redis, clock, client) as asker,
    ):
        await migrate(pool)
        wanted = choose(await InstrumentTable(pool).current(), choice)

        async def ask(query: CandlesOf) -> Reply | None:
            return await asker.ask(typed.account, query, ANSWER_S)

        parameters = settings.enrich.pricing if typed.greeks else None
        backfill = Backfill(ask, CandleTable(pool), clock, parameters)
        told = await backfill.run(wanted, span, _Shown(clock))
    _write({**asdict(told), "ended": True})
    return told


class _Shown:
    """Writes how far it is, not more often than somebody can see."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due_s = 0.0
        self._now = ""

    def __call__(self, told: Told) -> None:
        if self._clock.monotonic_s() >= self._due_s or told.now != self._now:
            self._now = told.now
            self._due_s = self._clock.monotonic_s() + _SHOW_EVERY_S
            _write({**asdict(told), "ended": False})


def _write(values: Any) -> None:
    sys.stdout.write(msgspec.json.encode(values).decode() + "\n")
    sys.stdout.flush()


def _sentence(error: BaseException) -> str:
    """Return what went wrong; a bug travels on.

    Raises:
        BaseException: something else than one of our failures was among them.
    """
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(_sentence(each) for each in error.exceptions))
    if not isinstance(error, PipelineError):
        raise error
    return str(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m enrich.backfill", allow_abbrev=False)
    add: Callable[..., Any] = parser.add_argument
    add("names", nargs="*", metavar="EXCHANGE:SYMBOL")
    add("--account", required=True)
    add("--interval", choices=get_args(Interval), default="minute")
    add("--from", dest="first", type=_day, required=True, metavar="YYYY-MM-DD")
    add("--to", dest="last", type=_day, required=True, metavar="YYYY-MM-DD")
    add("--underlying", default="")
    add("--expiry", type=_day, metavar="YYYY-MM-DD")
    add("--strike-from", type=float, default=0.0)
    add("--strike-to", type=float, default=1e12)
    add("--continuous", action="store_true")
    add("--no-greeks", dest="greeks", action="store_false")
    add("--exit-with-parent", type=int, default=0, metavar="PID")
    return parser


def _day(text: str) -> str:
    return date.fromisoformat(text).isoformat()


if __name__ == "__main__":
    sys.exit(main())
