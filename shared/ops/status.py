"""`tickflow status`: one look at everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shared.ops.session import Session, output_options, pass_session

if TYPE_CHECKING:
    from shared.ops.condition import Condition


@click.command()
@output_options
@click.pass_context
@pass_session
def command(session: Session, context: click.Context) -> None:
    """Say whether workers are ready, servers answer, groups keep up, leases are held, all trade.

    Exit 0 if all is well, 3 if something is not, 1 if no server answers.
    """
    from msgspec import to_builtins

    from shared.ops.condition import complaints, verdict
    from shared.ops.looking import look
    from shared.ops.reach import run

    settings = session.settings
    condition = run(look(settings))
    found = complaints(condition, lag_s_max=settings.ops.lag_s_max)
    if session.printer.as_json:
        session.printer.value({"ok": not found, "complaints": found, **to_builtins(condition)})
    elif not session.printer.is_quiet:
        _show(session, condition, found)
    context.exit(verdict(condition, found))


def _why_unknown(session: Session) -> str:
    if not session.settings.postgres.url:
        return "TICKFLOW_POSTGRES__URL is not set"
    return "PostgreSQL does not answer"


def _show(session: Session, condition: Condition, found: list[str]) -> None:
    from shared.ops.tables import age, table

    printer = session.printer
    servers = [[each.name, "up" if each.ok else "away", each.detail] for each in condition.servers]
    printer.show(table(("server", "state", ""), servers))
    if condition.workers:
        workers = [
            [each.worker, each.state, "; ".join(f"{k}: {v}" for k, v in each.reasons.items())]
            for each in condition.workers
        ]
        printer.show(table(("worker", "state", ""), workers))
    else:
        printer.note("workers were not asked: TICKFLOW_OPS__PROBES names none\n")
    groups = [
        [group.name, stream.name, f"{group.pending:,}", age(group.lag_s)]
        for stream in condition.streams
        for group in stream.groups
    ]
    if groups:
        printer.show(table(("group", "stream", "pending>", "lag>"), groups))
    leases = [
        [each.name, each.owner or "nobody", str(each.fence), age(each.remaining_s)]
        for each in condition.leases
    ]
    if leases:
        printer.show(table(("lease", "owner", "fence>", "for>"), leases))
    if condition.switches is None:
        printer.note(f"trading switches are not known: {_why_unknown(session)}\n")
    if condition.publisher_url:
        printer.text(f"publisher at {condition.publisher_url}")
    for sentence in found or ["all is well"]:
        printer.text(sentence)
