"""`tickflow dlq`: entries that somebody gave up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shared.ops.outcome import NotFound
from shared.ops.session import Session, output_options, pass_session

if TYPE_CHECKING:
    from shared.ops.dead_desk import Kept

_stream = click.argument("stream")
_id = click.argument("letter_id")
_by = click.option("--by", default="", help="Your name for the audit; orders need it.")


@click.group()
def command() -> None:
    """Look at what was given up; play it back or throw it away.

    STREAM is the stream an entry came from, LETTER_ID its number among the dead. Entries of orders
    are played back one at a time, by a named person, never where the journal has the command or
    its time has passed; what becomes of them is kept in STREAM.dead.audit. Ticks are played back
    into Kafka where TICKS_BACKEND says that they travel there.
    """


@command.command("list")
@click.option("--stream", help="Only of this stream.")
@click.option("--reason", default="", help="Only reasons that contain this.")
@click.option("--older-than", "age_s", type=click.FloatRange(0), default=0.0, metavar="S")
@output_options
@pass_session
def list_letters(session: Session, stream: str | None, reason: str, age_s: float) -> None:
    """List dead letters, the oldest of each stream first."""
    from shared.ops.dead_desk import find_all
    from shared.ops.reach import run

    now_ms = session.clock.now_ns() // 1_000_000
    for kept in run(find_all(session.settings, stream)):
        # A server whose clock is ahead makes letters of the future; they too are to be seen.
        age_of_s = max(0, now_ms - kept.id.ms) / 1000
        if reason in kept.letter.reason and age_of_s >= age_s:
            _print(session, kept, age_of_s)


@command.command()
@_stream
@_id
@output_options
@pass_session
def show(session: Session, stream: str, letter_id: str) -> None:
    """Show everything that is known of one dead letter, its own bytes included."""
    from shared.ops.dead_desk import find
    from shared.ops.reach import run

    kept = run(find(session.settings, stream, letter_id))
    if kept is None:
        raise NotFound(f"{stream} has no dead letter {letter_id}")
    for name, value in kept.facts().items():
        if session.printer.as_json:
            continue
        session.printer.text(f"{name:<9} {value}")
    if session.printer.as_json:
        session.printer.value(kept.facts())


@command.command()
@_stream
@_id
@_by
@click.option("--dry-run", is_flag=True, help="Only say whether it may be played back.")
@output_options
@pass_session
def replay(session: Session, stream: str, letter_id: str, by: str, *, dry_run: bool) -> None:
    """Write the entry to its stream again, under a new number."""
    from shared.ops.dead_desk import play_back
    from shared.ops.reach import run

    entry_id = run(
        play_back(session.settings, session.clock, (stream, letter_id), by=by, is_dry=dry_run)
    )
    said = {"stream": stream, "letter_id": letter_id, "entry_id": entry_id}
    if session.printer.as_json:
        session.printer.value(said)
    else:
        session.printer.answer(f"{stream}: {f'entry {entry_id}' if entry_id else 'may go'}")


@command.command()
@_stream
@click.argument("letter_ids", nargs=-1, required=True)
@_by
@output_options
@pass_session
def purge(session: Session, stream: str, letter_ids: tuple[str, ...], by: str) -> None:
    """Throw dead letters away, by number; those of orders stay in the audit."""
    from shared.ops.dead_desk import throw_away
    from shared.ops.reach import run

    count = run(throw_away(session.settings, stream, letter_ids, by=by))
    if session.printer.as_json:
        session.printer.value({"stream": stream, "thrown_away": count})
    else:
        session.printer.answer(f"{stream}: {count} thrown away")


def _print(session: Session, kept: Kept, age_s: float) -> None:
    if session.printer.as_json:
        session.printer.value({**kept.facts(), "age_s": age_s})
        return
    letter = kept.letter
    session.printer.text(
        f"{letter.stream}  {kept.id}  {age_s:.0f} s  {letter.attempts} attempts  {letter.reason}"
    )
