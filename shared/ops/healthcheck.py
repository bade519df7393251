"""`tickflow healthcheck`: one worker's probe as an exit code."""

from __future__ import annotations

import click

from shared.ops.outcome import ExitCode
from shared.ops.session import Session, output_options, pass_session


@click.command()
@click.argument("room")
@click.option("--url", help="Address of the probe; otherwise the one in ops.probes.")
@click.option(
    "--endpoint",
    type=click.Choice(["readyz", "livez", "startupz"]),
    default="readyz",
    show_default=True,
    help="What to ask.",
)
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0.1, 60), metavar="S", help="Longest wait."
)
@output_options
@click.pass_context
@pass_session
def command(
    session: Session,
    context: click.Context,
    room: str,
    url: str | None,
    endpoint: str,
    timeout_s: float | None,
) -> None:
    """Ask the probe of ROOM: exit 0 if it is well, 3 if it is not, 1 if nobody answers."""
    from msgspec.structs import asdict

    from shared.ops.probes import ask

    address = url or _address_of(session, room)
    # A container asks every few seconds: with both given, no setting is read.
    patience_s = timeout_s or (2.0 if url else session.settings.ops.probe_timeout_s)
    finding = ask(room, address, f"/{endpoint}", timeout_s=patience_s)
    if session.printer.as_json:
        session.printer.value(asdict(finding))
    else:
        reasons = "; ".join(f"{name}: {why}" for name, why in finding.reasons.items())
        session.printer.answer(f"{room} {finding.state}" + (f" ({reasons})" if reasons else ""))
    if finding.state == "silent":
        context.exit(ExitCode.FAILURE)
    context.exit(ExitCode.OK if finding.is_ready else ExitCode.DEGRADED)


def _address_of(session: Session, room: str) -> str:
    from shared.errors import SettingsError
    from shared.ops.outcome import NotFound

    probes = session.settings.probes
    if not probes:
        raise SettingsError(f"where is the probe of {room}? Give --url or set TICKFLOW_OPS__PROBES")
    if room not in probes:
        raise NotFound(f"ops.probes names {', '.join(probes)}, not {room}")
    return probes[room]
