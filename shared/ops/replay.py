"""`tickflow replay`: tapes back into raw streams."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.ops.outcome import ExitCode
from shared.ops.session import Session, output_options, pass_session

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from shared.streams.client import Connection
    from shared.streams.replayer import Played, Replayer
    from shared.streams.tape_shelf import Shelf

_SPEED_MAX = 100_000.0
_OFFSET_MAX = 65_535
#: Of a tape's time that goes out together at 1x: below what anybody can see.
_SPAN_NS = 2_000_000
_LOOK_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class _Request:
    speed: float | None
    to_redis: str | None
    from_text: str | None
    shard_offset: int
    is_forced: bool


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True),
    metavar="FILE...",
)
@click.option("--speed", default="1", show_default=True, metavar="N|max", help="1, 10, 0.5, max.")
@click.option("--to-redis", metavar="URL", help="Another Redis than that of ticks in the settings.")
@click.option(
    "--from", "from_text", metavar="TIME", help="Start there: 10:15, or 2026-11-24T10:15:00+05:30."
)
@click.option(
    "--shard-offset", type=click.IntRange(0, _OFFSET_MAX), default=0, show_default=True,
    help="Write to shards this much higher than those recorded.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Even where a live ingest writes.")
@output_options
@click.pass_context
@pass_session
def command(session: Session, context: click.Context, /, **typed: Any) -> None:
    """Write tapes into raw streams, so that workers take them for live ticks.

    Packets and receive times are as recorded. At `max` consumer groups are waited for. A time of
    day means India, on the day the tapes begin. Refused where a live ingest writes. Exit 3 if a
    tape was damaged: it is played up to there.
    """
    from shared.ops.reach import run
    from shared.streams.tape_shelf import Shelf

    request = _Request(
        speed=parse_speed(typed["speed"]),
        to_redis=typed["to_redis"],
        from_text=typed["from_text"],
        shard_offset=typed["shard_offset"],
        is_forced=typed["force"],
    )
    shelf = Shelf(typed["files"])
    played = run(_replay(session, shelf, request))
    _report(session, shelf, played)
    if shelf.damages:
        context.exit(ExitCode.DEGRADED)


def parse_speed(text: str) -> float | None:
    """Return how many seconds of the tape pass in one, None for as fast as possible.

    Raises:
        BadParameter: neither a number above 0 nor `max`.
    """
    if text == "max":
        return None
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0.0 < speed <= _SPEED_MAX:
        raise click.BadParameter(
            f"--speed is {text!r}; it must be above 0, at most {_SPEED_MAX:g}, or max"
        )
    return speed


async def _replay(session: Session, shelf: Shelf, request: _Request) -> Played:
    from shared.ops.interrupt import stop_on_interrupt
    from shared.ops.tape_time import parse_from
    from shared.streams.live_writers import refuse_live
    from shared.streams.replayer import Replayer
    from shared.wire.playback import Cut

    first_ns, last_ns = await asyncio.to_thread(shelf.span_ns)
    from_ns = parse_from(request.from_text, first_ns, last_ns) if request.from_text else 0
    async with _target(session, request) as redis:
        if not request.is_forced:
            shards = [shard + request.shard_offset for shard in shelf.shards]
            await refuse_live(redis, shards)
        await _publish(session, shelf, redis)
        replayer = Replayer(
            redis, session.clock, speed=request.speed, shard_offset=request.shard_offset
        )
        span_ns_max = round(_SPAN_NS * request.speed) if request.speed else 0
        slices = shelf.slices(Cut(span_ns_max=span_ns_max, from_ns=from_ns))
        with stop_on_interrupt() as stopping:
            async with asyncio.TaskGroup() as group:
                showing = group.create_task(
                    _show(session, replayer, (max(from_ns, first_ns), last_ns)), name="show"
                )
                try:
                    await replayer.run(slices, stopping)
                finally:
                    showing.cancel()
    return replayer.played


def _target(session: Session, request: _Request) -> AbstractAsyncContextManager[Connection]:
    from msgspec.structs import replace

    from shared.ops.reach import reach
    from shared.secret import Secret

    settings = session.settings
    if request.to_redis:
        redis = replace(settings.redis, ticks_url=Secret(request.to_redis))
        settings = replace(settings, redis=redis)
    return reach(settings, "ticks")


async def _publish(session: Session, shelf: Shelf, redis: Connection) -> None:
    """Publish the tapes' instruments where there are none; workers need them."""
    from shared.streams import published
    from shared.wire.reference import LAYOUTS

    market = await asyncio.to_thread(shelf.market)
    there = await published.get_instruments_version(redis)
    if there:
        if market is not None and market.version != there:
            session.printer.note(
                f"instruments {there} are published there, the tapes were recorded under "
                f"{market.version}: packets of others are unknown to workers"
            )
        return
    if market is None:
        session.printer.note("the tapes hold no instruments: workers need them published there")
        return
    await published.put_layouts(redis, LAYOUTS)
    await published.put_shard_map(redis, market.shard_map)
    await published.put_instruments(redis, market.version, market.instruments)
    session.printer.note(f"published {len(market.instruments):,} instruments {market.version}")


async def _show(session: Session, replayer: Replayer, span: tuple[int, int]) -> None:
    from shared.ops.progress import Figures, progress

    first_ns, last_ns = span
    total_s = max(1e-9, (last_ns - first_ns) / 1e9)
    with progress(session.printer, session.clock, "replaying", total_s) as shown:
        while True:
            played = replayer.played
            late = f"{played.late_s:.1f} s late" if played.late_s > _LOOK_EVERY_S else ""
            done_s = max(0.0, (played.at_ns - first_ns) / 1e9)
            shown(Figures(done_s, played.packets, played.bytes, late))
            await asyncio.sleep(_LOOK_EVERY_S)


def _report(session: Session, shelf: Shelf, played: Played) -> None:
    from dataclasses import asdict

    from shared.ops.tables import size

    damages = {str(path): str(damage) for path, damage in shelf.damages.items()}
    if session.printer.as_json:
        session.printer.value({**asdict(played), "damages": damages})
        return
    session.printer.answer(
        f"{played.packets:,} packets in {played.entries:,} entries, {size(played.bytes)}"
    )
    for path, damage in damages.items():
        session.printer.note(f"{path}: {damage}; played up to there")
    for stream in dict.fromkeys(played.stalled):
        session.printer.note(f"a group of {stream} took nothing for long and was not waited for")
