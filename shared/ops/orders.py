"""`tickflow orders`: commands to the executor, events from it."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from shared.ops.orders_direct import spool
from shared.ops.orders_resolve import resolve
from shared.ops.outcome import ExitCode, NotFound
from shared.ops.session import Session, output_options, pass_session
from shared.wire import order_fields as fields
from shared.wire import orders as wire

if TYPE_CHECKING:
    from shared.ops.answers import Until

F = TypeVar("F", bound=Callable[..., Any])

#: A command nobody took for so long is not what the operator wants any more, in seconds.
VALID_FOR_S = 60.0


@dataclass(frozen=True, slots=True)
class Wait:
    """How long to watch what becomes of a command, for what."""

    seconds: float
    until: Until


class _Word(click.Choice[str]):
    """One of a field's words, typed in capitals or not."""

    def normalize_choice(self, choice: str, ctx: click.Context | None) -> str:
        """Return what is compared, what the help shows."""
        del ctx
        return choice.upper()


def _choice(literal: Any) -> click.Choice[str]:
    return _Word([str(each) for each in get_args(literal)])


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


_variety = click.option("--variety", type=click.Choice(get_args(fields.Variety)))
_account = click.option("--account", help="Otherwise TICKFLOW_ACCOUNT__ID.")
_sending = _options(
    _account,
    click.option("--command-id", help="Unique for ever; otherwise a new UUIDv7."),
    click.option("--strategy", "strategy_id", help="Whose order it is."),
    click.option(
        "--valid-for",
        "valid_for_s",
        type=click.FloatRange(1, 86_400),
        metavar="S",
        help="Not sent later than this after the moment its id tells, else after now; "
        f"{VALID_FOR_S:g} for a placement or a change whose id tells one.",
    ),
    click.option(
        "--wait",
        "wait_s",
        type=click.FloatRange(0, 3600),
        default=0.0,
        metavar="S",
        help="Print what becomes of it, at most so long; sent again until it is received.",
    ),
    click.option(
        "--until",
        type=click.Choice(["received", "accepted", "final"]),
        default="accepted",
        show_default=True,
        help="What --wait waits for: the journal, the broker, the end.",
    ),
    output_options,
)
_prices = _options(
    click.option("--price", metavar="RUPEES", help="Limit, such as 101.55."),
    click.option("--trigger-price", metavar="RUPEES"),
    click.option("--disclosed-quantity", type=int),
    click.option("--market-protection", type=float, metavar="PERCENT"),
)
_pieces = _options(
    click.option("--iceberg-legs", type=int),
    click.option("--iceberg-quantity", type=int, help="Of one leg."),
    click.option("--auction-number"),
    click.option("--autoslice", is_flag=True, default=None, help="Cut above the freeze quantity."),
    click.option("--on-partial", type=click.Choice(get_args(fields.OnPartial))),
)
_target = _options(
    click.option("--target", "target_command_id", help="The command_id that placed the order."),
    click.option("--order-id", help="The broker's order_id."),
    _variety,
)


@click.group()
def command() -> None:
    """Place, change, cancel orders; see what became of them."""


@command.command()
@click.option("--exchange", type=_choice(fields.Exchange), required=True)
@click.option("--symbol", "tradingsymbol", required=True, help="As Kite lists it.")
@click.option("--side", "transaction_type", type=_choice(fields.Side), required=True)
@click.option("--quantity", type=int, required=True)
@click.option("--product", type=_choice(fields.Product), required=True)
@click.option(
    "--type", "order_type", type=_choice(fields.OrderType), default="LIMIT", show_default=True
)
@_prices
@click.option("--validity", type=_choice(fields.Validity))
@click.option("--ttl-minutes", "validity_ttl_minutes", type=int)
@_variety
@_pieces
@click.option("--algo-id")
@_sending
@pass_session
def place(session: Session, /, **typed: Any) -> None:
    """Place one order. Its command_id is printed before it is sent."""
    from shared.ops.drafts import check_place

    order, wait, account = _draft(session, wire.Place, typed)
    check_place(order)
    _send(session, account, order, wait)


