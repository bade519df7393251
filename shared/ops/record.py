"""`tickflow record`: raw ticks onto tapes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.ops.session import Session, output_options, pass_session

if TYPE_CHECKING:
    from shared.ops.settings import OpsSettings
    from shared.streams.recorder import Recorder
    from shared.streams.tape_deck import Recorded, TapeDeck, TapeTerms

_MIB = 1024 * 1024
_MINUTE_S = 60.0
_DURATION_S_MAX = 30 * 86_400.0
_SHARD_MAX = 65_535
#: Between two looks at the figures.
_LOOK_EVERY_S = 0.5


@click.group()
def command() -> None:
    """Record raw ticks onto tapes."""


@command.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("tapes"),
    show_default=True,
    help="Directory of the tapes; made if missing.",
)
@click.option(
    "--duration",
    type=click.FloatRange(0.1, _DURATION_S_MAX),
    metavar="S",
    help="End by itself after so many seconds.",
)
@click.option("--shards", default="", metavar="N,N-N", help="Which shards; all if not given.")
@click.option(
    "--rotate-mib", type=click.IntRange(1, 65_536), default=256, show_default=True,
    help="A new file at this size.",
)  # fmt: skip
@click.option(
    "--rotate-minutes", type=click.FloatRange(0.1, 1440), default=60.0, show_default=True,
    help="A new file at this age.",
)  # fmt: skip
@click.option(
    "--sync-s", type=click.FloatRange(0.1, 600), default=5.0, show_default=True,
    help="Seconds between fsyncs: what a power cut may cost.",
)  # fmt: skip
@click.option(
    "--keep-free-mib", type=click.IntRange(0), default=512, show_default=True,
    help="Stop before less than this is free on the disk.",
)  # fmt: skip
@output_options
@pass_session
def start(session: Session, /, **typed: Any) -> None:
    """Record until Ctrl-C, SIGTERM or --duration; every tape is closed whole.

    One file a shard, rotated by size, age and version of the instruments. `tickflow tapes verify`
    checks files, `tickflow replay` plays them.
    """
    from shared.ops.reach import run
    from shared.ops.shard_list import parse_shards
    from shared.streams.tape_deck import TapeDeck, TapeTerms

    shards = parse_shards(typed["shards"], _SHARD_MAX)
    terms = TapeTerms(
        directory=_directory(typed["out"]),
        rotate_bytes=typed["rotate_mib"] * _MIB,
        rotate_s=typed["rotate_minutes"] * _MINUTE_S,
        sync_s=typed["sync_s"],
        free_bytes_min=typed["keep_free_mib"] * _MIB,
    )
    deck = TapeDeck(terms, session.clock)
    try:
        run(_record(session, session.settings, deck, shards, typed["duration"]))
    finally:
        _report(session, terms, deck.recorded)


def _directory(out: Path) -> Path:
    from shared.errors import LocalError

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LocalError(f"directory {out} cannot be made: {error.strerror}") from error
    return out


async def _record(
    session: Session,
    settings: OpsSettings,
    deck: TapeDeck,
    shards: tuple[int, ...],
    duration_s: float | None,
) -> None:
    from shared.ops.interrupt import stop_on_interrupt
    from shared.ops.reach import reach
    from shared.streams.recorder import Recorder

    async with reach(settings, "ticks") as redis:
        recorder = Recorder(redis, deck, session.clock, shards=shards)
        with stop_on_interrupt() as stopping:
            async with asyncio.TaskGroup() as group:
                showing = group.create_task(
                    _show(session, deck, recorder, duration_s, stopping), name="show"
                )
                try:
                    await recorder.run(stopping)
                finally:
                    showing.cancel()


async def _show(
    session: Session,
    deck: TapeDeck,
    recorder: Recorder,
    duration_s: float | None,
    stopping: asyncio.Event,
) -> None:
    """Draw the figures until the time is over, then ask for the end."""
    from shared.ops.progress import Figures, progress
    from shared.runtime.supervise import pause

    began_s = session.clock.monotonic_s()
    with progress(session.printer, session.clock, "recording", duration_s) as shown:
        while not stopping.is_set():
            elapsed_s = session.clock.monotonic_s() - began_s
            left_s = _LOOK_EVERY_S if duration_s is None else duration_s - elapsed_s
            if left_s <= 0:
                stopping.set()
            done = deck.recorded
            words = recorder.trouble or (
                f"{len(recorder.shards)} shards, {len(done.files)} files"
                if recorder.shards
                else "waiting for a shard map"
            )
            shown(Figures(elapsed_s, done.packets, done.stored_bytes, words))
            await pause(stopping, max(0.0, min(_LOOK_EVERY_S, left_s)))


def _report(session: Session, terms: TapeTerms, recorded: Recorded) -> None:
    from dataclasses import asdict

    from shared.ops.tables import size

    if session.printer.as_json:
        session.printer.value({"directory": str(terms.directory), **asdict(recorded)})
        return
    for path in recorded.files:
        session.printer.text(path)
    session.printer.note(
        f"{recorded.packets:,} packets in {len(recorded.files)} tapes, "
        f"{size(recorded.raw_bytes)} in {size(recorded.stored_bytes)}"
    )
    for count, what in (
        (recorded.missed_entries, "entries were trimmed before they were read"),
        (recorded.unreadable_entries, "entries are not what they claim to be"),
    ):
        if count:
            session.printer.note(f"{count:,} {what}")
