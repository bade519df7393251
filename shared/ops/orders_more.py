"""`tickflow orders exit|basket|convert|send`: what comes to more, or less, than one order."""

from __future__ import annotations

from typing import IO, Any, get_args

import click

from shared.ops.sending import (
    Wait,
    account_named,
    choice,
    drafted,
    options,
    send_command,
    sending_options,
)
from shared.ops.session import Session, pass_session
from shared.wire import families, gtt
from shared.wire import order_fields as fields
from shared.wire import orders as wire

_instrument = options(
    click.option("--exchange", type=choice(fields.Exchange), required=True),
    click.option("--symbol", "tradingsymbol", required=True, help="As Kite lists it."),
)


@click.command("exit")
@_instrument
@click.option("--product", type=choice(fields.Product), required=True)
@click.option("--quantity", type=int, help="Otherwise all that nothing else may close.")
@click.option("--price", metavar="RUPEES", help="Closes by a LIMIT order; otherwise MARKET.")
@sending_options
@pass_session
def leave(session: Session, /, **typed: Any) -> None:
    """Close a position; refused where it is not known, or would do more than close it."""
    if typed["price"] is not None:
        typed["order_type"] = "LIMIT"
    leaving, wait, account = drafted(session, families.Exit, typed)
    send_command(session, account, leaving, wait)


@click.command()
@_instrument
@click.option("--side", "transaction_type", type=choice(fields.Side), required=True)
@click.option("--position", "position_type", type=click.Choice(["day", "overnight"]), required=True)
@click.option("--quantity", type=int, required=True)
@click.option("--from", "old_product", type=choice(fields.Product), required=True)
@click.option("--to", "new_product", type=choice(fields.Product), required=True)
@sending_options
@pass_session
def convert(session: Session, /, **typed: Any) -> None:
    """Change the product of a position, or of a part of it."""
    conversion, wait, account = drafted(session, gtt.Convert, typed)
    send_command(session, account, conversion, wait)


@click.command()
@click.argument("legs", type=click.File("rb"))
@click.option("--policy", type=click.Choice(get_args(families.Policy)))
@click.option("--advance-on", type=click.Choice(["complete", "accepted"]))
@sending_options
@pass_session
def basket(session: Session, /, legs: IO[bytes], **typed: Any) -> None:
    """Place the orders of LEGS, a JSON list of placements without a head (- reads stdin)."""
    typed["legs"] = _json(legs.read(), list[fields.Leg])
    placing, wait, account = drafted(session, families.Basket, typed)
    send_command(session, account, placing, wait)


@click.command()
@click.argument("command", type=click.File("rb"))
@sending_options
@pass_session
def send(session: Session, /, command: IO[bytes], **typed: Any) -> None:
    """Send COMMAND, any command as JSON (- reads stdin), as it stands; see docs/orders.md."""
    ready = _json(command.read(), wire.Command)
    wait = Wait(typed["wait_s"], typed["until"])
    send_command(session, account_named(session, typed["account"]), ready, wait)


def _json(text: bytes, kind: Any) -> Any:
    import msgspec

    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise click.UsageError(str(error)) from error