@command.command()
@_target
@click.option("--quantity", type=int)
@_prices
@click.option("--type", "order_type", type=_choice(fields.OrderType))
@click.option("--validity", type=_choice(fields.Validity))
@click.option("--expect-version", help="Only if the order is still as this version says.")
@click.option(
    "--exit",
    "is_exit",
    is_flag=True,
    default=None,
    help="May use the last modification, which is kept for getting out.",
)
@_sending
@pass_session
def modify(session: Session, /, **typed: Any) -> None:
    """Change an open order."""
    from shared.ops.drafts import check_change, check_target

    change, wait, account = _draft(session, wire.Modify, typed)
    check_target(change)
    check_change(change)
    _send(session, account, change, wait)


@command.command()
@_target
@click.option(
    "--direct",
    "direct_order_id",
    metavar="ORDER_ID",
    help="Straight to the broker from this machine, without Redis or PostgreSQL.",
)
@click.option("--by", default="operator", show_default=True, help="Who says so, with --direct.")
@_sending
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
    cancelling, wait, account = _draft(session, wire.Cancel, typed)
    check_target(cancelling)
    _send(session, account, cancelling, wait)


@command.command()
@click.argument("command_id")
@_account
@output_options
@pass_session
def show(session: Session, command_id: str, account: str | None) -> None:
    """Show every event of COMMAND_ID that the event stream still has."""
    from shared.ops.answers import line
    from shared.ops.reach import run

    named = _account_of(session, account)
    events = run(_history(session, named, command_id))
    if not events:
        raise NotFound(f"no event of command {command_id} in account {named}")
    for event in events:
        if session.printer.as_json:
            session.printer.value(event)
        else:
            session.printer.text(line(event))


@command.command()
@_account
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
        seen = run(_tail(session, _account_of(session, account), count, timeout_s))
        if not seen and timeout_s is not None:
            session.printer.note(f"no event in {timeout_s:g} s")
            context.exit(ExitCode.NOT_FOUND)


command.add_command(resolve)
command.add_command(spool)


def _draft(session: Session, kind: type[_Kind], typed: dict[str, Any]) -> tuple[_Kind, Wait, str]:
    from shared.ops.drafts import draft, made_at_ns, new_command_id, valid_until_us

    now_ns = session.clock.now_ns()
    wait = Wait(typed.pop("wait_s"), typed.pop("until"))
    account = _account_of(session, typed.pop("account"))
    command_id = typed["command_id"] or new_command_id(now_ns, secrets.token_bytes(10))
    told_ns = made_at_ns(command_id)
    valid_for_s = typed.pop("valid_for_s")
    if valid_for_s is None and told_ns is not None and kind is not wire.Cancel:
        valid_for_s = VALID_FOR_S
    # From the id's own moment: typed again with the same id, it is the same command to the byte.
    typed["valid_until_us"] = valid_until_us(told_ns or now_ns, valid_for_s)
    typed["command_id"] = command_id
    return draft(kind, typed), wait, account


_Kind = TypeVar("_Kind", wire.Place, wire.Modify, wire.Cancel)


def _account_of(session: Session, named: str | None) -> str:
    from shared.ops.settings import account_of

    return account_of(session.settings, named)


def _send(session: Session, account: str, command: wire.Command, wait: Wait) -> None:
    from shared.ops.reach import run

    code = run(_send_and_watch(session, account, command, wait))
    click.get_current_context().exit(code)


async def _send_and_watch(
    session: Session, account: str, command: wire.Command, wait: Wait
) -> ExitCode:
    from shared.ops.answers import line, outcome
    from shared.ops.desk import Desk
    from shared.ops.reach import reach
    from shared.ops.tail import Deadline

    printer, command_id = session.printer, command.command_id
    async with reach(session.settings, "orders") as redis:
        desk = Desk(redis, account, session.clock)
        after = await desk.newest()
        # Before it is sent: whatever happens now, the operator can ask what became of it.
        if printer.as_json:
            printer.value({"command_id": command_id, "account": account})
        else:
            printer.text(command_id)
        await desk.send(command)
        if not wait.seconds:
            printer.note(f"sent; see what becomes of it: tickflow orders show {command_id}")
            return ExitCode.OK
        deadline = Deadline(session.clock, wait.seconds)
        async for event in desk.follow(command, after, deadline):
            if printer.as_json:
                printer.value(event)
            else:
                printer.text(line(event))
            if (code := outcome(event, wait.until)) is not None:
                return code
    printer.note(f"not {wait.until} within {wait.seconds:g} s: tickflow orders show {command_id}")
    return ExitCode.DEGRADED


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
