"""`tickflow orders resolve`: a person ends what nobody else can."""

from __future__ import annotations

import re

import click

from shared.ops.session import Session, output_options, pass_session

_AS = re.compile(r"(?P<accepted>accepted)(:(?P<order_id>[0-9A-Za-z-]{1,40}))?|never_arrived")


@click.command()
@click.argument("command_id")
@click.option(
    "--as", "found", required=True, metavar="accepted[:ORDER_ID]|never_arrived", help="What it is."
)
@click.option("--by", required=True, help="Your name, for the audit.")
@click.option("--reason", required=True, help="How you know.")
@click.option("--account", help="Otherwise TICKFLOW_ACCOUNT__ID.")
@output_options
@pass_session
def resolve(session: Session, /, **typed: str) -> None:
    """End COMMAND_ID, which is UNKNOWN or MANUAL, after looking at the broker's order book.

    A placement that is said to be accepted is followed from then on. One that never arrived is
    REFUSED; it is not sent again: use a new command_id. The broker's own row outranks both.
    A conversion has no id: it is accepted, or never_arrived.
    """
    from shared.ops.answers import line
    from shared.ops.database import database
    from shared.ops.reach import run
    from shared.ops.settings import account_of
    from shared.store.journal_hand import Resolution
    from shared.store.journal_hand import resolve as write
    from shared.wire.orders import OrderEvent

    said = _AS.fullmatch(typed["found"])
    if said is None:
        raise click.UsageError("--as must be accepted:ORDER_ID, accepted or never_arrived")
    resolution = Resolution(
        order_id=said["order_id"],
        is_accepted=said["accepted"] is not None,
        by=typed["by"].strip(),
        reason=typed["reason"].strip(),
    )
    if not resolution.by or not resolution.reason:
        raise click.UsageError("--by and --reason must say something")
    account = account_of(session.settings, typed["account"])

    async def ended() -> OrderEvent:
        async with database(session.settings) as pool:
            at_us = session.clock.now_ns() // 1_000
            return await write(pool, account, typed["command_id"], resolution, at_us=at_us)

    event = run(ended())
    if session.printer.as_json:
        session.printer.value(event)
    else:
        session.printer.answer(line(event))
