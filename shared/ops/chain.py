"""`tickflow chain`: an option chain from the last ticks."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import click

from shared.ops.session import Session, output_options, pass_session

if TYPE_CHECKING:
    from shared.ops.chain_view import Chain, Window
    from shared.ops.listed import Instruments
    from shared.streams.client import Connection

#: The last ticks are brought up to date once a second.
LOOK_EVERY_S = 1.0


class Asked(NamedTuple):
    """Which chain somebody wants; no expiry is the nearest."""

    underlying: str
    expiry: int | None
    strikes: int


@click.command()
@click.argument("underlying")
@click.option(
    "--expiry",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="Otherwise the nearest that is not past.",
)
@click.option(
    "--strikes",
    type=click.IntRange(0, 1000),
    default=10,
    show_default=True,
    help="Strikes either side of the money.",
)
@click.option("--watch", is_flag=True, help="Look again every second, until Ctrl-C.")
@output_options
@pass_session
def command(
    session: Session,
    underlying: str,
    expiry: dt.datetime | None,
    strikes: int,
    *,
    watch: bool,
) -> None:
    """Show the option chain of UNDERLYING, such as NIFTY: calls left, puts right."""
    from shared.ops.reach import run

    wanted = int(f"{expiry:%Y%m%d}") if expiry else None
    with contextlib.suppress(KeyboardInterrupt):
        run(_show(session, Asked(underlying.upper(), wanted, strikes), watch=watch))


async def _show(session: Session, asked: Asked, *, watch: bool) -> None:
    from shared.ops.reach import heed_interrupt, reach

    async with reach(session.settings, "ticks") as redis:
        window, options = await _settle(session, redis, asked)
        chain = await _look(redis, window, options)
        if not watch:
            _print(session, chain)
            _complain(chain)
            return
        with _screen(session) as show:
            while True:
                show(await _look(redis, window, options))
                heed_interrupt()
                await asyncio.sleep(LOOK_EVERY_S)


async def _settle(session: Session, redis: Connection, asked: Asked) -> tuple[Window, Instruments]:
    from shared.ops.chain_view import Window
    from shared.ops.listed import choose_expiry, options_of
    from shared.ops.outcome import Degraded
    from shared.ops.tick_rows import date_number
    from shared.streams import published

    version, instruments = await published.get_instruments(redis)
    if not version:
        raise Degraded("no instruments are published yet: is ingest running?")
    options = options_of(instruments, asked.underlying)
    today = date_number(session.clock.now_ns())
    expiry = choose_expiry(options, asked.expiry, today)
    window = Window(asked.underlying, expiry, asked.strikes)
    return window, options[options["expiry"] == expiry]


async def _look(redis: Connection, window: Window, options: Instruments) -> Chain:
    import numpy as np

    from shared.ops.chain_view import build
    from shared.streams import published

    parts = []
    for shard in sorted(set(options["shard"].tolist())):
        tokens = options["instrument_token"][options["shard"] == shard].tolist()
        parts.append(await published.get_last_of(redis, shard, tokens))
    return build(window, options, np.concatenate(parts))


def _print(session: Session, chain: Chain) -> None:
    from shared.ops.chain_view import render

    if session.printer.as_json:
        session.printer.value(chain)
    else:
        session.printer.show(render(chain))


def _complain(chain: Chain) -> None:
    from shared.ops.outcome import Degraded

    if not chain.as_of_us:
        raise Degraded(f"no ticks of {chain.underlying} {chain.expiry} yet: is enrich running?")


@contextlib.contextmanager
def _screen(session: Session) -> Iterator[Callable[[Chain], None]]:
    """Give what shows a chain in place of the one before; below it where there is no terminal."""
    if session.printer.as_json or not sys.stdout.isatty():
        yield lambda chain: _print(session, chain)
        return
    from rich.live import Live

    from shared.ops.chain_view import render

    with Live(auto_refresh=False, screen=True) as live:
        yield lambda chain: live.update(render(chain), refresh=True)
