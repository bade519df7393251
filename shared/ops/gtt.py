"""`tickflow gtt`: good-till-triggered orders through the executor."""

from __future__ import annotations

from typing import Any

import click

from shared.ops.sending import choice, drafted, options, send_command, sending_options
from shared.ops.session import Session, pass_session
from shared.wire import gtt as wire
from shared.wire import order_fields as fields

_trigger = options(
    click.option("--exchange", type=choice(fields.Exchange), required=True),
    click.option("--symbol", "tradingsymbol", required=True, help="As Kite lists it."),
    click.option("--side", "transaction_type", type=choice(fields.Side), required=True),
    click.option("--quantity", type=int, required=True),
    click.option("--product", type=choice(fields.Product), required=True),
    click.option("--last-price", metavar="RUPEES", required=True),
    click.option(
        "--trigger",
        "triggers",
        nargs=2,
        multiple=True,
        required=True,
        metavar="AT PRICE",
        help="Place at PRICE once AT is reached; two of them, the lower first: one cancels the "
        "other.",
    ),
)


@click.group()
def command() -> None:
    """Place, change, delete good-till-triggered orders; `tickflow query gtts` lists them."""


@command.command()
@_trigger
@sending_options
@pass_session
def place(session: Session, /, **typed: Any) -> None:
    """Leave an order that waits for its trigger."""
    wish, wait, account = drafted(session, wire.GttPlace, _whole(typed))
    send_command(session, account, wish, wait)


@command.command()
@click.argument("trigger_id", type=int)
@_trigger
@sending_options
@pass_session
def modify(session: Session, /, **typed: Any) -> None:
    """Replace all that a waiting trigger says."""
    wish, wait, account = drafted(session, wire.GttModify, _whole(typed))
    send_command(session, account, wish, wait)


@command.command()
@click.argument("trigger_id", type=int)
@sending_options
@pass_session
def delete(session: Session, /, **typed: Any) -> None:
    """Take a waiting trigger away."""
    wish, wait, account = drafted(session, wire.GttDelete, typed)
    send_command(session, account, wish, wait)


def _whole(typed: dict[str, Any]) -> dict[str, Any]:
    """Return what was typed as the command's own fields."""
    triggers = typed.pop("triggers")
    order = {name: typed.pop(name) for name in ("transaction_type", "quantity", "product")}
    return {
        **typed,
        "trigger_type": "single" if len(triggers) == 1 else "two-leg",
        "trigger_values": [at for at, _ in triggers],
        "orders": [{**order, "price": price} for _, price in triggers],
    }
