"""`tickflow streams`: what lies in the logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shared.ops.session import Session, output_options, pass_session

if TYPE_CHECKING:
    from rich.table import Table

    from shared.ops.settings import OpsSettings
    from shared.ops.stream_facts import StreamFacts


@click.group()
def command() -> None:
    """Look into the streams."""


@command.command()
@click.option("--match", default="*", help="Only streams of this name, with * for any text.")
@click.option(
    "--redis",
    "instance",
    type=click.Choice(["both", "ticks", "orders"]),
    default="both",
    show_default=True,
    help="Which of the two.",
)
@output_options
@pass_session
def info(session: Session, match: str, instance: str) -> None:
    """Show length, size, age and consumer groups of every stream."""
    from msgspec import to_builtins

    from shared.ops.outcome import NotFound
    from shared.ops.reach import run

    facts = run(_look(session.settings, match, instance))
    if not facts and match != "*":
        raise NotFound(f"no stream is called {match}")
    if session.printer.as_json:
        session.printer.value(to_builtins(facts))
    elif facts:
        session.printer.show(_table(facts))
    else:
        session.printer.note("there are no streams yet")


async def _look(settings: OpsSettings, match: str, instance: str) -> list[StreamFacts]:
    from shared.ops.reach import instances, reach
    from shared.ops.stream_facts import streams_of

    facts: list[StreamFacts] = []
    for each in instances(settings, instance):
        async with reach(settings, each) as redis:
            facts += await streams_of(redis, each, match=match)
    return facts


def _table(facts: list[StreamFacts]) -> Table:
    from shared.ops.tables import age, size, table

    rows = []
    for stream in facts:
        about = [
            *(stream.redis, stream.name, f"{stream.length:,}", size(stream.bytes)),
            *(age(stream.oldest_age_s), age(stream.newest_age_s)),
        ]
        lines = [
            [group.name, str(group.consumers), f"{group.pending:,}", age(group.lag_s)]
            for group in stream.groups
        ] or [["-"] * 4]
        rows += [
            [*(about if number == 0 else [""] * len(about)), *line]
            for number, line in enumerate(lines)
        ]
    headings = ("redis", "stream", "entries>", "size>", "oldest>", "newest>")
    return table((*headings, "group", "consumers>", "pending>", "lag>"), rows)
