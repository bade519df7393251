"""`tickflow ticks`: the enriched stream, as it comes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from shared.ops.outcome import ExitCode
from shared.ops.session import Session, output_options, pass_session

if TYPE_CHECKING:
    from shared.ops.listed import Instruments, Names, Wanted
    from shared.ops.tick_rows import Records
    from shared.streams.client import Connection

#: Ticks printed of one read: a terminal shows no more, the stream may bring 100,000.
ROWS_PER_READ_MAX = 500


@dataclass(frozen=True, slots=True)
class Request:
    """What to print, until when."""

    wanted: Wanted
    mode: str
    count: int | None
    timeout_s: float | None


@dataclass(slots=True)
class _Seen:
    printed: int = 0
    skipped: int = 0


@click.group()
def command() -> None:
    """Watch enriched ticks."""


@command.command()
@click.option("--token", "tokens", type=click.IntRange(1), multiple=True, help="An instrument.")
@click.option("--symbol", "symbols", multiple=True, help="INFY or NSE:INFY.")
@click.option("--underlying", "underlyings", multiple=True, help="NIFTY: all that hangs on it.")
@click.option("--count", type=click.IntRange(1), help="Leave after so many ticks.")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0.1), metavar="S", help="Leave after so long."
)
@click.option(
    "--mode",
    type=click.Choice(["ltp", "quote", "greeks", "full"]),
    default="greeks",
    show_default=True,
    help="Which fields.",
)
@output_options
@click.pass_context
@pass_session
def tail(session: Session, context: click.Context, /, **typed: Any) -> None:
    """Print ticks as they come, until Ctrl-C: lines of text, or JSON lines.

    Without a filter every instrument is shown. Exit 4 if the time ran out before any tick came.
    """
    from shared.ops.listed import Wanted
    from shared.ops.reach import run

    wanted = Wanted(typed["tokens"], typed["symbols"], typed["underlyings"])
    request = Request(wanted, typed["mode"], typed["count"], typed["timeout_s"])
    seen = _Seen()
    with contextlib.suppress(KeyboardInterrupt):
        run(_tail(session, request, seen))
    if seen.skipped:
        session.printer.note(f"{seen.skipped:,} ticks came too fast to be shown; filter them")
    if not seen.printed and request.timeout_s is not None:
        session.printer.note(f"no tick in {request.timeout_s:g} s")
        context.exit(ExitCode.NOT_FOUND)


async def _tail(session: Session, request: Request, seen: _Seen) -> None:
    from shared.ops.listed import Names, select
    from shared.ops.reach import reach
    from shared.ops.tail import Deadline, reads, records_of
    from shared.ops.tick_rows import heading, rows_of
    from shared.streams import published
    from shared.wire import topics

    async with reach(session.settings, "ticks") as redis:
        _, instruments = await published.get_instruments(redis)
        chosen = select(instruments, request.wanted)
        shards = await _shards(redis, chosen, is_all=request.wanted.is_all)
        names = Names(instruments)
        tokens = [] if request.wanted.is_all else chosen["instrument_token"].tolist()
        if not session.printer.as_json:
            session.printer.answer(heading(request.mode))
        positions = {topics.ENRICHED_TICKS.name(shard): "$" for shard in shards}
        async for entries in reads(redis, positions, Deadline(session.clock, request.timeout_s)):
            room = ROWS_PER_READ_MAX
            for entry in entries:
                rows = rows_of(records_of(entry), tokens)
                left = room if request.count is None else min(room, request.count - seen.printed)
                _print(session, request.mode, rows[:left], names)
                seen.printed += len(rows[:left])
                room -= len(rows[:left])
                if request.count is not None and seen.printed >= request.count:
                    return
                seen.skipped += len(rows) - len(rows[:left])


async def _shards(redis: Connection, chosen: Instruments, *, is_all: bool) -> list[int]:
    from shared.ops.outcome import Degraded
    from shared.streams import published

    if not is_all:
        shards: list[int] = sorted(set(chosen["shard"].tolist()))
        return shards
    shard_map = await published.get_shard_map(redis)
    if shard_map is None:
        raise Degraded("no shard map is published yet: is ingest running?")
    return list(range(shard_map.shards))


def _print(session: Session, mode: str, rows: Records, names: Names) -> None:
    from shared.ops.tick_rows import as_json, line

    for record in rows:
        symbol = names.of(int(record["instrument_token"]))
        if session.printer.as_json:
            session.printer.value(as_json(record, symbol, mode))
        else:
            session.printer.text(line(record, symbol, mode))
