"""`python -m deploy.local`: the whole pipeline on this machine."""

from __future__ import annotations

import asyncio
import os
import sys

import click
from rich.console import Console

from deploy.local.clean import remove_state
from deploy.local.pipeline import Request
from deploy.local.settings import RunSettings
from deploy.local.up import Options, Session
from deploy.local.up import up as run
from shared.clock import SystemClock
from shared.errors import LocalError, SettingsError
from shared.runtime import logs
from shared.runtime.outcome import ExitCode
from shared.runtime.settings import LogSettings, load

_DURATION_S_MAX = 86_400.0
_SEED_MAX = 2**31 - 1


@click.group()
def main() -> None:
    """Run the whole pipeline on this machine."""


@main.command()
@click.option(
    "--duration",
    type=click.FloatRange(1, _DURATION_S_MAX),
    help="End by itself after so many seconds; exit 1 unless everything was seen to flow.",
)
@click.option("--seed", type=click.IntRange(0, _SEED_MAX), default=1, help="The sandbox's market.")
@click.option("--view/--no-view", default=True, help="Show figures while it runs.")
def up(duration: float | None, seed: int, *, view: bool) -> None:
    """Start servers, sandbox, workers; show what flows; drain at Ctrl-C."""
    clock = SystemClock()
    logs.configure(LogSettings(level="warning"), worker="local", clock=clock, stream=sys.stderr)
    session = Session(
        request=Request(settings=_settings(), seed=seed, environment=os.environ),
        options=Options(duration_s=duration, shows_view=view),
        clock=clock,
        console=Console(),
    )
    sys.exit(asyncio.run(run(session)))


@main.command()
def clean() -> None:
    """Remove what local runs left: data, logs, secrets."""
    try:
        for path in asyncio.run(remove_state(_settings().state)):
            click.echo(f"removed {path}")
    except LocalError as error:
        click.echo(f"tickflow: {error}", err=True)
        sys.exit(ExitCode.CRASHED)


def _settings() -> RunSettings:
    try:
        return load(RunSettings, os.environ, name="local")
    except SettingsError as error:
        click.echo(str(error), err=True)
        sys.exit(ExitCode.BAD_SETTINGS)


if __name__ == "__main__":
    main()
