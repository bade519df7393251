"""`tickflow up`: hands over to the local run."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import click

from shared.errors import LocalError
from shared.ops.local_run import ROOT
from shared.ops.session import Session, output_options, pass_session

_DURATION_S_MAX = 86_400.0
_SEED_MAX = 2**31 - 1


@click.command()
@click.option(
    "--duration",
    type=click.FloatRange(1, _DURATION_S_MAX),
    metavar="S",
    help="End by itself after so many seconds; exit 1 unless everything was seen to flow.",
)
@click.option("--seed", type=click.IntRange(0, _SEED_MAX), help="Seed of the sandbox's market.")
@click.option("--view/--no-view", default=True, help="Show figures while it runs.")
@output_options
@pass_session
def command(session: Session, duration: float | None, seed: int | None, *, view: bool) -> None:
    """Run the whole pipeline on this machine until Ctrl-C: servers, sandbox, four workers."""
    if not (ROOT / "deploy" / "local" / "__main__.py").is_file():
        raise LocalError("this installation has no local run: use a checkout of the project")
    shows_view = view and not (session.printer.is_quiet or session.printer.as_json)
    words = arguments(duration, seed, shows_view=shows_view)
    sys.stdout.flush()
    # The same process goes on as the other program: the terminal, its signals, the exit code.
    os.execve(sys.executable, words, environment(session.environ))  # noqa: S606  # our own program


def arguments(duration: float | None, seed: int | None, *, shows_view: bool) -> list[str]:
    """Return the command line of the local run."""
    # -P: a folder `deploy` where we happen to stand is not ours.
    words = [sys.executable, "-P", "-m", "deploy.local", "up"]
    if duration is not None:
        words += ["--duration", f"{duration:g}"]
    if seed is not None:
        words += ["--seed", str(seed)]
    return words if shows_view else [*words, "--no-view"]


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which the checkout's packages are found from anywhere."""
    paths = [str(ROOT), *filter(None, [environ.get("PYTHONPATH")])]
    return {**environ, "PYTHONPATH": os.pathsep.join(paths)}
