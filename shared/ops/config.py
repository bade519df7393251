"""`tickflow config`: the settings of a program, without starting it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import click

from shared.ops.session import Session, output_options, pass_session

if TYPE_CHECKING:
    from msgspec import Struct

    from shared.runtime.settings import Loaded

#: Where each program declares its settings, by name of module and struct.
ROOMS: dict[str, tuple[str, str]] = {
    "ingest": ("ingest.settings", "IngestSettings"),
    "enrich": ("enrich.settings", "EnrichSettings"),
    "executor": ("executor.settings", "ExecutorSettings"),
    "publisher": ("publisher.settings", "PublisherSettings"),
    "ops": ("shared.ops.settings", "OpsSettings"),
}
_ROOM = click.Choice(list(ROOMS))


@click.group()
def command() -> None:
    """Look at the settings of a program."""


@command.command()
@click.argument("room", type=_ROOM)
@click.option("--effective", is_flag=True, help="Every setting in force, defaults included.")
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@output_options
@pass_session
def show(session: Session, room: str, *, effective: bool, origin: bool) -> None:
    """Show what ROOM is told by file and environment; secrets stay hidden."""
    from shared.runtime.settings import DEFAULT_ORIGIN
    from shared.runtime.settings import effective as values_of

    loaded = _load(session, room)
    rows = [
        {"name": name, "value": value, "origin": loaded.origins[name]}
        for name, value in values_of(loaded.settings).items()
        if effective or loaded.origins[name] != DEFAULT_ORIGIN
    ]
    if session.printer.as_json:
        session.printer.value(rows)
        return
    if not rows:
        session.printer.note(f"{room} runs on its defaults; --effective shows them")
    for row in rows:
        source = f"    # {row['origin']}" if origin else ""
        session.printer.text(f"{row['name']} = {row['value']}{source}")


@command.command()
@click.argument("rooms", nargs=-1, required=True, type=_ROOM, metavar="ROOM...")
@output_options
@pass_session
def check(session: Session, rooms: tuple[str, ...]) -> None:
    """Check the settings of each ROOM as it would itself at its start; exit 2 where one is bad."""
    from shared.errors import SettingsError

    problems: list[str] = []
    for room in rooms:
        try:
            _load(session, room)
        except SettingsError as error:
            problems += str(error).splitlines()
        else:
            session.printer.note(f"{room}: settings are fine")
    if problems:
        raise SettingsError("\n".join(problems))
    if session.printer.as_json:
        session.printer.value({"rooms": rooms, "ok": True})


@command.command()
@click.argument("room", type=_ROOM)
@output_options
@pass_session
def env(session: Session, room: str) -> None:
    """Print an environment file with every setting of ROOM in it, commented out."""
    from msgspec.structs import asdict

    from shared.runtime.settings import describe, env_example

    rows = describe(_struct_of(room))
    if session.printer.as_json:
        session.printer.value([asdict(row) for row in rows])
    else:
        session.printer.text(env_example(rows).rstrip("\n"))


def _load(session: Session, room: str) -> Loaded[Struct]:
    from shared.ops.settings import load_operator
    from shared.runtime.settings import load_with_origins

    if room == "ops":
        return load_operator(session.environ, config=session.config)  # type: ignore[return-value]  # Loaded only gives
    loaded = load_with_origins(_struct_of(room), session.environ, name=room, file=session.config)
    check_together = getattr(importlib.import_module(ROOMS[room][0]), "check", None)
    if check_together is not None:
        check_together(loaded.settings)
    return loaded


def _struct_of(room: str) -> type[Struct]:
    """Import a program's settings by name.

    The one place where shared looks into a worker, and only when somebody asks on the command
    line: settings modules are data, they import no vendor.
    """
    module, name = ROOMS[room]
    struct_type: type[Struct] = getattr(importlib.import_module(module), name)
    return struct_type
