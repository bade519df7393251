"""`tickflow orders`: commands to the executor, events from it."""

from __future__ import annotations

import contextlib
from typing import Any, get_args

import click

from shared.ops.orders_direct import spool
from shared.ops.orders_more import basket, convert, leave, send
from shared.ops.orders_resolve import resolve
from shared.ops.outcome import ExitCode, NotFound
from shared.ops.sending import (
    account_named,
    account_option,
    choice,
    drafted,
    options,
    send_command,
    sending_options,
)
from shared.ops.session import Session, output_options, pass_session
from shared.wire import order_fields as fields
from shared.wire import orders as wire

_variety = click.option("--variety", type=click.Choice(get_args(fields.Variety)))
_prices = options(
    click.option("--price", metavar="RUPEES", help="Limit, such as 101.55."),
    click.option("--trigger-price", metavar="RUPEES"),
    click.option("--disclosed-quantity", type=int),
    click.option("--market-protection", type=float, metavar="PERCENT"),
)
_pieces = options(
    click.option("--iceberg-legs", type=int),
    click.option("--iceberg-quantity", type=int, help="Of one leg."),
    click.option("--auction-number"),
    click.option("--autoslice", is_flag=True, default=None, help="Cut above the freeze quantity."),
    click.option("--on-partial", type=click.Choice(get_args(fields.OnPartial))),
)
_target = options(
    click.option("--target", "target_command_id", help="The command_id that placed the order."),
    click.option("--order-id", help="The broker's order_id."),
    _variety,
)


@click.group()
def command() -> None:
    """Place, change, cancel orders; see what became of them."""


@command.command()
@click.option("--exchange", type=choice(fields.Exchange), required=True)
@click.option("--symbol", "tradingsymbol", required=True, help="As Kite lists it.")
@click.option("--side", "transaction_type", type=choice(fields.Side), required=True)
@click.option("--quantity", type=int, required=True)
@click.option("--product", type=choice(fields.Product), required=True)
@click.option(
    "--type", "order_type", type=choice(fields.OrderType), default="LIMIT", show_default=True
)
@_prices
@click.option("--validity", type=choice(fields.Validity))
@click.option("--ttl-minutes", "validity_ttl_minutes", type=int)
@_variety
@_pieces
@click.option("--algo-id")
@sending_options
@pass_session
def place(session: Session, /, **typed: Any) -> None:
    """Place one order. Its command_id is printed before it is sent."""
    from shared.ops.drafts import check_place

    order, wait, account = drafted(session, wire.Place, typed)
    check_place(order)
    send_command(session, account, order, wait)


@command.command()
@_target
@click.option("--quantity", type=int)
@_prices
@click.option("--type", "order_type", type=choice(fields.OrderType))
@click.option("--validity", type=choice(fields.Validity))
@click.option("--expect-version", help="Only if the order is still as this version says.")
@click.option(
    "--exit",
    "is_exit",
    is_flag=True,
    default=None,
    help="May use the last modification, which is kept for getting out.",
)
@sending_options
@pass_session
def modify(session: Session, /, **typed: Any) -> None:
    """Change an open order."""
    from shared.ops.drafts import check_change, check_target

    change, wait, account = drafted(session, wire.Modify, typed)
    check_target(change)
    check_change(change)
    send_command(session, account, change, wait)


@command.command()
@_target
@click.option(
    "--direct",
    "direct_order_id",
    metavar="ORDER_ID",
    help="Straight to the broker from this machine, without Redis or PostgreSQL.",
)
@click.option("--by", default="operator", show_default=True, help="Who says so, with --direct.")
@sending_options
@pass_session
def cancel(session: Session, /, **typed: Any) -> None:
    """Cancel an open order; a cancel passes every guard.

    With --direct it leaves from this machine, which must be at the registered address; the
    account's api_key and token are read from settings alone. What came of it is kept in a file
    that `tickflow orders spool` writes into the journal.
    """
    from shared.ops.drafts import check_target

    order_id, by = typed.pop("direct_order_id"), typed.pop("by")
    if order_id is not None:
        from shared.ops.orders_direct import cancel_direct

        cancel_direct(session, order_id, variety=typed["variety"], by=by)
        return
    cancelling, wait, account = drafted(session, wire.Cancel, typed)
    check_target(cancelling)
    send_command(session, account, cancelling, wait)


@command.command()
@click.argument("command_id")
@account_option
@output_options
@pass_session
def show(session: Session, command_id: str, account: str | None) -> None:
    """Show every event of COMMAND_ID that the event stream still has."""
    from shared.ops.answers import line
    from shared.ops.reach import run

    named = account_named(session, account)
    events = run(_history(session, named, command_id))
    if not events:
        raise NotFound(f"no event of command {command_id} in account {named}")
    for event in events:
        if session.printer.as_json:
            session.printer.value(event)
        else:
            session.printer.text(line(event))


@command.command()
@account_option
@click.option("--count", type=click.IntRange(1), help="Leave after so many events.")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0.1), metavar="S", help="Leave after so long."
)
@output_options
@click.pass_context
@pass_session
def tail(
    session: Session,
    context: click.Context,
    account: str | None,
    count: int | None,
    timeout_s: float | None,
) -> None:
    """Print the account's order events as they come, until Ctrl-C."""
    from shared.ops.reach import run

    seen = 0
    with contextlib.suppress(KeyboardInterrupt):
        seen = run(_tail(session, account_named(session, account), count, timeout_s))
        if not seen and timeout_s is not None:
            session.printer.note(f"no event in {timeout_s:g} s")
            context.exit(ExitCode.NOT_FOUND)


for more in (leave, convert, basket, send):
    command.add_command(more)
command.add_command(resolve)
command.add_command(spool)


async def _history(session: Session, account: str, command_id: str) -> list[wire.OrderEvent]:
    from shared.ops.desk import Desk
    from shared.ops.reach import reach

    async with reach(session.settings, "orders") as redis:
        return await Desk(redis, account, session.clock).history(command_id)


async def _tail(session: Session, account: str, count: int | None, timeout_s: float | None) -> int:
    from shared.ops.answers import line
    from shared.ops.desk import Desk
    from shared.ops.reach import reach
    from shared.ops.tail import Deadline

    seen = 0
    async with reach(session.settings, "orders") as redis:
        desk = Desk(redis, account, session.clock)
        async for event in desk.tail(Deadline(session.clock, timeout_s)):
            if session.printer.as_json:
                session.printer.value(event)
            else:
                session.printer.text(line(event))
            seen += 1
            if seen == count:
                break
    return seen
