"""`tickflow tapes`: what lies on tapes, and whether it is sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shared.ops.outcome import ExitCode
from shared.ops.session import Session, output_options, pass_session

if TYPE_CHECKING:
    from shared.ops.tape_facts import TapeFacts

_FILES = click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True),
    metavar="FILE...",
)


@click.group()
def command() -> None:
    """Look into tapes."""


@command.command()
@_FILES
@output_options
@pass_session
def info(session: Session, files: tuple[Path, ...]) -> None:
    """Show shard, time, ticks and size of tapes, by their index; a directory means its tapes."""
    _tell(session, files, is_thorough=False)


@command.command()
@_FILES
@output_options
@click.pass_context
@pass_session
def verify(session: Session, context: click.Context, files: tuple[Path, ...]) -> None:
    """Read every byte of tapes; exit 3 if one is damaged or not closed, naming where.

    Everything before the damage is played all the same.
    """
    facts = _tell(session, files, is_thorough=True)
    if any(each.damage for each in facts):
        context.exit(ExitCode.DEGRADED)


def _tell(session: Session, files: tuple[Path, ...], *, is_thorough: bool) -> list[TapeFacts]:
    from msgspec import to_builtins

    from shared.ops.tape_facts import facts_of, table_of
    from shared.streams.tape_shelf import found

    facts = [facts_of(path, is_thorough=is_thorough) for path in found(files)]
    if session.printer.as_json:
        session.printer.value(to_builtins(facts))
        return facts
    session.printer.show(table_of(facts))
    for each in facts:
        if each.damage:
            session.printer.text(f"{each.file}: {each.damage}")
    return facts
